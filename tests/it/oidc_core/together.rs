//! Encrypted ID tokens and pairwise subjects, asked for in every way in which they can be asked for.

use crate::support::Engine;
use crate::support::encryption::DecryptionKey;
use crate::support::people::Person;
use crate::support::provider::{Provider, refused};
use crate::support::relying_party::{RelyingParty, Tokens, claims_of};
use crate::support::user_agent::{Ask, Browser};
use crate::tenants::bare_tenant;
use grantor::storage::clients::{self, Client, ClientMetadata};
use grantor::types::{ClientId, GrantType, KeyManagement, SubjectType, TenantId};

const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A client whose ID tokens are encrypted and whose subjects are pairwise.
async fn client(p: &Provider, key: &DecryptionKey, change: impl FnOnce(&mut ClientMetadata)) -> RelyingParty {
    let jwks = key.jwks();
    RelyingParty::with(&p.app, |metadata| {
        metadata.jwks = Some(jwks);
        metadata.id_token_encrypted_response_alg = Some(KeyManagement::EcdhEsA128Kw);
        metadata.subject_type = SubjectType::Pairwise;
        metadata.grant_types.push(GrantType::DeviceCode);
        change(metadata);
    })
    .await
}

fn key() -> DecryptionKey {
    DecryptionKey::new("ECDH-ES+A128KW", "own")
}

async fn sub_of(p: &Provider, key: &DecryptionKey, tokens: &Tokens) -> String {
    let claims = p.rp.verify_id_token(&p.app, &key.open_nested(&tokens.id)).await;
    let sub = claims["sub"].as_str().unwrap().to_owned();
    assert_eq!(
        claims_of(&tokens.access)["sub"],
        *sub,
        "the same in the access token"
    );
    assert_ne!(sub, p.alice.id.to_string());
    sub
}

