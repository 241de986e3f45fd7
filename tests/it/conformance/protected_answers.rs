//! What the plans Dynamic and Third-Party-Initiated Login check of signed answers, sectors and `initiate_login_uri`. How
//! clients register themselves is shown where registration is.

use super::{plan_client, provider};
use crate::support::peer::Peer;
use crate::support::provider::PATIENT;
use crate::support::relying_party::{RelyingParty, verify_jwt};
use crate::support::{Engine, TestApp};
use grantor::types::{Algorithm, AuthMethod};
use serde_json::{Value, json};

/// "`userinfo_signed_response_alg=RS256`".
#[tokio::test]
async fn dynamic_userinfo_signed_with_rs256() {
    let mut p = provider().await;
    p.rp = RelyingParty::with(&p.app, |metadata| {
        metadata.userinfo_signed_response_alg = Some(Algorithm::RS256);
        metadata.require_pkce = false;
    })
    .await;
    let tokens = p.sign_in_for("openid profile").await;
    let call = p.app.http.get("/oauth2/userinfo").bearer(&tokens.access);
    let answer = call.send().await.expect(200);
    assert_eq!(answer.header("content-type"), "application/jwt");
    let claims = verify_jwt(&p.app, &answer.text()).await;
    assert_eq!(claims["aud"], Value::from(p.rp.client_id.clone()));
    assert_eq!(claims["sub"], p.alice.id.to_string());
    // Another client of the same server goes on getting JSON.
    p.rp = plan_client(&p.app, AuthMethod::ClientSecretPost).await;
    let tokens = p.sign_in().await;
    let call = p.app.http.get("/oauth2/userinfo").bearer(&tokens.access);
    assert_eq!(
        call.send().await.expect(200).json()["sub"],
        p.alice.id.to_string()
    );
}

/// "`sector_identifier_uri` checked (only if `pairwise` is offered)".
#[tokio::test]
async fn dynamic_the_sector_identifier_uri_is_checked() {
    let app = TestApp::spawn_with(Engine::Sqlite, &[PATIENT, ("outgoing.allow", "127.0.0.0/8")]).await;
    let peer = Peer::start().await;
    peer.serve(
        "/sector",
        "application/json",
        &json!(["https://suite.example/other"]).to_string(),
    );
    let token = app.admin_token("clients:write").await;
    let refused = app.http.post("/admin/v1/clients").bearer(&token).json(&json!({
        "redirect_uris": ["https://suite.example/cb"], "scope": "openid", "subject_type": "pairwise",
        "sector_identifier_uri": format!("{}/sector", peer.base),
    }));
    let problem = refused.send().await.expect(400).json();
    assert_eq!(problem["errors"][0]["pointer"], "/redirect_uris/0");
}

/// "`initiate_login_uri` kept at registration and returned by the client read endpoint […]; http URIs refused".
#[tokio::test]
async fn third_party_login_the_uri_is_kept_and_returned() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let token = app.admin_token("clients:write clients:read").await;
    let create = |uri: &str| {
        let document = json!({
            "redirect_uris": ["https://suite.example/cb"], "scope": "openid", "initiate_login_uri": uri,
        });
        app.http
            .post("/admin/v1/clients")
            .bearer(&token)
            .json(&document)
            .send()
    };
    let uri = "https://suite.example/initiate?from=op";
    let created = create(uri).await.expect(201);
    assert_eq!(created.json()["initiate_login_uri"], uri);
    let read = app
        .http
        .get(created.header("location"))
        .bearer(&token)
        .send()
        .await;
    assert_eq!(read.expect(200).json()["initiate_login_uri"], uri);
    let problem = create("http://suite.example/initiate").await.expect(400).json();
    assert_eq!(problem["errors"][0]["pointer"], "/initiate_login_uri");
}
