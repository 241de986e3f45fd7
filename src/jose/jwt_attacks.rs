//! What must not pass for a token.

use crate::entropy::Entropy;
use crate::jose::jwt::{self, Claims, Expect, JwtError, MAX_TOKEN, Unverified};
use crate::jose::{JwkSet, PublicKey, SigningKey};
use crate::types::{Algorithm, Kid, Timestamp, base64url};
use openssl::bn::BigNum;
use openssl::rsa::Rsa;
use proptest::prelude::*;
use ring::hmac;
use serde_json::{Value, json};
use std::sync::LazyLock;

const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "https://api.example.com";
const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

const EXPECT: Expect<'static> = Expect {
    typ: &["at+jwt"],
    issuer: ISSUER,
    audience: Some(AUDIENCE),
    leeway_s: 30,
    allow_expired: false,
};

/// One key for each algorithm.
static KEYS: LazyLock<Vec<SigningKey>> = LazyLock::new(|| {
    let entropy = Entropy::system();
    Algorithm::ALL
        .into_iter()
        .map(|alg| {
            let pkcs8 = SigningKey::generate(alg, 2048, &entropy).unwrap();
            let kid = Kid::parse(&format!("{alg}-key")).unwrap();
            SigningKey::from_pkcs8(kid, alg, &pkcs8, &entropy).unwrap()
        })
        .collect()
});

fn key(alg: Algorithm) -> &'static SigningKey {
    KEYS.iter().find(|key| key.alg() == alg).unwrap()
}

fn verify(token: &str) -> Result<Claims, JwtError> {
    verify_as(token, &EXPECT)
}

fn verify_as(token: &str, expect: &Expect<'_>) -> Result<Claims, JwtError> {
    let find = |kid: &Kid| {
        KEYS.iter()
            .map(SigningKey::verifying)
            .find(|key| key.kid() == kid)
    };
    jwt::verify(token, expect, find, NOW)
}

fn claims() -> Value {
    json!({ "iss": ISSUER, "sub": "user", "aud": AUDIENCE, "jti": "1",
        "iat": NOW.seconds(), "exp": NOW.seconds() + 900 })
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().unwrap().remove(name);
    claims
}

/// A token with any header and payload, signed properly with this key.
fn signed(alg: Algorithm, header: &str, payload: &str) -> String {
    let input = format!(
        "{}.{}",
        base64url(header.as_bytes()),
        base64url(payload.as_bytes())
    );
    let signature = key(alg).sign(input.as_bytes()).unwrap();
    format!("{input}.{}", base64url(signature.as_ref()))
}

fn header(alg: Algorithm) -> Value {
    json!({ "typ": "at+jwt", "alg": alg.as_str(), "kid": format!("{alg}-key") })
}

fn with_header(name: &str, value: Value) -> String {
    let header = with(header(Algorithm::ES256), name, value);
    signed(Algorithm::ES256, &header.to_string(), &claims().to_string())
}

fn with_claims(claims: &Value) -> String {
    key(Algorithm::ES256).sign_jwt("at+jwt", claims).unwrap()
}

#[test]
fn what_is_signed_verifies_with_every_algorithm_and_only_with_its_key() {
    for alg in Algorithm::ALL {
        let token = key(alg).sign_jwt("at+jwt", &claims()).unwrap();
        assert_eq!(verify(&token).unwrap().subject(), Some("user"), "{alg}");
        for other in KEYS.iter().filter(|other| other.alg() != alg) {
            let refused = jwt::verify(&token, &EXPECT, |_| Some(other.verifying()), NOW);
            assert_eq!(refused, Err(JwtError::AlgorithmMismatch), "{alg} {other:?}");
        }
    }
}

#[test]
fn a_published_key_reads_back_as_what_it_was() {
    for key in KEYS.iter() {
        let jwk = key.verifying().to_jwk();
        assert_eq!(
            &crate::jose::VerifyingKey::from_jwk(&jwk).unwrap(),
            key.verifying()
        );
        let names: Vec<_> = jwk.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(
            names
                .iter()
                .all(|name| ["kty", "crv", "n", "e", "x", "y", "kid", "alg", "use"].contains(name))
        );
    }
}

#[test]
fn rfc8725_s3_2_none_is_refused_in_every_letter_case_and_so_is_a_stripped_signature() {
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({ "typ": "at+jwt", "alg": alg, "kid": "ES256-key" });
        let input = format!(
            "{}.{}",
            base64url(header.to_string().as_bytes()),
            base64url(claims().to_string().as_bytes())
        );
        assert_eq!(verify(&format!("{input}.")), Err(JwtError::Algorithm), "{alg}");
        assert_eq!(
            verify(&format!("{input}.AAAA")),
            Err(JwtError::Algorithm),
            "{alg}"
        );
    }
    for alg in Algorithm::ALL {
        let token = key(alg).sign_jwt("at+jwt", &claims()).unwrap();
        let (input, _) = token.rsplit_once('.').unwrap();
        assert_eq!(verify(&format!("{input}.")), Err(JwtError::Signature), "{alg}");
        assert!(verify(input).is_err());
    }
}

