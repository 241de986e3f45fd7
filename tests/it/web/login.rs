//! Signing in.

use super::CALLBACK;
use crate::support::people::PASSWORD;
use crate::support::user_agent::{Browser, Page};
use crate::support::{Engine, TestApp};

const MANY: [(&str, &str); 1] = [("limits.authentication.rate", "1000")];

/// The page without what differs from browser to browser.
fn comparable(answer: &Page, username: &str) -> String {
    answer.html().replace(username, "NAME")
}

on_both_engines! {
    /// R-SSO-12: a new cookie at every sign-in, the old one dead; a planted one is not taken over.
    async fn a_session_has_a_new_cookie_after_each_sign_in(engine: Engine) {
        let app = TestApp::spawn(engine).await;
        app.user("alice").await;
        let mut browser = Browser::new(&app);
        let answer = browser.sign_in("alice").await.expect(303);
        assert_eq!(answer.header("location"), "/account");
        let first = browser.value_of("session").unwrap();
        browser.get("/account").await.expect(200);
        // As with max_age or prompt=login: the same person in the same browser.
        let client = app.web_app(|metadata| metadata.require_consent = false).await;
        let page = browser.open(&app.authorization(&client, &[("prompt", "login")])).await.expect(200);
        let sign_in = [("username", "alice"), ("password", PASSWORD)];
        browser.send_form(&page.form("/login"), &sign_in).await.expect(303);
        let second = browser.value_of("session").unwrap();
        assert_ne!(first, second);
        browser.get("/account").await.expect(200);
        browser.set_cookie("session", &first);
        browser.get("/account").await.expect(303);
    }

    /// R-GRT-30: nobody learns here who exists.
    async fn unknown_wrong_and_disabled_look_alike(engine: Engine) {
        let app = TestApp::spawn_with(engine, &MANY).await;
        app.user("alice").await;
        app.user_with("carol", false, |profile| profile.enabled = false).await;
        let mut browser = Browser::new(&app);
        let form = browser.get("/login").await.form("/login");
        let mut answers = Vec::new();
        for (username, password) in
            [("alice", "wrong"), ("nobody", PASSWORD), ("carol", PASSWORD), ("", ""), ("alice\u{1}", "x")]
        {
            let fields = [("username", username), ("password", password)];
            let answer = browser.send_form(&form, &fields).await.expect(400);
            assert!(answer.html().contains("aria-describedby=\"refused\""), "the error is tied to its fields");
            assert_eq!(browser.value_of("session"), None);
            if !username.is_empty() && username.is_ascii() && !username.contains('\u{1}') {
                answers.push(comparable(&answer, username));
            }
        }
        assert_eq!(answers.len(), 3);
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:#?}");
        let log = app.audit_log().await;
        let why: Vec<_> = log.iter().filter(|event| event.event_type == "login").map(|event| event.meta("failure_reason")).collect();
        assert_eq!(why[..3], ["wrong_password", "unknown_user", "user_disabled"]);
    }

    /// R-LIM-03: the sixth attempt within 15 minutes is refused, right or wrong.
    async fn the_sixth_attempt_is_refused_right_or_wrong(engine: Engine) {
        let app = TestApp::spawn(engine).await;
        app.user("alice").await;
        let mut browser = Browser::new(&app);
        let form = browser.get("/login").await.form("/login");
        for _ in 0..5 {
            let fields = [("username", "alice"), ("password", "wrong")];
            browser.send_form(&form, &fields).await.expect(400);
        }
        for password in ["wrong", PASSWORD] {
            let fields = [("username", "alice"), ("password", password)];
            let answer = browser.send_form(&form, &fields).await.expect(429);
            assert!(answer.html().contains("Too many login attempts, please try again later"));
            assert!(!answer.header("retry-after").is_empty());
            assert_eq!(browser.value_of("session"), None);
        }
        app.advance(15 * 60 + 1);
        let form = browser.get("/login").await.form("/login");
        let fields = [("username", "alice"), ("password", PASSWORD)];
        browser.send_form(&form, &fields).await.expect(303);
    }

    /// A password that an administrator set is changed before anything else is given.
    async fn a_temporary_password_leads_to_a_password_of_ones_own(engine: Engine) {
        let app = TestApp::spawn_with(engine, &MANY).await;
        app.user_with("alice", true, |_| {}).await;
        let client = app.web_app(|metadata| metadata.require_consent = false).await;
        let mut browser = Browser::new(&app);
        let page = browser.open(&app.authorization(&client, &[])).await.expect(200);
        let sign_in = [("username", "alice"), ("password", PASSWORD)];
        let page = browser.send_form(&page.form("/login"), &sign_in).await.expect(200);
        assert_eq!(browser.value_of("session"), None, "nothing is given yet");
        let form = page.form("/login/password");
        assert_eq!(form.field("username"), "alice");
        let fill = |present: &'static str, new: &'static str, again: &'static str| {
            [("password", present), ("new_password", new), ("new_password_again", again)]
        };
        let new = "a quite different phrase 9";
        for (fields, problem) in [
            (fill(PASSWORD, new, "another"), "again-problem"),
            (fill("wrong", new, new), "present-problem"),
            (fill(PASSWORD, "password", "password"), "new-problem"),
            (fill(PASSWORD, PASSWORD, PASSWORD), "new-problem"),
        ] {
            let answer = browser.send_form(&form, &fields).await.expect(400);
            assert!(answer.html().contains(&format!("id=\"{problem}\"")), "{}", answer.html());
        }
        let answer = browser.send_form(&form, &fill(PASSWORD, new, new)).await.expect(303);
        let answer = browser.follow(answer).await;
        assert!(answer.callback(CALLBACK).contains_key("code"), "it goes on to the application");
        // Sent again, the form finds the password changed.
        browser.send_form(&form, &fill(PASSWORD, new, new)).await.expect(400);
    }

    /// A second, different sign-in in another tab: the first account is signed out, and its open pages say so.
    async fn another_user_in_the_same_browser_ends_the_former_session(engine: Engine) {
        let app = TestApp::spawn(engine).await;
        app.user("alice").await;
        app.user("bob").await;
        let mut browser = Browser::new(&app);
        let login = browser.get("/login").await.form("/login");
        browser.send_form(&login, &[("username", "alice"), ("password", PASSWORD)]).await.expect(303);
        let of_alice = browser.get("/account/password").await.form("/account/password");
        let cookie = browser.value_of("session").unwrap();
        browser.send_form(&login, &[("username", "bob"), ("password", PASSWORD)]).await.expect(303);
        assert!(browser.get("/account").await.html().contains("bob"));
        browser.send_form(&of_alice, &[]).await.expect(403);
        browser.set_cookie("session", &cookie);
        browser.get("/account").await.expect(303);
        let log = app.audit_log().await;
        assert!(log.iter().any(|event| event.event_type == "session_ended" && event.meta("reason") == "other_user"));
    }
}

