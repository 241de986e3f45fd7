//! A configuration that is being filled in: the table of settings writes into it value by value.

use super::{
    Argon2Config, AuditConfig, BootstrapConfig, BreakerConfig, Config, DatabaseConfig, DeviceConfig,
    HttpConfig, KeyConfig, Limit, LimitConfig, LogConfig, LogoutConfig, OutgoingConfig, ParConfig,
    ProfileConfig, RegistrationConfig, RegistrationMode, SessionConfig, TlsFiles, TokenConfig, parse,
};
use crate::types::{Algorithm, ClientId, Issuer, Malformed, ScopeSet, Secret};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

/// The configuration so far, and what only makes sense together with other settings.
pub(super) struct Draft {
    pub(super) config: Config,
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) token_alg: Option<Algorithm>,
    pub(super) log_json: Option<bool>,
}

impl Draft {
    /// Every field there, none of them meaning anything yet: the table's defaults are written over it at once.
    pub(super) fn blank() -> Result<Self, Malformed> {
        const NO_LIMIT: Limit = Limit {
            rate: 0,
            period_s: 0,
            burst: 0,
        };
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let config = Config {
            issuer: Issuer::parse("http://localhost")?,
            listen: nowhere,
            management_listen: nowhere,
            management_token: None,
            tls: None,
            tls_1_3_only: false,
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            database: DatabaseConfig {
                url: Secret::new(String::new()),
                migration_url: None,
                audit_url: None,
                audit_retention_url: None,
                max_connections: 0,
                breaker: BreakerConfig::default(),
            },
            outgoing: OutgoingConfig::default(),
            master_key: None,
            tokens: TokenConfig {
                algorithms: Vec::new(),
                default_algorithm: Algorithm::RS256,
                access_ttl_s: 0,
                third_party_ttl_s: 0,
                strict_15min: false,
                leeway_s: 0,
                code_ttl_s: 0,
                refresh_ttl_s: 0,
            },
            device: DeviceConfig {
                ttl_s: 0,
                interval_s: 0,
                max_pending_per_client: 0,
                max_pending_per_address: 0,
            },
            par: ParConfig {
                required: false,
                ttl_s: 0,
                max_per_client: 0,
                max_per_address: 0,
            },
            session: SessionConfig {
                max_s: 0,
                idle_s: 0,
                strict_cookie: false,
                management: false,
            },
            registration: RegistrationConfig {
                mode: RegistrationMode::Off,
                scopes: ScopeSet::empty(),
                grant_types: Vec::new(),
                require_pkce: true,
                require_consent: true,
                max_clients: 0,
                unused_days: 0,
            },
            logout: LogoutConfig { tries: 0 },
            keys: KeyConfig {
                rsa_bits: 0,
                rotation_days: 0,
                data_rotation_days: 0,
                prepublish_s: 0,
                jwks_cache_s: 0,
            },
            bootstrap: BootstrapConfig {
                client_id: ClientId::parse("x")?,
                client_secret: None,
                username: String::new(),
                password: None,
            },
            limits: LimitConfig {
                standard: NO_LIMIT,
                expensive: NO_LIMIT,
                authentication: NO_LIMIT,
                sensitive: NO_LIMIT,
                public: NO_LIMIT,
                per_user: NO_LIMIT,
                per_key: NO_LIMIT,
                global: NO_LIMIT,
                count_failures_only: false,
                redis_url: None,
                redis_timeout_ms: 0,
                per_second_cap: None,
                per_tenant_cap: None,
                quota_month: None,
                spike_rate: None,
                throttle_start_percent: 0,
                throttle_max_delay_ms: 0,
                tighten_percent: 0,
                cooldown_s: 0,
            },
            http: HttpConfig {
                max_json: 0,
                max_form: 0,
                json_depth: 0,
                header_timeout_s: 0,
                body_timeout_s: 0,
                max_connections: 0,
                max_in_flight: 0,
                hsts_max_age_s: 0,
                cors_max_age_s: 0,
            },
            audit: AuditConfig {
                anchor: None,
                detail_days: 0,
                summary_years: 0,
            },
            profile: ProfileConfig { editable: Vec::new() },
            argon2: Argon2Config {
                memory_kib: 0,
                passes: 0,
                lanes: 0,
                parallel: 0,
            },
            log: LogConfig {
                json: true,
                filter: String::new(),
            },
            scopes: BTreeMap::new(),
            attributes: Arc::default(),
            scope_claims: BTreeMap::new(),
            warnings: Vec::new(),
        };
        Ok(Self {
            config,
            tls_cert: None,
            tls_key: None,
            token_alg: None,
            log_json: None,
        })
    }

    /// Settles what follows from several settings together. `terminal` is whether the log goes to one.
    pub(super) fn finish(mut self, terminal: bool) -> Config {
        self.config.tls = self
            .tls_cert
            .zip(self.tls_key)
            .map(|(certificate, key)| TlsFiles { certificate, key });
        let tokens = &mut self.config.tokens;
        let offered = &tokens.algorithms;
        let usual = if offered.contains(&Algorithm::RS256) {
            Some(Algorithm::RS256)
        } else {
            offered.first().copied()
        };
        if let Some(algorithm) = self.token_alg.or(usual) {
            tokens.default_algorithm = algorithm;
        }
        if tokens.strict_15min {
            tokens.third_party_ttl_s = tokens.third_party_ttl_s.min(900);
        }
        if self.config.argon2.parallel == 0 {
            self.config.argon2.parallel = usize::try_from(parse::cores()).unwrap_or(1);
        }
        self.config.log.json = self.log_json.unwrap_or(!terminal);
        for (_, limit) in self.config.limits.tiers_mut() {
            if limit.burst == 0 {
                limit.burst = limit.rate;
            }
        }
        self.config
    }
}
