//! The configuration as the server uses it: resolved from file, environment and flags, and valid by type.

mod check;
mod declared;
mod draft;
mod file;
pub mod master_key;
mod parse;
mod problem;
mod raw;
mod resolve;
mod setting;
pub mod settings;
#[cfg(test)]
mod tests;

pub use self::problem::{ConfigErrors, Origin, Problem};
pub use self::raw::Sources;
pub use self::resolve::{Entry, Resolved};
pub use self::setting::{Default, Setting, Shown};

use crate::types::{Algorithm, Attributes, ClientId, GrantType, Issuer, ScopeSet, Secret};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// The folder, below the working directory, that holds what is not in a database elsewhere.
pub const DATA_DIR: &str = "data";

/// Every setting, resolved. The table of settings is in `settings.rs`.
#[derive(Clone, Debug)]
pub struct Config {
    /// Issuer identifier and base of every URL.
    pub issuer: Issuer,
    /// Public listener.
    pub listen: SocketAddr,
    /// Health and metrics.
    pub management_listen: SocketAddr,
    /// Bearer token for `/metrics`; there whenever the management listener is not loopback.
    pub management_token: Option<Secret>,
    /// PEM files for TLS of the server's own.
    pub tls: Option<TlsFiles>,
    /// Whether TLS 1.2 is refused.
    pub tls_1_3_only: bool,
    /// Peers whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether connections from those peers begin with a PROXY header.
    pub proxy_protocol: bool,
    /// The databases.
    pub database: DatabaseConfig,
    /// Requests that the server makes.
    pub outgoing: OutgoingConfig,
    /// The text of the master keys, where it is set; otherwise the file `data/master.key` holds it.
    pub master_key: Option<Secret>,
    /// Tokens and their lifetimes.
    pub tokens: TokenConfig,
    /// The device grant.
    pub device: DeviceConfig,
    /// Pushed authorization requests.
    pub par: ParConfig,
    /// Browser sessions.
    pub session: SessionConfig,
    /// Clients that register themselves.
    pub registration: RegistrationConfig,
    /// Telling relying parties that a session is over.
    pub logout: LogoutConfig,
    /// What people may do with their own profile.
    pub profile: ProfileConfig,
    /// Signing keys.
    pub keys: KeyConfig,
    /// The first client and the first user.
    pub bootstrap: BootstrapConfig,
    /// Rate limits by tier.
    pub limits: LimitConfig,
    /// Bounds of requests.
    pub http: HttpConfig,
    /// The audit log.
    pub audit: AuditConfig,
    /// Password hashing.
    pub argon2: Argon2Config,
    /// The log.
    pub log: LogConfig,
    /// Texts of scopes for the consent page: scope, then language tag in lower case (empty for the default), then text.
    pub scopes: BTreeMap<String, BTreeMap<String, String>>,
    /// What is kept about people beyond the standard claims.
    pub attributes: Arc<Attributes>,
    /// Which attributes scopes give as claims.
    pub scope_claims: BTreeMap<String, Vec<String>>,
    /// What is allowed but unwise; logged at the start.
    pub warnings: Vec<String>,
}

/// PEM files.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// Certificate chain.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// Where things are stored. URLs hold passwords, hence secrets.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// The main database.
    pub url: Secret,
    /// Another role for migrations.
    pub migration_url: Option<Secret>,
    /// The audit store, where it is not beside the main database.
    pub audit_url: Option<Secret>,
    /// Another role for audit retention.
    pub audit_retention_url: Option<Secret>,
    /// Connections per store, 2 to 200.
    pub max_connections: u32,
    /// When the main database is left alone.
    pub breaker: BreakerConfig,
}

/// When a circuit breaker opens (R-LIM-28).
#[derive(Clone, Copy, Debug, Default)]
pub struct BreakerConfig {
    /// Opens when more than one use in twenty takes longer, in milliseconds: 50 to 10,000.
    pub latency_ms: u64,
    /// Opens when so many percent of the uses fail: 5 to 100.
    pub failed_percent: u32,
    /// What is looked at, in seconds: 1 to 300.
    pub window_s: u64,
    /// How long it stays open before one use tries, in seconds: 1 to 300.
    pub open_s: u64,
}

impl DatabaseConfig {
    /// URL and PostgreSQL schema of the audit store: what is set, a schema of the main database on PostgreSQL, a file of
    /// its own on SQLite.
    pub fn audit(&self) -> (Secret, Option<&'static str>) {
        self.audit_beside(&self.url)
    }

    /// The main database as migrations see it.
    pub fn migration(&self) -> &Secret {
        self.migration_url.as_ref().unwrap_or(&self.url)
    }

    /// The audit store as migrations see it: where it is a schema of the main database, in the role for migrations.
    pub fn audit_migration(&self) -> (Secret, Option<&'static str>) {
        self.audit_beside(self.migration())
    }

