//! Guessing passwords: who has to wait, who never does, and what is told (R-LIM-40).

use crate::support::people::PASSWORD;
use crate::support::user_agent::{Browser, Page};
use crate::support::{Engine, TestApp};
use grantor::account::{Attempt, Ended, Guess, MayTry};
use grantor::types::{Caller, Secret, TenantId};
use std::net::IpAddr;
use uuid::Uuid;

/// Five attempts a second by address: what has to wait is the account from that address.
const FAST: [(&str, &str); 1] = [("limits.authentication.period_seconds", "1")];
const HERE: &str = "192.0.2.1";
const ATTACKER: &str = "198.51.100.1";
const ELSEWHERE: &str = "203.0.113.1";

/// Whether somebody may try, without the attempt itself.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    AtOnce,
    Slowly,
    IfRight(u32),
    After(u32),
}

/// Somebody at a place.
#[derive(Clone, Copy)]
struct Somebody<'a> {
    app: &'a TestApp,
    caller: &'a Caller,
    device: Option<&'a Secret>,
}

impl Somebody<'_> {
    async fn may_try(&self, username: &str) -> (Verdict, Option<Attempt>) {
        let guess = Guess {
            tenant: TenantId::FIRST,
            username,
            caller: self.caller,
            device: self.device,
            usual: 5,
        };
        let may_try = self.app.app.accounts.may_try(guess, self.app.now()).await;
        match may_try.expect("the database answers") {
            MayTry::Yes(attempt) => (Verdict::AtOnce, Some(attempt)),
            MayTry::Slowly(attempt) => (Verdict::Slowly, Some(attempt)),
            MayTry::IfRight(attempt, wait_s) => (Verdict::IfRight(wait_s), Some(attempt)),
            MayTry::After(wait_s) => (Verdict::After(wait_s), None),
        }
    }

    async fn tries(&self, username: &str, ended: Ended) -> Verdict {
        let (verdict, attempt) = self.may_try(username).await;
        if let Some(attempt) = attempt {
            let accounts = &self.app.app.accounts;
            let tried = accounts.tried(attempt, ended, self.caller, self.app.now()).await;
            tried.expect("the database answers");
        }
        verdict
    }

    /// Asks without trying.
    async fn asks(&self, username: &str) -> Verdict {
        self.tries(username, Ended::Unknown).await
    }
}

fn from(address: &str) -> Caller {
    Caller {
        request_id: Uuid::nil(),
        address: address.parse::<IpAddr>().expect("an address"),
        user_agent: String::new(),
    }
}

async fn tries(app: &TestApp, username: &str, address: &str, ended: Ended) -> Verdict {
    let caller = from(address);
    let somebody = Somebody {
        app,
        caller: &caller,
        device: None,
    };
    somebody.tries(username, ended).await
}

