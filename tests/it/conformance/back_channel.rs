//! "Back-channel".

use super::{BYE, run};
use crate::support::provider::{PATIENT, Provider};
use crate::support::receiver::{Received, Receiver};
use crate::support::relying_party::{RelyingParty, claims_of, header_of, verify_jwt};
use crate::support::tls::Authority;
use crate::support::{Engine, TestApp};
use grantor::jobs;
use serde_json::json;
use std::time::{Duration, Instant};

async fn provider(authority: Option<&Authority>, receiver: &str) -> Provider {
    let pem = authority.map(|authority| authority.pem.to_str().unwrap().to_owned());
    let mut settings = vec![PATIENT, ("outgoing.allow", "127.0.0.0/8")];
    settings.extend(pem.as_deref().map(|pem| ("outgoing.ca", pem)));
    let mut p = Provider::with(Engine::Sqlite, &settings).await;
    let uri = format!("{receiver}/backchannel");
    p.rp = RelyingParty::with(&p.app, |metadata| {
        metadata.require_pkce = false;
        metadata.post_logout_redirect_uris = vec![BYE.to_owned()];
        metadata.backchannel_logout_uri = Some(uri);
        metadata.backchannel_logout_session_required = true;
    })
    .await;
    p
}

async fn sign_out(p: &mut Provider, hint: &str) {
    let url = format!("/oauth2/logout?id_token_hint={hint}&post_logout_redirect_uri={BYE}");
    assert!(p.browser.open(&url).await.left_for.is_some());
}

/// Delivers until it has arrived.
async fn arrived(app: &TestApp, receiver: &Receiver) -> Received {
    let patience = Instant::now() + Duration::from_secs(30);
    loop {
        jobs::deliver(&app.app).await.unwrap();
        if let Some(received) = receiver.received().first() {
            return received.clone();
        }
        assert!(Instant::now() < patience, "nothing arrived");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// "needs `backchannel_logout_supported`, `backchannel_logout_session_supported`, `sid` in ID Tokens".
#[tokio::test]
async fn back_channel_metadata_and_sid() {
    let mut p = super::provider().await;
    let metadata = p.app.metadata().await;
    assert_eq!(metadata["backchannel_logout_supported"], true);
    assert_eq!(metadata["backchannel_logout_session_supported"], true);
    let tokens = run(&mut p, &[]).await;
    assert!(
        claims_of(&tokens.id)["sid"]
            .as_str()
            .is_some_and(|sid| !sid.is_empty())
    );
}

/// "a logout token with `typ`, `iss`, `aud`, `iat`, `exp`, `jti`, `events`, `sub`/`sid` and no `nonce`, posted to the suite over TLS
/// with its CA trusted".
#[tokio::test]
async fn back_channel_the_token_over_tls_with_the_suites_authority() {
    let (authority, receiver) = (Authority::new(), Receiver::start().await);
    let mut p = provider(Some(&authority), &authority.in_front_of(&receiver.base).await).await;
    let tokens = run(&mut p, &[]).await;
    sign_out(&mut p, &tokens.id).await;
    let received = arrived(&p.app, &receiver).await;
    assert_eq!(received.target, "POST /backchannel");
    let token = received.field("logout_token");
    assert_eq!(header_of(token)["typ"], "logout+jwt");
    let claims = verify_jwt(&p.app, token).await;
    let id = claims_of(&tokens.id);
    assert_eq!(claims["aud"], p.rp.client_id.as_str());
    assert_eq!(
        (&claims["iss"], &claims["sub"], &claims["sid"]),
        (&id["iss"], &id["sub"], &id["sid"])
    );
    assert!(claims["iat"].is_i64() && claims["exp"].is_i64() && claims["jti"].is_string());
    assert_eq!(
        claims["events"],
        json!({"http://schemas.openid.net/event/backchannel-logout": {}})
    );
    assert!(!claims.contains_key("nonce"));
}

/// The same where the authority is nobody's: nothing is told to whoever answers there.
#[tokio::test]
async fn back_channel_an_unknown_authority_is_told_nothing() {
    let (authority, receiver) = (Authority::new(), Receiver::start().await);
    let mut p = provider(None, &authority.in_front_of(&receiver.base).await).await;
    let tokens = run(&mut p, &[]).await;
    sign_out(&mut p, &tokens.id).await;
    jobs::deliver(&p.app.app).await.unwrap();
    p.app.advance(3600);
    jobs::deliver(&p.app.app).await.unwrap();
    assert!(receiver.received().is_empty());
}
