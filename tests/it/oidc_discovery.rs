//! OpenID Connect Discovery 1.0.

use crate::support::{Engine, TestApp};
use serde_json::{Value, json};
use std::collections::HashSet;

const PATH: &str = "/.well-known/openid-configuration";

/// §3: the members that are REQUIRED, and those whose values are prescribed: "The algorithm RS256 MUST be included" in
/// `id_token_signing_alg_values_supported`, "Servers SHOULD support […] openid" in `scopes_supported` ("The server MUST support the
/// openid scope value").
#[tokio::test]
async fn s3_metadata() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let metadata = app.http.get(PATH).send().await.expect(200).json();
    for required in [
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "userinfo_endpoint",
        "end_session_endpoint",
    ] {
        let uri = metadata[required]
            .as_str()
            .unwrap_or_else(|| panic!("{required}"));
        assert!(
            url::Url::parse(uri).is_ok_and(|url| url.fragment().is_none()),
            "{uri}"
        );
    }
    let has = |name: &str, value: &str| {
        let list = metadata[name].as_array().unwrap_or_else(|| panic!("{name}"));
        list.contains(&json!(value))
    };
    assert!(has("response_types_supported", "code"));
    assert!(has("subject_types_supported", "public"));
    assert!(
        has("id_token_signing_alg_values_supported", "RS256")
            && !has("id_token_signing_alg_values_supported", "none")
    );
    assert!(has("scopes_supported", "openid"));
    assert!(has("claims_supported", "sub") && has("claims_supported", "email"));
    assert!(has("claim_types_supported", "normal"));
    assert_eq!(metadata["claims_parameter_supported"], true);
    assert_eq!(metadata["request_parameter_supported"], true);
    assert_eq!(metadata["request_uri_parameter_supported"], true);
    assert_eq!(metadata["require_request_uri_registration"], true);
}

/// §4.2: "A successful response MUST use the 200 OK HTTP status code and return a JSON object using the application/json content
/// type". §4.3: "The issuer value returned MUST be identical to the Issuer URL that was used as the prefix". §4.1: with a path
/// "any terminating / MUST be removed".
#[tokio::test]
async fn s4_the_document_is_below_the_issuer() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let answer = app.http.get(PATH).send().await.expect(200);
    assert!(answer.header("content-type").starts_with("application/json"));
    let json = answer.json();
    assert_eq!(json["issuer"], app.issuer());
    assert!(!app.issuer().ends_with('/'));
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(app.http.post(PATH).send().await.status.as_u16(), 405);
    let other = app
        .http
        .get("/.well-known/oauth-authorization-server")
        .send()
        .await
        .expect(200)
        .json();
    assert_eq!(other, json, "both places serve both");
}

/// §3 `jwks_uri`: "This contains the signing key(s) the RP uses to validate signatures from the OP", "the JWK Set MUST NOT" give
/// private parts away; RFC 7517 §4.5: distinct `kid`s.
#[tokio::test]
async fn s3_the_keys() {
    let app = TestApp::spawn_with(Engine::Sqlite, &[("tokens.algorithms", "RS256,ES256,PS256")]).await;
    let metadata = app.http.get(PATH).send().await.expect(200).json();
    let path = metadata["jwks_uri"]
        .as_str()
        .unwrap()
        .strip_prefix(app.issuer())
        .unwrap()
        .to_owned();
    let answer = app.http.get(&path).send().await.expect(200);
    assert!(answer.header("cache-control").contains("max-age="));
    let jwks = answer.json();
    let keys = jwks["keys"].as_array().unwrap();
    let kids: HashSet<_> = keys.iter().map(|key| key["kid"].as_str().unwrap()).collect();
    assert_eq!(kids.len(), keys.len());
    for key in keys {
        assert!(key["use"] == "sig" || key["use"] == "enc");
        assert!(key["alg"].is_string(), "{key}");
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert!(key.get(private).is_none(), "{private}");
        }
    }
    let keys: Vec<_> = keys.iter().filter(|key| key["use"] == "sig").collect();
    for key in &keys {
        let alg = key["alg"].as_str().unwrap();
        assert!(["RS256", "PS256", "ES256"].contains(&alg));
        assert_eq!(key["kty"], if alg == "ES256" { "EC" } else { "RSA" });
    }
    let listed = metadata["id_token_signing_alg_values_supported"]
        .as_array()
        .unwrap();
    let published: HashSet<_> = keys.iter().map(|key| &key["alg"]).collect();
    assert_eq!(
        published,
        listed.iter().collect::<HashSet<&Value>>(),
        "each algorithm has a key"
    );
    let again = app
        .http
        .get(&path)
        .header("if-none-match", answer.header("etag"))
        .send()
        .await;
    assert_eq!(again.status.as_u16(), 304);
}
