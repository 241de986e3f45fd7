//! The rules of client registration, as a table: what is changed in a good registration, and where it is refused.

use grantor::clients::{Rules, complete, violations};
use grantor::config::TokenConfig;
use grantor::storage::clients::ClientMetadata;
use grantor::types::{Algorithm, Attributes, Issuer};
use serde_json::{Value, json};

fn tokens() -> TokenConfig {
    TokenConfig {
        algorithms: vec![Algorithm::RS256, Algorithm::PS256, Algorithm::ES256],
        default_algorithm: Algorithm::RS256,
        access_ttl_s: 900,
        third_party_ttl_s: 3600,
        strict_15min: false,
        leeway_s: 30,
        code_ttl_s: 60,
        refresh_ttl_s: 604_800,
    }
}

/// Where a registration is refused; nowhere for a good one.
fn refused(document: Value) -> Vec<String> {
    refused_with(document, &tokens())
}

fn refused_with(document: Value, tokens: &TokenConfig) -> Vec<String> {
    let issuer = Issuer::parse("https://id.example.com").unwrap();
    let rules = Rules {
        issuer: &issuer,
        tokens,
        attributes: &Attributes::default(),
        http_to_allowed: false,
    };
    let mut metadata: ClientMetadata = serde_json::from_value(document).unwrap();
    complete(&mut metadata);
    let found = violations(&metadata, &rules);
    found.into_iter().map(|violation| violation.pointer).collect()
}

/// A web application with secret, changed.
fn web(changes: Value) -> Value {
    merged(
        json!({
            "client_name": "Shop",
            "redirect_uris": ["https://app.example/cb"],
            "grant_types": ["authorization_code", "refresh_token"],
            "scope": "openid profile orders:read",
        }),
        changes,
    )
}

