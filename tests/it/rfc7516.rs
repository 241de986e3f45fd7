//! RFC 7516, JSON Web Encryption, and what OpenID Connect makes of it: Core §5.3.2 and §10.2, Registration §2.

use crate::support::encryption::DecryptionKey;
use crate::support::http::Answer;
use crate::support::peer::Peer;
use crate::support::provider::{Provider, refused};
use crate::support::relying_party::{RelyingParty, Tokens, claims_of, header_of, verify_jwt};
use crate::support::{Engine, TestApp};
use grantor::storage::clients::ClientMetadata;
use grantor::types::{Algorithm, ContentEncryption, KeyManagement};
use serde_json::{Value, json};

const ALLOW: (&str, &str) = ("outgoing.allow", "127.0.0.0/8");

async fn client(
    app: &TestApp,
    key: &DecryptionKey,
    change: impl FnOnce(&mut ClientMetadata),
) -> RelyingParty {
    let jwks = key.jwks();
    RelyingParty::with(app, |metadata| {
        metadata.jwks = Some(jwks);
        change(metadata);
    })
    .await
}

async fn userinfo(p: &Provider, tokens: &Tokens) -> Answer {
    let call = p.app.http.get("/oauth2/userinfo").bearer(&tokens.access);
    call.send().await
}

fn jwt(answer: Answer) -> String {
    let answer = answer.expect(200);
    assert_eq!(answer.header("content-type"), "application/jwt", "Core §5.3.2");
    assert!(answer.header("cache-control").contains("no-store"));
    answer.text()
}

on_both_engines! {
    /// Core §2: "ID Tokens MUST be signed using JWS and optionally both signed and then encrypted using JWS and JWE respectively,
    /// […] if the ID Token is encrypted, it MUST be signed then encrypted, with the result being a Nested JWT". Each way of
    /// encryption that the metadata lists.
    async fn core_s2_an_id_token_is_signed_then_encrypted(engine: Engine) {
        let mut p = Provider::new(engine).await;
        for (position, alg) in KeyManagement::ALL.iter().enumerate() {
            let enc = ContentEncryption::ALL[position % ContentEncryption::ALL.len()];
            let key = DecryptionKey::new(alg.as_str(), "own");
            p.rp = client(&p.app, &key, |metadata| {
                metadata.id_token_encrypted_response_alg = Some(*alg);
                metadata.id_token_encrypted_response_enc = Some(enc);
                metadata.id_token_signed_response_alg = Some(Algorithm::ES256);
            })
            .await;
            let tokens = p.sign_in().await;
            let (_, header) = key.decrypt(&tokens.id);
            assert_eq!(header.content_encryption(), Some(enc.as_str()));
            let inner = key.open_nested(&tokens.id);
            assert_eq!(header_of(&inner)["alg"], "ES256");
            let claims = p.rp.verify_id_token(&p.app, &inner).await;
            assert_eq!(claims["sub"], p.alice.id.to_string());
            assert!(claims["nonce"].is_string() && claims["at_hash"].is_string());
            let refreshed = Tokens::of(p.rp.refresh(&p.app, &tokens.refresh).await);
            p.rp.verify_id_token(&p.app, &key.open_nested(&refreshed.id)).await;
            assert!(!DecryptionKey::new(alg.as_str(), "own").opens(&tokens.id), "only this key opens it");
        }
    }

    /// Core §5.3.2: "The UserInfo Claims MUST be returned as the members of a JSON object unless a signed or encrypted response was
    /// requested during Client Registration." "If signed, the UserInfo Response MUST contain the Claims iss (issuer) and aud
    /// (audience) as members. The iss value MUST be the OP's Issuer Identifier URL. The aud value MUST be or include the RP's Client
    /// ID value." "If the UserInfo Response is signed and/or encrypted, then the Claims are returned in a JWT and the content-type
    /// MUST be application/jwt. The response MAY be encrypted without also being signed. If both signing and encryption are
    /// requested, the response MUST be signed then encrypted, with the result being a Nested JWT".
    async fn core_s5_3_2_userinfo_signed_encrypted_and_both(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let key = DecryptionKey::new("RSA-OAEP-256", "own");
        let signed = |metadata: &mut ClientMetadata| metadata.userinfo_signed_response_alg = Some(Algorithm::PS256);
        let encrypted = |metadata: &mut ClientMetadata| {
            metadata.userinfo_encrypted_response_alg = Some(KeyManagement::RsaOaep256);
        };
        p.rp = client(&p.app, &key, signed).await;
        let tokens = p.sign_in_for("openid profile").await;
        let token = jwt(userinfo(&p, &tokens).await);
        assert_eq!(header_of(&token)["alg"], "PS256");
        let claims = claims_of(&token);
        assert_eq!(claims["iss"], p.app.issuer());
        assert_eq!(claims["aud"], p.rp.client_id);
        assert_eq!(claims["sub"], claims_of(&tokens.id)["sub"]);
        assert_eq!(claims["preferred_username"], "alice");
        let hint = p.rp.ask_for(&p.app, &[("prompt", "none"), ("id_token_hint", &token)]);
        let page = p.browser.open(&hint.url).await;
        assert_eq!(page.error(), "invalid_request", "it is no ID token");
        assert_eq!(p.app.http.get("/oauth2/userinfo").bearer(&token).send().await.status.as_u16(), 401);

        p.rp = client(&p.app, &key, encrypted).await;
        let tokens = p.sign_in_for("openid profile").await;
        let (content, header) = key.decrypt(&jwt(userinfo(&p, &tokens).await));
        assert_eq!(header.content_encryption(), Some("A128CBC-HS256"), "Registration §2: the default");
        assert_eq!(header.content_type(), None, "nothing is nested");
        let claims: Value = serde_json::from_slice(&content).unwrap();
        assert_eq!(claims["preferred_username"], "alice");

        p.rp = client(&p.app, &key, |metadata| {
            signed(metadata);
            encrypted(metadata);
        })
        .await;
        let tokens = p.sign_in_for("openid profile").await;
        let inner = key.open_nested(&jwt(userinfo(&p, &tokens).await));
        assert_eq!(header_of(&inner)["alg"], "PS256");
        assert_eq!(claims_of(&inner)["aud"], p.rp.client_id);
    }
}

