//! What is issued, and what signs it.

use super::is;
use crate::config::parse;
use crate::config::setting::{Default, Setting, Shown};

pub(super) static ALL: &[Setting] = &[
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
    number!("keys.prepublish_s", is("600"), 60 to 604800 " seconds, at least jwks.cache_s", keys.prepublish_s,
        "How long a key is published before it signs"),
    number!("jwks.cache_s", is("300"), 60 to 3600 " seconds", keys.jwks_cache_s,
        "How long verifiers may keep the JWKS and the metadata"),
];
