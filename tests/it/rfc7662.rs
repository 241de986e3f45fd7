//! RFC 7662, Token Introspection.

use crate::support::Engine;
use crate::support::provider::{Provider, execute, refused};
use crate::support::relying_party::{RelyingParty, Tokens};
use grantor::types::{IntrospectionRight, Resource};

/// §2.1: "To prevent token scanning attacks, the endpoint MUST also require some form of authorization to access this
/// endpoint". A public client's name is none.
#[tokio::test]
async fn s2_1_the_endpoint_is_for_those_who_prove_who_they_are() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let token = p.sign_in().await.access;
    let nobody = p
        .app
        .http
        .post("/oauth2/introspect")
        .form(&[("token", &token)])
        .send()
        .await;
    refused(nobody, 401, "invalid_client");
    let mut wrong = p.rp.clone();
    wrong.secret = Some("gcs_wrong".to_owned());
    let answer = wrong
        .post(&p.app, "/oauth2/introspect", &[("token", &token)])
        .await;
    assert!(answer.header("www-authenticate").starts_with("Basic"), "§2.3");
    refused(answer, 401, "invalid_client");
    let public = RelyingParty::public(&p.app).await;
    let answer = public
        .post(&p.app, "/oauth2/introspect", &[("token", &token)])
        .await;
    refused(answer, 400, "unauthorized_client");
}

/// §2.1: "The protected resource calls the introspection endpoint using an HTTP POST request […] token REQUIRED."
#[tokio::test]
async fn s2_1_the_request() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let token = p.sign_in().await.access;
    assert_eq!(
        p.app
            .http
            .get(&format!("/oauth2/introspect?token={token}"))
            .send()
            .await
            .status
            .as_u16(),
        405
    );
    refused(
        p.rp.post(&p.app, "/oauth2/introspect", &[]).await,
        400,
        "invalid_request",
    );
    let twice = [("token", &*token), ("token", "x")];
    refused(
        p.rp.post(&p.app, "/oauth2/introspect", &twice).await,
        400,
        "invalid_request",
    );
    for hint in ["refresh_token", "unheard_of"] {
        let fields = [("token", &*token), ("token_type_hint", hint)];
        let answer =
            p.rp.post(&p.app, "/oauth2/introspect", &fields)
                .await
                .expect(200)
                .json();
        assert_eq!(answer["active"], true, "{hint}");
    }
}

/// §2.2: "active REQUIRED. Boolean indicator of whether or not the presented token is currently active", with the claims of
/// the token.
#[tokio::test]
async fn s2_2_an_active_token() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let tokens = p.sign_in_for("openid orders:read").await;
    let raw =
        p.rp.post(&p.app, "/oauth2/introspect", &[("token", &tokens.access)])
            .await
            .expect(200);
    assert!(raw.header("content-type").starts_with("application/json"));
    assert!(raw.header("cache-control").contains("no-store"));
    let answer = raw.json();
    let claims = tokens.access_claims();
    assert_eq!(answer["active"], true);
    assert_eq!(answer["token_type"], "Bearer");
    for claim in ["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope"] {
        assert!(
            !answer[claim].is_null() && answer[claim] == claims[claim],
            "{claim}: {answer}"
        );
    }
    let answer = p.rp.introspect(&p.app, &tokens.refresh).await;
    assert_eq!(
        (&answer["active"], &answer["client_id"]),
        (&true.into(), &p.rp.client_id.clone().into())
    );
    assert_eq!(answer["scope"], "openid orders:read");
    assert_eq!(
        answer["token_type"],
        serde_json::Value::Null,
        "a refresh token is no bearer token"
    );
}