#[tokio::test]
async fn with_count_failures_only_failed_attempts_count() {
    let settings = [("limits.authentication.count", "failures")];
    let app = TestApp::spawn_with(Engine::Sqlite, &settings).await;
    app.user("alice").await;
    for _ in 0..8 {
        Browser::new(&app).sign_in("alice").await.expect(303);
    }
    let mut browser = Browser::new(&app);
    let form = browser.get("/login").await.form("/login");
    for _ in 0..5 {
        browser
            .send_form(&form, &[("username", "alice"), ("password", "wrong")])
            .await
            .expect(400);
    }
    browser
        .send_form(&form, &[("username", "alice"), ("password", PASSWORD)])
        .await
        .expect(429);
}

#[tokio::test]
async fn the_page_tells_for_which_application_and_lets_the_browser_go_there() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    app.user("alice").await;
    let client = app.web_app(|_| {}).await;
    let mut browser = Browser::new(&app);
    let page = browser
        .open(&app.authorization(&client, &[("login_hint", "al\"ice")]))
        .await
        .expect(200);
    assert!(page.html().contains("<strong>Orders</strong>"));
    assert_eq!(page.form("/login").field("username"), "al\"ice");
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("form-action 'self' https://app.example.com;"),
        "{policy}"
    );
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("referrer-policy"), "no-referrer");
}

#[tokio::test]
async fn a_page_that_was_left_open_for_half_an_hour_says_what_to_do() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    app.user("alice").await;
    let client = app.web_app(|_| {}).await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&app.authorization(&client, &[])).await.expect(200);
    app.advance(30 * 60 + 1);
    let sign_in = [("username", "alice"), ("password", PASSWORD)];
    let answer = browser
        .send_form(&page.form("/login"), &sign_in)
        .await
        .expect(400);
    assert!(
        answer
            .html()
            .contains("Go back to the application and start again"),
        "{}",
        answer.html()
    );
    assert_eq!(browser.value_of("session"), None);
    // Another browser's page is no better.
    let page = browser.open(&app.authorization(&client, &[])).await.expect(200);
    let mut other = Browser::new(&app);
    other.get("/login").await.expect(200);
    other.send_form(&page.form("/login"), &sign_in).await.expect(400);
}

#[tokio::test]
async fn whoever_is_signed_in_is_not_asked_again() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    app.user("alice").await;
    let mut browser = Browser::new(&app);
    let form = browser.get("/login").await.form("/login");
    let sign_in = [("username", "alice"), ("password", PASSWORD)];
    browser.send_form(&form, &sign_in).await.expect(303);
    let answer = browser.get("/login").await.expect(303);
    assert_eq!(answer.header("location"), "/account");
    let answer = browser.get("/login?next=password").await.expect(303);
    assert_eq!(answer.header("location"), "/account/password");
    let answer = browser.get("/login?next=https://evil.example").await.expect(303);
    assert_eq!(answer.header("location"), "/account");
    // The back button, and the form once more: a sign-in like any other.
    browser.send_form(&form, &sign_in).await.expect(303);
    browser.get("/account").await.expect(200);
}
