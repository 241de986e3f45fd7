//! Agreeing with an application.

use super::CALLBACK;
use crate::rfc7591;
use crate::support::client::TestClient;
use crate::support::relying_party;
use crate::support::user_agent::{Browser, Page};
use crate::support::{Engine, TestApp};
use grantor::storage::consents;
use grantor::types::{ClientId, TenantId, UserId};

/// Goes to the consent page as somebody who is signed in.
async fn ask(app: &TestApp, browser: &mut Browser, client: &TestClient, more: &[(&str, &str)]) -> Page {
    browser.open(&app.authorization(client, more)).await
}

async fn agreed(app: &TestApp, user: UserId, client: &TestClient) -> Option<String> {
    let mut conn = app.db.main.read().await.unwrap();
    let client = ClientId::parse(&client.id).unwrap();
    let found = consents::find(&mut conn, TenantId::FIRST, user, &client)
        .await
        .unwrap();
    found.map(|consent| consent.scope.to_string())
}

on_both_engines! {
    async fn consent_is_remembered_widened_and_withdrawn(engine: Engine) {
        let app = TestApp::spawn(engine).await;
        let alice = app.user("alice").await;
        let client = app.web_app(|_| {}).await;
        let mut browser = Browser::new(&app);
        browser.sign_in("alice").await.expect(303);
        let page = ask(&app, &mut browser, &client, &[]).await.expect(200);
        assert!(page.html().contains("Give Orders access?"));
        assert!(page.html().contains("<strong>app.example.com</strong>"), "the redirect host is shown");
        let answer = browser.send_form(&page.form("/consent"), &[("decision", "allow")]).await.expect(303);
        let answer = browser.follow(answer).await;
        let callback = answer.callback(CALLBACK);
        assert!(callback.contains_key("code") && callback["state"] == "the-state", "{callback:?}");
        assert_eq!(agreed(&app, alice, &client).await.as_deref(), Some("openid profile"));
        // The same again, or less, is not asked.
        for scope in ["openid profile", "openid"] {
            let answer = ask(&app, &mut browser, &client, &[("scope", scope)]).await;
            assert!(answer.callback(CALLBACK).contains_key("code"));
        }
        // More is asked, and then all of it stands agreed.
        let page = ask(&app, &mut browser, &client, &[("scope", "openid email")]).await.expect(200);
        let answer = browser.send_form(&page.form("/consent"), &[("decision", "allow")]).await.expect(303);
        browser.follow(answer).await.callback(CALLBACK);
        assert_eq!(agreed(&app, alice, &client).await.as_deref(), Some("openid profile email"));
        // prompt=consent asks again.
        ask(&app, &mut browser, &client, &[("prompt", "consent")]).await.expect(200).form("/consent");
        // Withdrawn in the account, it is asked again.
        let account = browser.get("/account").await.expect(200);
        let answer = browser.send_form(&account.form("/account/consents"), &[]).await.expect(303);
        assert!(browser.follow(answer).await.html().contains("no access to your account any more"));
        assert_eq!(agreed(&app, alice, &client).await, None);
        ask(&app, &mut browser, &client, &[]).await.expect(200).form("/consent");
        let log = app.audit_log().await;
        let count = |name: &str| log.iter().filter(|event| event.event_type == name).count();
        assert_eq!((count("consent"), count("consent_withdrawn")), (2, 1));
    }

    async fn denying_tells_the_application(engine: Engine) {
        let app = TestApp::spawn(engine).await;
        let alice = app.user("alice").await;
        let client = app.web_app(|_| {}).await;
        let mut browser = Browser::new(&app);
        browser.sign_in("alice").await.expect(303);
        let page = ask(&app, &mut browser, &client, &[]).await.expect(200);
        let answer = browser.send_form(&page.form("/consent"), &[("decision", "deny")]).await.expect(303);
        let callback = answer.callback(CALLBACK);
        assert_eq!(callback["error"], "access_denied");
        assert_eq!(callback["state"], "the-state");
        assert_eq!(callback["iss"], app.issuer());
        assert_eq!(agreed(&app, alice, &client).await, None);
        // By form_post too, in a page that needs no script.
        let page = ask(&app, &mut browser, &client, &[("response_mode", "form_post")]).await.expect(200);
        let answer = browser.send_form(&page.form("/consent"), &[("decision", "deny")]).await.expect(200);
        assert_eq!(answer.form(CALLBACK).field("error"), "access_denied");
        let log = app.audit_log().await;
        let denied = log.iter().filter(|event| event.event_type == "consent" && event.outcome == "failure");
        assert_eq!(denied.count(), 2);
    }

    /// What was shown to one person is not agreed to by another.
    async fn an_answer_holds_for_the_one_who_was_asked(engine: Engine) {
        let app = TestApp::spawn(engine).await;
        app.user("alice").await;
        let bob = app.user("bob").await;
        let client = app.web_app(|_| {}).await;
        let mut browser = Browser::new(&app);
        let login = browser.get("/login").await.form("/login");
        let password = crate::support::people::PASSWORD;
        browser.send_form(&login, &[("username", "alice"), ("password", password)]).await.expect(303);
        let page = ask(&app, &mut browser, &client, &[]).await.expect(200);
        browser.send_form(&login, &[("username", "bob"), ("password", password)]).await.expect(303);
        let answer = browser.send_form(&page.form("/consent"), &[("decision", "allow")]).await.expect(403);
        assert!(answer.html().contains("Open the page again"));
        assert_eq!(agreed(&app, bob, &client).await, None);
        // Signed out meanwhile: the request begins with a sign-in again.
        browser.get("/consent?interaction=x").await.expect(400);
    }
}

