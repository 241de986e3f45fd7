//! The rules that hold between settings, each by the words in which it refuses.

use super::Config;
use crate::types::Algorithm;

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
fn what_limits_requests_besides_the_tiers_has_its_range_too() {
    for (name, fit, unfit) in [
        ("limit.per_second_cap", ["off", "1"], ["0", "1000000001"]),
        ("limit.per_tenant_cap", ["off", "1000000000"], ["0", "unlimited"]),
        ("quota.month", ["1", "1000000000"], ["0", "1000000001"]),
        ("spike.rate", ["1", "1000"], ["0", "1001"]),
        ("throttle.start_pct", ["50", "99"], ["49", "100"]),
        ("throttle.max_delay_ms", ["0", "5000"], ["-1", "5001"]),
        ("adaptive.tighten_factor", ["0.1", "0.9"], ["0.09", "1"]),
        ("adaptive.cooldown_s", ["60", "86400"], ["59", "86401"]),
    ] {
        for value in fit {
            accepted(&[(name, value)]);
        }
        for value in unfit {
            refused(&[(name, value)], &[name]);
        }
    }
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