async fn asks(app: &TestApp, username: &str, address: &str) -> Verdict {
    tries(app, username, address, Ended::Unknown).await
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

    /// "Temporary locks that cannot be used to lock a victim out of a known […] address."
    async fn nobody_is_locked_out_by_others(engine: Engine) {
        let app = TestApp::spawn(engine).await;
        tries(&app, "alice", HERE, Ended::Right).await;
        for n in 0..10 {
            assert_eq!(tries(&app, "alice", ATTACKER, Ended::Wrong).await, Verdict::AtOnce, "{n}");
        }
        for wait_s in [60, 120, 240, 480, 960, 1_920, 3_600, 3_600] {
            assert_eq!(asks(&app, "alice", ATTACKER).await, Verdict::After(wait_s));
            app.advance(i64::from(wait_s) - 1);
            assert_eq!(asks(&app, "alice", ATTACKER).await, Verdict::After(1));
            app.advance(1);
            assert_eq!(tries(&app, "alice", ATTACKER, Ended::Wrong).await, Verdict::AtOnce);
        }
        assert_eq!(asks(&app, "alice", HERE).await, Verdict::AtOnce);
        assert_eq!(asks(&app, "alice", ELSEWHERE).await, Verdict::AtOnce, "from where nobody has tried");
        assert_eq!(asks(&app, "bob", ATTACKER).await, Verdict::AtOnce, "another account");
        // From where its owner signs in, the right password passes whatever others do behind the same address.
        for _ in 0..10 {
            assert_eq!(tries(&app, "alice", HERE, Ended::Wrong).await, Verdict::AtOnce);
        }
        for _ in 0..20 {
            assert_eq!(tries(&app, "alice", HERE, Ended::Wrong).await, Verdict::IfRight(60), "as elsewhere");
        }
        assert_eq!(tries(&app, "alice", HERE, Ended::Right).await, Verdict::IfRight(60));
        assert_eq!(asks(&app, "alice", HERE).await, Verdict::AtOnce);
        app.advance(90_000);
        assert_eq!(tries(&app, "alice", ATTACKER, Ended::Wrong).await, Verdict::AtOnce, "a day's rest");
        assert_eq!(asks(&app, "alice", ATTACKER).await, Verdict::AtOnce);
    }

    /// "[…] of a known device": what happens at its network is not its fault, and what happens on it is nobody else's.
    async fn a_known_device_counts_for_itself(engine: Engine) {
        let app = TestApp::spawn(engine).await;
        let caller = from(ATTACKER);
        let accounts = &app.app.accounts;
        let device = accounts.know_device(TenantId::FIRST, "alice", None, app.now()).await.unwrap();
        let stranger = Somebody { app: &app, caller: &caller, device: None };
        let alice = Somebody { device: Some(&device), ..stranger };
        for _ in 0..10 {
            stranger.tries("alice", Ended::Wrong).await;
        }
        assert_eq!(stranger.asks("alice").await, Verdict::After(60));
        assert_eq!(alice.asks("alice").await, Verdict::AtOnce);
        for _ in 0..10 {
            assert_eq!(alice.tries("alice", Ended::Wrong).await, Verdict::AtOnce);
        }
        assert_eq!(alice.asks("alice").await, Verdict::After(60), "a device in somebody else's hands");
        // It says nothing about other accounts, nor does another device.
        for _ in 0..10 {
            stranger.tries("bob", Ended::Wrong).await;
        }
        assert_eq!(alice.asks("bob").await, Verdict::After(60));
        let other = Secret::new("x".repeat(43));
        assert_eq!(Somebody { device: Some(&other), ..stranger }.asks("alice").await, Verdict::After(60));
        // It is known for 90 days.
        app.advance(90 * 86_400);
        for _ in 0..10 {
            stranger.tries("alice", Ended::Wrong).await;
        }
        assert_eq!(alice.asks("alice").await, Verdict::After(60));
    }

    /// The same over HTTP: the cookie is set at sign-in, and kept by further ones.
    async fn signing_in_makes_a_device_known(engine: Engine) {
        let app = TestApp::spawn(engine).await;
        app.user("alice").await;
        let mut alice = Browser::new(&app);
        alice.sign_in("alice").await.expect(303);
        let line = alice.cookie("grantor-device-").expect("a cookie").line.clone();
        assert!(line.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=7776000"), "{line}");
        let device = alice.value_of("device").unwrap();
        alice.set_cookie("session", "gone");
        alice.sign_in("alice").await.expect(303);
        assert_eq!(alice.value_of("device").unwrap(), device);
    }

    /// Attempts at once are not more than one after the other.
    async fn attempts_at_once_are_counted_one_by_one(engine: Engine) {
        let app = TestApp::spawn(engine).await;
        let caller = from(ATTACKER);
        let somebody = Somebody { app: &app, caller: &caller, device: None };
        let all = futures_util::future::join_all((0..30).map(|_| somebody.may_try("alice"))).await;
        let may = all.iter().filter(|(verdict, _)| *verdict == Verdict::AtOnce).count();
        assert_eq!(may, 10);
    }

    /// Spellings of a name are one account, and an IPv6 site is one network.
    async fn neither_spelling_nor_ipv6_gives_more_attempts(engine: Engine) {
        let app = TestApp::spawn(engine).await;
        for (n, username) in ["alice", "ALICE", "Alice", "ａｌｉｃｅ", "ⓐlice"].iter().cycle().take(10).enumerate() {
            let address = format!("2001:db8:1:{n:x}::{n:x}");
            assert_eq!(tries(&app, username, &address, Ended::Wrong).await, Verdict::AtOnce);
        }
        assert_eq!(asks(&app, "aLiCe", "2001:db8:1:ffff::1").await, Verdict::After(60));
        assert_eq!(asks(&app, "alice", "2001:db8:2::1").await, Verdict::AtOnce, "another site");
    }

    /// R-LIM-40: "20 failures on one account from 20 IPs → alert, owner still can log in."
    async fn r_lim_40_an_attacked_account_stays_usable_and_is_told_about(engine: Engine) {
        let app = TestApp::spawn(engine).await;
        tries(&app, "alice", HERE, Ended::Right).await;
        for n in 0..19 {
            tries(&app, "alice", &format!("198.51.100.{n}"), Ended::Wrong).await;
        }
        assert_eq!(told(&app, "account_attacked").await, 0);
        for n in 19..40 {
            tries(&app, "alice", &format!("198.51.100.{n}"), Ended::Wrong).await;
        }
        assert_eq!(told(&app, "account_attacked").await, 1, "once");
        let caller = from(ELSEWHERE);
        let device = app.app.accounts.know_device(TenantId::FIRST, "alice", None, app.now()).await.unwrap();
        let alice = Somebody { app: &app, caller: &caller, device: Some(&device) };
        assert_eq!(alice.asks("alice").await, Verdict::AtOnce);
        for address in [HERE, ELSEWHERE] {
            assert_eq!(tries(&app, "alice", address, Ended::Right).await, Verdict::Slowly, "and it is possible");
        }
        assert_eq!(asks(&app, "bob", "203.0.113.2").await, Verdict::AtOnce);
    }

    /// Many accounts from one network; many accounts at once from many networks.
    async fn stuffing_and_spraying_are_told_apart(engine: Engine) {
        let app = TestApp::spawn(engine).await;
        for n in 0..9 {
            tries(&app, &format!("user{n}"), HERE, Ended::Wrong).await;
        }
        assert_eq!(told(&app, "credential_stuffing_detected").await, 0);
        for n in 9..12 {
            tries(&app, &format!("user{n}"), HERE, Ended::Wrong).await;
        }
        assert_eq!(told(&app, "credential_stuffing_detected").await, 1);
        for n in 12..99 {
            tries(&app, &format!("user{n}"), &format!("10.0.0.{n}"), Ended::Wrong).await;
        }
        assert_eq!(told(&app, "password_spraying_detected").await, 0);
        for n in 99..110 {
            tries(&app, &format!("user{n}"), &format!("10.0.0.{n}"), Ended::Wrong).await;
        }
        assert_eq!(told(&app, "password_spraying_detected").await, 1);
        assert_eq!(told(&app, "credential_stuffing_detected").await, 1);
        // People who get in are no attack.
        for n in 0..200 {
            tries(&app, &format!("colleague{n}"), ELSEWHERE, Ended::Right).await;
        }
        assert_eq!(told(&app, "credential_stuffing_detected").await, 1);
    }

    /// One counter for every path that checks a password: the sign-in page, the present one at a change, and the one that
    /// somebody else set.
    async fn every_path_that_checks_a_password_counts_the_same(engine: Engine) {
        let app = TestApp::spawn_with(engine, &FAST).await;
        app.user("alice").await;
        let mut alice = Browser::new(&app);
        alice.sign_in("alice").await.expect(303);
        let change = [("password", "wrong"), ("new_password", "a quite different phrase 9"), ("new_password_again", "a quite different phrase 9")];
        for n in 0..10 {
            if n % 5 == 0 {
                app.advance(1);
            }
            let form = alice.get("/account/password").await.form("/account/password");
            alice.send_form(&form, &change).await.expect(400);
        }
        app.advance(1);
        let form = alice.get("/account/password").await.form("/account/password");
        let right = [("password", PASSWORD), change[1], change[2]];
        alice.send_form(&form, &right).await.expect(429);
        // The same device at the sign-in page, and the other way round after the wait.
        alice.set_cookie("session", "gone");
        attempt(&mut alice, "alice", PASSWORD).await.expect(429);
        app.advance(60);
        attempt(&mut alice, "alice", PASSWORD).await.expect(303);
    }
}