#[tokio::test]
async fn the_page_tells_what_each_scope_means_in_the_readers_language() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    app.user("alice").await;
    let client = app
        .web_app(|metadata| {
            metadata.logo_uri = Some("https://cdn.example.com/logo.png".to_owned());
            metadata.policy_uri = Some("https://app.example.com/privacy".to_owned());
            metadata.tos_uri = Some("javascript:alert(1)".to_owned());
        })
        .await;
    let mut browser = Browser::new(&app);
    browser.sign_in("alice").await.expect(303);
    let scope = [("scope", "openid profile orders:read")];
    let page = ask(&app, &mut browser, &client, &scope).await.expect(200);
    let html = page.html();
    assert!(html.contains("See your name, picture"), "{html}");
    assert!(
        html.contains("<span>orders:read</span>"),
        "an unknown scope shows its name: {html}"
    );
    assert!(html.contains("src=\"https://cdn.example.com/logo.png\""));
    assert!(html.contains("href=\"https://app.example.com/privacy\""));
    assert!(!html.contains("javascript:"), "{html}");
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("img-src 'self' https://cdn.example.com;"),
        "{policy}"
    );
    assert!(
        policy.contains("form-action 'self' https://app.example.com;"),
        "{policy}"
    );
}

/// RFC 8252 §8.6, R-GRT-26: nobody can tell who an app on a loopback address is, so the page is always shown.
#[tokio::test]
async fn an_app_that_nobody_can_recognise_is_always_shown() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    app.user("alice").await;
    let client = app
        .web_app(|metadata| {
            metadata.token_endpoint_auth_method = grantor::types::AuthMethod::None;
            metadata.application_type = grantor::types::ApplicationType::Native;
            metadata.redirect_uris = vec!["http://127.0.0.1/cb".to_owned()];
            metadata.require_consent = false;
        })
        .await;
    let mut browser = Browser::new(&app);
    browser.sign_in("alice").await.expect(303);
    let there = [("redirect_uri", "http://127.0.0.1:49152/cb")];
    for _ in 0..2 {
        let page = ask(&app, &mut browser, &client, &there).await.expect(200);
        assert!(page.html().contains("Go on only if you started it yourself"));
        let policy = page.header("content-security-policy");
        assert!(
            policy.contains("form-action 'self' http://127.0.0.1:49152;"),
            "{policy}"
        );
        let answer = browser
            .send_form(&page.form("/consent"), &[("decision", "allow")])
            .await
            .expect(303);
        assert!(
            browser
                .follow(answer)
                .await
                .callback("http://127.0.0.1:49152/cb")
                .contains_key("code")
        );
    }
}

/// An application that registered itself dresses as nobody: no picture, and a word about it.
#[tokio::test]
async fn an_application_that_registered_itself_shows_no_logo() {
    let app = rfc7591::open(Engine::Sqlite).await;
    app.user("alice").await;
    let document = rfc7591::web(
        serde_json::json!({"client_name": "Your Bank", "logo_uri": "https://rp.example/bank.png"}),
    );
    let registered = rfc7591::registered(&app, &document).await;
    let client = TestClient {
        id: registered["client_id"].as_str().unwrap().to_owned(),
        secret: String::new(),
    };
    let mut browser = Browser::new(&app);
    browser.sign_in("alice").await.expect(303);
    let callback = [("redirect_uri", relying_party::CALLBACK), ("scope", "openid")];
    let page = ask(&app, &mut browser, &client, &callback).await.expect(200);
    assert!(
        page.html().contains("This application registered itself here"),
        "{}",
        page.html()
    );
    assert!(!page.html().contains("bank.png"));
    assert!(!page.header("content-security-policy").contains("rp.example/bank"));
    assert!(page.header("content-security-policy").contains("img-src 'self';"));
}
