//! RFC 7009, Token Revocation.

use crate::support::provider::{Provider, history, refused};
use crate::support::relying_party::{RelyingParty, Tokens};
use crate::support::{Engine, TestApp};
use grantor::types::GrantType;

on_both_engines! {
    /// §2.1: "If the particular token is a refresh token and the authorization server supports the revocation of access
    /// tokens, then the authorization server SHOULD also invalidate all access tokens based on the same authorization
    /// grant."
    async fn s2_1_a_refresh_token_takes_its_access_tokens_with_it(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let first = p.sign_in().await;
        let second = Tokens::of(p.rp.refresh(&p.app, &first.refresh).await);
        let other = p.sign_in().await;
        let answer = p.rp.revoke(&p.app, &second.refresh).await.expect(200);
        assert!(answer.body.is_empty());
        for token in [&first.access, &second.access, &second.refresh] {
            assert!(!p.rp.is_active(&p.app, token).await);
        }
        p.app.http.get("/oauth2/userinfo").bearer(&second.access).send().await.expect(401);
        refused(p.rp.refresh(&p.app, &second.refresh).await, 400, "invalid_grant");
        // Another family of the same user and client, and the session, are left alone.
        p.rp.refresh(&p.app, &other.refresh).await.expect(200);
        assert_eq!(p.silent(&mut p.browser.clone()).await, None);
        let history = history(&p.app, &second.family()).await;
        assert!(history.iter().any(|record| record.event_type == "family_revoked"), "{history:#?}");
    }

    /// §2.2: "The authorization server responds with HTTP status code 200 if the token has been revoked successfully"; the
    /// effect is immediate, also at another replica.
    async fn s2_2_a_single_access_token_is_revoked_at_once(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let other = p.app.replica().await;
        let first = p.sign_in().await;
        let second = Tokens::of(p.rp.refresh(&p.app, &first.refresh).await);
        p.rp.revoke(&p.app, &first.access).await.expect(200);
        p.rp.revoke(&p.app, &first.access).await.expect(200);
        assert!(!p.rp.is_active(&other, &first.access).await);
        other.http.get("/oauth2/userinfo").bearer(&first.access).send().await.expect(401);
        assert!(p.rp.is_active(&other, &second.access).await, "the family goes on");
        p.rp.refresh(&other, &second.refresh).await.expect(200);
    }
}

/// §2.1: "The authorization server first validates the client credentials (in case of a confidential client) and then
/// verifies whether the token was issued to the client making the revocation request."
#[tokio::test]
async fn s2_1_the_client_is_authenticated_and_the_token_its_own() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let tokens = p.sign_in().await;
    let nobody = p
        .app
        .http
        .post("/oauth2/revoke")
        .form(&[("token", &tokens.refresh)])
        .send()
        .await;
    refused(nobody, 401, "invalid_client");
    let named = [("token", &*tokens.refresh), ("client_id", &p.rp.client_id)];
    refused(
        p.app.http.post("/oauth2/revoke").form(&named).send().await,
        401,
        "invalid_client",
    );
    let mut wrong = p.rp.clone();
    wrong.secret = Some("gcs_wrong".to_owned());
    refused(wrong.revoke(&p.app, &tokens.refresh).await, 401, "invalid_client");
    let stranger = RelyingParty::new(&p.app).await;
    for token in [&tokens.refresh, &tokens.access] {
        stranger.revoke(&p.app, token).await.expect(200);
        assert!(
            p.rp.is_active(&p.app, token).await,
            "another client's token is left alone"
        );
    }
    p.rp.refresh(&p.app, &tokens.refresh).await.expect(200);
}

/// §2.1: "token_type_hint OPTIONAL. […] An authorization server MAY ignore this parameter", and if it "is unable to locate
/// the token using the given hint, it MUST extend its search across all of its supported token types."
#[tokio::test]
async fn s2_1_a_wrong_hint_does_no_harm() {
    let mut p = Provider::new(Engine::Sqlite).await;
    for hint in ["access_token", "refresh_token", "unheard_of", ""] {
        let tokens = p.sign_in().await;
        for token in [&tokens.access, &tokens.refresh] {
            let fields = [("token", &**token), ("token_type_hint", hint)];
            p.rp.post(&p.app, "/oauth2/revoke", &fields).await.expect(200);
            assert!(!p.rp.is_active(&p.app, token).await, "{hint}");
        }
    }
}

/// §2.2: "invalid tokens do not cause an error response since the client cannot handle such an error in a reasonable way."
/// §2.1: "token REQUIRED."
#[tokio::test]
async fn s2_2_invalid_tokens_are_no_error() {
    let p = Provider::new(Engine::Sqlite).await;
    for token in ["x", "grt_x", "gac_x", "a.b.c", "grt_", &"x".repeat(5000)] {
        p.rp.revoke(&p.app, token).await.expect(200);
    }
    refused(
        p.rp.post(&p.app, "/oauth2/revoke", &[]).await,
        400,
        "invalid_request",
    );
    refused(p.rp.revoke(&p.app, "").await, 400, "invalid_request");
    let twice = [("token", "x"), ("token", "y")];
    refused(
        p.rp.post(&p.app, "/oauth2/revoke", &twice).await,
        400,
        "invalid_request",
    );
    let answer = p.app.http.get("/oauth2/revoke?token=x").send().await;
    assert_eq!(answer.status.as_u16(), 405);
}

/// §2: a public client names itself and revokes its own tokens; a code that was not used yet is given back by it.
#[tokio::test]
async fn s5_a_public_client_revokes_its_own() {
    let mut p = Provider::new(Engine::Sqlite).await;
    p.rp = RelyingParty::public(&p.app).await;
    let tokens = p.sign_in().await;
    p.rp.revoke(&p.app, &tokens.refresh).await.expect(200);
    refused(p.rp.refresh(&p.app, &tokens.refresh).await, 400, "invalid_grant");
    let asked = p.rp.ask(&p.app);
    let code = p.browser.open(&asked.url).await.code();
    p.rp.revoke(&p.app, &code).await.expect(200);
    refused(
        p.rp.redeem_code(&p.app, &code, &asked.pkce.verifier).await,
        400,
        "invalid_grant",
    );
}

/// §2.2 for a token without a family: one of a client for itself.
#[tokio::test]
async fn s2_2_a_clients_own_token() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let machine = RelyingParty::with(&app, |metadata| {
        metadata.grant_types = vec![GrantType::ClientCredentials]
    })
    .await;
    let grant = [("grant_type", "client_credentials"), ("scope", "orders:read")];
    let one = Tokens::of(machine.post(&app, "/oauth2/token", &grant).await);
    let other = Tokens::of(machine.post(&app, "/oauth2/token", &grant).await);
    machine.revoke(&app, &one.access).await.expect(200);
    assert!(!machine.is_active(&app, &one.access).await);
    assert!(machine.is_active(&app, &other.access).await);
}
