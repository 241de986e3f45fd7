//! RFC 9700, Best Current Practice for OAuth 2.0 Security: what is not shown by the tests of the specifications that it
//! tightens.

use crate::support::Engine;
use crate::support::people::PASSWORD;
use crate::support::provider::{Provider, refused};
use crate::support::relying_party::{RelyingParty, Tokens};
use crate::support::user_agent::Browser;
use grantor::types::AuthMethod;

/// §2.1.1: "Public clients MUST use PKCE", "authorization servers MUST support PKCE", "MUST mitigate PKCE downgrade attacks by
/// ensuring that a token request containing a code_verifier parameter is accepted only if a code_challenge parameter was
/// present in the authorization request". §2.1.1: "Authorization servers MUST provide a way to detect their support for PKCE."
#[tokio::test]
async fn s2_1_1_public_clients_use_pkce() {
    let mut p = Provider::new(Engine::Sqlite).await;
    // Not even a registration that says otherwise frees a public client.
    let public = RelyingParty::with(&p.app, |metadata| {
        metadata.token_endpoint_auth_method = AuthMethod::None;
        metadata.require_pkce = false;
    })
    .await;
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    let page = p
        .browser
        .authorize(&public.ask_for(&p.app, &without).url, &p.alice)
        .await;
    assert_eq!(page.error(), "invalid_request");
    let metadata = p
        .app
        .http
        .get("/.well-known/oauth-authorization-server")
        .send()
        .await
        .expect(200)
        .json();
    assert_eq!(
        metadata["code_challenge_methods_supported"],
        serde_json::json!(["S256"])
    );
}

/// §2.1.2: "clients SHOULD NOT use the implicit grant"; §2.4: "The resource owner password credentials grant MUST NOT be
/// used."
#[tokio::test]
async fn s2_1_2_s2_4_neither_implicit_nor_password() {
    let mut p = Provider::new(Engine::Sqlite).await;
    p.sign_in().await;
    for response_type in [
        "token",
        "id_token",
        "id_token token",
        "code id_token",
        "code token",
        "code id_token token",
    ] {
        let page = p
            .browser
            .open(&p.rp.ask_for(&p.app, &[("response_type", response_type)]).url)
            .await;
        assert_eq!(page.error(), "unsupported_response_type");
    }
    let fields = [
        ("grant_type", "password"),
        ("username", "alice"),
        ("password", PASSWORD),
    ];
    refused(
        p.rp.post(&p.app, "/oauth2/token", &fields).await,
        400,
        "unsupported_grant_type",
    );
    for mode in ["fragment", "jwt", "web_message"] {
        let page = p
            .browser
            .open(&p.rp.ask_for(&p.app, &[("response_mode", mode)]).url)
            .await;
        assert_eq!(page.error(), "invalid_request", "{mode}");
    }
}

/// §2.2.2: "Refresh tokens for public clients MUST be sender-constrained or use refresh token rotation", whatever is
/// registered; a confidential client may be registered without rotation (FAPI 2.0 wants that).
#[tokio::test]
async fn s2_2_2_refresh_tokens_of_public_clients_rotate() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let unrotated = |method| {
        async move |app: &crate::support::TestApp| {
            RelyingParty::with(app, |metadata| {
                metadata.token_endpoint_auth_method = method;
                metadata.refresh_token_rotation = false;
            })
            .await
        }
    };
    p.rp = unrotated(AuthMethod::None)(&p.app).await;
    let tokens = p.sign_in().await;
    let next = Tokens::of(p.rp.refresh(&p.app, &tokens.refresh).await);
    assert!(!next.refresh.is_empty() && next.refresh != tokens.refresh);
    p.rp = unrotated(AuthMethod::ClientSecretBasic)(&p.app).await;
    let tokens = p.sign_in().await;
    for _ in 0..2 {
        let again = Tokens::of(p.rp.refresh(&p.app, &tokens.refresh).await);
        assert!(again.refresh.is_empty() || again.refresh == tokens.refresh);
    }
}

/// §2.6: "the authorization endpoint MUST NOT support CORS, as the client does not access this endpoint directly"; other
/// endpoints answer the origins of registered clients.
#[tokio::test]
async fn s2_6_no_cors_at_the_authorization_endpoint() {
    let p = Provider::new(Engine::Sqlite).await;
    let origin = "https://rp.example";
    for path in [
        "/oauth2/authorize",
        "/login",
        "/consent",
        "/oauth2/logout",
        "/account",
    ] {
        let preflight = p
            .app
            .http
            .call(reqwest::Method::OPTIONS, path)
            .header("origin", origin);
        let answer = preflight
            .header("access-control-request-method", "POST")
            .send()
            .await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
        let answer = p.app.http.get(path).header("origin", origin).send().await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
    }
    let preflight = p
        .app
        .http
        .call(reqwest::Method::OPTIONS, "/oauth2/token")
        .header("origin", origin);
    let answer = preflight
        .header("access-control-request-method", "POST")
        .send()
        .await;
    assert!(!answer.header("access-control-allow-origin").is_empty());
}

