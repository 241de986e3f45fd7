//! §6.1: objects that are encrypted to the server. OpenID Connect Core §6.1 and §10.2 say the same of them.

use super::*;
use crate::support::TestApp;
use crate::support::encrypted_object::{encrypt, encryption_key, encryption_keys};
use grantor::keys::{PurposeRotated, PurposeRotation};
use grantor::storage::purpose_keys::Purpose;
use grantor::types::{ContentEncryption, KeyManagement, TenantId};

const ALGORITHMS: [&str; 4] = ["RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"];
const REFUSAL: &str = "The request object is refused: it cannot be decrypted";

/// A signed object, and what it becomes when it is encrypted.
async fn encrypted(p: &Provider, key: &ClientKey, asked: &Asked, alg: &str, enc: &str) -> String {
    let signed = p.rp.object(&p.app, key, asked, &json!({}));
    let to = encryption_key(&p.app, alg).await;
    encrypt(&to, alg, enc, &json!({}), signed.as_bytes())
}

async fn replace(app: &TestApp, purpose: Purpose, how: PurposeRotation) {
    let keys = &app.app.keys;
    let rotated = keys.rotate_purpose(TenantId::FIRST, purpose, how, |event| event, app.now());
    assert!(matches!(rotated.await.unwrap(), PurposeRotated::Done { .. }));
}

on_both_engines! {
    /// §6.1: "The authorization server MUST decrypt the JWT in accordance with the JSON Web Encryption [RFC7516] specification. The
    /// result is a signed Request Object." Each way that the metadata lists, in the URL and pushed (RFC 9126 §3).
    async fn s6_1_an_encrypted_object_leads_to_a_code(engine: Engine) {
        let (mut p, key) = signing(engine, "ES256").await;
        for (position, alg) in ALGORITHMS.iter().enumerate() {
            let enc = ContentEncryption::ALL[position].as_str();
            let asked = p.rp.ask_for(&p.app, &[("prompt", "consent")]);
            let object = encrypted(&p, &key, &asked, alg, enc).await;
            let url = p.rp.with_object(&p.app, &object, &[("state", "evil")]);
            let page = p.browser.authorize(&url, &p.alice).await;
            assert_eq!(page.parameter("state").as_deref(), Some(&*asked.state), "{alg}");
            let tokens = redeem(&p, &asked, &page).await;
            assert_eq!(p.rp.verify_id_token(&p.app, &tokens.id).await["nonce"], asked.nonce);
            let asked = p.rp.ask(&p.app);
            let object = encrypted(&p, &key, &asked, alg, enc).await;
            let answer = push(&p, &object).await.expect(201).json();
            let page = p.browser.open(&p.rp.refer(&p.app, answer["request_uri"].as_str().unwrap())).await;
            redeem(&p, &asked, &page).await;
        }
    }

    /// §5.2.3: an object behind a registered address may be encrypted too. §10.5: one that was encrypted counts as signed.
    async fn s5_2_3_an_encrypted_object_at_an_address(engine: Engine) {
        let (mut p, key) = signing(engine, "PS256").await;
        let peer = Peer::start().await;
        let uri = format!("{}/request.jwe", peer.base);
        let registered = uri.clone();
        p.rp = RelyingParty::signing(&p.app, &key, |metadata| {
            metadata.request_uris = vec![registered];
            metadata.require_signed_request_object = true;
            metadata.request_object_signing_alg = Some(Algorithm::PS256);
            metadata.request_object_encryption_alg = Some(KeyManagement::EcdhEs);
        })
        .await;
        let asked = p.rp.ask(&p.app);
        let object = encrypted(&p, &key, &asked, "ECDH-ES", "A256GCM").await;
        peer.serve("/request.jwe", "application/oauth-authz-req+jwt", &object);
        let page = p.browser.open(&p.rp.refer(&p.app, &uri)).await;
        redeem(&p, &asked, &page).await;
    }

    /// OpenID Connect Core §10.2.1: a key that gave way to another still reads what was encrypted to it; one that is compromised
    /// reads nothing more.
    async fn core_s10_2_1_keys_change_with_an_overlap(engine: Engine) {
        let (mut p, key) = signing(engine, "ES256").await;
        for (purpose, alg) in [(Purpose::EncRsa, "RSA-OAEP-256"), (Purpose::EncEc, "ECDH-ES+A256KW")] {
            let asked = p.rp.ask(&p.app);
            let before = encryption_key(&p.app, alg).await;
            let old = encrypted(&p, &key, &asked, alg, "A128GCM").await;
            p.app.advance(60);
            replace(&p.app, purpose, PurposeRotation::default()).await;
            assert_ne!(encryption_key(&p.app, alg).await["kid"], before["kid"], "the new key is published");
            assert_eq!(encryption_keys(&p.app).await.len(), 2, "and the old one is not");
            open(&mut p, &old).await.code();
            let new = encrypted(&p, &key, &asked, alg, "A128GCM").await;
            open(&mut p, &new).await.code();
            p.app.advance(60);
            replace(&p.app, purpose, PurposeRotation { immediate: true, compromised: true }).await;
            for gone in [&old, &new] {
                assert_eq!(refused(push(&p, gone).await, 400, "invalid_request_object"), REFUSAL);
            }
            let asked = p.rp.ask(&p.app);
            let newest = encrypted(&p, &key, &asked, alg, "A128GCM").await;
            push(&p, &newest).await.expect(201);
        }
    }
}

