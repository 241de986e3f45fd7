//! "Dynamic": what clients that registered themselves ask for, and what people see of them.

use crate::rfc7591::{OPEN, registered, web};
use crate::support::Engine;
use crate::support::peer::Peer;
use crate::support::provider::{Provider, refused};
use crate::support::relying_party::{RelyingParty, Tokens, header_of};
use crate::support::request_object::ClientKey;
use crate::support::tls::Authority;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantor::types::TenantId;
use serde_json::json;

async fn provider() -> Provider {
    Provider::with(Engine::Sqlite, &[OPEN, ("outgoing.allow", "127.0.0.1/32")]).await
}

/// "`request_uri` (JAR by reference, RS256, also unsigned when `none` is offered) is mandatory, with `request_uri_parameter_supported:
/// true`".
#[tokio::test]
async fn dynamic_request_uri_rs256() {
    let mut p = provider().await;
    let metadata = p.app.metadata().await;
    assert_eq!(metadata["request_uri_parameter_supported"], true);
    let algorithms = metadata["request_object_signing_alg_values_supported"]
        .as_array()
        .unwrap();
    assert!(algorithms.contains(&json!("RS256")) && !algorithms.contains(&json!("none")));
    let (key, peer) = (ClientKey::new("k1", "RS256"), Peer::start().await);
    let uri = format!("{}/request.jwt", peer.base);
    let document = web(json!({
        "jwks": key.jwks(), "request_uris": [uri], "request_object_signing_alg": "RS256",
        "grant_types": ["authorization_code", "refresh_token"],
    }));
    p.rp = RelyingParty::of_registration(&registered(&p.app, &document).await);
    let asked = p.rp.ask(&p.app);
    let object = p.rp.object(&p.app, &key, &asked, &json!({}));
    peer.serve("/request.jwt", "application/jwt", &object);
    let url = format!("{}&response_type=code&scope=openid", p.rp.refer(&p.app, &uri));
    let page = p.browser.authorize(&url, &p.alice).await;
    assert_eq!(page.parameter("state").as_deref(), Some(&*asked.state));
    let tokens = Tokens::of(p.rp.redeem(&p.app, &asked, &page).await);
    assert_eq!(
        p.rp.verify_id_token(&p.app, &tokens.id).await["nonce"],
        asked.nonce
    );
    // `none` is not offered, and not taken.
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    let unsigned = format!("{none}.{}.", object.split('.').nth(1).unwrap());
    peer.serve("/request.jwt", "application/jwt", &unsigned);
    assert_eq!(p.browser.open(&url).await.error(), "invalid_request_object");
}

/// "an extra CA and an allow-list of loopback addresses for outgoing requests (back-channel logout, `jwks_uri`,
/// `sector_identifier_uri`, `request_uri`)": each of them over TLS. Back-channel logout is shown with its plan.
#[tokio::test]
async fn every_plan_outgoing_requests_trust_the_suites_authority() {
    let (authority, peer) = (Authority::new(), Peer::start().await);
    let pem = authority.pem.to_str().unwrap().to_owned();
    let trusting = [OPEN, ("outgoing.allow", "127.0.0.0/8"), ("outgoing.ca", &*pem)];
    for settings in [&trusting[..], &trusting[..2]] {
        let mut p = Provider::with(Engine::Sqlite, settings).await;
        let base = authority.in_front_of(&peer.base).await;
        let key = ClientKey::new("k1", "RS256");
        peer.serve("/jwks", "application/json", &key.jwks().to_string());
        peer.serve(
            "/sector",
            "application/json",
            &json!(["https://rp.example/callback"]).to_string(),
        );
        let uri = format!("{base}/request.jwt");
        let document = web(json!({
            "redirect_uris": ["https://rp.example/callback"], "subject_type": "pairwise",
            "sector_identifier_uri": format!("{base}/sector"), "jwks_uri": format!("{base}/jwks"), "request_uris": [uri],
        }));
        if settings.len() < trusting.len() {
            let answer = crate::rfc7591::register(&p.app, &document).await;
            refused(answer, 400, "invalid_client_metadata");
            continue;
        }
        p.rp = RelyingParty::of_registration(&registered(&p.app, &document).await);
        let asked = p.rp.ask(&p.app);
        peer.serve(
            "/request.jwt",
            "application/jwt",
            &p.rp.object(&p.app, &key, &asked, &json!({})),
        );
        let page = p.browser.authorize(&p.rp.refer(&p.app, &uri), &p.alice).await;
        Tokens::of(p.rp.redeem(&p.app, &asked, &page).await);
        assert_eq!(peer.asked(), ["/sector", "/request.jwt", "/jwks"]);
    }
}