/// §4.2.4: "the authorization server […] MUST NOT" leak its address with the code to others: "Referrer-Policy" keeps the
/// request out of referrers; the pages load nothing of others.
#[tokio::test]
async fn s4_2_4_no_referrer_and_nothing_of_others_on_the_pages() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let page = p.browser.open(&p.rp.ask(&p.app).url).await;
    assert_eq!(page.answer.header("referrer-policy"), "no-referrer");
    for tag in crate::support::html::tags(&page.html()) {
        for attribute in ["src", "href", "action"] {
            let value = tag.get(attribute).unwrap_or_default();
            assert!(!value.starts_with("http") && !value.starts_with("//"), "{tag:?}");
        }
    }
    assert!(
        page.answer
            .header("content-security-policy")
            .contains("default-src 'none'")
    );
}

/// §4.5.3: "authorization code injection": a code of another browser's request is bound to that request's challenge, so that
/// no client redeems it with its own verifier.
#[tokio::test]
async fn s4_5_3_an_injected_code_is_refused() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let stolen = p.browser.authorize(&p.rp.ask(&p.app).url, &p.alice).await.code();
    let attackers = p.rp.ask(&p.app);
    refused(
        p.rp.redeem_code(&p.app, &stolen, &attackers.pkce.verifier).await,
        400,
        "invalid_grant",
    );
}

/// §4.11.2: "the authorization server MUST take precautions to prevent" redirecting automatically at an attacker's wish: a
/// request of an unknown client, and one of a known client with a wrong address, end at a page.
#[tokio::test]
async fn s4_11_2_the_server_is_no_open_redirector() {
    let mut p = Provider::new(Engine::Sqlite).await;
    for changes in [
        [("client_id", "unheard-of")],
        [("redirect_uri", "https://evil.example/")],
    ] {
        for more in [
            ("prompt", "none"),
            ("response_type", "unheard_of"),
            ("scope", "unheard_of"),
        ] {
            let asked = p.rp.ask_for(&p.app, &[changes[0], more]);
            p.browser.open(&asked.url).await.expect_error_page(400);
        }
    }
}

/// §4.12: "If an HTTP redirection […] is used, the authorization server […] MUST NOT use 307", "SHOULD use 303": the form with
/// the password does not travel on.
#[tokio::test]
async fn s4_12_redirects_are_303() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let asked = p.rp.ask(&p.app);
    let mut page = p.browser.get(&asked.url).await;
    let mut seen = 0;
    for _ in 0..8 {
        if page.answer.status.is_redirection() {
            assert_eq!(page.answer.status.as_u16(), 303, "{}", page.url);
            seen += 1;
            if page.left_for.is_some() {
                break;
            }
            let next = page.url.join(page.answer.header("location")).unwrap();
            page = p.browser.get(next.as_str()).await;
        } else {
            page = p
                .browser
                .submit_only(&page, &p.alice.fill_in(page.sign_in_form()))
                .await;
        }
    }
    page.code();
    assert!(seen >= 3, "to the sign-in page, back, and to the client");
}

/// §4.14.2: "the refresh token […] MUST be bound to the scope and resource servers as consented by the resource owner", and
/// "Authorization servers may revoke refresh tokens automatically in case of a security event, such as password change".
#[tokio::test]
async fn s4_14_2_no_refresh_token_for_a_client_without_the_grant() {
    let mut p = Provider::new(Engine::Sqlite).await;
    p.rp = RelyingParty::with(&p.app, |metadata| {
        metadata.grant_types = vec![grantor::types::GrantType::AuthorizationCode];
    })
    .await;
    let tokens = p.sign_in_for("openid offline_access").await;
    assert_eq!(tokens.refresh, "");
    assert_eq!(
        tokens.json["scope"], "openid",
        "offline_access means a refresh token"
    );
}

/// §4.16: "Authorization servers MUST prevent clickjacking attacks", with "frame-ancestors" and `X-Frame-Options`; §4.7.1: no
/// request of another browser is finished in this one.
#[tokio::test]
async fn s4_7_1_a_request_is_bound_to_the_browser_that_began_it() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let page = p.browser.open(&p.rp.ask(&p.app).url).await;
    let mut victim = Browser::new(&p.app);
    let elsewhere = victim.open(page.url.as_str()).await;
    assert!(
        elsewhere.ask().is_none(),
        "no sign-in form for a request that another browser began"
    );
    assert!(elsewhere.left_for.is_none());
}
