//! OpenID Connect Dynamic Client Registration 1.0; what it has in common with RFC 7591 is shown in `rfc7591.rs`.

use crate::rfc7591::{OPEN, open, register, registered, web};
use crate::support::peer::Peer;
use crate::support::provider::{Provider, refused};
use crate::support::relying_party::{CALLBACK, RelyingParty, header_of};
use crate::support::{Engine, TestApp};
use serde_json::json;

/// §2 application_type: "Native Clients MUST only register redirect_uris using custom URI schemes or loopback URLs using the
/// http scheme; loopback URLs use localhost or the IP loopback literals 127.0.0.1 or [::1] as the hostname. […] Authorization
/// Servers MAY reject Redirection URI values using the http scheme, other than the loopback case for Native Clients. The
/// Authorization Server MUST verify that all the registered redirect_uris conform to these constraints." https is allowed
/// since RFC 8252 §7.2 ("claimed https scheme URI").
#[tokio::test]
async fn s2_redirect_uris_fit_the_application_type() {
    let app = open(Engine::Sqlite).await;
    for (kind, uri, fits) in [
        ("native", "com.example.app:/cb", true),
        ("native", "http://127.0.0.1/cb", true),
        ("native", "http://[::1]:1234/cb", true),
        ("native", "http://localhost/cb", true),
        ("native", "https://rp.example/cb", true),
        ("native", "http://rp.example/cb", false),
        ("native", "myapp:/cb", false),
        ("web", "https://rp.example/cb", true),
        ("web", "http://rp.example/cb", false),
        ("web", "com.example.app:/cb", false),
    ] {
        let answer = register(&app, &json!({"application_type": kind, "redirect_uris": [uri]})).await;
        if fits {
            assert_eq!(answer.expect(201).json()["application_type"], kind);
        } else {
            refused(answer, 400, "invalid_redirect_uri");
        }
    }
}

/// §2 id_token_signed_response_alg: "JWS alg algorithm REQUIRED for signing the ID Token issued to this Client. The value none
/// MUST NOT be used as the ID Token alg value unless the Client uses only Response Types that return no ID Token from the
/// Authorization Endpoint […]. The default, if omitted, is RS256."
#[tokio::test]
async fn s2_the_id_token_has_the_registered_algorithm() {
    let mut p = Provider::with(Engine::Sqlite, &[OPEN]).await;
    for alg in [None, Some("ES256"), Some("PS256")] {
        let json = registered(&p.app, &web(json!({"id_token_signed_response_alg": alg}))).await;
        let rp = RelyingParty::of_registration(&json);
        let tokens = rp.sign_in(&p.app, &mut p.browser, &p.alice, "openid").await;
        assert_eq!(header_of(&tokens.id)["alg"], alg.unwrap_or("RS256"));
        assert_eq!(json["id_token_signed_response_alg"], alg.unwrap_or("RS256"));
    }
}

/// §2 default_max_age: "The max_age request parameter overrides this default value." require_auth_time: "If this is true, the
/// auth_time Claim in the ID Token is REQUIRED."
#[tokio::test]
async fn s2_default_max_age_and_require_auth_time() {
    let mut p = Provider::with(Engine::Sqlite, &[OPEN]).await;
    let json = registered(
        &p.app,
        &web(json!({"default_max_age": 60, "require_auth_time": true})),
    )
    .await;
    let rp = RelyingParty::of_registration(&json);
    let tokens = rp.sign_in(&p.app, &mut p.browser, &p.alice, "openid").await;
    let first = rp.verify_id_token(&p.app, &tokens.id).await["auth_time"].clone();
    assert!(first.is_i64());
    p.app.advance(61);
    let silent = rp.ask_for(&p.app, &[("prompt", "none")]);
    let page = p.browser.open(&silent.url).await;
    assert_eq!(page.parameter("error").as_deref(), Some("login_required"));
    let wide = rp.ask_for(&p.app, &[("prompt", "none"), ("max_age", "3600")]);
    let page = p.browser.open(&wide.url).await;
    assert!(page.parameter("code").is_some(), "max_age of the request wins");
}

