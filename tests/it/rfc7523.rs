//! RFC 7523, JWT Profile for OAuth 2.0 Client Authentication, end to end; what makes an assertion good or bad in detail is
//! shown in `client_authentication.rs`.

use crate::support::http::Answer;
use crate::support::peer::Peer;
use crate::support::provider::{PATIENT, Provider, refused};
use crate::support::relying_party::{CALLBACK, RelyingParty, Tokens};
use crate::support::{Engine, TestApp};
use grantor::entropy::Entropy;
use grantor::jose::SigningKey;
use grantor::types::{Algorithm, AuthMethod, GrantType, Kid};
use serde_json::{Value, json};

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn key(kid: &str, alg: Algorithm) -> SigningKey {
    let entropy = Entropy::system();
    let pkcs8 = SigningKey::generate(alg, 2048, &entropy).unwrap();
    SigningKey::from_pkcs8(Kid::parse(kid).unwrap(), alg, &pkcs8, &entropy).unwrap()
}

fn jwks(keys: &[&SigningKey]) -> Value {
    json!({"keys": keys.iter().map(|key| key.verifying().to_jwk()).collect::<Vec<_>>()})
}

/// A client that authenticates with a key.
async fn machine(app: &TestApp, keys: Result<Value, String>) -> RelyingParty {
    RelyingParty::with(app, |metadata| {
        metadata.token_endpoint_auth_method = AuthMethod::PrivateKeyJwt;
        metadata.grant_types = vec![
            GrantType::ClientCredentials,
            GrantType::AuthorizationCode,
            GrantType::RefreshToken,
        ];
        match keys {
            Ok(jwks) => metadata.jwks = Some(jwks),
            Err(uri) => metadata.jwks_uri = Some(uri),
        }
    })
    .await
}

/// An assertion that is in order, changed by `changes`.
fn assertion(app: &TestApp, client: &RelyingParty, key: &SigningKey, changes: Value) -> String {
    let now = app.now().seconds();
    let jti = Entropy::system().uuid_v4().unwrap().to_string();
    let mut claims = json!({
        "iss": client.client_id, "sub": client.client_id, "aud": app.issuer(), "jti": jti, "iat": now, "exp": now + 60,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        }
    }
    key.sign_jwt("JWT", &claims).unwrap()
}

async fn token(app: &TestApp, assertion: &str, more: &[(&str, &str)]) -> Answer {
    let mut fields = vec![("client_assertion_type", TYPE), ("client_assertion", assertion)];
    if more.is_empty() {
        fields.push(("grant_type", "client_credentials"));
    }
    fields.extend(more);
    app.http.post("/oauth2/token").form(&fields).send().await
}

/// §2.2: `client_assertion` and `client_assertion_type` authenticate at every endpoint that wants a client, with each
/// algorithm; RFC 7521 §4.2: `client_id` is unnecessary and has to fit.
#[tokio::test]
async fn s2_2_an_assertion_authenticates_at_every_endpoint() {
    let app = TestApp::spawn_with(Engine::Sqlite, &[PATIENT]).await;
    for alg in [
        Algorithm::RS256,
        Algorithm::PS256,
        Algorithm::ES256,
        Algorithm::EdDSA,
    ] {
        let key = key("k1", alg);
        let client = machine(&app, Ok(jwks(&[&key]))).await;
        let answer = token(&app, &assertion(&app, &client, &key, json!({})), &[]).await;
        let tokens = Tokens::of(answer);
        let named = [
            ("grant_type", "client_credentials"),
            ("client_id", &*client.client_id),
        ];
        token(&app, &assertion(&app, &client, &key, json!({})), &named)
            .await
            .expect(200);
        let other = [("grant_type", "client_credentials"), ("client_id", "another")];
        let answer = token(&app, &assertion(&app, &client, &key, json!({})), &other).await;
        refused(answer, 400, "invalid_request");
        for path in ["/oauth2/introspect", "/oauth2/revoke"] {
            let proof = assertion(&app, &client, &key, json!({}));
            let fields = [
                ("client_assertion_type", TYPE),
                ("client_assertion", &*proof),
                ("token", &tokens.access),
            ];
            app.http.post(path).form(&fields).send().await.expect(200);
        }
    }
}

/// §2.2 with a user's grant: the code is bound to the client that proves itself with its key.
#[tokio::test]
async fn s2_2_a_code_is_redeemed_with_an_assertion() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let key = key("k1", Algorithm::ES256);
    p.rp = machine(&p.app, Ok(jwks(&[&key]))).await;
    let asked = p.rp.ask(&p.app);
    let code = p.browser.authorize(&asked.url, &p.alice).await.code();
    refused(
        p.rp.redeem_code(&p.app, &code, &asked.pkce.verifier).await,
        401,
        "invalid_client",
    );
    let grant = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", &asked.pkce.verifier),
    ];
    let tokens = Tokens::of(token(&p.app, &assertion(&p.app, &p.rp, &key, json!({})), &grant).await);
    let grant = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &*tokens.refresh),
    ];
    token(&p.app, &assertion(&p.app, &p.rp, &key, json!({})), &grant)
        .await
        .expect(200);
}

