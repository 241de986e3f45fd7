//! "Dynamic", and "3rd-party initiated login": clients that register themselves.

use crate::rfc7591::{OPEN, register, registered, web};
use crate::support::http::Answer;
use crate::support::peer::Peer;
use crate::support::provider::Provider;
use crate::support::relying_party::{CALLBACK, RelyingParty, Tokens};
use crate::support::{Engine, TestApp};
use grantor::entropy::Entropy;
use grantor::jose::SigningKey;
use grantor::types::{Algorithm, Kid};
use serde_json::{Value, json};

/// As the plan wants it: open registration, keys of clients on the suite's own host, no compulsory PKCE for clients with a key.
async fn provider() -> Provider {
    let settings = [
        OPEN,
        ("registration.require_pkce", "false"),
        ("outgoing.allow", "127.0.0.1/32"),
    ];
    Provider::with(Engine::Sqlite, &settings).await
}

fn key(kid: &str) -> SigningKey {
    let entropy = Entropy::system();
    let pkcs8 = SigningKey::generate(Algorithm::ES256, 2048, &entropy).unwrap();
    SigningKey::from_pkcs8(Kid::parse(kid).unwrap(), Algorithm::ES256, &pkcs8, &entropy).unwrap()
}

fn jwks(key: &SigningKey) -> Value {
    json!({"keys": [key.verifying().to_jwk()]})
}

/// Redeems a code with an assertion whose audience is the issuer.
async fn redeem(app: &TestApp, rp: &RelyingParty, key: &SigningKey, code: &str) -> Answer {
    let now = app.now().seconds();
    let jti = Entropy::system().uuid_v4().unwrap().to_string();
    let claims = json!({"iss": rp.client_id, "sub": rp.client_id, "aud": app.issuer(), "jti": jti, "iat": now, "exp": now + 60});
    let assertion = key.sign_jwt("JWT", &claims).unwrap();
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &*rp.redirect_uri),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", &*assertion),
    ];
    app.http.post("/oauth2/token").form(&fields).send().await
}

async fn sign_in(p: &mut Provider, rp: &RelyingParty, key: &SigningKey) -> Answer {
    let plain = [("code_challenge", ""), ("code_challenge_method", "")];
    let asked = rp.ask_for(&p.app, &plain);
    let page = p.browser.authorize(&asked.url, &p.alice).await;
    redeem(&p.app, rp, key, &page.code()).await
}

/// "open registration; `jwks` and `jwks_uri` of clients; `private_key_jwt` (the plan's client authentication)"; "client assertion
/// with the issuer as `aud`".
#[tokio::test]
async fn dynamic_clients_authenticate_with_keys() {
    let mut p = provider().await;
    let (own, peer) = (key("1"), Peer::start().await);
    peer.serve("/jwks", "application/json", &jwks(&own).to_string());
    for keys in [
        json!({"jwks": jwks(&own)}),
        json!({"jwks_uri": format!("{}/jwks", peer.base)}),
    ] {
        let mut asked = web(json!({"token_endpoint_auth_method": "private_key_jwt"}));
        asked
            .as_object_mut()
            .unwrap()
            .extend(keys.as_object().unwrap().clone());
        let json = registered(&p.app, &asked).await;
        assert!(json.get("client_secret").is_none());
        let rp = RelyingParty::of_registration(&json);
        let tokens = Tokens::of(sign_in(&mut p, &rp, &own).await);
        rp.verify_id_token(&p.app, &tokens.id).await;
    }
}

/// "the client's keys change behind its `jwks_uri` (a cached copy must be fetched anew for an unknown `kid`, at the latest after
/// 60 s)".
#[tokio::test]
async fn dynamic_client_keys_change() {
    let mut p = provider().await;
    let (first, second, peer) = (key("1"), key("2"), Peer::start().await);
    peer.serve("/jwks", "application/json", &jwks(&first).to_string());
    let keys =
        json!({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": format!("{}/jwks", peer.base)});
    let rp = RelyingParty::of_registration(&registered(&p.app, &web(keys)).await);
    sign_in(&mut p, &rp, &first).await.expect(200);
    peer.serve("/jwks", "application/json", &jwks(&second).to_string());
    p.app.advance(60);
    sign_in(&mut p, &rp, &second).await.expect(200);
}

/// "redirect URIs with query (exact match) and none with fragment".
#[tokio::test]
async fn dynamic_redirect_uris_with_a_query() {
    let mut p = provider().await;
    let with_query = format!("{CALLBACK}?foo=bar");
    let json = registered(&p.app, &web(json!({"redirect_uris": [with_query]}))).await;
    let rp = RelyingParty::of_registration(&json);
    let asked = rp.ask(&p.app);
    let page = p.browser.authorize(&asked.url, &p.alice).await;
    assert_eq!(page.parameter("foo").as_deref(), Some("bar"));
    assert!(page.parameter("code").is_some());
    for other in [CALLBACK.to_owned(), format!("{CALLBACK}?foo=bar&x=y")] {
        let page = p
            .browser
            .open(&rp.ask_for(&p.app, &[("redirect_uri", &other)]).url)
            .await;
        assert_eq!((page.answer.status.as_u16(), page.left_for), (400, None));
    }
    let fragment = web(json!({"redirect_uris": [format!("{CALLBACK}#foo")]}));
    let answer = register(&p.app, &fragment).await;
    assert_eq!(answer.oauth_error(400), "invalid_redirect_uri");
}

/// "needs `initiate_login_uri` kept at registration and returned by the client read endpoint (RFC 7592); http URIs refused."
#[tokio::test]
async fn third_party_initiated_login_uri() {
    let p = provider().await;
    let json = registered(
        &p.app,
        &web(json!({"initiate_login_uri": "https://rp.example/start"})),
    )
    .await;
    assert_eq!(json["initiate_login_uri"], "https://rp.example/start");
    let read = p.app.http.get(json["registration_client_uri"].as_str().unwrap());
    let read = read
        .bearer(json["registration_access_token"].as_str().unwrap())
        .send()
        .await;
    assert_eq!(
        read.expect(200).json()["initiate_login_uri"],
        "https://rp.example/start"
    );
    let http = web(json!({"initiate_login_uri": "http://rp.example/start"}));
    assert_eq!(
        register(&p.app, &http).await.oauth_error(400),
        "invalid_client_metadata"
    );
}