#[test]
fn rfc8725_s2_1_hmac_with_the_public_key_as_secret_is_refused() {
    let PublicKey::Rsa { n, e } = key(Algorithm::RS256).verifying().public() else {
        panic!("an RSA key");
    };
    let rsa =
        Rsa::from_public_components(BigNum::from_slice(n).unwrap(), BigNum::from_slice(e).unwrap()).unwrap();
    let secrets = [
        rsa.public_key_to_pem().unwrap(),
        rsa.public_key_to_pem_pkcs1().unwrap(),
        rsa.public_key_to_der().unwrap(),
        rsa.public_key_to_der_pkcs1().unwrap(),
        n.clone(),
    ];
    for secret in secrets {
        for alg in ["HS256", "HS384", "HS512", "RS256"] {
            let header = json!({ "typ": "at+jwt", "alg": alg, "kid": "RS256-key" });
            let input = format!(
                "{}.{}",
                base64url(header.to_string().as_bytes()),
                base64url(claims().to_string().as_bytes())
            );
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), input.as_bytes());
            let refused = verify(&format!("{input}.{}", base64url(tag.as_ref())));
            let reason = if alg == "RS256" {
                JwtError::Signature
            } else {
                JwtError::Algorithm
            };
            assert_eq!(refused, Err(reason), "{alg}");
        }
    }
}

#[test]
fn rfc8725_s3_1_a_relabelled_token_is_refused() {
    for alg in Algorithm::ALL {
        for label in Algorithm::ALL.into_iter().filter(|label| *label != alg) {
            // The key that signed, under another name; and the other key's id with the other name.
            let header = json!({ "typ": "at+jwt", "alg": label.as_str(), "kid": format!("{alg}-key") });
            let token = signed(alg, &header.to_string(), &claims().to_string());
            assert_eq!(
                verify(&token),
                Err(JwtError::AlgorithmMismatch),
                "{alg} as {label}"
            );
            let header = json!({ "typ": "at+jwt", "alg": label.as_str(), "kid": format!("{label}-key") });
            let token = signed(alg, &header.to_string(), &claims().to_string());
            assert_eq!(verify(&token), Err(JwtError::Signature), "{alg} as {label}");
        }
    }
}

#[test]
fn a_kid_is_present_known_and_of_its_alphabet() {
    let header = json!({ "typ": "at+jwt", "alg": "ES256" });
    let token = signed(Algorithm::ES256, &header.to_string(), &claims().to_string());
    assert_eq!(verify(&token), Err(JwtError::Kid));
    assert_eq!(
        verify(&with_header("kid", json!("unknown"))),
        Err(JwtError::UnknownKey)
    );
    assert_eq!(
        verify(&with_header("kid", json!(["ES256-key"]))),
        Err(JwtError::Header)
    );
    for kid in [
        "x".repeat(10_000),
        "../../dev/null".to_owned(),
        "' OR '1'='1".to_owned(),
        "ES256-key\0".to_owned(),
        String::new(),
    ] {
        assert_eq!(
            verify(&with_header("kid", json!(kid))),
            Err(JwtError::Kid),
            "{kid}"
        );
    }
}

#[test]
fn rfc8725_s3_10_a_header_brings_no_key() {
    let own = key(Algorithm::ES256).verifying().to_jwk();
    for (name, value) in [
        ("jwk", own),
        ("jku", json!("https://attacker.example/jwks")),
        ("x5u", json!("https://attacker.example/x5u")),
        ("x5c", json!(["MII="])),
        ("jku", json!(null)),
    ] {
        assert_eq!(
            verify(&with_header(name, value)),
            Err(JwtError::KeyInHeader),
            "{name}"
        );
    }
}

#[test]
fn rfc7515_s4_1_11_critical_extensions_are_refused() {
    for crit in [json!(["exp"]), json!(["b64"]), json!([]), json!(null)] {
        assert_eq!(verify(&with_header("crit", crit)), Err(JwtError::Critical));
    }
}