on_both_engines! {
    /// Core §2, §8.1 with RFC 9126: by a pushed request, refreshed, and found at UserInfo under the same subject.
    async fn s8_1_pushed_requests_of_pairwise_clients_with_encryption(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let key = key();
        p.rp = client(&p, &key, |metadata| metadata.require_pushed_authorization_requests = true).await;
        let asked = p.rp.ask_for(&p.app, &[("scope", "openid offline_access")]);
        let url = p.rp.pushed(&p.app, &asked).await;
        let page = p.browser.authorize(&url, &p.alice).await;
        let tokens = Tokens::of(p.rp.redeem(&p.app, &asked, &page).await);
        let sub = sub_of(&p, &key, &tokens).await;
        let mut latest = tokens;
        for _ in 0..3 {
            latest = Tokens::of(p.rp.refresh(&p.app, &latest.refresh).await);
            assert_eq!(sub_of(&p, &key, &latest).await, sub, "§12.2: its sub Claim Value MUST be the same");
        }
        let info = p.app.http.get("/oauth2/userinfo").bearer(&latest.access).send().await.expect(200).json();
        assert_eq!(info["sub"], *sub);
        // The encrypted token is no hint: nobody but the client reads it. What is in it is one, and names alice.
        let encrypted = p.rp.ask_for(&p.app, &[("prompt", "none"), ("id_token_hint", &latest.id)]);
        refused(p.rp.push(&p.app, &encrypted).await, 400, "invalid_request");
        let hint = key.open_nested(&latest.id);
        let silent = p.rp.ask_for(&p.app, &[("prompt", "none"), ("id_token_hint", &hint)]);
        let url = p.rp.pushed(&p.app, &silent).await;
        p.browser.open(&url).await.code();
    }

    /// Core §8.1 with RFC 8628: a device gets the same subject as the client's other tokens, encrypted too.
    async fn s8_1_devices_of_pairwise_clients_with_encryption(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let key = key();
        p.rp = client(&p, &key, |_| {}).await;
        let sub = {
            let tokens = p.sign_in().await;
            sub_of(&p, &key, &tokens).await
        };
        let begun = p.rp.post(&p.app, "/oauth2/device_authorization", &[("scope", "openid")]).await.expect(200).json();
        let mut page = p.browser.open(begun["verification_uri_complete"].as_str().unwrap()).await;
        while let Some(form) = crate::support::html::forms(&page.html()).into_iter().find(|form| form.has("user_code")) {
            page = p.browser.submit(&page, &form).await;
        }
        if let Some(Ask::SignIn(form)) = page.ask() {
            page = p.browser.submit(&page, &p.alice.fill_in(form)).await;
        }
        p.browser.submit(&page, &page.decision_form().press("decision", "allow")).await;
        let code = begun["device_code"].as_str().unwrap();
        let fields = [("grant_type", DEVICE), ("device_code", code)];
        let tokens = Tokens::of(p.rp.post(&p.app, "/oauth2/token", &fields).await);
        assert_eq!(sub_of(&p, &key, &tokens).await, sub);
        let again = Tokens::of(p.rp.refresh(&p.app, &tokens.refresh).await);
        assert_eq!(sub_of(&p, &key, &again).await, sub);
    }

    /// RFC 9126 §2.2, §7.5: a `request_uri` is of one client at one issuer. Neither another client nor the client of the same name at
    /// another tenant opens it, there or here.
    async fn rfc9126_s7_5_a_request_uri_of_another_client_or_tenant_is_refused(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let tenant = bare_tenant(&p.app, "acme", true).await;
        let id = ClientId::parse(&p.rp.client_id).unwrap();
        let own = clients::find(&mut p.app.db.main.read().await.unwrap(), TenantId::FIRST, &id).await.unwrap().unwrap();
        let twin = Client { tenant_id: tenant, ..own };
        assert!(clients::insert(&mut p.app.db.main.write().await.unwrap(), &twin).await.unwrap());
        let other = RelyingParty::new(&p.app).await;
        let asked = p.rp.ask(&p.app);
        let here = p.rp.push(&p.app, &asked).await.expect(201).json()["request_uri"].as_str().unwrap().to_owned();
        let fields: Vec<_> = asked.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let there = p.rp.post(&p.app, "/t/acme/oauth2/par", &fields).await.expect(201).json();
        let there = there["request_uri"].as_str().unwrap().to_owned();
        p.browser.open(&other.refer(&p.app, &here)).await.expect_error_page(400);
        p.browser.open(&p.rp.refer(&p.app, &there)).await.expect_error_page(400);
        let at_acme = p.rp.refer(&p.app, &here).replace("/oauth2/authorize", "/t/acme/oauth2/authorize");
        Browser::new(&p.app).open(&at_acme).await.expect_error_page(400);
        // Each is still good where it belongs.
        let page = p.browser.authorize(&p.rp.refer(&p.app, &here), &p.alice).await;
        Tokens::of(p.rp.redeem(&p.app, &asked, &page).await);
    }
}

/// Core §8.1: "distinct Sector Identifier values MUST result in distinct Subject Identifier values", for refreshed tokens too, and one
/// client's refresh token yields nothing at another's.
#[tokio::test]
async fn s8_1_refreshed_tokens_stay_in_their_sector() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let key = key();
    let (one, two) = ("https://one.example/cb", "https://two.example/cb");
    let at = async |p: &mut Provider, uri: &str| {
        p.rp = client(p, &key, |metadata| metadata.redirect_uris = vec![uri.to_owned()]).await;
        let tokens = p.sign_in_for("openid offline_access").await;
        let again = Tokens::of(p.rp.refresh(&p.app, &tokens.refresh).await);
        (sub_of(p, &key, &again).await, again, p.rp.clone())
    };
    let (first, _, _) = at(&mut p, one).await;
    let (second, tokens, owner) = at(&mut p, two).await;
    let (neighbour, _, _) = at(&mut p, one).await;
    assert_eq!(first, neighbour);
    assert_ne!(first, second);
    let bob = Person::new(&p.app, "bob").await;
    let bobs =
        p.rp.sign_in(&p.app, &mut Browser::new(&p.app), &bob, "openid")
            .await;
    let claims = claims_of(&key.open_nested(&bobs.id));
    assert_ne!(claims["sub"], *first);
    refused(p.rp.refresh(&p.app, &tokens.refresh).await, 400, "invalid_grant");
    refused(owner.refresh(&p.app, &tokens.refresh).await, 400, "invalid_grant");
}
