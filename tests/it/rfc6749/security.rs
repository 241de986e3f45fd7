//! Security considerations: §10.

use crate::support::Engine;
use crate::support::provider::{Provider, refused};
use crate::support::relying_party::{RelyingParty, Tokens};
use crate::support::user_agent::Browser;

/// §10.10: "The authorization server MUST prevent attackers from guessing access tokens, authorization codes, refresh
/// tokens, resource owner passwords, and client credentials." §10.4: it "MUST ensure that refresh tokens cannot be
/// generated, modified, or guessed".
#[tokio::test]
async fn s10_10_tokens_are_neither_guessed_nor_altered() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let asked = p.rp.ask(&p.app);
    let code = p.browser.authorize(&asked.url, &p.alice).await.code();
    let flipped = |text: &str, at: usize| -> String {
        let flip = |(index, c)| {
            if index != at {
                c
            } else if c == 'A' {
                'B'
            } else {
                'A'
            }
        };
        text.chars().enumerate().map(flip).collect()
    };
    for at in [4, 20, 40, 80, code.len() - 2] {
        let answer =
            p.rp.redeem_code(&p.app, &flipped(&code, at), &asked.pkce.verifier)
                .await;
        refused(answer, 400, "invalid_grant");
    }
    refused(
        p.rp.redeem_code(&p.app, &code[..code.len() - 1], &asked.pkce.verifier)
            .await,
        400,
        "invalid_grant",
    );
    // None of it touched the code.
    let tokens = Tokens::of(p.rp.redeem_code(&p.app, &code, &asked.pkce.verifier).await);
    for at in [4, 20, 40, 80, tokens.refresh.len() - 2] {
        refused(
            p.rp.refresh(&p.app, &flipped(&tokens.refresh, at)).await,
            400,
            "invalid_grant",
        );
    }
    for other in [&code.replace("gac_", "grt_"), &tokens.access, &tokens.id] {
        refused(p.rp.refresh(&p.app, other).await, 400, "invalid_grant");
    }
    let as_code = tokens.refresh.replace("grt_", "gac_");
    refused(
        p.rp.redeem_code(&p.app, &as_code, &asked.pkce.verifier).await,
        400,
        "invalid_grant",
    );
    p.rp.refresh(&p.app, &tokens.refresh).await.expect(200);
}

/// §10.12: "The authorization server MUST implement CSRF protection for its authorization endpoint and ensure that a
/// malicious client cannot obtain authorization without the awareness and explicit consent of the resource owner."
#[tokio::test]
async fn s10_12_forms_are_bound_to_their_browser_and_request() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let rp = RelyingParty::with(&p.app, |metadata| metadata.require_consent = true).await;
    let page = p.browser.open(&rp.ask(&p.app).url).await;
    let sign_in = p.alice.fill_in(page.sign_in_form());
    // The attacker's own form in the victim's browser, or none of its own cookie.
    let mut other = Browser::new(&p.app);
    let refused = other.submit_only(&page, &sign_in).await;
    assert!(refused.answer.status.is_client_error() && other.cookie("session").is_none());
    let target = page.url.clone();
    let fields: Vec<_> = sign_in
        .fields
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    for from in [
        [("origin", "https://evil.example")],
        [("sec-fetch-site", "cross-site")],
    ] {
        let page = p.browser.post_from(&target, &fields, &from).await;
        assert!(page.answer.status.is_client_error() && p.browser.cookie("session").is_none());
    }
    let page = p.browser.submit(&page, &sign_in).await;
    let consent = page.decision_form().press("decision", "allow");
    let mut forged = consent.clone();
    forged.fields.retain(|(name, _)| name != "csrf");
    let refused = p.browser.submit_only(&page, &forged).await;
    assert!(refused.answer.status.is_client_error() && refused.left_for.is_none());
    // The token of another request's consent is of no use to this one.
    let another = RelyingParty::with(&p.app, |metadata| metadata.require_consent = true).await;
    let other_page = p.browser.open(&another.ask(&p.app).url).await;
    let mut crossed = consent.clone();
    for (name, value) in &mut crossed.fields {
        if name == "csrf" {
            *value = other_page.decision_form().value("csrf").unwrap().to_owned();
        }
    }
    let refused = p.browser.submit_only(&page, &crossed).await;
    assert!(refused.answer.status.is_client_error() && refused.left_for.is_none());
    p.browser.submit(&page, &consent).await.code();
}

/// §10.13: clickjacking: "native applications SHOULD use external browsers"; the pages forbid to be framed.
#[tokio::test]
async fn s10_13_pages_are_not_framed() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let rp = RelyingParty::with(&p.app, |metadata| metadata.require_consent = true).await;
    let sign_in = p.browser.open(&rp.ask(&p.app).url).await;
    let consent = p
        .browser
        .submit(&sign_in, &p.alice.fill_in(sign_in.sign_in_form()))
        .await;
    let error = p
        .browser
        .open(
            &rp.ask_for(&p.app, &[("redirect_uri", "https://evil.example")])
                .url,
        )
        .await;
    for page in [sign_in, consent, error] {
        assert!(
            page.answer
                .header("content-security-policy")
                .contains("frame-ancestors 'none'")
        );
        assert_eq!(page.answer.header("x-frame-options").to_ascii_uppercase(), "DENY");
    }
}

/// §10.15: "The authorization server […] MUST NOT" be an open redirector: no page of it goes where a request says without
/// a registration behind it.
#[tokio::test]
async fn s10_15_no_page_is_an_open_redirector() {
    let mut p = Provider::new(Engine::Sqlite).await;
    p.sign_in().await;
    for path in [
        "/login",
        "/consent",
        "/account",
        "/oauth2/logout",
        "/",
        "/oauth2/authorize",
    ] {
        for name in [
            "next",
            "return_to",
            "redirect_uri",
            "post_logout_redirect_uri",
            "continue",
            "interaction",
            "url",
        ] {
            for value in [
                "https://evil.example/",
                "//evil.example",
                "/\\evil.example",
                "javascript:alert(1)",
            ] {
                let query: String = url::form_urlencoded::Serializer::new(String::new())
                    .append_pair(name, value)
                    .finish();
                let page = p.browser.open(&format!("{path}?{query}")).await;
                assert!(page.left_for.is_none(), "{path}?{query}");
                assert!(!page.html().contains("href=\"https://evil"), "{path}?{query}");
                assert!(!page.html().contains("href=\"javascript:"), "{path}?{query}");
            }
        }
    }
}