#[test]
fn rfc8725_s3_11_the_type_is_required_and_compared() {
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "APPLICATION/At+JwT"] {
        assert!(verify(&with_header("typ", json!(typ))).is_ok(), "{typ}");
    }
    for typ in [
        "JWT",
        "logout+jwt",
        "jwt",
        "",
        "at",
        "application/",
        "application/application/at+jwt",
        "at+jwt ",
    ] {
        assert_eq!(
            verify(&with_header("typ", json!(typ))),
            Err(JwtError::Type),
            "{typ}"
        );
    }
    let header = json!({ "alg": "ES256", "kid": "ES256-key" });
    let bare = signed(Algorithm::ES256, &header.to_string(), &claims().to_string());
    let id_token = Expect {
        typ: &["JWT"],
        ..EXPECT
    };
    assert_eq!(verify(&bare), Err(JwtError::Type));
    assert_eq!(
        verify_as(&bare, &id_token),
        Err(JwtError::Type),
        "own tokens always have one"
    );
}

#[test]
fn a_token_without_exp_or_aud_is_not_unlimited() {
    assert_eq!(
        verify(&with_claims(&without(claims(), "exp"))),
        Err(JwtError::NoExpiry)
    );
    for exp in [
        json!("1790000900"),
        json!(null),
        json!(-1),
        json!(1e300),
        json!(u64::MAX),
        json!(253_402_300_800_i64),
    ] {
        assert_eq!(
            verify(&with_claims(&with(claims(), "exp", exp.clone()))),
            Err(JwtError::NoExpiry),
            "{exp}"
        );
    }
    let any_audience = Expect {
        audience: None,
        ..EXPECT
    };
    for expect in [EXPECT, any_audience] {
        let token = with_claims(&without(claims(), "aud"));
        assert_eq!(verify_as(&token, &expect), Err(JwtError::Audience));
        for aud in [
            json!([]),
            json!(1),
            json!([AUDIENCE, 1]),
            json!(null),
            json!({ "a": AUDIENCE }),
        ] {
            let token = with_claims(&with(claims(), "aud", aud.clone()));
            assert_eq!(verify_as(&token, &expect), Err(JwtError::Audience), "{aud}");
        }
    }
    let other = with_claims(&with(claims(), "aud", json!(["https://other.example.com"])));
    assert_eq!(verify(&other), Err(JwtError::Audience));
    assert!(verify_as(&other, &any_audience).is_ok());
    let several = json!(["https://other.example.com", AUDIENCE]);
    assert!(verify(&with_claims(&with(claims(), "aud", several))).is_ok());
}

#[test]
fn times_count_with_the_leeway() {
    let at = |name: &str, offset: i64| with_claims(&with(claims(), name, json!(NOW.seconds() + offset)));
    assert!(verify(&at("exp", -29)).is_ok());
    assert_eq!(verify(&at("exp", -30)), Err(JwtError::Expired));
    assert_eq!(verify(&at("exp", -31)), Err(JwtError::Expired));
    let hint = Expect {
        allow_expired: true,
        ..EXPECT
    };
    assert!(verify_as(&at("exp", -86_400), &hint).is_ok());
    for name in ["nbf", "iat"] {
        assert!(verify(&at(name, 30)).is_ok(), "{name}");
        assert_eq!(verify(&at(name, 31)), Err(JwtError::NotYetValid), "{name}");
        let token = with_claims(&with(claims(), name, json!("soon")));
        assert_eq!(verify(&token), Err(JwtError::NotYetValid), "{name}");
    }
    let fraction = with_claims(&with(claims(), "exp", json!(1_790_000_010.5)));
    assert_eq!(
        verify(&fraction).unwrap().expires_at(),
        Some(Timestamp::from_seconds(1_790_000_010))
    );
}

#[test]
fn the_issuer_is_compared_exactly() {
    for issuer in [
        "https://id.example.com/",
        "https://ID.example.com",
        "",
        "http://id.example.com",
    ] {
        let token = with_claims(&with(claims(), "iss", json!(issuer)));
        assert_eq!(verify(&token), Err(JwtError::Issuer), "{issuer}");
    }
    assert_eq!(
        verify(&with_claims(&without(claims(), "iss"))),
        Err(JwtError::Issuer)
    );
    assert_eq!(
        verify(&with_claims(&with(claims(), "iss", json!([ISSUER])))),
        Err(JwtError::Issuer)
    );
}

