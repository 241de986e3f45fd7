//! "RP-initiated logout".

use super::{BYE, open, plain, provider, run};
use crate::support::Engine;
use crate::support::provider::Provider;
use crate::support::user_agent::{Browser, Page};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

fn logout(parameters: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish();
    format!("/oauth2/logout?{query}")
}

/// Answers a confirmation page if there is one.
async fn confirm(browser: &mut Browser, page: Page) -> Page {
    match page.ask() {
        Some(crate::support::user_agent::Ask::Decide(form)) => {
            browser.submit(&page, &form.press("decision", "allow")).await
        }
        _ => page,
    }
}

async fn is_signed_out(p: &mut Provider) -> bool {
    let page = open(p, &[("prompt", "none")]).await;
    page.parameter("error").as_deref() == Some("login_required")
}

/// "`id_token_hint` + registered `post_logout_redirect_uri` (exact match) + `state` -> logged out (straight away or after a
/// confirmation page) and back at the URI with `state` (without, if none was sent), and `prompt=none` then gives `login_required`".
#[tokio::test]
async fn logout_leads_back_with_state() {
    let mut p = provider().await;
    for state in [Some("xyz"), None] {
        let tokens = run(&mut p, &[]).await;
        let mut parameters = vec![("id_token_hint", &*tokens.id), ("post_logout_redirect_uri", BYE)];
        parameters.extend(state.map(|state| ("state", state)));
        let page = p.browser.open(&logout(&parameters)).await;
        let page = confirm(&mut p.browser, page).await;
        assert!(page.left_for.clone().unwrap().as_str().starts_with(BYE));
        assert_eq!(page.parameter("state").as_deref(), state);
        assert!(is_signed_out(&mut p).await);
    }
}

/// "No redirect back, but an error or confirmation page, when: the URI isn't registered or has a query added, the hint is signed by
/// someone else or has `alg: none`, or there is a URI but no hint."
#[tokio::test]
async fn logout_does_not_lead_anywhere_else() {
    let mut p = provider().await;
    let tokens = run(&mut p, &[]).await;
    let parts: Vec<_> = tokens.id.split('.').collect();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let unsigned = format!("{none}.{}.", parts[1]);
    let foreign = {
        let other = Provider::new(Engine::Sqlite).await;
        let mut browser = Browser::new(&other.app);
        other
            .rp
            .sign_in(&other.app, &mut browser, &other.alice, "openid")
            .await
            .id
    };
    let query = format!("{BYE}?foo=bar");
    for parameters in [
        vec![
            ("id_token_hint", &*tokens.id),
            ("post_logout_redirect_uri", "https://rp.example/other"),
        ],
        vec![
            ("id_token_hint", &*tokens.id),
            ("post_logout_redirect_uri", &query),
        ],
        vec![
            ("id_token_hint", &*foreign),
            ("post_logout_redirect_uri", BYE),
            ("state", "x"),
        ],
        vec![
            ("id_token_hint", &*unsigned),
            ("post_logout_redirect_uri", BYE),
            ("state", "x"),
        ],
        vec![("post_logout_redirect_uri", BYE), ("state", "x")],
        vec![("post_logout_redirect_uri", BYE), ("client_id", "unheard-of")],
    ] {
        let page = p.browser.open(&logout(&parameters)).await;
        assert!(page.left_for.is_none(), "{parameters:?}");
        assert!(page.answer.header("content-type").starts_with("text/html") && !page.html().is_empty());
        let page = confirm(&mut p.browser.clone(), page).await;
        assert!(page.left_for.is_none(), "nor after the person has agreed");
        let asked = p.rp.ask_for(&p.app, &plain(&[]));
        p.browser.authorize(&asked.url, &p.alice).await.code();
    }
}

/// "No parameters at all, only `state`, or no URI -> log out and show a \"you are logged out\" page."
#[tokio::test]
async fn logout_without_a_uri_shows_a_page() {
    let mut p = provider().await;
    for with_hint in [false, true] {
        for state in [None, Some(("state", "xyz"))] {
            let tokens = run(&mut p, &[]).await;
            let mut parameters: Vec<_> = state.into_iter().collect();
            parameters.extend(with_hint.then_some(("id_token_hint", &*tokens.id)));
            let page = p.browser.open(&logout(&parameters)).await;
            let page = confirm(&mut p.browser, page).await;
            assert!(page.left_for.is_none());
            assert_eq!(page.answer.status.as_u16(), 200);
            assert!(
                page.html().to_lowercase().contains("signed out"),
                "{}",
                page.html()
            );
            assert!(is_signed_out(&mut p).await);
        }
    }
}