/// §6.1: "If decryption fails, the authorization server MUST return an "invalid_request_object" error". RFC 7516 §11.5: nothing
/// tells one failure from another.
#[tokio::test]
async fn s6_1_whatever_cannot_be_decrypted_is_refused_alike() {
    let (mut p, key) = signing(Engine::Sqlite, "ES256").await;
    let asked = p.rp.ask(&p.app);
    let signed = p.rp.object(&p.app, &key, &asked, &json!({}));
    let rsa = encryption_key(&p.app, "RSA-OAEP-256").await;
    let ec = encryption_key(&p.app, "ECDH-ES").await;
    let with = |header: Value| encrypt(&ec, "ECDH-ES", "A256GCM", &header, signed.as_bytes());
    let good = with(json!({}));
    let part = |position: usize, text: &str| {
        let mut parts: Vec<_> = good.split('.').collect();
        parts[position] = text;
        parts.join(".")
    };
    let signing_key = p.app.http.get("/oauth2/jwks").send().await.json()["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["alg"] == "ES256")
        .unwrap()
        .clone();
    let bad = [
        with(json!({"kid": "unknown"})),
        with(json!({"kid": rsa["kid"]})),
        // §6.1 with RFC 7516 §4.1.3: a few bytes could become a great many.
        with(json!({"zip": "DEF"})),
        with(json!({"crit": ["exp"], "exp": 1})),
        with(json!({"jwk": ec.clone()})),
        with(json!({"cty": "json"})),
        encrypt(&rsa, "RSA-OAEP", "A256GCM", &json!({}), signed.as_bytes()),
        encrypt(&rsa, "RSA1_5", "A256GCM", &json!({}), signed.as_bytes()),
        encrypt(&ec, "ECDH-ES+A192KW", "A256GCM", &json!({}), signed.as_bytes()),
        encrypt(&ec, "ECDH-ES", "A192GCM", &json!({}), signed.as_bytes()),
        encrypt(&ec, "ECDH-ES", "A256GCM", &json!({}), b"\xff\xfe"),
        // One key never serves two purposes.
        encrypt(&signing_key, "ECDH-ES", "A256GCM", &json!({}), signed.as_bytes()),
        part(0, "e30"),
        part(1, "AAAA"),
        part(2, ""),
        part(2, "AAAAAAAAAAAAAAAA"),
        part(3, ""),
        part(3, "AAAA"),
        part(4, ""),
        part(4, "AAAA"),
        "....".to_owned(),
        "a.b.c.d.e".to_owned(),
    ];
    for object in &bad {
        assert_eq!(
            refused(push(&p, object).await, 400, "invalid_request_object"),
            REFUSAL,
            "{object}"
        );
        let page = open(&mut p, object).await;
        assert_eq!(page.error(), "invalid_request_object", "{object}");
        assert_eq!(page.parameter("error_description").as_deref(), Some(REFUSAL));
    }
    open(&mut p, &good).await.code();
    // Without `kid` it is the published key, and `cty` may be missing.
    open(&mut p, &with(json!({"kid": null, "cty": null})))
        .await
        .code();
}

/// §4: "the Request Object MUST be […] signed, or signed and encrypted": what is encrypted alone, by anybody with the public key, is
/// nobody's request; and encryption is looked through once.
#[tokio::test]
async fn s4_what_is_encrypted_has_to_be_signed_first() {
    let (mut p, key) = signing(Engine::Sqlite, "ES256").await;
    let asked = p.rp.ask(&p.app);
    let claims = p.rp.claims(&p.app, &asked, &json!({})).to_string();
    let signed = p.rp.object(&p.app, &key, &asked, &json!({}));
    let to = encryption_key(&p.app, "ECDH-ES").await;
    let around = |content: &str| encrypt(&to, "ECDH-ES", "A128CBC-HS256", &json!({}), content.as_bytes());
    let none = format!(
        "{}.{}.",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#),
        URL_SAFE_NO_PAD.encode(&claims)
    );
    let stranger = ClientKey::new("k1", "ES256");
    for content in [
        claims,
        none,
        around(&signed),
        String::new(),
        p.rp.object(&p.app, &stranger, &asked, &json!({})),
        p.rp.object(&p.app, &key, &asked, &json!({"aud": "https://other.example"})),
    ] {
        let object = around(&content);
        assert_eq!(
            open(&mut p, &object).await.error(),
            "invalid_request_object",
            "{content}"
        );
        refused(push(&p, &object).await, 400, "invalid_request_object");
    }
    // Another client cannot have this client's object decrypted as its own.
    let other = RelyingParty::signing(&p.app, &ClientKey::new("k1", "ES256"), |_| {}).await;
    let answer = other.post(&p.app, PAR, &[("request", &around(&signed))]).await;
    refused(answer, 400, "invalid_request_object");
}

/// Each tenant has keys of its own: what is encrypted to one of another tenant is not opened, and the answer says no more.
#[tokio::test]
async fn s6_1_another_tenants_key_opens_nothing_here() {
    let (p, key) = signing(Engine::Sqlite, "ES256").await;
    crate::tenants::bare_tenant(&p.app, "acme", true).await;
    let set = p
        .app
        .http
        .get("/t/acme/oauth2/jwks")
        .send()
        .await
        .expect(200)
        .json();
    let theirs = set["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["use"] == "enc" && key["kty"] == "EC");
    let asked = p.rp.ask(&p.app);
    let signed = p.rp.object(&p.app, &key, &asked, &json!({}));
    for header in [json!({}), json!({"kid": null})] {
        let object = encrypt(theirs.unwrap(), "ECDH-ES", "A256GCM", &header, signed.as_bytes());
        assert_eq!(
            refused(push(&p, &object).await, 400, "invalid_request_object"),
            REFUSAL
        );
    }
}

/// OpenID Connect Discovery §3 and Core §10.2: "The public key to which the content was encrypted MUST be a public key used for
/// encryption published by the recipient in its JWK Set document."
#[tokio::test]
async fn discovery_s3_the_keys_and_the_ways_are_published() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let metadata = app.metadata().await;
    assert_eq!(
        metadata["request_object_encryption_alg_values_supported"],
        json!(ALGORITHMS)
    );
    assert_eq!(
        metadata["request_object_encryption_enc_values_supported"],
        json!(["A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM"])
    );
    let keys = encryption_keys(&app).await;
    let kinds: Vec<_> = keys.iter().map(|key| (&key["kty"], &key["alg"])).collect();
    assert_eq!(
        kinds,
        [
            (&json!("RSA"), &json!("RSA-OAEP-256")),
            (&json!("EC"), &json!("ECDH-ES+A256KW"))
        ]
    );
    for key in &keys {
        assert!(
            key["kid"].is_string() && key["d"].is_null() && key["p"].is_null(),
            "{key}"
        );
    }
}

/// OpenID Connect Dynamic Client Registration §2: "The default, if omitted, is that the RP is not declaring whether it might
/// encrypt any Request Objects." "When request_object_encryption_enc is included, request_object_encryption_alg MUST also be
/// provided."
#[tokio::test]
async fn registration_s2_the_members() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let token = app.admin_token("clients:write").await;
    let create = |changes: Value| {
        let jwks = ClientKey::new("k1", "ES256").jwks();
        let mut document = json!({"redirect_uris": [CALLBACK], "scope": "openid", "jwks": jwks});
        for (name, value) in changes.as_object().unwrap() {
            document[name] = value.clone();
        }
        let present = document.as_object_mut().unwrap();
        present.retain(|_, value| !value.is_null());
        app.http
            .post("/admin/v1/clients")
            .bearer(&token)
            .json(&document)
            .send()
    };
    for alg in ALGORITHMS {
        let created = create(json!({"request_object_encryption_alg": alg}))
            .await
            .expect(201)
            .json();
        assert_eq!(created["request_object_encryption_alg"], alg);
        assert_eq!(
            created["request_object_encryption_enc"], "A128CBC-HS256",
            "the default"
        );
    }
    for (member, bad) in [
        (
            "request_object_encryption_alg",
            json!({"request_object_encryption_alg": "RSA-OAEP"}),
        ),
        (
            "request_object_encryption_alg",
            json!({"request_object_encryption_alg": "RSA1_5"}),
        ),
        (
            "request_object_encryption_alg",
            json!({"request_object_encryption_alg": "dir"}),
        ),
        (
            "request_object_encryption_enc",
            json!({"request_object_encryption_enc": "A128GCM"}),
        ),
        (
            "request_object_encryption_enc",
            json!({"request_object_encryption_alg": "ECDH-ES", "request_object_encryption_enc": "A192GCM"}),
        ),
        (
            "request_object_encryption_alg",
            json!({"request_object_encryption_alg": "ECDH-ES", "jwks": null}),
        ),
    ] {
        let problem = create(bad.clone()).await.expect(400).json();
        let errors = problem["errors"].as_array().unwrap();
        let named = errors
            .iter()
            .any(|error| error["pointer"] == format!("/{member}"));
        assert!(named, "{bad}: {problem}");
    }
}
