//! RFC 9701, JWT Response for OAuth Token Introspection.

use crate::support::encryption::DecryptionKey;
use crate::support::http::Answer;
use crate::support::provider::{Provider, refused};
use crate::support::relying_party::{RelyingParty, header_of, verify_jwt};
use crate::support::{Engine, TestApp};
use grantor::types::{Algorithm, KeyManagement, Resource};
use serde_json::{Map, Value, json};

const MEDIA_TYPE: &str = "application/token-introspection+jwt";

/// Asks about a token, for a JWT.
async fn ask(app: &TestApp, rp: &RelyingParty, token: &str) -> Answer {
    let call = rp.call(app, "/oauth2/introspect", &[("token", token)]);
    call.header("accept", MEDIA_TYPE).send().await
}

/// The JWT of an answer.
fn jwt(answer: Answer) -> String {
    let answer = answer.expect(200);
    assert_eq!(answer.header("content-type"), MEDIA_TYPE);
    assert!(answer.header("cache-control").contains("no-store"));
    answer.text()
}

/// What the JWT about a token says, verified.
async fn said(app: &TestApp, rp: &RelyingParty, token: &str) -> Map<String, Value> {
    verify_jwt(app, &jwt(ask(app, rp, token).await)).await
}

on_both_engines! {
    /// §5: "The introspection endpoint responds with a JWT, setting the Content-Type HTTP header field to
    /// application/token-introspection+jwt and the JWT typ […] header parameter to token-introspection+jwt. The JWT MUST include
    /// the following top-level claims: iss MUST be set to the issuer URL of the authorization server. aud MUST identify the resource
    /// server receiving the token introspection response. iat MUST be set to the time when the introspection response was created".
    /// "token_introspection: A JSON object containing the members of the token introspection response, as specified in
    /// [RFC7662], Section 2.2." "The JWT SHOULD NOT include the sub and exp claims".
    async fn s5_the_jwt(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let tokens = p.sign_in_for("openid orders:read").await;
        for token in [&tokens.access, &tokens.refresh] {
            let answer = jwt(ask(&p.app, &p.rp, token).await);
            assert_eq!(header_of(&answer)["typ"], "token-introspection+jwt");
            assert_eq!(header_of(&answer)["alg"], "RS256", "§6: the default");
            let claims = verify_jwt(&p.app, &answer).await;
            assert_eq!(claims["iss"], p.app.issuer());
            assert_eq!(claims["aud"], Value::from(p.rp.client_id.clone()));
            assert_eq!(claims["iat"], p.app.now().seconds());
            let names: Vec<_> = claims.keys().map(String::as_str).collect();
            assert_eq!(names.len(), 4, "{names:?}");
            assert_eq!(claims["token_introspection"], p.rp.introspect(&p.app, token).await);
            assert_eq!(claims["token_introspection"]["active"], true);
            assert!(claims["token_introspection"]["aud"].is_string() && claims["token_introspection"]["iss"].is_string());
        }
    }

    /// §5: "If the access token is invalid, expired, revoked, or is not intended to be consumed by the calling resource server
    /// (audience), the authorization server MUST set the value of the active member in the token_introspection claim to false and
    /// other members MUST NOT be included."
    async fn s5_inactive_says_nothing_else(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let (api, other) = ("https://api.example/orders", "https://api.example/bills");
        let resource = |name: &str| Resource::parse(name).unwrap();
        p.rp = RelyingParty::with(&p.app, |metadata| metadata.resources = vec![resource(api)]).await;
        let meant = RelyingParty::with(&p.app, |metadata| metadata.resource_identifiers = vec![resource(api)]).await;
        let stranger = RelyingParty::with(&p.app, |metadata| metadata.resource_identifiers = vec![resource(other)]).await;
        let tokens = p.sign_in().await;
        let inactive = json!({"active": false});
        assert_eq!(said(&p.app, &meant, &tokens.access).await["token_introspection"]["active"], true);
        assert_eq!(said(&p.app, &stranger, &tokens.access).await["token_introspection"], inactive);
        assert_eq!(said(&p.app, &stranger, &tokens.access).await["aud"], Value::from(stranger.client_id.clone()));
        p.rp.revoke(&p.app, &tokens.refresh).await.expect(200);
        for token in [&*tokens.access, &tokens.refresh, "x", &tokens.id] {
            assert_eq!(said(&p.app, &p.rp, token).await["token_introspection"], inactive);
        }
    }
}

