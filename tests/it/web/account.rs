//! The own account.

use crate::support::html;
use crate::support::people::PASSWORD;
use crate::support::user_agent::Browser;
use crate::support::{Engine, TestApp};

const MANY: [(&str, &str); 1] = [("limits.authentication.rate", "1000")];
const NEW: &str = "a quite different phrase 9";

fn change(present: &'static str, new: &'static str) -> [(&'static str, &'static str); 3] {
    [
        ("password", present),
        ("new_password", new),
        ("new_password_again", new),
    ]
}

on_both_engines! {
    /// R-SSO-17: sessions are seen and ended; whoever is ended is signed out at once.
    async fn sessions_are_listed_and_ended(engine: Engine) {
        let app = TestApp::spawn(engine).await;
        app.user("alice").await;
        app.user("bob").await;
        let (mut here, mut there) = (Browser::new(&app), Browser::new(&app));
        here.sign_in("alice").await.expect(303);
        there.sign_in("alice").await.expect(303);
        let page = here.get("/account").await.expect(200);
        assert!(page.html().contains("this browser"));
        let forms: Vec<_> = html::forms(&page.html()).into_iter().filter(|form| form.action == "/account/sessions").collect();
        assert_eq!(forms.len(), 1, "the own session is ended by signing out");
        // Somebody else's form and session get nowhere.
        let mut bob = Browser::new(&app);
        bob.sign_in("bob").await.expect(303);
        bob.send_form(&forms[0], &[]).await.expect(403);
        there.get("/account").await.expect(200);
        let answer = here.send_form(&forms[0], &[]).await.expect(303);
        assert!(here.follow(answer).await.expect(200).html().contains("The session has ended."));
        there.get("/account").await.expect(303);
        // Again: the page shows how things are.
        here.send_form(&forms[0], &[]).await.expect(303);
        let log = app.audit_log().await;
        assert_eq!(log.iter().filter(|event| event.event_type == "session_ended").count(), 1);
    }

    async fn somebody_elses_session_is_as_good_as_none(engine: Engine) {
        let app = TestApp::spawn(engine).await;
        app.user("alice").await;
        app.user("bob").await;
        let (mut alice, mut one, mut two) = (Browser::new(&app), Browser::new(&app), Browser::new(&app));
        alice.sign_in("alice").await.expect(303);
        one.sign_in("bob").await.expect(303);
        two.sign_in("bob").await.expect(303);
        let theirs = one.get("/account").await.form("/account/sessions");
        let mut more = Browser::new(&app);
        more.sign_in("alice").await.expect(303);
        let own = alice.get("/account").await.form("/account/sessions");
        alice.send_form(&own, &[("session", theirs.field("session"))]).await.expect(303);
        two.get("/account").await.expect(200);
    }

    /// R-REF-15: a changed password ends everything but the session in which it was changed.
    async fn a_changed_password_signs_out_everywhere_else(engine: Engine) {
        let app = TestApp::spawn_with(engine, &MANY).await;
        app.user("alice").await;
        let (mut here, mut there) = (Browser::new(&app), Browser::new(&app));
        here.sign_in("alice").await.expect(303);
        there.sign_in("alice").await.expect(303);
        let form = here.get("/account/password").await.form("/account/password");
        here.send_form(&form, &change("wrong", NEW)).await.expect(400);
        here.send_form(&form, &change(PASSWORD, "short")).await.expect(400);
        there.get("/account").await.expect(200);
        let before = here.value_of("session").unwrap();
        let answer = here.send_form(&form, &change(PASSWORD, NEW)).await.expect(303);
        assert!(here.follow(answer).await.expect(200).html().contains("Your password is changed"));
        assert_ne!(here.value_of("session").unwrap(), before, "R-SSO-12");
        there.get("/account").await.expect(303);
        there.sign_in("alice").await.expect(400);
        let log = app.audit_log().await;
        let changes: Vec<_> = log.iter().filter(|event| event.event_type == "user_password_changed").collect();
        assert!(changes.iter().any(|event| event.outcome == "success"), "{log:?}");
    }
}

#[tokio::test]
async fn guesses_at_the_present_password_count_as_sign_ins() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    app.user("alice").await;
    let mut browser = Browser::new(&app);
    browser.sign_in("alice").await.expect(303);
    let form = browser.get("/account/password").await.form("/account/password");
    for _ in 0..4 {
        browser.send_form(&form, &change("wrong", NEW)).await.expect(400);
    }
    browser.send_form(&form, &change(PASSWORD, NEW)).await.expect(429);
}

/// R-SSO-03, R-SSO-15.
#[tokio::test]
async fn a_session_idles_for_half_an_hour_and_lasts_eight() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    app.user("alice").await;
    let mut browser = Browser::new(&app);
    browser.sign_in("alice").await.expect(303);
    for _ in 0..17 {
        app.advance(28 * 60);
        browser.get("/account").await.expect(200);
    }
    app.advance(5 * 60);
    browser.get("/account").await.expect(303);
    browser.sign_in("alice").await.expect(303);
    app.advance(30 * 60 + 1);
    browser.get("/account").await.expect(303);
}
