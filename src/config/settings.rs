//! The table of settings: name, default, bounds, place in [`Config`](super::Config), purpose. A new setting is one row.

use super::parse;
use super::setting::{Default, Setting, Shown};
use crate::types::{ClientId, Issuer};

/// Every setting, in the order in which `config show` lists them.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    GENERAL.iter().chain(LIMITS.iter().flatten())
}

/// The setting of that name.
pub fn find(key: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.key == key)
}

/// Whatever a parser makes of the text.
macro_rules! value {
    ($key:expr, $default:expr, $allowed:expr, $shown:ident, $($field:ident).+ = $parse:expr, $doc:literal) => {
        Setting {
            key: $key,
            default: $default,
            allowed: $allowed,
            doc: $doc,
            shown: Shown::$shown,
            apply: |draft, text| {
                draft.$($field).+ = $parse(text)?;
                Ok(())
            },
        }
    };
}

/// The same, for what may be absent.
macro_rules! optional {
    ($key:expr, $default:expr, $allowed:expr, $shown:ident, $($field:ident).+ = $parse:expr, $doc:literal) => {
        value!($key, $default, $allowed, $shown, $($field).+ = |text| $parse(text).map(Some), $doc)
    };
}

/// A whole number within bounds.
macro_rules! number {
    ($key:expr, $default:expr, $min:literal to $max:literal $unit:literal, $($field:ident).+, $doc:literal) => {
        value!(
            $key,
            $default,
            concat!(stringify!($min), " to ", stringify!($max), $unit),
            Plain,
            config.$($field).+ = |text| parse::number(text, $min, $max),
            $doc
        )
    };
}

/// The three settings of a tier of limits.
macro_rules! tier {
    ($name:literal, $tier:ident, $rate:literal, $period:literal, $doc:literal) => {
        [
            number!(
                concat!("limits.", $name, ".rate"), is($rate), 1 to 1000000000 " requests per period",
                limits.$tier.rate, $doc
            ),
            number!(
                concat!("limits.", $name, ".period_seconds"), is($period), 1 to 86400 " seconds",
                limits.$tier.period_s, $doc
            ),
            number!(
                concat!("limits.", $name, ".burst"), Default::Words("the rate"), 1 to 1000000000 " requests at once",
                limits.$tier.burst, $doc
            ),
        ]
    };
}

const fn is(text: &'static str) -> Default {
    Default::Value(text)
}

const NONE: Default = Default::Words("none");
const RANDOM: Default = Default::Words("random, printed once");