/// §2 sector_identifier_uri, §5: "Values registered in redirect_uris MUST be included in the elements of the array, or
/// registration MUST fail." It is fetched through the guard that keeps the server from inner networks.
#[tokio::test]
async fn s5_the_sector_document_lists_the_redirect_uris() {
    let peer = Peer::start().await;
    let settings = [OPEN, ("outgoing.allow", "127.0.0.1/32")];
    let app = TestApp::spawn_with(Engine::Sqlite, &settings).await;
    let sector = format!("{}/sector.json", peer.base);
    let asked = web(json!({"subject_type": "pairwise", "sector_identifier_uri": sector}));
    peer.serve(
        "/sector.json",
        "application/json",
        "[\"https://elsewhere.example/cb\"]",
    );
    refused(register(&app, &asked).await, 400, "invalid_redirect_uri");
    peer.serve("/sector.json", "application/json", &json!([CALLBACK]).to_string());
    let json = registered(&app, &asked).await;
    assert_eq!(
        (&json["subject_type"], &json["sector_identifier_uri"]),
        (&json!("pairwise"), &json!(sector))
    );
    // Where it is not allowed, nobody sends the server into its own network.
    let guarded = open(Engine::Sqlite).await;
    let inner = web(json!({"sector_identifier_uri": "https://127.0.0.1/sector.json"}));
    refused(register(&guarded, &inner).await, 400, "invalid_client_metadata");
    let log = guarded.audit_log().await;
    assert!(log.iter().any(|event| event.event_type == "ssrf_blocked"));
}

/// §3.1: "the Authorization Server SHOULD allow […] requests without an Access Token" in mode open; "The Client Registration
/// Endpoint […] CORS": a browser's script may register. §3.2: "Since the use of the Client Registration Response body is
/// sensitive": not cached. §3.3: errors are 400.
#[tokio::test]
async fn s3_the_answer_is_not_kept() {
    let app = open(Engine::Sqlite).await;
    for (document, status) in [(web(json!({})), 201), (json!({}), 400)] {
        let answer = register(&app, &document).await.expect(status);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("pragma"), "no-cache");
    }
}

/// Core §8.1: a sector is shown by receiving codes there. A client of the device grant receives none: it cannot name another's redirect
/// URI, or another's document, and come to know people by that one's subjects.
#[tokio::test]
async fn s2_subject_type_nobody_joins_a_sector_unseen() {
    let settings = [
        crate::rfc7591::OPEN,
        ("outgoing.allow", "127.0.0.1/32"),
        (
            "registration.grant_types",
            "authorization_code refresh_token urn:ietf:params:oauth:grant-type:device_code",
        ),
    ];
    let app = TestApp::spawn_with(Engine::Sqlite, &settings).await;
    let peer = crate::support::peer::Peer::start().await;
    peer.serve("/sector", "application/json", r#"["https://victim.example/cb"]"#);
    let device = "urn:ietf:params:oauth:grant-type:device_code";
    let sector = format!("{}/sector", peer.base);
    for thief in [
        json!({"redirect_uris": ["https://victim.example/cb"], "grant_types": ["authorization_code", device]}),
        json!({"redirect_uris": [], "grant_types": [device], "sector_identifier_uri": sector}),
        json!({"redirect_uris": ["https://victim.example/cb"], "grant_types": ["authorization_code", device],
            "sector_identifier_uri": sector}),
    ] {
        let mut document = thief.clone();
        document["subject_type"] = "pairwise".into();
        let answer = register(&app, &document).await;
        assert_eq!(answer.oauth_error(400), "invalid_client_metadata", "{thief}");
        document["subject_type"] = "public".into();
        register(&app, &document).await.expect(201);
    }
    // Nor later, by a change (RFC 7592 §2.2).
    let own = json!({"redirect_uris": ["https://victim.example/cb"], "subject_type": "pairwise"});
    let read = register(&app, &own).await.expect(201).json();
    let mut changed = own;
    changed["client_id"] = read["client_id"].clone();
    changed["grant_types"] = json!(["authorization_code", device]);
    let put = app.http.call(
        reqwest::Method::PUT,
        read["registration_client_uri"].as_str().unwrap(),
    );
    let token = read["registration_access_token"].as_str().unwrap();
    assert_eq!(
        put.bearer(token).json(&changed).send().await.oauth_error(400),
        "invalid_client_metadata"
    );
    // An administrator may know what a device is of.
    let token = app.admin_token("clients:write").await;
    let trusted = json!({"grant_types": [device], "scope": "openid", "subject_type": "pairwise",
        "token_endpoint_auth_method": "none", "sector_identifier_uri": sector});
    app.http
        .post("/admin/v1/clients")
        .bearer(&token)
        .json(&trusted)
        .send()
        .await
        .expect(201);
}
