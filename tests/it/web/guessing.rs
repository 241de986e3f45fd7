//! Guessing passwords: who has to wait, who never does, and what is told (R-LIM-40).

use crate::support::people::PASSWORD;
use crate::support::user_agent::{Browser, Page};
use crate::support::{Engine, TestApp};
use grantor::account::MayTry;
use grantor::types::{Caller, TenantId};
use std::net::IpAddr;
use uuid::Uuid;

/// Five attempts a second by address: what has to wait is the account from that address.
const FAST: [(&str, &str); 1] = [("limits.authentication.period_seconds", "1")];
const HERE: [u8; 4] = [192, 0, 2, 1];

fn from(address: [u8; 4]) -> Caller {
    Caller {
        request_id: Uuid::nil(),
        address: IpAddr::from(address),
        user_agent: String::new(),
    }
}

async fn may_try(app: &TestApp, username: &str, address: [u8; 4]) -> MayTry {
    let (accounts, caller) = (&app.app.accounts, from(address));
    accounts
        .may_try(TenantId::FIRST, username, &caller, app.now())
        .await
        .expect("the database answers")
}

async fn tried(app: &TestApp, username: &str, address: [u8; 4], succeeded: bool) {
    let (accounts, caller) = (&app.app.accounts, from(address));
    let noted = accounts.tried(TenantId::FIRST, username, &caller, succeeded, app.now());
    noted.await.expect("the database answers");
}

async fn told(app: &TestApp, event_type: &str) -> usize {
    app.audit_log()
        .await
        .iter()
        .filter(|event| event.event_type == event_type)
        .count()
}

async fn attempt(browser: &mut Browser, username: &str, password: &str) -> Page {
    let form = browser.get("/login").await.form("/login");
    browser
        .send_form(&form, &[("username", username), ("password", password)])
        .await
}

on_both_engines! {
    /// Waiting is the pair's, grows, and ends; R-LIM-22: nobody learns from it who exists.
    async fn who_guesses_has_to_wait_and_learns_nothing(engine: Engine) {
        let app = TestApp::spawn_with(engine, &FAST).await;
        app.user("alice").await;
        let mut refusals = Vec::new();
        for username in ["alice", "mallory"] {
            let mut browser = Browser::new(&app);
            for n in 0..10 {
                if n % 5 == 0 {
                    app.advance(1);
                }
                attempt(&mut browser, username, "wrong").await.expect(400);
            }
            app.advance(1);
            let refused = attempt(&mut browser, username, PASSWORD).await.expect(429);
            assert_eq!(refused.header("retry-after"), "59");
            let id = refused.header("x-correlation-id").to_owned();
            refusals.push(refused.html().replace(username, "NAME").replace(&id, "ID"));
        }
        assert_eq!(refusals[0], refusals[1]);
        assert!(refusals[0].contains("Too many login attempts"), "{}", refusals[0]);
        app.advance(60);
        let mut browser = Browser::new(&app);
        attempt(&mut browser, "alice", PASSWORD).await.expect(303);
    }

    /// "Temporary locks that cannot be used to lock a victim out of a known device or address."
    async fn nobody_is_locked_out_by_others(engine: Engine) {
        let app = TestApp::spawn(engine).await;
        tried(&app, "alice", HERE, true).await;
        let attacker = [198, 51, 100, 1];
        for _ in 0..30 {
            tried(&app, "alice", attacker, false).await;
        }
        assert_eq!(may_try(&app, "alice", attacker).await, MayTry::After(3_600));
        assert_eq!(may_try(&app, "alice", HERE).await, MayTry::Yes);
        assert_eq!(may_try(&app, "alice", [203, 0, 113, 1]).await, MayTry::Yes, "from where nobody has tried");
        // Also from where its owner signs in, behind the same address as the attacker.
        for _ in 0..30 {
            tried(&app, "alice", HERE, false).await;
        }
        assert_eq!(may_try(&app, "alice", HERE).await, MayTry::Yes);
        app.advance(3_600);
        assert_eq!(may_try(&app, "alice", attacker).await, MayTry::Yes);
        tried(&app, "alice", attacker, false).await;
        assert_eq!(may_try(&app, "alice", attacker).await, MayTry::After(3_600), "it goes on where it was");
        app.advance(86_401);
        tried(&app, "alice", attacker, false).await;
        assert_eq!(may_try(&app, "alice", attacker).await, MayTry::Yes, "a day's rest");
        assert_eq!(may_try(&app, "bob", attacker).await, MayTry::Yes, "another account");
    }

    /// R-LIM-40: "20 failures on one account from 20 IPs → alert, owner still can log in."
    async fn r_lim_40_an_attacked_account_stays_usable_and_is_told_about(engine: Engine) {
        let app = TestApp::spawn(engine).await;
        tried(&app, "alice", HERE, true).await;
        for n in 0..20 {
            assert_eq!(told(&app, "account_attacked").await, 0);
            tried(&app, "alice", [198, 51, 100, n], false).await;
        }
        tried(&app, "alice", [198, 51, 100, 20], false).await;
        assert_eq!(told(&app, "account_attacked").await, 1, "once");
        assert_eq!(may_try(&app, "alice", HERE).await, MayTry::Yes);
        assert_eq!(may_try(&app, "alice", [203, 0, 113, 1]).await, MayTry::Slowly);
        assert_eq!(may_try(&app, "bob", [203, 0, 113, 1]).await, MayTry::Yes);
    }

    /// Many accounts from one network; many accounts at once from many networks.
    async fn stuffing_and_spraying_are_told_apart(engine: Engine) {
        let app = TestApp::spawn(engine).await;
        for n in 0..10 {
            assert_eq!(told(&app, "credential_stuffing_detected").await, 0);
            tried(&app, &format!("user{n}"), HERE, false).await;
        }
        assert_eq!(told(&app, "credential_stuffing_detected").await, 1);
        assert_eq!(told(&app, "password_spraying_detected").await, 0);
        for n in 10..100 {
            tried(&app, &format!("user{n}"), [10, 0, 0, n], false).await;
        }
        assert_eq!(told(&app, "password_spraying_detected").await, 1);
        assert_eq!(told(&app, "credential_stuffing_detected").await, 1);
    }
}
