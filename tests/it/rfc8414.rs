//! RFC 8414, Authorization Server Metadata.

use crate::support::{Engine, TestApp};
use serde_json::Value;
use std::collections::HashSet;

const PATH: &str = "/.well-known/oauth-authorization-server";

/// §2: the members that MUST be there, and that each value has its type. "authorization_endpoint […] REQUIRED unless no
/// grant types are supported that use the authorization endpoint." "response_types_supported REQUIRED."
#[tokio::test]
async fn s2_members() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let metadata = app.http.get(PATH).send().await.expect(200).json();
    assert_eq!(metadata["issuer"], app.issuer());
    for endpoint in [
        "authorization",
        "token",
        "revocation",
        "introspection",
        "userinfo",
        "end_session",
    ] {
        let uri = metadata[format!("{endpoint}_endpoint")]
            .as_str()
            .unwrap_or_else(|| panic!("{endpoint}"));
        assert!(uri.starts_with(app.issuer()) && !uri.contains('#'), "{uri}");
    }
    assert_eq!(metadata["response_types_supported"], serde_json::json!(["code"]));
    assert_eq!(
        metadata["code_challenge_methods_supported"],
        serde_json::json!(["S256"])
    );
    for (name, value) in metadata.as_object().unwrap() {
        if name.ends_with("_supported") {
            let list = value.as_array().map(Vec::len);
            assert!(
                value.is_boolean() || list.is_some_and(|length| length > 0),
                "{name}: {value}"
            );
        }
    }
}

/// §2: "token_endpoint_auth_signing_alg_values_supported […] MUST be present if either of these authentication methods are
/// specified in the "token_endpoint_auth_methods_supported" entry. […] The value "none" MUST NOT be used." The same for
/// revocation and introspection.
#[tokio::test]
async fn s2_signing_algorithms_of_assertions_are_listed() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let metadata = app.http.get(PATH).send().await.expect(200).json();
    for endpoint in ["token", "revocation", "introspection"] {
        let methods = strings(&metadata[format!("{endpoint}_endpoint_auth_methods_supported")]);
        assert!(
            methods.contains("private_key_jwt") && methods.contains("client_secret_basic"),
            "{endpoint}"
        );
        let algorithms = strings(&metadata[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")]);
        assert!(
            algorithms.contains("RS256") && !algorithms.contains("none"),
            "{algorithms:?}"
        );
        assert!(!algorithms.iter().any(|alg| alg.starts_with("HS")));
    }
    let methods = strings(&metadata["introspection_endpoint_auth_methods_supported"]);
    assert!(!methods.contains("none"), "a public client cannot introspect");
}

fn strings(value: &Value) -> HashSet<String> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

/// §3: "Authorization servers supporting metadata MUST make a JSON document containing metadata […] available at a path formed
/// by inserting a well-known URI string into the authorization server's issuer identifier between the host component and the
/// path component, if any." "any terminating "/" MUST be removed".
#[tokio::test]
async fn s3_the_well_known_part_goes_before_the_issuers_path() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let issuer = format!("{}/tenants/one", app.base);
    let below = TestApp::spawn_with(Engine::Sqlite, &[("issuer", &issuer)]).await;
    for path in [
        format!("{PATH}/tenants/one"),
        "/.well-known/openid-configuration/tenants/one".to_owned(),
        "/tenants/one/.well-known/openid-configuration".to_owned(),
        format!("/tenants/one{PATH}"),
    ] {
        let metadata = below.http.get(&path).send().await.expect(200).json();
        assert_eq!(
            metadata["issuer"], issuer,
            "§3.3: the value MUST be identical to the issuer identifier"
        );
        let endpoint = metadata["token_endpoint"].as_str().unwrap();
        let path = endpoint.strip_prefix(&app.base).unwrap();
        assert_eq!(
            below.http.post(path).form(&[]).send().await.status.as_u16(),
            401,
            "{path}: it is there"
        );
    }
    for path in [PATH, "/.well-known/openid-configuration"] {
        assert_eq!(
            below.http.get(path).send().await.status.as_u16(),
            404,
            "that would be another issuer's"
        );
    }
}

/// §3.1, §3.2: "The response is a set of claims about the authorization server's configuration […] A successful response MUST
/// use the 200 OK HTTP status code and return a JSON object using the "application/json" content type". "Claims with zero
/// elements MUST be omitted from the response."
#[tokio::test]
async fn s3_2_the_answer() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let answer = app.http.get(PATH).send().await.expect(200);
    assert!(answer.header("content-type").starts_with("application/json"));
    let json = answer.json();
    let empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    assert!(!json.as_object().unwrap().values().any(empty), "{json}");
    // Kept by caches, and asked for again by its tag.
    assert!(answer.header("cache-control").contains("max-age="));
    let again = app
        .http
        .get(PATH)
        .header("if-none-match", answer.header("etag"))
        .send()
        .await;
    assert_eq!(again.status.as_u16(), 304);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
}

/// What is not there is not listed: every grant, method and mode in the document works, and no other member promises more.
#[tokio::test]
async fn the_document_lists_exactly_what_is_there() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let metadata = app.http.get(PATH).send().await.expect(200).json();
    let grants = strings(&metadata["grant_types_supported"]);
    let want = [
        "authorization_code",
        "refresh_token",
        "client_credentials",
        "urn:ietf:params:oauth:grant-type:device_code",
    ]
    .map(str::to_owned);
    assert_eq!(grants, HashSet::from(want));
    assert_eq!(
        strings(&metadata["response_modes_supported"]),
        HashSet::from(["query", "form_post"].map(str::to_owned))
    );
    assert_eq!(metadata["registration_endpoint"], Value::Null);
    for member in metadata.as_object().unwrap() {
        if let (name, Value::String(uri)) = member
            && name.ends_with("_endpoint")
        {
            let path = uri.strip_prefix(app.issuer()).unwrap();
            let answer = app.http.get(path).send().await;
            assert_ne!(answer.status.as_u16(), 404, "{name}");
        }
    }
}
