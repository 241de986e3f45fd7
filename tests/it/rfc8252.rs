//! RFC 8252, OAuth 2.0 for Native Apps.

use crate::support::Engine;
use crate::support::provider::{Provider, refused};
use crate::support::relying_party::{RelyingParty, Tokens};
use grantor::types::{ApplicationType, AuthMethod};

async fn native(p: &Provider, uris: &[&str]) -> RelyingParty {
    RelyingParty::with(&p.app, |metadata| {
        metadata.application_type = ApplicationType::Native;
        metadata.token_endpoint_auth_method = AuthMethod::None;
        metadata.redirect_uris = uris.iter().map(|uri| (*uri).to_owned()).collect();
    })
    .await
}

/// §7.3: "The authorization server MUST allow any port to be specified at the time of the request for loopback IP redirect
/// URIs, to accommodate clients that obtain an available ephemeral port from the operating system at the time of the
/// request." §8.4: apart from the port the match is exact.
#[tokio::test]
async fn s7_3_any_port_of_a_loopback_address() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let app = native(
        &p,
        &[
            "http://127.0.0.1/callback",
            "http://[::1]:7777/callback?a=b",
            "http://localhost:3000/cb",
        ],
    )
    .await;
    for good in [
        "http://127.0.0.1/callback",
        "http://127.0.0.1:51234/callback",
        "http://[::1]:51234/callback?a=b",
        "http://[::1]/callback?a=b",
        "http://localhost:3000/cb",
    ] {
        let mut named = app.clone();
        named.redirect_uri = good.to_owned();
        let asked = named.ask(&p.app);
        let page = p.browser.authorize(&asked.url, &p.alice).await;
        assert!(page.left_for.clone().unwrap().as_str().starts_with(good));
        Tokens::of(named.redeem(&p.app, &asked, &page).await);
    }
    for bad in [
        "http://127.0.0.1:51234/other",
        "http://127.0.0.1:51234/callback/",
        "http://127.0.0.1:51234/callback?x=1",
        "https://127.0.0.1:51234/callback",
        "http://127.0.0.2:51234/callback",
        "http://127.0.0.1:x/callback",
        "http://127.0.0.1:51234@evil.example/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://localhost:51234/cb",
        "http://[::1]:51234/callback",
        "http://127.0.0.1:99999/callback",
        "http://127.0.0.1:/../callback",
    ] {
        p.browser
            .open(&app.ask_for(&p.app, &[("redirect_uri", bad)]).url)
            .await
            .expect_error_page(400);
    }
    // A web application's loopback address is matched exactly.
    let uris = vec!["http://127.0.0.1:3000/cb".to_owned()];
    let web = RelyingParty::with(&p.app, |metadata| metadata.redirect_uris = uris).await;
    let other = [("redirect_uri", "http://127.0.0.1:3001/cb")];
    p.browser
        .open(&web.ask_for(&p.app, &other).url)
        .await
        .expect_error_page(400);
}

/// The port that was named is the one that the code is bound to.
#[tokio::test]
async fn s7_3_the_code_is_bound_to_the_named_port() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let mut app = native(&p, &["http://127.0.0.1/callback"]).await;
    app.redirect_uri = "http://127.0.0.1:51234/callback".to_owned();
    let asked = app.ask(&p.app);
    let code = p.browser.authorize(&asked.url, &p.alice).await.code();
    app.redirect_uri = "http://127.0.0.1:51235/callback".to_owned();
    refused(
        app.redeem_code(&p.app, &code, &asked.pkce.verifier).await,
        400,
        "invalid_grant",
    );
}

/// §7.1: "apps MUST use a URI scheme based on a domain name under their control, expressed in reverse order"; the page that
/// sends there allows that scheme in its policy, since browsers apply `form-action` to redirects too.
#[tokio::test]
async fn s7_1_private_use_schemes() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let app = native(&p, &["com.example.app:/callback"]).await;
    let page = p.browser.open(&app.ask(&p.app).url).await;
    assert!(
        page.answer
            .header("content-security-policy")
            .contains("com.example.app:")
    );
    let page = p.browser.answer_all(page, &p.alice).await;
    assert_eq!(page.left_for.clone().unwrap().scheme(), "com.example.app");
    page.code();
    for bad in [
        "com.example.app:/callback/x",
        "com.example.app://callback",
        "com.example.other:/callback",
        "myapp:/callback",
    ] {
        p.browser
            .open(&app.ask_for(&p.app, &[("redirect_uri", bad)]).url)
            .await
            .expect_error_page(400);
    }
}

/// §8.1: "Public native app clients MUST implement the Proof Key for Code Exchange (PKCE) extension to OAuth, and authorization
/// servers MUST support PKCE for such clients" and "SHOULD reject authorization requests from native apps that don't use PKCE".
#[tokio::test]
async fn s8_1_pkce_is_required() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let app = native(&p, &["com.example.app:/callback"]).await;
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    let page = p
        .browser
        .authorize(&app.ask_for(&p.app, &without).url, &p.alice)
        .await;
    assert_eq!(page.error(), "invalid_request");
}

/// §8.5: "Authorization servers that still require a statically included shared secret for native app clients MUST treat the
/// client as a public client (as defined in Section 2.1 of OAuth 2.0 [RFC6749])": a public client has no secret here, and one
/// that sends some is not believed for it.
#[tokio::test]
async fn s8_5_a_public_client_has_no_secret() {
    let p = Provider::new(Engine::Sqlite).await;
    let app = native(&p, &["com.example.app:/callback"]).await;
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "x"),
        ("client_id", &*app.client_id),
        ("client_secret", "x"),
    ];
    refused(
        p.app.http.post("/oauth2/token").form(&fields).send().await,
        401,
        "invalid_client",
    );
}

/// §8.6: "authorization servers SHOULD NOT process authorization requests automatically without user consent or interaction,
/// except when the identity of the client can be assured": anybody on the device can claim a loopback address or a private-use
/// scheme.
#[tokio::test]
async fn s8_6_an_app_that_nobody_can_recognise_is_always_shown() {
    let mut p = Provider::new(Engine::Sqlite).await;
    for uri in ["com.example.app:/callback", "http://127.0.0.1/callback"] {
        let app = native(&p, &[uri]).await;
        for _ in 0..2 {
            let page = p.browser.open(&app.ask(&p.app).url).await;
            let page = match page.ask() {
                Some(crate::support::user_agent::Ask::SignIn(form)) => {
                    p.browser.submit(&page, &p.alice.fill_in(form)).await
                }
                _ => page,
            };
            p.browser
                .submit(&page, &page.decision_form().press("decision", "allow"))
                .await
                .code();
        }
        let page = p
            .browser
            .open(&app.ask_for(&p.app, &[("prompt", "none")]).url)
            .await;
        assert_eq!(page.error(), "interaction_required");
    }
    // The address of a web server assures who it is.
    let spa = RelyingParty::public(&p.app).await;
    p.browser
        .open(&spa.ask_for(&p.app, &[("prompt", "none")]).url)
        .await
        .code();
}
