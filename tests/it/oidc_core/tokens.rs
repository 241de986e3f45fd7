//! ID tokens, offline access and refresh: §2, §8, §11 and §12.

use super::{sign_in, userinfo};
use crate::support::Engine;
use crate::support::people::Person;
use crate::support::provider::{Provider, refused};
use crate::support::relying_party::{RelyingParty, Tokens, claims_of, header_of};
use crate::support::user_agent::Browser;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantor::types::Algorithm;
use serde_json::json;

/// §2: "iss, sub, aud, exp, iat REQUIRED." "sub […] MUST NOT exceed 255 ASCII [RFC20] characters in length." "nonce: If present
/// in the Authentication Request, Authorization Servers MUST include a nonce Claim in the ID Token with the Claim Value being
/// the nonce value sent in the Authentication Request." "auth_time: When a max_age request is made or when auth_time is
/// requested as an Essential Claim, then this Claim is REQUIRED". "ID Tokens MUST be signed using JWS". §3.1.3.6: `at_hash`.
#[tokio::test]
async fn s2_the_id_token() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let asked = p.rp.ask_for(&p.app, &[("max_age", "1000")]);
    let page = p.browser.authorize(&asked.url, &p.alice).await;
    let tokens = Tokens::of(p.rp.redeem(&p.app, &asked, &page).await);
    let claims = p.rp.verify_id_token(&p.app, &tokens.id).await;
    assert_eq!(
        header_of(&tokens.id)["alg"],
        "RS256",
        "§15.1: RS256 unless registered otherwise"
    );
    assert_eq!(claims["iss"], p.app.issuer());
    assert_eq!(claims["sub"], p.alice.id.to_string());
    assert_eq!(claims["nonce"], *asked.nonce);
    assert_eq!(claims["auth_time"], p.app.now().seconds());
    assert_eq!(
        (&claims["acr"], &claims["amr"]),
        (&json!("aal1"), &json!(["pwd"]))
    );
    let half = &openssl::sha::sha256(tokens.access.as_bytes())[..16];
    assert_eq!(claims["at_hash"], URL_SAFE_NO_PAD.encode(half));
    assert!(claims["sid"].is_string());
    assert!(!claims.contains_key("azp") && !claims.contains_key("email") && !claims.contains_key("name"));
    let without = sign_in(&mut p, &[("nonce", "")]).await;
    assert!(
        claims_of(&without.id).get("nonce").is_none(),
        "§3.1.2.1: nonce is optional in the code flow"
    );
}

/// §2 and Registration §2, `id_token_signed_response_alg`; `sid` is another one for every client.
#[tokio::test]
async fn s2_the_algorithm_is_the_registered_one() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let first = p.sign_in().await;
    for alg in [Algorithm::ES256, Algorithm::PS256] {
        p.rp = RelyingParty::with(&p.app, |metadata| {
            metadata.id_token_signed_response_alg = Some(alg)
        })
        .await;
        let tokens = p.sign_in().await;
        assert_eq!(header_of(&tokens.id)["alg"], alg.as_str());
        let claims = p.rp.verify_id_token(&p.app, &tokens.id).await;
        assert_eq!(claims["sub"], claims_of(&first.id)["sub"]);
        assert_ne!(claims["sid"], claims_of(&first.id)["sid"]);
    }
}

/// §3.1.3.3: "The Cache-Control […] HTTP headers […] no-store"; §3.1.3.2: "the Authorization Code […] was issued to the
/// Authenticated Client", and "was issued in response to an OpenID Connect Authentication Request (so that an ID Token will be
/// returned)". A narrowed refresh without `openid` gives none.
#[tokio::test]
async fn s3_1_3_3_the_answer_with_an_id_token() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let tokens = p.sign_in_for("openid orders:read").await;
    assert!(!tokens.id.is_empty());
    let narrow = Tokens::of(
        p.rp.refresh_with(&p.app, &tokens.refresh, &[("scope", "orders:read")])
            .await,
    );
    assert_eq!(narrow.id, "");
}

/// §8: "Subject Identifier […] MUST NOT be reassigned", locally unique, and the same for every client of type `public`.
#[tokio::test]
async fn s8_the_subject_is_the_same_everywhere_and_never_anothers() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let first = p.sign_in().await;
    let other = RelyingParty::new(&p.app).await;
    let at_other = other.sign_in(&p.app, &mut p.browser, &p.alice, "openid").await;
    let bob = Person::new(&p.app, "bob").await;
    let bobs =
        p.rp.sign_in(&p.app, &mut Browser::new(&p.app), &bob, "openid")
            .await;
    let sub = |tokens: &Tokens| claims_of(&tokens.id)["sub"].clone();
    assert_eq!(sub(&first), sub(&at_other));
    assert_ne!(sub(&first), sub(&bobs));
    assert_eq!(sub(&first), userinfo(&p, &first).await["sub"], "§5.3.2");
}

/// §11: "offline_access: […] The Authorization Server MUST ignore the offline_access request unless the Client is using a
/// response_type value that would result in an Authorization Code being returned", "MUST always obtain consent to returning a
/// Refresh Token that enables offline access" where consent is asked at all; contract: without it the family ends with the
/// session, with it it outlives the session.
#[tokio::test]
async fn s11_offline_access_outlives_the_session() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let online = p.sign_in_for("openid").await;
    let offline = p.sign_in_for("openid offline_access").await;
    // Eight hours end the session.
    p.app.advance(8 * 3600);
    refused(p.rp.refresh(&p.app, &online.refresh).await, 400, "invalid_grant");
    let next = Tokens::of(p.rp.refresh(&p.app, &offline.refresh).await);
    assert!(p.silent(&mut p.browser.clone()).await.is_some());
    // Seven days from signing in are the end of that too.
    p.app.advance(7 * 86_400 - 8 * 3600);
    refused(p.rp.refresh(&p.app, &next.refresh).await, 400, "invalid_grant");
    let third_party = RelyingParty::with(&p.app, |metadata| metadata.require_consent = true).await;
    p.sign_in().await;
    p.browser
        .authorize(&third_party.ask(&p.app).url, &p.alice)
        .await
        .code();
    let page = p
        .browser
        .open(
            &third_party
                .ask_for(&p.app, &[("scope", "openid offline_access")])
                .url,
        )
        .await;
    page.decision_form();
}

/// §12.2: after a refresh "its iss Claim Value MUST be the same", "its sub Claim Value MUST be the same", "its iat Claim MUST
/// represent the time that the new ID Token is issued", "its aud Claim Value MUST include the value in the original", "if the ID
/// Token contains an auth_time Claim, its value MUST represent the time of the original authentication", "it SHOULD NOT have a
/// nonce Claim".
#[tokio::test]
async fn s12_2_the_id_token_of_a_refresh() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let first = p.sign_in().await;
    p.app.advance(500);
    let second = Tokens::of(p.rp.refresh(&p.app, &first.refresh).await);
    let before = claims_of(&first.id);
    let after = p.rp.verify_id_token(&p.app, &second.id).await;
    for same in ["iss", "sub", "aud", "auth_time", "sid", "acr", "amr"] {
        assert_eq!(after[same], before[same], "{same}");
    }
    assert_eq!(after["iat"], p.app.now().seconds());
    assert!(!after.contains_key("nonce"));
}
