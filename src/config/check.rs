//! What must hold between settings, and what is allowed but unwise.
//!
//! "In production" means that the issuer's host is not loopback.

use super::draft::Draft;
use super::parse::{is_placeholder, is_postgres};
use super::problem::{Origin, Problem};
use super::raw::Collected;
use super::setting::{Shown, variable};
use super::{Config, Limit, settings};
use crate::types::{Algorithm, Secret};
use std::net::SocketAddr;
use url::Url;

/// The check of one configuration.
pub(super) struct Check<'a> {
    given: &'a Collected,
    /// Settings whose values were refused already: nothing that depends on them is said.
    wrong: Vec<&'static str>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
}

impl<'a> Check<'a> {
    pub(super) fn new(given: &'a Collected, wrong: Vec<&'static str>) -> Self {
        Self {
            given,
            wrong,
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// What can only be seen before the settings have been put together.
    pub(super) fn draft(&mut self, draft: &Draft) {
        let tls = ["tls_cert", "tls_key"];
        if self.sound(&tls) && draft.tls_cert.is_some() != draft.tls_key.is_some() {
            let (there, missing) = if draft.tls_cert.is_some() {
                ("tls_cert", "tls_key")
            } else {
                ("tls_key", "tls_cert")
            };
            self.refuse(
                there,
                format!("needs {} as well", self.name(missing)),
                "both of them, or neither",
            );
        }
        if let Some(algorithm) = draft.token_alg
            && self.sound(&["tokens.algorithms"])
            && !draft.config.tokens.algorithms.contains(&algorithm)
        {
            let reason = format!("{algorithm} is not among {}", self.name("tokens.algorithms"));
            self.refuse("token.alg", reason, "one of tokens.algorithms");
        }
    }

    /// What must hold of the whole.
    pub(super) fn config(&mut self, config: &Config) {
        self.listeners(config);
        self.databases(config);
        self.keys(config);
        self.audit(config);
        self.secrets(config);
        self.limits(config);
    }

    fn listeners(&mut self, config: &Config) {
        if self.sound(&["issuer", "listen", "tls_cert", "tls_key", "trusted_proxies"]) {
            self.transport(config);
        }
        if self.sound(&["management_listen", "management_token"])
            && !config.management_listen.ip().is_loopback()
            && config.management_token.is_none()
        {
            let reason = format!(
                "needs {}: whoever reaches this address could read the metrics",
                self.name("management_token")
            );
            self.refuse(
                "management_listen",
                reason,
                "a loopback address, or any with that token",
            );
        }
        if let Some(token) = &config.management_token
            && token.expose().len() < 32
        {
            self.warn("management_token", "has less than 32 characters");
        }
        if self.sound(&["listen", "management_listen"])
            && same_listener(config.listen, config.management_listen)
        {
            let reason = format!("is the address of {} too", self.name("listen"));
            self.refuse("management_listen", reason, "an address of its own");
        }
        if config
            .trusted_proxies
            .iter()
            .any(|network| network.prefix_len() == 0)
        {
            self.warn(
                "trusted_proxies",
                "believes everybody's forwarding headers: any caller can claim any address",
            );
        }
    }

    /// Tokens and passwords do not travel in the clear, except on this machine.
    fn transport(&mut self, config: &Config) {
        let local = config.listen.ip().is_loopback();
        match (config.issuer.is_https(), &config.tls) {
            (true, None) if !local && config.trusted_proxies.is_empty() => self.refuse(
                "listen",
                format!(
                    "would serve plain HTTP on an address that is not loopback although the issuer is https: set {} and {} to serve TLS, or {} to the proxy that does",
                    self.name("tls_cert"), self.name("tls_key"), self.name("trusted_proxies")
                ),
                "a loopback address, or any with TLS or a trusted proxy",
            ),
            (true, None) if config.trusted_proxies.is_empty() => self.warn(
                "trusted_proxies",
                "is empty: the proxy that serves https for the issuer is not believed when it names the caller's address, so that all callers share one limit",
            ),
            (false, Some(_)) => self.warn("issuer", "is http although the listener speaks TLS: clients will not reach it under this name"),
            (false, None) if !local => self.warn("listen", "serves plain HTTP on an address that is not loopback"),
            _ => {}
        }
    }

    fn databases(&mut self, config: &Config) {
        let databases = [
            "database_url",
            "migration_database_url",
            "audit_database_url",
            "audit.retention_database_url",
        ];
        if !self.sound(&databases) {
            return;
        }
        let main = config.database.url.expose();
        let audit = config.database.audit_url.as_ref().map(Secret::expose);
        if let Some(migration) = &config.database.migration_url
            && is_postgres(migration.expose()) != is_postgres(main)
        {
            let reason = format!("is another kind of database than {}", self.name("database_url"));
            self.refuse(
                "migration_database_url",
                reason,
                "the same database in another role",
            );
        }
        if let Some(retention) = &config.database.audit_retention_url
            && is_postgres(retention.expose()) != is_postgres(audit.unwrap_or(main))
        {
            self.refuse(
                "audit.retention_database_url",
                "is another kind of database than the audit store",
                "the audit store in another role",
            );
        }
        if audit == Some(main) && !is_postgres(main) {
            let reason = format!("is the file of {}", self.name("database_url"));
            self.refuse("audit_database_url", reason, "a file of its own");
        }
    }

    fn keys(&mut self, config: &Config) {
        let keys = &config.keys;
        if !self.sound(&["keys.prepublish_s", "jwks.cache_s", "keys.rotation_days"]) {
            return;
        }
        if keys.prepublish_s < keys.jwks_cache_s {
            let reason = format!(
                "is shorter than {} ({} seconds): verifiers would meet tokens whose key they have not seen",
                self.name("jwks.cache_s"),
                keys.jwks_cache_s
            );
            let blamed = if self.given.values.contains_key("keys.prepublish_s") {
                "keys.prepublish_s"
            } else {
                "jwks.cache_s"
            };
            if blamed == "keys.prepublish_s" {
                self.refuse(blamed, reason, "at least jwks.cache_s");
            } else {
                let reason = format!(
                    "is longer than {} ({} seconds)",
                    self.name("keys.prepublish_s"),
                    keys.prepublish_s
                );
                self.refuse(blamed, reason, "at most keys.prepublish_s");
            }
        }
        if keys.prepublish_s >= keys.rotation_days * 86_400 {
            let reason = format!(
                "is not shorter than {} ({} days)",
                self.name("keys.rotation_days"),
                keys.rotation_days
            );
            self.refuse("keys.prepublish_s", reason, "less than keys.rotation_days");
        }
        if self.sound(&["tokens.algorithms"]) && !config.tokens.algorithms.contains(&Algorithm::RS256) {
            self.warn(
                "tokens.algorithms",
                "lacks RS256, which OpenID Connect clients may rely on (OpenID Connect Core section 15.1)",
            );
        }
    }

    fn audit(&mut self, config: &Config) {
        if !self.sound(&["issuer"]) || config.issuer.is_loopback() {
            return;
        }
        if self.sound(&["audit.detail_days"]) && config.audit.detail_days < 365 {
            self.refuse(
                "audit.detail_days",
                "is too short for a server that others reach",
                "365 to 36500 days",
            );
        }
        if self.sound(&["audit.summary_years"]) && config.audit.summary_years < 7 {
            self.refuse(
                "audit.summary_years",
                "is too short for a server that others reach",
                "7 to 100 years",
            );
        }
    }

    /// Where secrets are kept. In production none stands in the configuration file.
    fn secrets(&mut self, config: &Config) {
        let production = self.sound(&["issuer"]) && !config.issuer.is_loopback();
        for setting in settings::all() {
            let Some(given) = self.given.values.get(setting.key) else {
                continue;
            };
            let secret = match setting.shown {
                Shown::Plain => false,
                Shown::Hidden => true,
                Shown::Url => password_in(&given.text).is_some(),
            };
            let placeholder = setting.shown == Shown::Url
                && password_in(&given.text).is_some_and(|password| is_placeholder(&password));
            let by_file = format!("{}_FILE", setting.variable());
            if placeholder && production {
                self.refuse(
                    setting.key,
                    "the password in the URL is a placeholder",
                    "a password of its own",
                );
            } else if placeholder {
                self.warn(setting.key, "the password in the URL is a placeholder");
            }
            match given.origin {
                Origin::File(..) if secret && production => {
                    let allowed = format!("{by_file}, or {}_file in the configuration file", setting.key);
                    self.refuse(
                        setting.key,
                        "a secret must not stand in the configuration file",
                        &allowed,
                    );
                }
                Origin::Flag if secret => {
                    self.warn(
                        setting.key,
                        &format!("a flag can be read by everybody on this machine; use {by_file}"),
                    );
                }
                Origin::Environment if secret && production => {
                    self.warn(
                        setting.key,
                        &format!("the environment is inherited and often dumped; prefer {by_file}"),
                    );
                }
                _ => {}
            }
        }
    }

    fn limits(&mut self, config: &Config) {
        let limits = &config.limits;
        let advice: [(&str, Limit, u64, std::ops::RangeInclusive<u64>); 8] = [
            ("standard", limits.standard, 60, 10..=1_000),
            ("expensive", limits.expensive, 60, 1..=30),
            ("authentication", limits.authentication, 900, 3..=10),
            ("sensitive", limits.sensitive, 60, 5..=10),
            ("public", limits.public, 60, 30..=1_000),
            ("per_user", limits.per_user, 60, 30..=100),
            ("per_key", limits.per_key, 60, 100..=1_000),
            ("global", limits.global, 1, 10..=100_000),
        ];
        for (tier, limit, period, range) in advice {
            let rate = u64::from(limit.rate) * period / u64::from(limit.period_s.max(1));
            if !range.contains(&rate) {
                let (min, max) = (range.start(), range.end());
                self.warnings.push(format!(
                    "the limit {tier} lets {rate} requests pass in {period} s; advisable are {min} to {max}"
                ));
            }
        }
    }

    fn sound(&self, keys: &[&str]) -> bool {
        keys.iter().all(|key| !self.wrong.contains(key))
    }

    fn refuse(&mut self, key: &str, reason: impl Into<String>, allowed: &str) {
        let origin = self
            .given
            .values
            .get(key)
            .map_or(Origin::Default, |given| given.origin.clone());
        self.problems.push(Problem {
            name: self.name(key),
            origin,
            reason: reason.into(),
            allowed: allowed.to_owned(),
        });
    }

    fn warn(&mut self, key: &str, what: &str) {
        self.warnings.push(format!("{}: {what}", self.name(key)));
    }

    /// The setting's name as it was written; the variable's where it was not given.
    fn name(&self, key: &str) -> String {
        self.given
            .values
            .get(key)
            .map_or_else(|| variable(key), |given| given.name.clone())
    }
}

/// Whether two listeners would be in each other's way.
fn same_listener(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() != 0
        && a.port() == b.port()
        && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

/// The password in a URL, in the authority or as a parameter.
fn password_in(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    url.password().map(str::to_owned).or_else(|| {
        url.query_pairs()
            .find(|(name, _)| name == "password")
            .map(|(_, password)| password.into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(pairs: &[(&str, &str)], says: &[&str]) {
        let text = match Config::from_pairs(pairs) {
            Ok(config) => panic!("{pairs:?} passed: {:?}", config.warnings),
            Err(errors) => errors.to_string(),
        };
        for part in says {
            assert!(text.contains(part), "{pairs:?} misses {part:?}: {text}");
        }
    }

    fn accepted(pairs: &[(&str, &str)]) -> Config {
        Config::from_pairs(pairs).unwrap_or_else(|errors| panic!("{pairs:?}: {errors}"))
    }

    fn warned(pairs: &[(&str, &str)], says: &str) {
        let warnings = accepted(pairs).warnings;
        assert!(
            warnings.iter().any(|warning| warning.contains(says)),
            "{pairs:?}: {warnings:?}"
        );
    }

    const PUBLIC: (&str, &str) = ("issuer", "https://id.example");

    #[test]
    fn the_defaults_pass_without_a_warning() {
        assert_eq!(accepted(&[]).warnings, Vec::<String>::new());
    }

    #[test]
    fn an_http_issuer_is_for_loopback_hosts() {
        refused(
            &[("issuer", "http://id.example")],
            &["issuer", "must be https unless the host is loopback"],
        );
        accepted(&[("issuer", "http://127.0.0.1:8080")]);
    }

    #[test]
    fn r_cry_05_an_https_issuer_is_not_served_in_the_clear_to_others() {
        let open = ("listen", "0.0.0.0:8443");
        refused(
            &[PUBLIC, open],
            &[
                "listen",
                "plain HTTP",
                "GRANTOR_TLS_CERT",
                "GRANTOR_TRUSTED_PROXIES",
            ],
        );
        accepted(&[PUBLIC, open, ("trusted_proxies", "10.0.0.0/8")]);
        accepted(&[PUBLIC, open, ("tls_cert", "cert.pem"), ("tls_key", "key.pem")]);
        warned(&[PUBLIC], "share one limit");
        warned(&[open], "plain HTTP");
    }

    #[test]
    fn certificate_and_key_come_together() {
        refused(&[("tls_cert", "cert.pem")], &["tls_cert", "GRANTOR_TLS_KEY"]);
        refused(
            &[("GRANTOR_TLS_KEY", "key.pem")],
            &["GRANTOR_TLS_KEY", "GRANTOR_TLS_CERT"],
        );
    }

    #[test]
    fn the_management_listener_is_local_or_has_a_token() {
        let open = ("management_listen", "0.0.0.0:9090");
        refused(&[open], &["management_listen", "GRANTOR_MANAGEMENT_TOKEN"]);
        accepted(&[open, ("management_token", "Zk3vV0d9sO1pQmYx4u7wB2n6c8r5t1a0")]);
        warned(&[open, ("management_token", "Zk3vV0d9sO1p")], "32 characters");
        refused(
            &[("listen", "127.0.0.1:9090")],
            &["MANAGEMENT_LISTEN", "address of listen"],
        );
    }

    #[test]
    fn a_key_is_published_for_longer_than_it_is_cached() {
        refused(
            &[("keys.prepublish_s", "120")],
            &["keys.prepublish_s", "JWKS__CACHE_S (300"],
        );
        refused(
            &[("jwks.cache_s", "3600")],
            &["jwks.cache_s", "KEYS__PREPUBLISH_S (600"],
        );
        accepted(&[("keys.prepublish_s", "60"), ("jwks.cache_s", "60")]);
        refused(
            &[("keys.prepublish_s", "86400"), ("keys.rotation_days", "1")],
            &["keys.rotation_days"],
        );
    }

    #[test]
    fn the_default_algorithm_is_one_of_those_offered() {
        refused(&[("token.alg", "EdDSA")], &["token.alg", "EdDSA is not among"]);
        assert_eq!(accepted(&[]).tokens.default_algorithm, Algorithm::RS256);
        let config = accepted(&[("tokens.algorithms", "ES256,EdDSA")]);
        assert_eq!(config.tokens.default_algorithm, Algorithm::ES256);
        warned(&[("tokens.algorithms", "ES256,EdDSA")], "RS256");
    }

    #[test]
    fn c_01_the_strict_switch_caps_third_parties() {
        assert_eq!(accepted(&[]).tokens.third_party_ttl_s, 3600);
        assert_eq!(
            accepted(&[("token.strict_15min", "true")])
                .tokens
                .third_party_ttl_s,
            900
        );
    }

    #[test]
    fn audit_retention_has_a_minimum_in_production() {
        accepted(&[("audit.detail_days", "1"), ("audit.summary_years", "1")]);
        refused(
            &[PUBLIC, ("audit.detail_days", "364")],
            &["audit.detail_days", "365 to 36500"],
        );
        refused(
            &[PUBLIC, ("audit.summary_years", "6")],
            &["audit.summary_years", "7 to 100"],
        );
    }

    #[test]
    fn placeholders_are_no_secrets_wherever_they_stand() {
        for (key, value) in [
            ("bootstrap_client_secret", "changemechangemechangemechangeme"),
            ("bootstrap_client_secret", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
            ("bootstrap_password", "password123"),
            ("management_token", "change-me-please"),
            ("master_key", "k:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ] {
            refused(&[(key, value)], &[key, "placeholder"]);
        }
        let url = ("database_url", "postgres://grantor:changeme@127.0.0.1/grantor");
        refused(&[PUBLIC, url], &["database_url", "placeholder"]);
        warned(&[url], "placeholder");
        refused(
            &[("bootstrap_client_secret", "Zk3vV0d9sO1pQmYx4u7wB2n6c8r5t1a")],
            &["32 to 512 characters"],
        );
    }

    #[test]
    fn databases_of_different_kinds_do_not_stand_for_one() {
        refused(
            &[("migration_database_url", "postgres://m@db/x")],
            &["migration_database_url", "another kind"],
        );
        refused(
            &[("audit.retention_database_url", "postgres://m@db/x")],
            &["audit.retention", "another kind"],
        );
        refused(
            &[("audit_database_url", "sqlite://data/grantor.db")],
            &["audit_database_url", "is the file of"],
        );
        accepted(&[
            ("database_url", "postgres://a@db/x"),
            ("migration_database_url", "postgres://m@db/x"),
        ]);
    }

    #[test]
    fn limits_have_a_hard_range_and_an_advisable_one() {
        for (rate, fits) in [
            ("0", false),
            ("1", true),
            ("1000000000", true),
            ("1000000001", false),
        ] {
            assert_eq!(
                Config::from_pairs(&[("limits.standard.rate", rate)]).is_ok(),
                fits,
                "{rate}"
            );
        }
        warned(&[("limits.standard.rate", "100000")], "advisable are 10 to 1000");
        let scaled = [
            ("limits.standard.rate", "10"),
            ("limits.standard.period_seconds", "1"),
        ];
        assert_eq!(accepted(&scaled).warnings, Vec::<String>::new());
    }

    #[test]
    fn a_burst_is_the_rate_unless_it_is_set() {
        let limit = accepted(&[("limits.per_user.rate", "70")]).limits.per_user;
        assert_eq!((limit.rate, limit.period_s, limit.burst), (70, 60, 70));
        assert_eq!(
            accepted(&[("limits.per_user.burst", "5")]).limits.per_user.burst,
            5
        );
    }

    #[test]
    fn nothing_is_said_about_what_follows_from_a_value_that_was_refused() {
        let errors = Config::from_pairs(&[("jwks.cache_s", "x"), ("keys.prepublish_s", "100")]).unwrap_err();
        assert_eq!(errors.0.len(), 1, "{errors}");
    }
}