static GENERAL: &[Setting] = &[
    value!(
        "issuer",
        is("http://localhost:8080"),
        "an https URL without trailing slash; http on loopback hosts only",
        Plain,
        config.issuer = |text| Issuer::parse(text).map_err(parse::words),
        "Issuer identifier, and the base of every URL"
    ),
    value!(
        "listen",
        is("127.0.0.1:8080"),
        "an address with a port",
        Plain,
        config.listen = parse::socket,
        "Public listener"
    ),
    value!(
        "management_listen",
        is("127.0.0.1:9090"),
        "an address with a port",
        Plain,
        config.management_listen = parse::socket,
        "Listener for health and metrics"
    ),
    optional!(
        "management_token",
        NONE,
        "8 to 512 printable ASCII characters without spaces",
        Hidden,
        config.management_token = |text| parse::machine_secret(text, 8),
        "Bearer token for /metrics; required when that listener is not loopback"
    ),
    optional!(
        "tls_cert",
        NONE,
        "a PEM file",
        Plain,
        tls_cert = parse::path,
        "Certificate chain for TLS of the server's own; re-read when it changes"
    ),
    optional!(
        "tls_key",
        NONE,
        "a PEM file",
        Plain,
        tls_key = parse::path,
        "Private key of that certificate"
    ),
    value!(
        "tls.min",
        is("1.2"),
        "1.2 or 1.3",
        Plain,
        config.tls_1_3_only = |text| parse::choice(text, &[("1.2", false), ("1.3", true)]),
        "Oldest version of TLS that is spoken"
    ),
    value!(
        "trusted_proxies",
        NONE,
        "networks such as 10.0.0.0/8, separated by commas",
        Plain,
        config.trusted_proxies = parse::networks,
        "Peers whose Forwarded and X-Forwarded-* headers are believed"
    ),
    number!("hsts.max_age_s", is("31536000"), 31536000 to 3153600000 " seconds", http.hsts_max_age_s,
        "How long browsers remember to use https only"),
    number!("cors.max_age_s", is("86400"), 0 to 86400 " seconds", http.cors_max_age_s,
        "How long a browser may remember a preflight's answer"),
    value!(
        "database_url",
        is("sqlite://data/grantor.db"),
        "a URL that starts with sqlite: or postgres:",
        Url,
        config.database.url = parse::database,
        "Main database"
    ),
    optional!(
        "migration_database_url",
        Default::Words("the database's"),
        "a URL that starts with sqlite: or postgres:",
        Url,
        config.database.migration_url = parse::database,
        "Main database in another role, for migrations"
    ),
    optional!(
        "audit_database_url",
        Default::Words("sqlite://data/audit.db, or schema audit of the PostgreSQL database"),
        "a URL that starts with sqlite: or postgres:",
        Url,
        config.database.audit_url = parse::database,
        "Audit store"
    ),
    optional!(
        "audit.retention_database_url",
        Default::Words("the audit store's"),
        "a URL that starts with sqlite: or postgres:",
        Url,
        config.database.audit_retention_url = parse::database,
        "Audit store in another role, for retention"
    ),
    number!("database.max_connections", is("16"), 2 to 200 " connections", database.max_connections,
        "Connections to each database"),
    optional!(
        "master_key",
        Default::Words("the file data/master.key"),
        "id:base64 of 32 bytes, several separated by commas",
        Hidden,
        config.master_key = parse::master_key,
        "Keys that wrap all other keys: the first wraps, all unwrap"
    ),
    optional!(
        "outgoing.ca",
        NONE,
        "a PEM file",
        Plain,
        config.outgoing.ca = parse::path,
        "Authorities trusted besides the system's for requests that the server makes"
    ),
    value!(
        "outgoing.allow",
        NONE,
        "networks such as 10.0.0.0/8, separated by commas",
        Plain,
        config.outgoing.allow = parse::networks,
        "Private networks that requests of the server may reach"
    ),
    value!(
        "tokens.algorithms",
        is("RS256,PS256,ES256"),
        "RS256, PS256, ES256, EdDSA, separated by commas",
        Plain,
        config.tokens.algorithms = parse::algorithms,
        "Signing algorithms offered, each with keys of its own"
    ),
    optional!(
        "token.alg",
        Default::Words("RS256, or the first one offered"),
        "one of tokens.algorithms",
        Plain,
        token_alg = parse::algorithm,
        "What signs unless a client says otherwise"
    ),
    number!("token.access_ttl_s", is("900"), 5 to 900 " seconds", tokens.access_ttl_s, "Life of an access token"),
    number!("token.third_party_ttl_s", is("3600"), 5 to 3600 " seconds", tokens.third_party_ttl_s,
        "Life of a third party's client-credentials token"),
    value!(
        "token.strict_15min",
        is("false"),
        "true or false",
        Plain,
        config.tokens.strict_15min = parse::switch,
        "Caps every access token at 15 minutes, third parties' too"
    ),
    number!("token.leeway_s", is("30"), 0 to 60 " seconds", tokens.leeway_s,
        "Difference of clocks that is tolerated when a token is verified"),
    number!("code.ttl_s", is("60"), 5 to 60 " seconds", tokens.code_ttl_s, "Life of an authorization code"),
    number!("refresh.ttl_s", is("604800"), 60 to 604800 " seconds", tokens.refresh_ttl_s,
        "Life of a token family, from sign-in"),
    number!("sso.session_max_s", is("28800"), 300 to 28800 " seconds", session.max_s,
        "Absolute end of a browser session"),
    number!("session.idle_s", is("1800"), 300 to 28800 " seconds", session.idle_s,
        "End of a browser session that is not used"),
    value!(
        "session.samesite",
        is("lax"),
        "lax or strict",
        Plain,
        config.session.strict_cookie = |text| parse::choice(text, &[("lax", false), ("strict", true)]),
        "SameSite of the session cookie"
    ),
    value!(
        "keys.rsa_bits",
        is("2048"),
        "2048, 3072 or 4096",
        Plain,
        config.keys.rsa_bits = |text| parse::choice(text, &[("2048", 2048), ("3072", 3072), ("4096", 4096)]),
        "Modulus of new RSA keys"
    ),
    number!("keys.rotation_days", is("90"), 1 to 365 " days", keys.rotation_days,
        "Age at which a signing key is replaced"),
    number!("crypto.dek_rotation_days", is("90"), 1 to 365 " days", keys.data_rotation_days,
        "Age at which the key that seals personal data is replaced"),
    number!("keys.prepublish_s", is("600"), 60 to 604800 " seconds, at least jwks.cache_s", keys.prepublish_s,
        "How long a key is published before it signs"),
    number!("jwks.cache_s", is("300"), 60 to 3600 " seconds", keys.jwks_cache_s,
        "How long verifiers may keep the JWKS and the metadata"),
    value!(
        "bootstrap_client_id",
        is("admin"),
        "1 to 64 characters out of A-Z a-z 0-9 . _ ~ -",
        Plain,
        config.bootstrap.client_id = |text| ClientId::parse(text).map_err(parse::words),
        "First admin client, created when no client exists"
    ),
    optional!(
        "bootstrap_client_secret",
        RANDOM,
        "32 to 512 printable ASCII characters without spaces",
        Hidden,
        config.bootstrap.client_secret = |text| parse::machine_secret(text, 32),
        "Secret of that client"
    ),
    value!(
        "bootstrap_username",
        is("admin"),
        "1 to 64 characters, or an e-mail address",
        Plain,
        config.bootstrap.username = parse::username,
        "First admin user, created when no user exists"
    ),
    optional!(
        "bootstrap_password",
        RANDOM,
        "8 to 256 characters",
        Hidden,
        config.bootstrap.password = parse::password,
        "Password of that user"
    ),
    value!(
        "body.max_json",
        is("1 MiB"),
        "64 KiB to 10 MiB",
        Plain,
        config.http.max_json = |text| parse::size(text, 64 << 10, 10 << 20),
        "Largest JSON body"
    ),
    value!(
        "body.max_form",
        is("64 KiB"),
        "8 KiB to 1 MiB",
        Plain,
        config.http.max_form = |text| parse::size(text, 8 << 10, 1 << 20),
        "Largest form body"
    ),
    number!("json.max_depth", is("32"), 8 to 64 " levels", http.json_depth, "Deepest nesting of JSON"),
    number!("http.header_timeout_s", is("10"), 1 to 60 " seconds", http.header_timeout_s,
        "Time in which a request's head must arrive"),
    number!("http.body_timeout_s", is("30"), 1 to 60 " seconds", http.body_timeout_s,
        "Time in which a request's body must arrive"),
    optional!(
        "audit.anchor",
        NONE,
        "a path, an https URL, or an http URL on a loopback host",
        Url,
        config.audit.anchor = parse::anchor,
        "File or URL that gets every audit checkpoint"
    ),
    number!("audit.detail_days", is("365"), 1 to 36500 " days; at least 365 unless the issuer is loopback", audit.detail_days,
        "How long single audit events are kept"),
    number!("audit.summary_years", is("7"), 1 to 100 " years; at least 7 unless the issuer is loopback", audit.summary_years,
        "How long summaries of audit events are kept"),
    number!("argon2.m_kib", is("19456"), 19456 to 4194304 " KiB", argon2.memory_kib, "Memory of one password hash"),
    number!("argon2.t", is("2"), 2 to 100 " passes", argon2.passes, "Passes of one password hash"),
    number!("argon2.p", is("1"), 1 to 64 " lanes", argon2.lanes, "Lanes of one password hash"),
    value!(
        "argon2.parallel",
        Default::Words("the number of cores"),
        "1 to 4 times the number of cores",
        Plain,
        config.argon2.parallel = |text| parse::number(text, 1, 4 * parse::cores()),
        "Password hashes at once"
    ),
    value!(
        "log",
        is("info"),
        "error, warn, info or debug, or target=level, separated by commas",
        Plain,
        config.log.filter = parse::log_filter,
        "What is logged"
    ),
    optional!(
        "log_format",
        Default::Words("json, or pretty on a terminal"),
        "json or pretty",
        Plain,
        log_json = |text| parse::choice(text, &[("json", true), ("pretty", false)]),
        "Form of the log"
    ),
    value!(
        "limits.authentication.count",
        is("all"),
        "all or failures",
        Plain,
        config.limits.count_failures_only = |text| parse::choice(text, &[("all", false), ("failures", true)]),
        "Which attempts at the sign-in page count in the authentication tier"
    ),
];

