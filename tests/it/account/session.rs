//! The life of a session.

use super::{START, T, World, bob, caller};
use crate::support::Engine;
use grantor::account::{Current, Proof, Started, sid};
use grantor::audit::EventType;
use grantor::storage::sessions;
use grantor::storage::users::User;
use grantor::types::{ClientId, Timestamp};

async fn start(world: &World, user: &User, former: Option<&str>, now: Timestamp) -> Started {
    world
        .accounts
        .start_session(user, Proof::password(), former, &caller(), now)
        .await
        .unwrap()
}

async fn fresh(world: &World, cookie: &str, now: Timestamp) -> bool {
    matches!(
        world.accounts.session(T, cookie, now).await.unwrap(),
        Some(Current::Fresh(_))
    )
}

on_both_engines! {
    /// R-SSO-08: "Session ids are random (≥128 bits), stored hashed server-side."
    async fn the_cookie_is_random_and_stored_as_a_hash(engine: Engine) {
        let world = World::new(engine).await;
        let user = world.alice().await;
        let started = start(&world, &user, None, START).await;
        let cookie = started.cookie.expose();
        assert_eq!(cookie.len(), 43);
        let stored = sessions::find(&mut world.store().read().await.unwrap(), T, started.session.id).await.unwrap().unwrap();
        assert_ne!(stored.secret_hash.as_bytes(), cookie.as_bytes());
        assert!(fresh(&world, cookie, START).await);
        assert!(!fresh(&world, &cookie[1..], START).await);
        assert!(!fresh(&world, "", START).await);
    }

    /// R-SSO-12: "New session id on login, step-up and privilege change."
    async fn signing_in_again_renews_the_cookie_and_keeps_session_and_end(engine: Engine) {
        let world = World::new(engine).await;
        let user = world.alice().await;
        let first = start(&world, &user, None, START).await;
        let later = START.plus_seconds(3600);
        let second = start(&world, &user, Some(first.cookie.expose()), later).await;
        assert_eq!((first.session.id, first.session.expires_at), (second.session.id, second.session.expires_at));
        assert_eq!(second.session.auth_time, later);
        assert!(!fresh(&world, first.cookie.expose(), later).await);
        assert!(fresh(&world, second.cookie.expose(), later).await);
    }

    /// R-SSO-03: "Enterprise SSO session lasts 8 h at most, absolute from login."
    async fn a_session_ends_after_eight_hours_however_much_it_is_used(engine: Engine) {
        let world = World::new(engine).await;
        let user = world.alice().await;
        let mut cookie = start(&world, &user, None, START).await.cookie;
        for minutes in (20..480).step_by(20) {
            let now = START.plus_seconds(minutes * 60);
            assert!(fresh(&world, cookie.expose(), now).await, "after {minutes} minutes");
            if minutes == 240 {
                cookie = start(&world, &user, Some(cookie.expose()), now).await.cookie;
            }
        }
        assert!(world.accounts.session(T, cookie.expose(), START.plus_seconds(28_800)).await.unwrap().is_none());
    }

    /// R-SSO-15: "Idle timeout (default 30 min, range 5–480) below the 8 h cap."
    async fn an_idle_session_wants_a_sign_in_which_revives_it(engine: Engine) {
        let world = World::new(engine).await;
        let user = world.alice().await;
        let first = start(&world, &user, None, START).await;
        let cookie = first.cookie.expose();
        assert!(fresh(&world, cookie, START.plus_seconds(1799)).await);
        let idle = START.plus_seconds(1799 + 1800);
        assert!(matches!(world.accounts.session(T, cookie, idle).await.unwrap(), Some(Current::Idle(_))));
        let second = start(&world, &user, Some(cookie), idle).await;
        assert_eq!(first.session.id, second.session.id);
        assert!(fresh(&world, second.cookie.expose(), idle).await);
    }

    async fn another_user_in_the_same_browser_ends_the_session_before(engine: Engine) {
        let world = World::new(engine).await;
        let (alice, bob) = (world.alice().await, world.user(bob()).await);
        let first = start(&world, &alice, None, START).await;
        let second = start(&world, &bob, Some(first.cookie.expose()), START).await;
        assert_ne!(first.session.id, second.session.id);
        assert!(!fresh(&world, first.cookie.expose(), START).await);
        assert!(fresh(&world, second.cookie.expose(), START).await);
        let records = world.records().await;
        let ended = records.iter().find(|record| record.event_type == "session_ended").unwrap();
        assert_eq!(ended.user, Some(alice.id.to_string()));
        assert_eq!(ended.metadata["reason"], "other_user");
        assert_eq!(ended.metadata["session_id"], first.session.id.to_string());
        assert!(ended.metadata.get("session").is_none(), "one name for one thing");
    }

    /// R-SSO-09: "Logout destroys the server-side session so the old cookie stops at once."
    async fn an_ended_session_is_over_at_once_and_recorded_once(engine: Engine) {
        let world = World::new(engine).await;
        let user = world.alice().await;
        let started = start(&world, &user, None, START).await;
        for first in [true, false] {
            let event = world.event(EventType::Logout).user(user.id);
            let ended = world.accounts.end_session(T, started.session.id, "logout", event, START).await.unwrap();
            assert_eq!(ended, first);
        }
        assert!(!fresh(&world, started.cookie.expose(), START).await);
        let records = world.records().await;
        assert_eq!(records.iter().filter(|record| record.event_type == "logout").count(), 1);
        // An ended session is not revived either.
        let again = start(&world, &user, Some(started.cookie.expose()), START).await;
        assert_ne!(again.session.id, started.session.id);
    }

    async fn each_client_is_told_another_sid_and_always_the_same(engine: Engine) {
        let world = World::new(engine).await;
        let user = world.alice().await;
        let session = start(&world, &user, None, START).await.session.id;
        let other = start(&world, &user, None, START).await.session.id;
        let keys = world.keys.of(T).await.unwrap();
        let (one, two) = (ClientId::parse("one").unwrap(), ClientId::parse("two").unwrap());
        let of = |session, client| sid(&keys, session, client).unwrap();
        assert_eq!(of(session, &one), of(session, &one));
        assert_ne!(of(session, &one), of(session, &two));
        assert_ne!(of(session, &one), of(other, &one));
    }
}