    fn audit_beside(&self, main: &Secret) -> (Secret, Option<&'static str>) {
        let url = match &self.audit_url {
            Some(url) => url.clone(),
            None if parse::is_postgres(main.expose()) => main.clone(),
            None => Secret::new(format!("sqlite://{DATA_DIR}/audit.db")),
        };
        let schema = parse::is_postgres(url.expose()).then_some("audit");
        (url, schema)
    }
}

/// Requests that the server makes itself.
#[derive(Clone, Debug)]
pub struct OutgoingConfig {
    /// PEM bundle trusted besides the system's.
    pub ca: Option<PathBuf>,
    /// Networks that may be reached although they are private or loopback.
    pub allow: Vec<IpNet>,
    /// After how many failures in a row a host is left alone, 1 to 100.
    pub failures: u32,
    /// How long, in seconds: 1 to 300.
    pub open_s: u64,
}

impl std::default::Default for OutgoingConfig {
    fn default() -> Self {
        Self {
            ca: None,
            allow: Vec::new(),
            failures: 5,
            open_s: 15,
        }
    }
}

/// Tokens. Lifetimes are in seconds.
#[derive(Clone, Debug)]
pub struct TokenConfig {
    /// Algorithms with keys of their own.
    pub algorithms: Vec<Algorithm>,
    /// What signs unless a client says otherwise.
    pub default_algorithm: Algorithm,
    /// Access tokens, 5 to 900.
    pub access_ttl_s: i64,
    /// Client-credentials tokens of third parties, 5 to 3600.
    pub third_party_ttl_s: i64,
    /// Caps every access token at 900.
    pub strict_15min: bool,
    /// Clock difference that is tolerated when a token is verified, 0 to 60.
    pub leeway_s: i64,
    /// Authorization codes, 5 to 60.
    pub code_ttl_s: i64,
    /// Token families, 60 to 604800, from sign-in.
    pub refresh_ttl_s: i64,
}

/// The device grant (RFC 8628).
#[derive(Clone, Debug)]
pub struct DeviceConfig {
    /// Life of device and user code, 60 to 1800 s.
    pub ttl_s: i64,
    /// Seconds between polls, 1 to 60.
    pub interval_s: i64,
    /// Requests of one client that wait at once, 1 to 100000.
    pub max_pending_per_client: i64,
    /// Requests from one address that wait at once, 1 to 100000.
    pub max_pending_per_address: i64,
}

/// Pushed authorization requests (RFC 9126).
#[derive(Clone, Debug)]
pub struct ParConfig {
    /// Whether no other authorization requests are taken.
    pub required: bool,
    /// How long one may wait for its browser, 5 to 600 s.
    pub ttl_s: i64,
    /// Requests of one confidential client that have no code yet, 10 to 10⁶.
    pub max_per_client: i64,
    /// Requests of public clients from one address, likewise.
    pub max_per_address: i64,
}

/// What people may do with their own profile.
#[derive(Clone, Debug)]
pub struct ProfileConfig {
    /// The claims that they may change.
    pub editable: Vec<&'static str>,
}

/// Browser sessions.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Absolute end, 300 to 28800 s.
    pub max_s: i64,
    /// End by idling, 300 to 28800 s.
    pub idle_s: i64,
    /// `SameSite=Strict` instead of `Lax`.
    pub strict_cookie: bool,
    /// Whether applications may watch the session in a frame (OpenID Connect Session Management 1.0).
    pub management: bool,
}

/// Telling relying parties that a session is over.
#[derive(Clone, Debug)]
pub struct LogoutConfig {
    /// Attempts at delivering a logout token, 1 to 100.
    pub tries: i64,
}

/// Signing keys.
#[derive(Clone, Debug)]
pub struct KeyConfig {
    /// Modulus of new RSA keys, 2048, 3072 or 4096.
    pub rsa_bits: u32,
    /// Age at which a key is replaced, 1 to 365 days.
    pub rotation_days: i64,
    /// Age at which the key that seals personal data is replaced, 1 to 365 days.
    pub data_rotation_days: i64,
    /// How long a key is published before it signs; at least the JWKS cache time.
    pub prepublish_s: i64,
    /// `max-age` of JWKS and metadata, 60 to 3600 s.
    pub jwks_cache_s: i64,
}

/// What the first start creates.
#[derive(Clone, Debug)]
pub struct BootstrapConfig {
    /// The first admin client.
    pub client_id: ClientId,
    /// Its secret, at least 32 characters; random where absent.
    pub client_secret: Option<Secret>,
    /// The first admin user.
    pub username: String,
    /// The user's password; random where absent.
    pub password: Option<Secret>,
}

/// Who may register clients (RFC 7591).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegistrationMode {
    /// Nobody: the endpoints are not there.
    Off,
    /// Whoever has an initial access token, or an access token with `clients:write`.
    Token,
    /// Anybody.
    Open,
}

