//! Signing in with a password.

use super::{PASSWORD, START, T, World, alice, bob, caller};
use crate::support::{Engine, TestDb};
use grantor::account::{Credential, SignIn};
use grantor::audit::EventType;
use grantor::fault::FaultKind;
use grantor::storage::users;
use grantor::types::Secret;

on_both_engines! {
    async fn a_user_signs_in_by_username_or_email_in_any_spelling(engine: Engine) {
        let world = World::new(engine).await;
        let user = world.alice().await;
        for username in ["Alice", "ALICE", "\u{FF21}lice", "alice@wonder.example", "Alice@Wonder.Example"] {
            let SignIn::SignedIn(got) = world.sign_in(username, PASSWORD).await else {
                panic!("{username} is refused");
            };
            assert_eq!(*got, user);
        }
        let records = world.records().await;
        let logins: Vec<_> = records.iter().filter(|record| record.event_type == "login").collect();
        assert_eq!(logins.len(), 5);
        for login in logins {
            assert_eq!((login.outcome.as_str(), login.user.as_deref()), ("success", Some(user.id.to_string().as_str())));
            assert_eq!(login.metadata["method"], "password");
        }
    }

    async fn whoever_is_not_let_in_gets_one_answer_and_the_log_the_reason(engine: Engine) {
        let world = World::new(engine).await;
        world.alice().await;
        let mut profile = bob();
        let bob = world.user(profile.clone()).await;
        profile.enabled = false;
        let event = world.event(EventType::UserUpdated);
        world.accounts.update(&bob, &profile.check().unwrap(), None, event, START).await.unwrap().unwrap();
        let carol = grantor::account::profile::Profile { username: "carol".to_owned(), ..alice() };
        let carol = grantor::account::profile::Profile { email: None, ..carol };
        let event = world.event(EventType::UserCreated);
        world.accounts.create(T, &carol.check().unwrap(), None, event, START).await.unwrap().unwrap();

        let too_long = "x".repeat(100_000);
        for (username, tried, reason) in [
            ("nobody", PASSWORD, "unknown_user"),
            ("no\u{202E}body", PASSWORD, "unknown_user"),
            (too_long.as_str(), PASSWORD, "unknown_user"),
            ("", "", "unknown_user"),
            ("alice", "Down the rabbit hole", "wrong_password"),
            ("alice", "", "wrong_password"),
            ("alice", too_long.as_str(), "wrong_password"),
            ("alice", "down the\0rabbit hole", "wrong_password"),
            ("bob", PASSWORD, "user_disabled"),
            ("bob", "wrong", "user_disabled"),
            ("carol", PASSWORD, "no_password"),
            ("carol", "", "no_password"),
        ] {
            assert!(matches!(world.sign_in(username, tried).await, SignIn::Refused), "{username} {tried}");
            let records = world.records().await;
            let last = records.iter().rfind(|record| record.event_type == "login").unwrap();
            assert_eq!((last.outcome.as_str(), &last.metadata["failure_reason"]), ("failure", &reason.into()));
        }
    }

    async fn the_log_tells_attempts_on_one_name_apart_without_the_name(engine: Engine) {
        let world = World::new(engine).await;
        world.sign_in("Mallory", "a canary password").await;
        world.sign_in("mallory", "another one").await;
        world.sign_in("trent", "a canary password").await;
        let records = world.records().await;
        let attempted: Vec<_> = records
            .iter()
            .filter(|record| record.event_type == "login")
            .map(|record| record.metadata["attempted_username"].clone())
            .collect();
        assert_eq!(attempted[0], attempted[1]);
        assert_ne!(attempted[0], attempted[2]);
        let all = format!("{records:?}").to_lowercase();
        assert!(!all.contains("mallory") && !all.contains("canary"), "{all}");
    }

    async fn a_temporary_password_only_lets_itself_be_changed(engine: Engine) {
        let world = World::new(engine).await;
        let temporary = Credential::Password { password: Secret::new("first of all days".to_owned()), temporary: true };
        let event = world.event(EventType::UserCreated);
        world.accounts.create(T, &alice().check().unwrap(), Some(temporary), event, START).await.unwrap().unwrap();
        assert!(matches!(world.sign_in("alice", "wrong").await, SignIn::Refused));
        let SignIn::PasswordChangeNeeded(user) = world.sign_in("alice", "first of all days").await else {
            panic!("the password was to be changed");
        };
        let (first, second) = (Secret::new("first of all days".to_owned()), Secret::new(PASSWORD.to_owned()));
        let same = world.accounts.change_password(&user, &first, &first, None, &caller(), START).await.unwrap();
        assert!(format!("{same:?}").contains("SameAsBefore"), "{same:?}");
        world.accounts.change_password(&user, &first, &second, None, &caller(), START).await.unwrap();
        assert!(matches!(world.sign_in("alice", "first of all days").await, SignIn::Refused));
        assert!(matches!(world.sign_in("alice", PASSWORD).await, SignIn::SignedIn(_)));
    }

    async fn a_hash_of_another_system_is_replaced_at_the_first_sign_in(engine: Engine) {
        let world = World::new(engine).await;
        let foreign = "$2b$05$abcdefghijklmnopqrstuumjF9vOtpiPtlBb5h9MIT6pklVMdOJoi";
        let event = world.event(EventType::UserCreated);
        let credential = Some(Credential::Hash { text: foreign.to_owned(), temporary: false });
        let user =
            world.accounts.create(T, &alice().check().unwrap(), credential, event, START).await.unwrap().unwrap();
        assert!(matches!(world.sign_in("alice", "wrong").await, SignIn::Refused));
        for _ in 0..2 {
            assert!(matches!(world.sign_in("alice", "pässword1").await, SignIn::SignedIn(_)));
            let stored = users::find(&mut world.store().read().await.unwrap(), T, user.id).await.unwrap().unwrap();
            let hash = stored.password_hash.as_ref().unwrap();
            assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
            assert_eq!((stored.epoch, stored.version), (user.epoch, user.version));
        }
    }

    async fn a_weaker_hash_is_replaced_when_the_settings_are_stronger(engine: Engine) {
        let world = World::new(engine).await;
        let user = world.alice().await;
        let stronger = World::with(world.db, &[("argon2.t", "3")]).await;
        assert!(matches!(stronger.sign_in("alice", PASSWORD).await, SignIn::SignedIn(_)));
        let stored = users::find(&mut stronger.store().read().await.unwrap(), T, user.id).await.unwrap().unwrap();
        assert!(stored.password_hash.unwrap().as_str().contains("t=3"));
    }

    async fn nobody_is_signed_in_without_a_record(engine: Engine) {
        let world = World::new(engine).await;
        world.alice().await;
        world.audit.shutdown().await;
        let right = Secret::new(PASSWORD.to_owned());
        let fault = world.accounts.sign_in(T, "alice", &right, &caller(), START).await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Unavailable);
        // A refusal gives nothing and waits for nothing.
        assert!(matches!(world.sign_in("alice", "wrong").await, SignIn::Refused));
    }

    async fn two_hundred_at_once_are_served_in_turn_or_told_to_come_later(engine: Engine) {
        let world = World::with(TestDb::new(engine).await, &[("argon2.parallel", "1")]).await;
        world.alice().await;
        let attempts: Vec<_> = (0..200)
            .map(|_| {
                let accounts = world.accounts.clone();
                tokio::spawn(async move {
                    let right = Secret::new(PASSWORD.to_owned());
                    accounts.sign_in(T, "alice", &right, &caller(), START).await
                })
            })
            .collect();
        let mut served = 0;
        for attempt in attempts {
            match attempt.await.unwrap() {
                Ok(SignIn::SignedIn(_)) => served += 1,
                Ok(other) => panic!("the right password was refused: {other:?}"),
                Err(fault) => assert_eq!(fault.kind(), FaultKind::Unavailable),
            }
        }
        assert!(served > 0);
        assert!(matches!(world.sign_in("alice", PASSWORD).await, SignIn::SignedIn(_)));
    }
}