#[test]
fn rfc7515_s4_names_are_distinct() {
    let header_twice = r#"{"alg":"ES256","alg":"ES256","typ":"at+jwt","kid":"ES256-key"}"#;
    let token = signed(Algorithm::ES256, header_twice, &claims().to_string());
    assert_eq!(verify(&token), Err(JwtError::Malformed));
    let claims_twice = claims().to_string().replacen('{', r#"{"sub":"admin","#, 1);
    let token = signed(
        Algorithm::ES256,
        &header(Algorithm::ES256).to_string(),
        &claims_twice,
    );
    assert_eq!(verify(&token), Err(JwtError::Malformed));
}

#[test]
fn the_serialisation_is_strict() {
    let token = with_claims(&claims());
    let parts: Vec<_> = token.split('.').collect();
    for bad in [
        String::new(),
        "..".to_owned(),
        "...".to_owned(),
        format!("{token}."),
        format!("{token}.AAAA"),
        format!("{token}="),
        format!("{token}\n"),
        format!(" {token}"),
        format!("{}..{}", parts[0], parts[2]),
        format!("{}.{}.{}.{}.{}", parts[0], "", "AAAA", "AAAA", "AAAA"),
        format!("{}.{}.{}", base64url(b"[]"), parts[1], parts[2]),
        format!("{}.{}.{}", base64url(b"\"x\""), parts[1], parts[2]),
        token.replace('_', "/").replace('-', "+") + "+",
    ] {
        assert_eq!(verify(&bad), Err(JwtError::Malformed), "{bad}");
    }
    assert_eq!(verify(&"a".repeat(MAX_TOKEN + 1)), Err(JwtError::TooLong));
    let long = with_claims(&with(claims(), "x", json!("y".repeat(MAX_TOKEN))));
    assert_eq!(verify(&long), Err(JwtError::TooLong));
}

#[test]
fn every_refusal_looks_alike() {
    assert_eq!(JwtError::Expired.to_string(), JwtError::Signature.to_string());
    assert_ne!(JwtError::Expired.reason(), JwtError::Signature.reason());
}

#[test]
fn rfc7523_s3_a_client_assertion_is_verified_with_the_keys_of_whoever_it_names() {
    let expect = Expect {
        typ: &["JWT", "client-authentication+jwt"],
        ..EXPECT
    };
    let bare = |alg: Algorithm, header: Value| signed(alg, &header.to_string(), &claims().to_string());
    let set = |keys: &[Algorithm]| {
        let keys: Vec<_> = keys.iter().map(|alg| key(*alg).verifying().to_jwk()).collect();
        JwkSet::parse(&json!({ "keys": keys })).unwrap()
    };
    let check = |token: &str, keys: &JwkSet| Unverified::parse(token)?.verify(&expect, keys, NOW);
    let all = set(&Algorithm::ALL);
    for alg in Algorithm::ALL {
        let token = bare(alg, json!({ "alg": alg.as_str() }));
        assert_eq!(
            Unverified::parse(&token).unwrap().peek_claims().issuer(),
            Some(ISSUER)
        );
        assert!(check(&token, &all).is_ok(), "one key alone fits {alg}");
        let named = bare(
            alg,
            json!({ "alg": alg.as_str(), "kid": format!("{alg}-key"), "typ": "jwt" }),
        );
        assert!(check(&named, &all).is_ok());
        assert_eq!(check(&named, &set(&[])), Err(JwtError::UnknownKey));
    }
    let relabelled = bare(Algorithm::RS256, json!({ "alg": "PS256", "kid": "RS256-key" }));
    assert_eq!(check(&relabelled, &all), Err(JwtError::AlgorithmMismatch));
    let access_token = key(Algorithm::ES256).sign_jwt("at+jwt", &claims()).unwrap();
    assert_eq!(check(&access_token, &all), Err(JwtError::Type));
    let (input, _) = relabelled.rsplit_once('.').unwrap();
    assert!(check(&format!("{input}."), &all).is_err());
}

proptest! {
    #[test]
    fn no_changed_byte_passes(alg in 0..4_usize, position in any::<proptest::sample::Index>(), byte in 0x20..0x7f_u8) {
        let token = key(Algorithm::ALL[alg]).sign_jwt("at+jwt", &claims()).unwrap();
        let mut changed = token.clone().into_bytes();
        changed[position.index(token.len())] = byte;
        let changed = String::from_utf8(changed).unwrap();
        prop_assert_eq!(verify(&changed).is_ok(), changed == token);
    }

    #[test]
    fn no_shortened_token_passes(alg in 0..4_usize, cut in any::<proptest::sample::Index>()) {
        let token = key(Algorithm::ALL[alg]).sign_jwt("at+jwt", &claims()).unwrap();
        prop_assert!(verify(&token[..cut.index(token.len())]).is_err());
    }

    #[test]
    fn no_input_panics(text in "\\PC{0,300}", header in "\\PC{0,60}", claims in "\\PC{0,60}") {
        prop_assert!(verify(&text).is_err());
        let token = format!("{}.{}.AA", base64url(header.as_bytes()), base64url(claims.as_bytes()));
        prop_assert!(verify(&token).is_err());
        let _ = Unverified::parse(&token);
    }
}