/// "server key rotation (`grantor keys rotate` while the plan runs: a new signing key is published and the old one kept)".
#[tokio::test]
async fn dynamic_server_key_rotation() {
    let mut p = provider().await;
    let before = p.sign_in().await;
    let keys = async |p: &Provider| p.app.http.get("/oauth2/jwks").send().await.json()["keys"].clone();
    let old = keys(&p).await;
    let rotated = p
        .app
        .app
        .keys
        .rotate(TenantId::FIRST, None, true, |event| event, p.app.now());
    rotated.await.unwrap().expect("keys");
    let new = keys(&p).await;
    let signs = |key: &&serde_json::Value| key["use"] == "sig";
    for key in old.as_array().unwrap().iter().filter(signs) {
        assert!(new.as_array().unwrap().contains(key), "kept");
    }
    let count = |keys: &serde_json::Value| keys.as_array().unwrap().iter().filter(signs).count();
    assert_eq!(count(&new), count(&old) + 3, "one more for each algorithm");
    let after = p.sign_in().await;
    assert_ne!(header_of(&before.id)["kid"], header_of(&after.id)["kid"]);
    for token in [&before.id, &after.id] {
        p.rp.verify_id_token(&p.app, token).await;
    }
}

/// "`logo_uri`/`policy_uri`/`tos_uri` shown to the user (screenshots, REVIEW)". The logo of an application that registered itself is
/// kept and not shown (RFC 7591 §5: it would lend trust that nobody has checked); an administrator's is.
#[tokio::test]
async fn dynamic_people_see_logo_and_policies() {
    let mut p = provider().await;
    let (logo, home) = ("https://rp.example/logo.png", "https://rp.example/");
    let (privacy, terms) = ("https://rp.example/privacy", "https://rp.example/terms");
    let document = web(json!({
        "client_name": "Suite", "logo_uri": logo, "client_uri": home, "policy_uri": privacy, "tos_uri": terms,
    }));
    let kept = registered(&p.app, &document).await;
    assert_eq!(kept["logo_uri"], logo);
    let itself = RelyingParty::of_registration(&kept);
    let trusted = RelyingParty::with(&p.app, |metadata| {
        metadata.client_name = Some("Suite".to_owned());
        metadata.logo_uri = Some(logo.to_owned());
        metadata.client_uri = Some(home.to_owned());
        metadata.policy_uri = Some(privacy.to_owned());
        metadata.tos_uri = Some(terms.to_owned());
        metadata.require_consent = true;
    })
    .await;
    for (rp, has_logo) in [(itself, false), (trusted, true)] {
        p.browser.forget();
        let page = p.browser.open(&rp.ask(&p.app).url).await;
        let form = p.alice.fill_in(page.sign_in_form());
        let page = p.browser.submit(&page, &form).await;
        page.decision_form();
        let html = page.html();
        for link in [home, privacy, terms] {
            assert!(html.contains(&format!("href=\"{link}\"")), "{link}: {html}");
        }
        assert!(html.contains("Suite"));
        assert_eq!(html.contains(&format!("src=\"{logo}\"")), has_logo);
        let policy = page.answer.header("content-security-policy");
        assert_eq!(
            policy.contains("img-src 'self' https://rp.example"),
            has_logo,
            "{policy}"
        );
    }
}