/// The signature of a UserInfo answer verifies with the published keys.
#[tokio::test]
async fn core_s5_3_2_the_signature_is_this_servers() {
    let mut p = Provider::new(Engine::Sqlite).await;
    for alg in [Algorithm::RS256, Algorithm::ES256] {
        p.rp = RelyingParty::with(&p.app, |metadata| {
            metadata.userinfo_signed_response_alg = Some(alg)
        })
        .await;
        let tokens = p.sign_in().await;
        let claims = verify_jwt(&p.app, &jwt(userinfo(&p, &tokens).await)).await;
        assert_eq!(claims["aud"], Value::from(p.rp.client_id.clone()));
    }
}

/// Core §10.2: "The sender […] uses the key published in a JWK Set document by the recipient"; §10.2.1: "the recipient […] when
/// rotating encryption keys" publishes new ones and the sender takes them up.
#[tokio::test]
async fn core_s10_2_1_a_new_key_at_the_jwks_uri_is_taken_up() {
    let mut p = Provider::with(Engine::Sqlite, &[ALLOW]).await;
    let peer = Peer::start().await;
    let (first, second) = (
        DecryptionKey::new("ECDH-ES", "k1"),
        DecryptionKey::new("ECDH-ES", "k2"),
    );
    peer.serve("/jwks", "application/json", &first.jwks().to_string());
    let uri = format!("{}/jwks", peer.base);
    p.rp = RelyingParty::with(&p.app, |metadata| {
        metadata.jwks_uri = Some(uri);
        metadata.id_token_encrypted_response_alg = Some(KeyManagement::EcdhEs);
    })
    .await;
    let tokens = p.sign_in().await;
    first.open_nested(&tokens.id);
    let again = Tokens::of(p.rp.refresh(&p.app, &tokens.refresh).await);
    assert_eq!(peer.asked().len(), 1, "kept meanwhile");
    peer.serve("/jwks", "application/json", &second.jwks().to_string());
    p.app.advance(60);
    let after = Tokens::of(p.rp.refresh(&p.app, &again.refresh).await);
    second.open_nested(&after.id);
}

/// Where there is no key to encrypt to, nothing is issued and nothing used up: no answer falls back to clear text, and the code
/// works once the key is there.
#[tokio::test]
async fn core_s10_2_nothing_is_issued_without_a_key() {
    let mut p = Provider::with(Engine::Sqlite, &[ALLOW]).await;
    let (peer, key) = (Peer::start().await, DecryptionKey::new("RSA-OAEP", "k1"));
    let uri = format!("{}/jwks", peer.base);
    p.rp = RelyingParty::with(&p.app, |metadata| {
        metadata.jwks_uri = Some(uri);
        metadata.id_token_encrypted_response_alg = Some(KeyManagement::RsaOaep);
        metadata.userinfo_encrypted_response_alg = Some(KeyManagement::RsaOaep);
    })
    .await;
    let asked = p.rp.ask(&p.app);
    let page = p.browser.authorize(&asked.url, &p.alice).await;
    let missing = p.rp.redeem(&p.app, &asked, &page).await;
    assert!(!missing.header("retry-after").is_empty());
    let description = refused(missing, 503, "temporarily_unavailable");
    assert!(!description.contains(&peer.base), "{description}");
    p.app.advance(10);
    let elliptic = DecryptionKey::new("ECDH-ES", "k0").jwks();
    peer.serve("/jwks", "application/json", &elliptic.to_string());
    let unfitting = p.rp.redeem(&p.app, &asked, &page).await;
    refused(unfitting, 400, "invalid_request");
    p.app.advance(10);
    peer.serve("/jwks", "application/json", &key.jwks().to_string());
    let tokens = Tokens::of(p.rp.redeem(&p.app, &asked, &page).await);
    key.open_nested(&tokens.id);
    key.decrypt(&jwt(userinfo(&p, &tokens).await));
    peer.serve("/jwks", "application/json", &elliptic.to_string());
    p.app.advance(61);
    let answer = userinfo(&p, &tokens).await;
    assert!(!answer.text().contains(&p.alice.id.to_string()));
    refused(answer, 400, "invalid_request");
    refused(
        p.rp.refresh(&p.app, &tokens.refresh).await,
        400,
        "invalid_request",
    );
    p.app.advance(10);
    peer.serve("/jwks", "application/json", &key.jwks().to_string());
    Tokens::of(p.rp.refresh(&p.app, &tokens.refresh).await);
}