/// Clients that register themselves, and what they may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationConfig {
    /// Who may register clients.
    pub mode: RegistrationMode,
    /// Scopes that such a client may have; none of the admin API.
    pub scopes: ScopeSet,
    /// Grants that such a client may have.
    pub grant_types: Vec<GrantType>,
    /// Whether it needs PKCE; public clients need it always.
    pub require_pkce: bool,
    /// Whether people are asked before it gets tokens for them.
    pub require_consent: bool,
    /// How many of them one tenant may have, 1 to 1000000.
    pub max_clients: i64,
    /// After so many days without a token one is deleted, 1 to 3650.
    pub unused_days: i64,
}

/// One tier: `rate` requests per period, `burst` at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Requests per period, 1 to 10⁹.
    pub rate: u32,
    /// The period, 1 to 86400 s.
    pub period_s: u32,
    /// Requests at once, 1 to 10⁹; `rate` where not set.
    pub burst: u32,
}

/// Rate limits by tier.
#[derive(Clone, Debug)]
pub struct LimitConfig {
    /// Ordinary requests, by client or address.
    pub standard: Limit,
    /// Exports, reports, key generation.
    pub expensive: Limit,
    /// Attempts with a secret, by address.
    pub authentication: Limit,
    /// Sensitive operations, each by caller.
    pub sensitive: Limit,
    /// Metadata and JWKS, by address.
    pub public: Limit,
    /// All requests of one user.
    pub per_user: Limit,
    /// All requests of one API key.
    pub per_key: Limit,
    /// All requests together.
    pub global: Limit,
    /// Count only failed sign-ins instead of all attempts.
    pub count_failures_only: bool,
    /// Redis or Valkey, where replicas count together; without it each counts by itself. Holds a password, hence a secret.
    pub redis_url: Option<Secret>,
    /// How long connecting to it and each of its answers may take, 10 to 5000 ms.
    pub redis_timeout_ms: u64,
    /// Requests of a client or address in one second, 1 to 10⁹.
    pub per_second_cap: Option<u32>,
    /// Requests of all clients of a tenant in one second, 1 to 10⁹.
    pub per_tenant_cap: Option<u32>,
    /// Requests of each client in a calendar month, 1 to 10⁹; absent where only plans say so.
    pub quota_month: Option<u32>,
    /// Requests of each client in one second and at once, 1 to 1000; absent where only plans say so.
    pub spike_rate: Option<u32>,
    /// From how much of a limit answers are delayed, 50 to 99 percent.
    pub throttle_start_percent: u32,
    /// The longest such delay, 0 to 5000 ms.
    pub throttle_max_delay_ms: u64,
    /// What is left of an address's limits while it is suspicious, 10 to 90 percent.
    pub tighten_percent: u32,
    /// How long an address has to be calm until it is not, 60 to 86400 s.
    pub cooldown_s: i64,
}

impl LimitConfig {
    /// Every tier by the name that it has in settings.
    fn tiers_mut(&mut self) -> [(&'static str, &mut Limit); 8] {
        [
            ("standard", &mut self.standard),
            ("expensive", &mut self.expensive),
            ("authentication", &mut self.authentication),
            ("sensitive", &mut self.sensitive),
            ("public", &mut self.public),
            ("per_user", &mut self.per_user),
            ("per_key", &mut self.per_key),
            ("global", &mut self.global),
        ]
    }
}

/// Bounds of requests.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Largest JSON body, 64 KiB to 10 MiB.
    pub max_json: usize,
    /// Largest form body, 8 KiB to 1 MiB.
    pub max_form: usize,
    /// Deepest JSON, 8 to 64.
    pub json_depth: usize,
    /// Time for the request's head, 1 to 60 s.
    pub header_timeout_s: u64,
    /// Time for the request's body, 1 to 60 s.
    pub body_timeout_s: u64,
    /// Connections served at once, 100 to 1000000.
    pub max_connections: usize,
    /// Requests worked on at once, 16 to 100000.
    pub max_in_flight: usize,
    /// `max-age` of HSTS, at least one year.
    pub hsts_max_age_s: u64,
    /// How long a preflight may be cached, 0 to 86400 s.
    pub cors_max_age_s: u64,
}

/// The audit log.
#[derive(Clone, Debug)]
pub struct AuditConfig {
    /// File or URL that gets every checkpoint.
    pub anchor: Option<String>,
    /// Days of detail; at least 365 in production.
    pub detail_days: u32,
    /// Years of summaries; at least 7 in production.
    pub summary_years: u32,
}

/// argon2id.
#[derive(Clone, Copy, Debug)]
pub struct Argon2Config {
    /// Memory in KiB, at least 19456.
    pub memory_kib: u32,
    /// Passes, at least 2.
    pub passes: u32,
    /// Lanes, at least 1.
    pub lanes: u32,
    /// Hashes at once.
    pub parallel: usize,
}

/// The log.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// JSON lines, or text for people.
    pub json: bool,
    /// Filter in the form of `tracing_subscriber::EnvFilter`.
    pub filter: String,
}
