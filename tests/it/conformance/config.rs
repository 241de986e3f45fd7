//! "Config".

use crate::support::{Engine, TestApp};
use serde_json::{Value, json};
use std::collections::HashSet;

/// "issuer metadata with `issuer`, `authorization_endpoint`, `token_endpoint`, `jwks_uri`, `response_types_supported` (with `code`),
/// `subject_types_supported`, `id_token_signing_alg_values_supported` with `RS256`, valid types and syntax of every member,
/// `claims_supported`, `code_challenge_methods_supported` an array; unknown members are a WARNING".
#[tokio::test]
async fn config_every_member_is_registered_and_has_its_type() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let metadata = app.metadata().await;
    let texts = [
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
        "end_session_endpoint",
        "revocation_endpoint",
        "introspection_endpoint",
        "registration_endpoint",
        "service_documentation",
        "op_policy_uri",
        "op_tos_uri",
        "pushed_authorization_request_endpoint",
        "device_authorization_endpoint",
        "check_session_iframe",
    ];
    let lists = [
        "scopes_supported",
        "response_types_supported",
        "response_modes_supported",
        "grant_types_supported",
        "acr_values_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
        "userinfo_signing_alg_values_supported",
        "request_object_signing_alg_values_supported",
        "request_object_encryption_alg_values_supported",
        "request_object_encryption_enc_values_supported",
        "id_token_encryption_alg_values_supported",
        "id_token_encryption_enc_values_supported",
        "userinfo_encryption_alg_values_supported",
        "userinfo_encryption_enc_values_supported",
        "introspection_signing_alg_values_supported",
        "introspection_encryption_alg_values_supported",
        "introspection_encryption_enc_values_supported",
        "token_endpoint_auth_methods_supported",
        "token_endpoint_auth_signing_alg_values_supported",
        "display_values_supported",
        "claim_types_supported",
        "claims_supported",
        "claims_locales_supported",
        "ui_locales_supported",
        "code_challenge_methods_supported",
        "revocation_endpoint_auth_methods_supported",
        "revocation_endpoint_auth_signing_alg_values_supported",
        "introspection_endpoint_auth_methods_supported",
        "introspection_endpoint_auth_signing_alg_values_supported",
        "prompt_values_supported",
        "dpop_signing_alg_values_supported",
    ];
    let switches = [
        "claims_parameter_supported",
        "request_parameter_supported",
        "request_uri_parameter_supported",
        "require_request_uri_registration",
        "require_pushed_authorization_requests",
        "require_signed_request_object",
        "authorization_response_iss_parameter_supported",
        "backchannel_logout_supported",
        "backchannel_logout_session_supported",
        "frontchannel_logout_supported",
        "frontchannel_logout_session_supported",
        "tls_client_certificate_bound_access_tokens",
    ];
    for (name, value) in metadata.as_object().unwrap() {
        let strings = || {
            value
                .as_array()
                .is_some_and(|list| list.iter().all(Value::is_string))
        };
        let fits = match name.as_str() {
            name if texts.contains(&name) => value.as_str().is_some_and(|text| url::Url::parse(text).is_ok()),
            name if lists.contains(&name) => strings(),
            name if switches.contains(&name) => value.is_boolean(),
            _ => false,
        };
        assert!(fits, "{name}: {value}");
    }
    for required in [
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "claims_supported",
        "code_challenge_methods_supported",
        "subject_types_supported",
    ] {
        assert!(!metadata[required].is_null(), "{required}");
    }
    assert!(
        metadata["response_types_supported"]
            .as_array()
            .unwrap()
            .contains(&json!("code"))
    );
    assert!(
        metadata["id_token_signing_alg_values_supported"]
            .as_array()
            .unwrap()
            .contains(&json!("RS256"))
    );
}

/// "JWKS valid, every key with a distinct `kid`, no private parts": a JOSE library reads each of them.
#[tokio::test]
async fn config_the_jwks_is_valid() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let answer = app.http.get("/oauth2/jwks").send().await.expect(200);
    let jwks = answer.json();
    let keys = jwks["keys"].as_array().unwrap();
    let mut kids = HashSet::new();
    for key in keys {
        let jwk = josekit::jwk::Jwk::from_map(key.as_object().unwrap().clone()).expect("a JWK");
        assert!(kids.insert(jwk.key_id().expect("kid").to_owned()));
        assert!(jwk.parameter("d").is_none() && jwk.parameter("k").is_none());
        match jwk.key_use() {
            Some("sig") => assert!(jwk.algorithm().is_some()),
            other => assert_eq!(other, Some("enc")),
        }
    }
    assert!(!kids.is_empty());
}