static LIMITS: [[Setting; 3]; 8] = [
    tier!(
        "standard",
        standard,
        "100",
        "60",
        "Ordinary requests, by client or address"
    ),
    tier!(
        "expensive",
        expensive,
        "10",
        "60",
        "Exports, reports and key generation"
    ),
    tier!(
        "authentication",
        authentication,
        "5",
        "900",
        "Attempts with a secret, by address"
    ),
    tier!(
        "sensitive",
        sensitive,
        "10",
        "60",
        "Sensitive operations, each by caller"
    ),
    tier!("public", public, "100", "60", "Metadata and JWKS, by address"),
    tier!("per_user", per_user, "100", "60", "All requests of one user"),
    tier!("per_key", per_key, "100", "60", "All requests of one API key"),
    tier!("global", global, "10000", "1", "All requests together"),
];

#[cfg(test)]
mod tests {
    use super::super::draft::Draft;
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_default_is_allowed() {
        let mut draft = Draft::blank().unwrap();
        for setting in all() {
            // An empty list is the one default in words that is also a value.
            if let Default::Value(text) = setting.default {
                assert_eq!((setting.apply)(&mut draft, text), Ok(()), "{}", setting.key);
            }
            assert!(
                !setting.doc.is_empty() && !setting.allowed.is_empty(),
                "{}",
                setting.key
            );
        }
    }

