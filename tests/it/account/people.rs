//! Making, changing and removing accounts.

use super::{PASSWORD, START, T, World, alice, bob, caller, password};
use crate::support::Engine;
use grantor::account::profile::Profile;
use grantor::account::{Credential, PasswordChange, Proof, Rejected, SignIn};
use grantor::audit::EventType;
use grantor::config::BootstrapConfig;
use grantor::storage::sessions;
use grantor::storage::users::{self, User};
use grantor::types::{Secret, TokenHash};

/// Opens a session and gives its cookie.
async fn signed_in(world: &World, user: &User) -> Secret {
    let started = world
        .accounts
        .start_session(user, Proof::password(), None, &caller(), START)
        .await
        .unwrap();
    started.cookie
}

async fn lives(world: &World, cookie: &Secret) -> bool {
    world
        .accounts
        .session(T, cookie.expose(), START)
        .await
        .unwrap()
        .is_some()
}

on_both_engines! {
    async fn a_profile_comes_back_as_it_was(engine: Engine) {
        let world = World::new(engine).await;
        let profile: Profile = serde_json::from_value(serde_json::json!({
            "username": "alice@wonder.example", "enabled": true, "roles": ["admin"],
            "email": "liddell@wonder.example", "email_verified": true,
            "phone_number": "+44 20 7946 0958", "phone_number_verified": true,
            "address": {"formatted": "1 Rabbit Hole\nOxford", "country": "UK"},
            "birthdate": "1852-05-04", "name": "Alice", "given_name": "A", "family_name": "L", "middle_name": "P",
            "nickname": "Al", "profile": "https://a.example/a", "picture": "https://a.example/p",
            "website": "https://a.example", "gender": "female", "zoneinfo": "Europe/London", "locale": "en-GB",
        })).unwrap();
        let user = world.user(profile.clone()).await;
        assert!(world.accounts.profile(&user).await.unwrap() == profile);
        let stored = users::find(&mut world.store().read().await.unwrap(), T, user.id).await.unwrap().unwrap();
        assert_eq!(stored, user);
        assert_eq!(world.accounts.find(T, "ALICE@wonder.example").await.unwrap(), Some(user.clone()));
        assert_eq!(world.accounts.find(T, "liddell@WONDER.example").await.unwrap(), Some(user));
        assert_eq!(world.accounts.find(T, "alice").await.unwrap(), None);
    }

    async fn a_name_or_address_has_one_owner(engine: Engine) {
        let world = World::new(engine).await;
        let first = world.alice().await;
        let bob = world.user(bob()).await;
        for taken in [
            Profile { username: "ALICE".to_owned(), ..Profile::default() },
            Profile { username: "alice@wonder.example".to_owned(), ..Profile::default() },
            Profile { username: "x".to_owned(), email: Some("Alice@Wonder.example".to_owned()), ..Profile::default() },
        ] {
            let checked = taken.check().unwrap();
            let event = world.event(EventType::UserCreated);
            let made = world.accounts.create(T, &checked, None, event, START).await.unwrap();
            assert_eq!(made.unwrap_err(), Rejected::Taken);
            let event = world.event(EventType::UserUpdated);
            let changed = world.accounts.update(&bob, &checked, None, event, START).await.unwrap();
            assert_eq!(changed.unwrap_err(), Rejected::Taken);
        }
        let stored = users::find(&mut world.store().read().await.unwrap(), T, bob.id).await.unwrap().unwrap();
        assert_eq!(stored, bob);
        // One's own address as username is no conflict, and what is given up is free.
        let renamed = Profile { username: "alice@wonder.example".to_owned(), ..alice() }.check().unwrap();
        let event = world.event(EventType::UserUpdated);
        world.accounts.update(&first, &renamed, None, event, START).await.unwrap().unwrap();
        world.user(Profile { email: None, ..alice() }).await;
    }

    async fn a_weak_password_or_a_strange_hash_is_refused_with_its_place(engine: Engine) {
        let world = World::new(engine).await;
        let hash = Credential::Hash { text: "5f4dcc3b5aa765d61d8327deb882cf99".to_owned(), temporary: false };
        for (credential, pointer) in [
            (password("short"), "/password"),
            (password("Password123!"), "/password"),
            (password("alice@wonder.example"), "/password"),
            (password("Liddell1"), "/password"),
            (hash, "/password_hash"),
        ] {
            let event = world.event(EventType::UserCreated);
            let made = world.accounts.create(T, &alice().check().unwrap(), Some(credential), event, START).await.unwrap();
            let Err(Rejected::Invalid(wrong)) = made else { panic!("{pointer} was accepted") };
            assert_eq!(wrong[0].pointer, pointer);
        }
        assert_eq!(world.accounts.find(T, "alice").await.unwrap(), None);
        assert!(world.records().await.is_empty());
    }

    async fn a_stale_change_is_refused(engine: Engine) {
        let world = World::new(engine).await;
        let user = world.alice().await;
        let checked = Profile { nickname: Some("Al".to_owned()), ..alice() }.check().unwrap();
        let event = || world.event(EventType::UserUpdated);
        let changed = world.accounts.update(&user, &checked, None, event(), START).await.unwrap().unwrap();
        assert_eq!(changed.version, user.version + 1);
        let again = world.accounts.update(&user, &checked, None, event(), START).await.unwrap();
        assert_eq!(again.unwrap_err(), Rejected::Stale);
        assert_eq!(world.accounts.delete(&user, event(), START).await.unwrap(), Err(Rejected::Stale));
        assert_eq!(world.accounts.delete(&changed, event(), START).await.unwrap(), Ok(()));
        assert_eq!(world.accounts.find(T, "alice").await.unwrap(), None);
    }

    async fn every_change_is_recorded(engine: Engine) {
        let world = World::new(engine).await;
        let user = world.alice().await;
        let checked = alice().check().unwrap();
        let event = |event_type| world.event(event_type);
        let accounts = &world.accounts;
        let user = accounts.update(&user, &checked, None, event(EventType::UserUpdated), START).await.unwrap().unwrap();
        let changed = event(EventType::UserPasswordChanged);
        let user = accounts.set_password(&user, password("through a looking glass"), changed, START).await.unwrap().unwrap();
        assert!(accounts.revoke(T, user.id, event(EventType::UserRevoked), START).await.unwrap());
        accounts.delete(&user, event(EventType::UserDeleted), START).await.unwrap().unwrap();
        assert!(!accounts.revoke(T, user.id, event(EventType::UserRevoked), START).await.unwrap());
        let types: Vec<_> = world
            .records()
            .await
            .into_iter()
            .filter(|record| record.user == Some(user.id.to_string()))
            .map(|record| record.event_type)
            .collect();
        assert_eq!(types, ["user_created", "user_updated", "user_password_changed", "user_revoked", "user_deleted"]);
    }

    async fn revoking_disabling_and_a_set_password_end_every_session(engine: Engine) {
        let world = World::new(engine).await;
        let accounts = &world.accounts;
        let user = world.alice().await;
        let cookie = signed_in(&world, &user).await;
        assert!(lives(&world, &cookie).await);
        accounts.revoke(T, user.id, world.event(EventType::UserRevoked), START).await.unwrap();
        assert!(!lives(&world, &cookie).await);
        // A sign-in that was checked before does not outlive it.
        let late = signed_in(&world, &user).await;
        assert!(!lives(&world, &late).await);

        let user = accounts.find(T, "alice").await.unwrap().unwrap();
        let cookie = signed_in(&world, &user).await;
        let event = world.event(EventType::UserPasswordChanged);
        let user = accounts.set_password(&user, password("through a looking glass"), event, START).await.unwrap().unwrap();
        assert!(!lives(&world, &cookie).await);

        let cookie = signed_in(&world, &user).await;
        let off = Profile { enabled: false, ..alice() }.check().unwrap();
        let event = world.event(EventType::UserUpdated);
        let user = accounts.update(&user, &off, None, event, START).await.unwrap().unwrap();
        let event = world.event(EventType::UserUpdated);
        accounts.update(&user, &alice().check().unwrap(), None, event, START).await.unwrap().unwrap();
        assert!(!lives(&world, &cookie).await);
    }

    async fn who_changes_the_own_password_stays_signed_in_here_alone(engine: Engine) {
        let world = World::new(engine).await;
        let accounts = &world.accounts;
        let user = world.alice().await;
        let (here, elsewhere) = (signed_in(&world, &user).await, signed_in(&world, &user).await);
        let secret = TokenHash::of(here.expose());
        let session =
            sessions::find_by_secret(&mut world.store().read().await.unwrap(), T, &secret, START).await.unwrap().unwrap();
        let (present, new) = (Secret::new(PASSWORD.to_owned()), Secret::new("through a looking glass".to_owned()));
        let wrong = accounts.change_password(&user, &new, &new, Some(&session), &caller(), START).await.unwrap();
        assert!(matches!(wrong, PasswordChange::WrongPassword));
        let weak = Secret::new("password1".to_owned());
        let weak = accounts.change_password(&user, &present, &weak, Some(&session), &caller(), START).await.unwrap();
        assert!(matches!(weak, PasswordChange::Weak(_)));
        assert!(lives(&world, &here).await && lives(&world, &elsewhere).await);

        let changed = accounts.change_password(&user, &present, &new, Some(&session), &caller(), START).await.unwrap();
        let PasswordChange::Changed(_, Some(cookie)) = changed else { panic!("{changed:?}") };
        assert!(!lives(&world, &here).await && !lives(&world, &elsewhere).await);
        assert!(lives(&world, &cookie).await);
        assert!(matches!(world.sign_in("alice", PASSWORD).await, SignIn::Refused));
        assert!(matches!(world.sign_in("alice", "through a looking glass").await, SignIn::SignedIn(_)));
        // With a row that is out of date by now, nothing changes.
        let late = accounts.change_password(&user, &present, &new, None, &caller(), START).await.unwrap();
        assert!(matches!(late, PasswordChange::WrongPassword | PasswordChange::Weak(_)));
    }

    async fn of_two_replicas_that_start_at_once_one_makes_the_first_user(engine: Engine) {
        let world = World::new(engine).await;
        let config = BootstrapConfig { password: None, username: "admin".to_owned(), ..world.config.bootstrap.clone() };
        let starts: Vec<_> = (0..2)
            .map(|_| {
                let (accounts, config) = (world.accounts.clone(), config.clone());
                tokio::spawn(async move { accounts.bootstrap(T, &config, START).await.unwrap() })
            })
            .collect();
        let mut made = Vec::new();
        for start in starts {
            made.extend(start.await.unwrap());
        }
        assert_eq!(made.len(), 1);
        assert_eq!(made[0].username, "admin");
        let generated = made[0].password.clone().unwrap();
        let SignIn::SignedIn(user) = world.sign_in("admin", generated.expose()).await else {
            panic!("the printed password is refused");
        };
        assert_eq!(user.roles.0, ["admin"]);
        assert!(world.accounts.bootstrap(T, &config, START).await.unwrap().is_none());
    }

    async fn a_configured_first_user_is_held_to_the_rules(engine: Engine) {
        let world = World::new(engine).await;
        let config = |username: &str, password: &str| BootstrapConfig {
            username: username.to_owned(),
            password: Some(Secret::new(password.to_owned())),
            ..world.config.bootstrap.clone()
        };
        for (username, password, setting) in [
            ("admin", "password", "GRANTOR_BOOTSTRAP_PASSWORD"),
            ("ad\u{200B}min", PASSWORD, "GRANTOR_BOOTSTRAP_USERNAME"),
        ] {
            let fault = world.accounts.bootstrap(T, &config(username, password), START).await.unwrap_err();
            assert!(fault.to_string().starts_with(setting), "{fault}");
            assert!(!fault.to_string().contains("\"password\""));
        }
        let made = world.accounts.bootstrap(T, &config("root@wonder.example", PASSWORD), START).await.unwrap().unwrap();
        assert!(made.password.is_none());
        assert!(matches!(world.sign_in("root@wonder.example", PASSWORD).await, SignIn::SignedIn(_)));
    }
}