/// §2.2: "If the introspection call is properly authorized but the token is not active, does not exist on this server, or the
/// protected resource is not allowed to introspect this particular token, then the authorization server MUST return an
/// introspection response with the "active" field set to "false". Note that to avoid disclosing too much of the
/// authorization server's state to a third party, the authorization server SHOULD NOT include any additional information
/// about an inactive token".
#[tokio::test]
async fn s2_2_inactive_says_nothing_else() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let tokens = p.sign_in().await;
    let stranger = RelyingParty::new(&p.app).await;
    for token in [&*tokens.access, &tokens.refresh] {
        assert!(!stranger.is_active(&p.app, token).await);
        assert!(p.rp.is_active(&p.app, token).await, "looking at it is no theft");
    }
    for token in ["x", "grt_x", "gac_x", "a.b.c", &tokens.id] {
        assert!(!p.rp.is_active(&p.app, token).await, "{token}");
    }
}

/// §4: "If the token can expire, the authorization server MUST determine whether or not the token has expired. If the token
/// can be issued before it is able to be used, […] If the token can be revoked after it was issued, the authorization server
/// MUST determine whether or not such a revocation has taken place. If the token has been signed, the authorization server
/// MUST validate the signature."
#[tokio::test]
async fn s4_every_check_is_made() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let tokens = p.sign_in().await;
    let mut forged = tokens.access.clone();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'Q' } else { 'A' });
    assert!(!p.rp.is_active(&p.app, &forged).await);
    let rotated = Tokens::of(p.rp.refresh(&p.app, &tokens.refresh).await);
    assert!(
        !p.rp.is_active(&p.app, &tokens.refresh).await,
        "the generation before is over"
    );
    assert!(
        p.rp.is_active(&p.app, &rotated.refresh).await,
        "and was not reused by asking about it"
    );
    p.app.advance(900 + 61);
    assert!(!p.rp.is_active(&p.app, &rotated.access).await);
    assert!(p.rp.is_active(&p.app, &rotated.refresh).await);
    p.app.advance(604_800);
    assert!(!p.rp.is_active(&p.app, &rotated.refresh).await);
}

/// §4 for what a token rests on: user, client and session.
#[tokio::test]
async fn s4_what_a_token_rests_on_is_asked() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let observer = RelyingParty::with(&p.app, |metadata| {
        metadata.introspection = IntrospectionRight::Any
    })
    .await;
    for statement in [
        "UPDATE users SET epoch = epoch + 1 WHERE username = 'alice'".to_owned(),
        "UPDATE sessions SET ended_at = created_at, end_reason = 'admin'".to_owned(),
        format!(
            "UPDATE clients SET epoch = epoch + 1 WHERE client_id = '{}'",
            p.rp.client_id
        ),
        "UPDATE users SET enabled = FALSE WHERE username = 'alice'".to_owned(),
    ] {
        let tokens = p.sign_in().await;
        assert!(observer.is_active(&p.app, &tokens.access).await);
        execute(&p.app.app.store, &statement).await;
        p.app.app.clients.invalidate();
        assert!(!observer.is_active(&p.app, &tokens.access).await, "{statement}");
        assert!(!observer.is_active(&p.app, &tokens.refresh).await, "{statement}");
        p.browser.forget();
    }
}

/// §4: "the authorization server […] MUST determine whether or not the token can be used at the protected resource making
/// the introspection call": a resource sees the tokens whose audience it is.
#[tokio::test]
async fn s4_a_resource_sees_the_tokens_that_are_for_it() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let api = Resource::parse("https://api.example/orders").unwrap();
    let other = Resource::parse("https://api.example/bills").unwrap();
    p.rp = RelyingParty::with(&p.app, |metadata| {
        metadata.resources = vec![api.clone(), other.clone()]
    })
    .await;
    let resource =
        |own: Resource| RelyingParty::with(&p.app, |metadata| metadata.resource_identifiers = vec![own]);
    let (orders, bills) = (resource(api).await, resource(other).await);
    let tokens = p.sign_in().await;
    assert!(orders.is_active(&p.app, &tokens.access).await);
    assert!(!bills.is_active(&p.app, &tokens.access).await);
    assert!(
        !orders.is_active(&p.app, &tokens.refresh).await,
        "a refresh token is for nobody but its client"
    );
}