/// R-VAL-36: keys on the inside are not fetched to encrypt to either, and that is on record.
#[tokio::test]
async fn core_s10_2_keys_on_the_inside_are_not_fetched() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let peer = Peer::start().await;
    let uri = format!("{}/jwks", peer.base);
    p.rp = RelyingParty::with(&p.app, |metadata| {
        metadata.jwks_uri = Some(uri);
        metadata.id_token_encrypted_response_alg = Some(KeyManagement::EcdhEs);
    })
    .await;
    let asked = p.rp.ask(&p.app);
    let page = p.browser.authorize(&asked.url, &p.alice).await;
    refused(
        p.rp.redeem(&p.app, &asked, &page).await,
        503,
        "temporarily_unavailable",
    );
    assert!(peer.asked().is_empty());
    let log = p.app.audit_log().await;
    let blocked = log.iter().find(|record| record.event_type == "ssrf_blocked");
    assert_eq!(blocked.unwrap().client_id.as_deref(), Some(&*p.rp.client_id));
}

/// Registration §2: "If id_token_encrypted_response_alg is specified, the default id_token_encrypted_response_enc value is
/// A128CBC-HS256. When id_token_encrypted_response_enc is included, id_token_encrypted_response_alg MUST also be provided." What
/// is not offered is refused: RSA1_5 (RFC 8725 §3.2), shared secrets, `none`.
#[tokio::test]
async fn registration_s2_the_members() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let token = app.admin_token("clients:write").await;
    let create = |changes: Value| {
        let mut document = json!({"redirect_uris": ["https://rp.example/cb"], "scope": "openid"});
        let jwks = DecryptionKey::new("ECDH-ES+A128KW", "own").jwks();
        document["jwks"] = jwks;
        for (name, value) in changes.as_object().unwrap() {
            document[name] = value.clone();
        }
        app.http
            .post("/admin/v1/clients")
            .bearer(&token)
            .json(&document)
            .send()
    };
    let answer = json!({
        "id_token_encrypted_response_alg": "ECDH-ES+A128KW", "userinfo_encrypted_response_alg": "ECDH-ES+A128KW",
        "userinfo_encrypted_response_enc": "A256GCM", "userinfo_signed_response_alg": "ES256",
        "initiate_login_uri": "https://rp.example/login?from=op",
    });
    let created = create(answer.clone()).await.expect(201).json();
    assert_eq!(created["id_token_encrypted_response_enc"], "A128CBC-HS256");
    for (name, value) in answer.as_object().unwrap() {
        assert_eq!(&created[name], value);
    }
    for (name, bad) in [
        ("id_token_encrypted_response_alg", "RSA1_5"),
        ("id_token_encrypted_response_alg", "dir"),
        ("id_token_encrypted_response_alg", "A128KW"),
        ("id_token_encrypted_response_alg", "RSA-OAEP-256"),
        ("userinfo_encrypted_response_enc", "A192GCM"),
        ("id_token_encrypted_response_enc", "A128GCM"),
        ("id_token_signed_response_alg", "none"),
        ("userinfo_signed_response_alg", "none"),
        ("initiate_login_uri", "http://rp.example/login"),
    ] {
        let problem = create(json!({name: bad})).await.expect(400).json();
        let pointers: Vec<_> = problem["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| &error["pointer"])
            .collect();
        assert!(
            pointers.contains(&&Value::from(format!("/{name}"))),
            "{name} {bad}: {problem}"
        );
    }
}

/// Discovery §3 and R-KEY-10: the metadata lists what there is, and no more.
#[tokio::test]
async fn discovery_s3_the_algorithms_are_listed() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let metadata = app.metadata().await;
    for answer in ["id_token", "userinfo", "introspection"] {
        assert_eq!(
            metadata[format!("{answer}_encryption_alg_values_supported")],
            json!([
                "RSA-OAEP",
                "RSA-OAEP-256",
                "ECDH-ES",
                "ECDH-ES+A128KW",
                "ECDH-ES+A256KW"
            ])
        );
        assert_eq!(
            metadata[format!("{answer}_encryption_enc_values_supported")],
            json!(["A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM"])
        );
        assert_eq!(
            metadata[format!("{answer}_signing_alg_values_supported")],
            json!(["RS256", "PS256", "ES256"])
        );
    }
    assert_eq!(metadata["subject_types_supported"], json!(["public", "pairwise"]));
}
