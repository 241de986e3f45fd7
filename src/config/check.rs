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
        if self.sound(&["proxy_protocol", "trusted_proxies"])
            && config.proxy_protocol
            && config.trusted_proxies.is_empty()
        {
            let reason = format!(
                "is on without {}: nobody may say whose a connection is",
                self.name("trusted_proxies")
            );
            self.refuse("proxy_protocol", reason, "off, or on with trusted proxies");
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