fn merged(mut document: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

fn p256() -> Value {
    json!({"kty": "EC", "crv": "P-256", "kid": "1",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})
}

#[test]
fn good_registrations_are_accepted() {
    for good in [
        web(json!({})),
        web(json!({"token_endpoint_auth_method": "none", "refresh_token_retry_seconds": 10})),
        web(
            json!({"require_pkce": false, "refresh_token_rotation": false, "refresh_token_retry_seconds": 60}),
        ),
        web(json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [p256()]}})),
        web(json!({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://app.example/jwks"})),
        web(json!({"default_scope": "openid", "access_token_ttl": 5, "refresh_token_ttl": 60})),
        web(
            json!({"frontchannel_logout_uri": "https://app.example/out", "backchannel_logout_uri": "https://app.example/b"}),
        ),
        web(json!({"consumer_class": "enterprise_sso"})),
        web(
            json!({"application_type": "native", "redirect_uris": ["com.example.app:/cb", "http://127.0.0.1/cb"]}),
        ),
        json!({"grant_types": ["client_credentials"], "scope": "clients:read clients:write"}),
        json!({"consumer_class": "third_party", "access_token_ttl": 3600}),
        json!({"consumer_class": "webhook_receiver"}),
        json!({"consumer_class": "service", "introspection": "any", "resource_identifiers": ["https://api.example"]}),
    ] {
        assert_eq!(refused(good.clone()), Vec::<String>::new(), "{good}");
    }
}

#[test]
fn what_is_left_out_follows_from_the_class() {
    for (document, grants, class) in [
        (json!({}), json!(["authorization_code"]), "web_mobile"),
        (
            json!({"grant_types": ["client_credentials"]}),
            json!(["client_credentials"]),
            "service",
        ),
        (
            json!({"consumer_class": "third_party"}),
            json!(["client_credentials"]),
            "third_party",
        ),
        (
            json!({"consumer_class": "webhook_receiver"}),
            json!([]),
            "webhook_receiver",
        ),
    ] {
        let mut metadata: ClientMetadata = serde_json::from_value(document).unwrap();
        complete(&mut metadata);
        assert_eq!(serde_json::to_value(&metadata.grant_types).unwrap(), grants);
        assert_eq!(metadata.class().as_str(), class);
        assert_eq!(metadata.response_types.is_empty(), class != "web_mobile");
        let life = if class == "third_party" { 3600 } else { 900 };
        assert_eq!(metadata.effective_access_token_ttl(&tokens()), life);
    }
}

#[test]
fn each_class_refuses_the_grants_of_others() {
    for (class, grants) in [
        ("service", json!(["authorization_code"])),
        ("third_party", json!(["authorization_code"])),
        ("webhook_receiver", json!(["authorization_code"])),
        ("webhook_receiver", json!(["client_credentials"])),
    ] {
        let document = json!({"consumer_class": class, "grant_types": grants, "redirect_uris": ["https://app.example/cb"]});
        assert_eq!(refused(document), ["/grant_types/0"], "{class} {grants}");
    }
    let refresh =
        json!({"consumer_class": "third_party", "grant_types": ["client_credentials", "refresh_token"]});
    assert!(refused(refresh).contains(&"/grant_types/1".to_owned()));
}

#[test]
fn each_rule_names_its_member() {
    let many: Vec<_> = (0..101).map(|n| format!("https://app.example/{n}")).collect();
    let private = merged(p256(), json!({"d": "AAAA"}));
    for (changes, pointer) in [
        (
            json!({"grant_types": ["refresh_token"], "redirect_uris": []}),
            "/grant_types",
        ),
        (
            json!({"grant_types": ["authorization_code", "authorization_code"]}),
            "/grant_types/1",
        ),
        (
            json!({"grant_types": ["client_credentials"], "response_types": ["code"]}),
            "/response_types",
        ),
        (json!({"redirect_uris": []}), "/redirect_uris"),
        (json!({"redirect_uris": many}), "/redirect_uris"),
        (
            json!({"redirect_uris": ["https://app.example/cb", "http://app.example/cb"]}),
            "/redirect_uris/1",
        ),
        (
            json!({"redirect_uris": ["https://app.example/cb", "https://app.example/cb"]}),
            "/redirect_uris/1",
        ),
        (
            json!({"redirect_uris": ["https://app.example/cb#f"]}),
            "/redirect_uris/0",
        ),
        (
            json!({"redirect_uris": ["https://*.example/cb"]}),
            "/redirect_uris/0",
        ),
        (
            json!({"redirect_uris": ["com.example.app:/cb"]}),
            "/redirect_uris/0",
        ),
        (
            json!({"post_logout_redirect_uris": ["javascript:x"]}),
            "/post_logout_redirect_uris/0",
        ),
        (
            json!({"token_endpoint_auth_method": "private_key_jwt"}),
            "/token_endpoint_auth_method",
        ),
        (
            json!({"jwks": {"keys": [p256()]}, "jwks_uri": "https://app.example/jwks"}),
            "/jwks_uri",
        ),
        (json!({"jwks_uri": "http://app.example/jwks"}), "/jwks_uri"),
        (json!({"jwks": {"keys": [private]}}), "/jwks"),
        (json!({"jwks": {"keys": "no"}}), "/jwks"),
        (
            json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": []}}),
            "/jwks",
        ),
        (
            json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [p256()]},
                "token_endpoint_auth_signing_alg": "RS256"}),
            "/jwks",
        ),
        (
            json!({"token_endpoint_auth_method": "none", "require_pkce": false}),
            "/require_pkce",
        ),
        (
            json!({"token_endpoint_auth_method": "none", "refresh_token_rotation": false}),
            "/refresh_token_rotation",
        ),
        (
            json!({"token_endpoint_auth_method": "none", "refresh_token_retry_seconds": 11}),
            "/refresh_token_retry_seconds",
        ),
        (
            json!({"token_endpoint_auth_method": "none", "introspection": "any"}),
            "/introspection",
        ),
        (
            json!({"token_endpoint_auth_method": "none", "resource_identifiers": ["https://api.example"]}),
            "/resource_identifiers",
        ),
        (
            json!({"token_endpoint_auth_method": "none", "grant_types": ["client_credentials", "authorization_code"]}),
            "/token_endpoint_auth_method",
        ),
        (
            json!({"refresh_token_retry_seconds": 61}),
            "/refresh_token_retry_seconds",
        ),
        (
            json!({"refresh_token_retry_seconds": -1}),
            "/refresh_token_retry_seconds",
        ),
        (json!({"access_token_ttl": 4}), "/access_token_ttl"),
        (json!({"access_token_ttl": 901}), "/access_token_ttl"),
        (json!({"refresh_token_ttl": 59}), "/refresh_token_ttl"),
        (json!({"refresh_token_ttl": 604_801}), "/refresh_token_ttl"),
        (json!({"default_max_age": -1}), "/default_max_age"),
        (
            json!({"access_token_signed_response_alg": "EdDSA"}),
            "/access_token_signed_response_alg",
        ),
        (
            json!({"id_token_signed_response_alg": "EdDSA"}),
            "/id_token_signed_response_alg",
        ),
        (json!({"client_name": ""}), "/client_name"),
        (json!({"client_name": "x".repeat(201)}), "/client_name"),
        (json!({"client_name": "<script>"}), "/client_name"),
        (json!({"client_name": "a\u{7}"}), "/client_name"),
        (json!({"client_name": "\u{202e}evil"}), "/client_name"),
        (json!({"description": "x".repeat(501)}), "/description"),
        (json!({"contacts": ["a", ""]}), "/contacts/1"),
        (json!({"client_uri": "http://app.example"}), "/client_uri"),
        (json!({"logo_uri": "data:image/png;base64,"}), "/logo_uri"),
        (json!({"tos_uri": "tos"}), "/tos_uri"),
        (json!({"policy_uri": "https://u:p@app.example"}), "/policy_uri"),
        (json!({"attributes": ["department"]}), "/attributes/0"),
        (
            json!({"initiate_login_uri": "http://app.example"}),
            "/initiate_login_uri",
        ),
        (
            json!({"frontchannel_logout_uri": "https://other.example"}),
            "/frontchannel_logout_uri",
        ),
        (
            json!({"backchannel_logout_uri": "ftp://app.example"}),
            "/backchannel_logout_uri",
        ),
        (json!({"default_scope": "orders:write"}), "/default_scope"),
        (
            json!({"scope": "clients:read", "default_scope": "clients:read"}),
            "/default_scope",
        ),
        (
            json!({"allowed_cors_origins": ["null"]}),
            "/allowed_cors_origins/0",
        ),
        (
            json!({"allowed_cors_origins": ["https://app.example/"]}),
            "/allowed_cors_origins/0",
        ),
        (
            json!({"resources": ["https://a.example", "https://a.example"]}),
            "/resources/1",
        ),
        (
            json!({"resource_identifiers": ["https://id.example.com"]}),
            "/resource_identifiers/0",
        ),
        (
            json!({"resource_identifiers": ["https://id.example.com/"]}),
            "/resource_identifiers/0",
        ),
        (
            json!({"subject_type": "pairwise", "redirect_uris": ["https://a.example/", "https://b.example/"]}),
            "/sector_identifier_uri",
        ),
        (
            json!({"sector_identifier_uri": "http://app.example/sector"}),
            "/sector_identifier_uri",
        ),
        (
            json!({"id_token_encrypted_response_alg": "RSA-OAEP"}),
            "/id_token_encrypted_response_alg",
        ),
        (
            json!({"id_token_encrypted_response_alg": "RSA-OAEP", "jwks": {"keys": [p256()]}}),
            "/id_token_encrypted_response_alg",
        ),
        (
            json!({"userinfo_encrypted_response_enc": "A128GCM"}),
            "/userinfo_encrypted_response_enc",
        ),
        (
            json!({"introspection_encrypted_response_alg": "ECDH-ES"}),
            "/introspection_encrypted_response_alg",
        ),
        (
            json!({"userinfo_signed_response_alg": "EdDSA"}),
            "/userinfo_signed_response_alg",
        ),
        (
            json!({"introspection_signed_response_alg": "EdDSA"}),
            "/introspection_signed_response_alg",
        ),
        (json!({"attributes": ["department"]}), "/attributes/0"),
        (
            json!({"initiate_login_uri": "http://app.example/login"}),
            "/initiate_login_uri",
        ),
        (
            json!({"request_object_encryption_alg": "ECDH-ES"}),
            "/request_object_encryption_alg",
        ),
        (
            json!({"request_object_encryption_enc": "A128GCM"}),
            "/request_object_encryption_enc",
        ),
        (
            json!({"request_uris": ["https://app.example/r", "http://app.example/r"]}),
            "/request_uris/1",
        ),
        (
            json!({"require_signed_request_object": true}),
            "/require_signed_request_object",
        ),
    ] {
        assert_eq!(refused(web(changes.clone())), [pointer], "{changes}");
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once_and_nothing_is_repeated() {
    let document =
        web(json!({"client_name": "<b>canary", "logo_uri": "canary", "access_token_ttl": 7_777_777}));
    assert_eq!(
        refused(document.clone()),
        ["/logo_uri", "/access_token_ttl", "/client_name"]
    );
    let issuer = Issuer::parse("https://id.example.com").unwrap();
    let tokens = tokens();
    let rules = Rules {
        issuer: &issuer,
        tokens: &tokens,
        attributes: &Attributes::default(),
        http_to_allowed: false,
    };
    let metadata: ClientMetadata = serde_json::from_value(document).unwrap();
    let text = format!("{:?}", violations(&metadata, &rules));
    assert!(!text.contains("canary") && !text.contains("7777777"), "{text}");
}

#[test]
fn third_parties_are_capped_where_the_deployment_says_so() {
    let strict = TokenConfig {
        strict_15min: true,
        ..tokens()
    };
    let document = json!({"consumer_class": "third_party", "access_token_ttl": 901});
    assert_eq!(refused_with(document.clone(), &strict), ["/access_token_ttl"]);
    assert_eq!(refused(document), Vec::<String>::new());
    let stored = ClientMetadata {
        consumer_class: Some(grantor::types::ConsumerClass::ThirdParty),
        access_token_ttl: Some(3600),
        ..ClientMetadata::default()
    };
    assert_eq!(stored.effective_access_token_ttl(&strict), 900);
}