    #[test]
    fn every_name_is_there_once_in_each_spelling() {
        let names: Vec<_> = all().collect();
        for spelling in [
            |setting: &Setting| setting.key.to_owned(),
            Setting::variable,
            Setting::flag,
        ] {
            let distinct: HashSet<_> = names.iter().map(|setting| spelling(setting)).collect();
            assert_eq!(distinct.len(), names.len());
        }
        assert!(
            names.iter().all(|setting| !setting.key.ends_with("_file")),
            "X_FILE means the contents of a file"
        );
    }

    #[test]
    fn the_ends_of_every_range_are_allowed_and_what_lies_beyond_is_not() {
        let mut draft = Draft::blank().unwrap();
        let mut seen = 0;
        for setting in all() {
            let mut words = setting.allowed.split([' ', ';']);
            let bounds = (words.next(), words.next(), words.next());
            let (Some(min), Some("to"), Some(max)) = bounds else {
                continue;
            };
            let (Ok(min), Ok(max)) = (min.parse::<i64>(), max.parse::<i64>()) else {
                continue;
            };
            if !setting.allowed.contains("character") && !setting.allowed.contains("times") {
                seen += 1;
                for (value, fits) in [(min - 1, false), (min, true), (max, true), (max + 1, false)] {
                    let result = (setting.apply)(&mut draft, &value.to_string());
                    assert_eq!(result.is_ok(), fits, "{} = {value}: {result:?}", setting.key);
                }
            }
        }
        assert!(seen > 40, "{seen}");
    }
}