/// §4: "by sending a introspection request with an Accept HTTP header field set to application/token-introspection+jwt". Whoever
/// does not ask for it gets JSON as before.
#[tokio::test]
async fn s4_the_caller_asks_for_it() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let token = p.sign_in().await.access;
    let about = [("token", &*token)];
    for accept in [
        "application/json",
        "*/*",
        "application/token-introspection+jwt;q=0",
    ] {
        let call = p.rp.call(&p.app, "/oauth2/introspect", &about);
        let answer = call.header("accept", accept).send().await.expect(200);
        assert!(
            answer.header("content-type").starts_with("application/json"),
            "{accept}"
        );
    }
    let call = p.rp.call(&p.app, "/oauth2/introspect", &about);
    let both = call
        .header(
            "accept",
            "application/json;q=0.1, application/token-introspection+jwt",
        )
        .send();
    jwt(both.await);
}

/// §5: "an authorization server compliant with this specification MUST refuse to serve introspection requests that don't
/// authenticate the caller and return an HTTP status code 400." §3: "the authorization server MUST be able to identify,
/// authenticate, and authorize resource servers".
#[tokio::test]
async fn s5_the_caller_proves_who_it_is() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let token = p.sign_in().await.access;
    let nobody = p.app.http.post("/oauth2/introspect").header("accept", MEDIA_TYPE);
    refused(
        nobody.form(&[("token", &token)]).send().await,
        400,
        "invalid_client",
    );
    let public = RelyingParty::public(&p.app).await;
    refused(ask(&p.app, &public, &token).await, 400, "unauthorized_client");
    let mut wrong = p.rp.clone();
    wrong.secret = Some("gcs_wrong".to_owned());
    // RFC 6749 §5.2: who tried with the header is told with 401.
    refused(ask(&p.app, &wrong, &token).await, 401, "invalid_client");
    refused(ask(&p.app, &p.rp, "").await, 400, "invalid_request");
}

/// §6: "introspection_signed_response_alg", "introspection_encrypted_response_alg": "If both signing and encryption are requested,
/// the response will be signed then encrypted […] a Nested JWT", "introspection_encrypted_response_enc: […] The default, if omitted,
/// is A128CBC-HS256."
#[tokio::test]
async fn s6_as_the_caller_is_registered() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let key = DecryptionKey::new("RSA-OAEP-256", "own");
    let jwks = key.jwks();
    p.rp = RelyingParty::with(&p.app, |metadata| {
        metadata.jwks = Some(jwks);
        metadata.introspection_signed_response_alg = Some(Algorithm::ES256);
        metadata.introspection_encrypted_response_alg = Some(KeyManagement::RsaOaep256);
    })
    .await;
    let token = p.sign_in().await.access;
    let answer = jwt(ask(&p.app, &p.rp, &token).await);
    let (_, header) = key.decrypt(&answer);
    assert_eq!(header.content_encryption(), Some("A128CBC-HS256"));
    let inner = key.open_nested(&answer);
    assert_eq!(header_of(&inner)["alg"], "ES256");
    assert_eq!(header_of(&inner)["typ"], "token-introspection+jwt");
    assert_eq!(
        verify_jwt(&p.app, &inner).await["token_introspection"]["active"],
        true
    );
    let plain = p.rp.introspect(&p.app, &token).await;
    assert_eq!(plain["active"], true, "JSON is not encrypted");
}

/// §8.1, "Cross-JWT Confusion": the answer is no access token, and no hint, of anybody.
#[tokio::test]
async fn s8_1_the_answer_is_no_other_token() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let token = p.sign_in().await.access;
    let answer = jwt(ask(&p.app, &p.rp, &token).await);
    let as_bearer = p.app.http.get("/oauth2/userinfo").bearer(&answer).send().await;
    assert_eq!(as_bearer.status.as_u16(), 401);
    assert!(!p.rp.is_active(&p.app, &answer).await);
    let asked =
        p.rp.ask_for(&p.app, &[("prompt", "none"), ("id_token_hint", &answer)]);
    assert_eq!(p.browser.open(&asked.url).await.error(), "invalid_request");
}

/// Where there is no key to encrypt to, nothing is said in clear.
#[tokio::test]
async fn s6_without_a_key_nothing_is_said() {
    let mut p = Provider::new(Engine::Sqlite).await;
    p.rp = RelyingParty::with(&p.app, |metadata| {
        metadata.introspection_encrypted_response_alg = Some(KeyManagement::EcdhEs)
    })
    .await;
    let token = p.sign_in().await.access;
    refused(ask(&p.app, &p.rp, &token).await, 400, "invalid_request");
}