/// §3: each claim that MUST be there and be right: `iss`, `sub`, `aud` ("The authorization server MUST reject any JWT that does
/// not contain its own identity as the intended audience"), `exp` ("MUST reject any JWT with an expiration time that has
/// passed"), `nbf`, a signature. "invalid_client" is the error (§3.2).
#[tokio::test]
async fn s3_assertions_that_are_not_in_order_are_refused() {
    let app = TestApp::spawn_with(Engine::Sqlite, &[PATIENT]).await;
    let (own, foreign) = (key("k1", Algorithm::ES256), key("k1", Algorithm::ES256));
    let client = machine(&app, Ok(jwks(&[&own]))).await;
    let now = app.now().seconds();
    for changes in [
        json!({"iss": "another"}),
        json!({"iss": null}),
        json!({"sub": "another"}),
        json!({"sub": null}),
        json!({"aud": "https://other.example"}),
        json!({"aud": null}),
        json!({"aud": [app.issuer()]}),
        json!({"aud": format!("{}/oauth2/token", app.issuer())}),
        json!({"exp": now}),
        json!({"exp": now - 3600}),
        json!({"exp": null}),
        json!({"exp": now + 301}),
        json!({"nbf": now + 60}),
        json!({"iat": now + 3600}),
        json!({"jti": null}),
        json!({"jti": ""}),
        json!({"exp": "soon"}),
    ] {
        let answer = token(&app, &assertion(&app, &client, &own, changes.clone()), &[]).await;
        assert_eq!(answer.status.as_u16(), 401, "{changes}");
        refused(answer, 401, "invalid_client");
    }
    refused(
        token(&app, &assertion(&app, &client, &foreign, json!({})), &[]).await,
        401,
        "invalid_client",
    );
    let good = assertion(&app, &client, &own, json!({}));
    let unsigned = format!("{}.", &good[..good.rfind('.').unwrap()]);
    refused(token(&app, &unsigned, &[]).await, 401, "invalid_client");
    for kind in [
        "urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
        "jwt",
        "",
    ] {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", kind),
            ("client_assertion", &good),
        ];
        let answer = app.http.post("/oauth2/token").form(&fields).send().await;
        assert!(answer.status.is_client_error(), "{kind}");
    }
    // All of that left the assertion itself unused.
    token(&app, &good, &[]).await.expect(200);
}

on_both_engines! {
    /// §3: "The JWT MAY contain a "jti" (JWT ID) claim that provides a unique identifier for the token. The authorization
    /// server MAY ensure that JWTs are not replayed by maintaining the set of used "jti" values": once, on whatever replica, in
    /// whatever race, and after a restart.
    async fn s3_an_assertion_is_used_once_on_all_replicas_and_after_a_restart(engine: Engine) {
        let app = TestApp::spawn_with(engine, &[PATIENT]).await;
        let other = app.replica().await;
        let key = key("k1", Algorithm::ES256);
        let client = machine(&app, Ok(jwks(&[&key]))).await;
        let proof = assertion(&app, &client, &key, json!({}));
        token(&app, &proof, &[]).await.expect(200);
        refused(token(&app, &proof, &[]).await, 401, "invalid_client");
        refused(token(&other, &proof, &[]).await, 401, "invalid_client");
        let raced = assertion(&app, &client, &key, json!({}));
        let use_once = |index: usize| token(if index.is_multiple_of(2) { &app } else { &other }, &raced, &[]);
        let answers = futures_util::future::join_all((0..10).map(use_once)).await;
        assert_eq!(answers.iter().filter(|answer| answer.status.is_success()).count(), 1);
        let (db, issuer) = (app.db.clone(), app.issuer().to_owned());
        drop(other);
        app.stop().await;
        let restarted = TestApp::on(db, &[PATIENT, ("issuer", &issuer)]).await;
        for used in [&proof, &raced] {
            refused(token(&restarted, used, &[]).await, 401, "invalid_client");
        }
        token(&restarted, &assertion(&restarted, &client, &key, json!({})), &[]).await.expect(200);
    }
}

/// RFC 7591 `jwks_uri`: keys are fetched from the client's server, and a new key behind it is found (conformance, Dynamic: "a
/// cached copy must be fetched anew for an unknown `kid`, at the latest after 60 s").
#[tokio::test]
async fn keys_behind_a_jwks_uri_are_fetched_and_followed() {
    let allow = [PATIENT, ("outgoing.allow", "127.0.0.0/8")];
    let app = TestApp::spawn_with(Engine::Sqlite, &allow).await;
    let peer = Peer::start().await;
    let (first, second) = (key("k1", Algorithm::RS256), key("k2", Algorithm::ES256));
    peer.serve("/jwks", "application/json", &jwks(&[&first]).to_string());
    let client = machine(&app, Err(format!("{}/jwks", peer.base))).await;
    token(&app, &assertion(&app, &client, &first, json!({})), &[])
        .await
        .expect(200);
    token(&app, &assertion(&app, &client, &first, json!({})), &[])
        .await
        .expect(200);
    assert_eq!(peer.asked().len(), 1, "kept meanwhile");
    peer.serve("/jwks", "application/json", &jwks(&[&second]).to_string());
    app.advance(60);
    token(&app, &assertion(&app, &client, &second, json!({})), &[])
        .await
        .expect(200);
    refused(
        token(&app, &assertion(&app, &client, &first, json!({})), &[]).await,
        401,
        "invalid_client",
    );
}

/// The same where loopback is not allowed: the server is not sent there, and the client not believed (RFC 9700 and R-SSO-06:
/// no request of a client reaches the inside).
#[tokio::test]
async fn a_jwks_uri_on_the_inside_is_not_fetched() {
    let app = TestApp::spawn_with(Engine::Sqlite, &[PATIENT]).await;
    let peer = Peer::start().await;
    let key = key("k1", Algorithm::ES256);
    peer.serve("/jwks", "application/json", &jwks(&[&key]).to_string());
    let client = machine(&app, Err(format!("{}/jwks", peer.base))).await;
    refused(
        token(&app, &assertion(&app, &client, &key, json!({})), &[]).await,
        401,
        "invalid_client",
    );
    assert!(peer.asked().is_empty());
}
