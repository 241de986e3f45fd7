//! Keys that are replaced: by age, when somebody asks, and when one is compromised.

use super::{DAY, ES256, START, TENANT, nobody, open, published};
use crate::support::{Engine, TestDb};
use grantor::clock::Clock;
use grantor::keys::{KeyInfo, KeyRing, KeyState, Purpose};
use grantor::storage::outbox;
use grantor::types::{Algorithm, EventType, Kid};
use std::collections::HashSet;

async fn in_state(ring: &KeyRing, state: KeyState) -> KeyInfo {
    let keys = ring.list(TENANT).await.unwrap();
    keys.into_iter().find(|key| key.state == state).unwrap()
}

async fn signer(ring: &KeyRing) -> Kid {
    let keys = ring.of(TENANT).await.unwrap();
    keys.signer(Algorithm::ES256).unwrap().kid().clone()
}

on_both_engines! {
    async fn a_key_is_replaced_by_age_and_published_before_and_after_it_signs(engine: Engine) {
        let db = TestDb::new(engine).await;
        let clock = Clock::manual(START);
        let (a, b) = (open(&db, &clock, ES256).await, open(&db, &clock, ES256).await);
        let (first, second) = (signer(&a).await, in_state(&a, KeyState::Next).await);
        assert_eq!(second.activates_at, Some(START.plus_seconds(90 * DAY)));
        clock.advance_seconds(90 * DAY - 1);
        assert!(a.tick(clock.now()).await.unwrap().is_empty());
        clock.advance_seconds(1);
        // Two replicas whose job runs at once: one outcome.
        let (one, other) = futures_util::join!(a.tick(clock.now()), b.tick(clock.now()));
        let events = [one.unwrap(), other.unwrap()].concat();
        let rotated: Vec<_> = events.iter().filter(|event| event.metadata.contains_key("alg")).collect();
        assert_eq!(rotated.len(), 1, "{events:?}");
        assert_eq!(rotated[0].event_type, EventType::KeyRotated);
        assert_eq!(rotated[0].metadata["previous_kid"], first.as_str());
        assert_eq!(outbox::count(&db.main).await.unwrap(), i64::try_from(events.len()).unwrap());
        clock.advance_seconds(2);
        for ring in [&a, &b] {
            assert_eq!(signer(ring).await, second.kid);
            let keys = ring.of(TENANT).await.unwrap();
            assert!(keys.verifying(&first).is_some());
            assert_eq!(published(&keys.jwks().body).len(), 3);
        }
        // Until the last token of an hour, with the largest leeway, has expired.
        clock.advance_seconds(3_600 + 55);
        assert!(a.tick(clock.now()).await.unwrap().is_empty());
        clock.advance_seconds(60);
        let events = a.tick(clock.now()).await.unwrap();
        assert_eq!(events.iter().map(|event| event.event_type).collect::<Vec<_>>(), [EventType::KeyRetired]);
        clock.advance_seconds(2);
        for ring in [&a, &b] {
            let keys = ring.of(TENANT).await.unwrap();
            assert!(keys.verifying(&first).is_none());
            assert!(keys.verifying_hint(&first).is_some(), "an id_token_hint may be older");
            assert_eq!(published(&keys.jwks().body).len(), 2);
        }
        clock.advance_seconds(30 * DAY);
        a.tick(clock.now()).await.unwrap();
        assert!(a.of(TENANT).await.unwrap().verifying_hint(&first).is_none());
    }

    async fn a_rotation_waits_until_every_verifier_can_know_the_next_key(engine: Engine) {
        let db = TestDb::new(engine).await;
        let clock = Clock::manual(START);
        let ring = open(&db, &clock, ES256).await;
        let (first, next) = (signer(&ring).await, in_state(&ring, KeyState::Next).await);
        let change = ring.rotate(TENANT, None, false, nobody, clock.now()).await.unwrap().unwrap();
        let due = START.plus_seconds(600);
        let shown = change.keys.iter().find(|key| key.state == KeyState::Next).unwrap();
        assert_eq!((&shown.kid, shown.activates_at), (&next.kid, Some(due)));
        assert_eq!(change.events[0].metadata["activates_at"], due.to_string());
        assert_eq!(signer(&ring).await, first);
        clock.advance_seconds(599);
        assert!(ring.tick(clock.now()).await.unwrap().is_empty());
        clock.advance_seconds(1);
        assert_eq!(ring.tick(clock.now()).await.unwrap().len(), 1);
        assert_eq!(signer(&ring).await, next.kid);
        // The next one has been published for long enough: at once.
        clock.advance_seconds(600);
        let waiting = in_state(&ring, KeyState::Next).await;
        let change = ring.rotate(TENANT, Some(Algorithm::ES256), false, nobody, clock.now()).await.unwrap().unwrap();
        assert!(change.keys.iter().any(|key| key.kid == waiting.kid && key.state == KeyState::Active));
        assert!(change.keys.iter().any(|key| key.kid == next.kid && key.state == KeyState::Retiring));
        assert_eq!(change.keys.iter().filter(|key| key.state == KeyState::Next).count(), 1);
        assert_eq!(signer(&ring).await, waiting.kid);
        let unknown = ring.rotate(TENANT, Some(Algorithm::RS256), true, nobody, clock.now()).await.unwrap();
        assert!(unknown.is_none(), "no keys for this algorithm");
    }

    async fn fifty_rotations_never_repeat_a_kid(engine: Engine) {
        let db = TestDb::new(engine).await;
        let clock = Clock::manual(START);
        let ring = open(&db, &clock, ES256).await;
        let mut kids = HashSet::from([signer(&ring).await]);
        for _ in 0..50 {
            clock.advance_seconds(1);
            ring.rotate(TENANT, None, true, nobody, clock.now()).await.unwrap().unwrap();
            kids.insert(signer(&ring).await);
        }
        assert_eq!(kids.len(), 51);
        assert!(kids.iter().all(|kid| kid.as_str().len() == 22));
    }

    async fn rotations_at_once_leave_one_active_and_one_next_key(engine: Engine) {
        let db = TestDb::new(engine).await;
        let clock = Clock::manual(START);
        let opening = (0..4).map(|_| open(&db, &clock, ES256));
        let rings = futures_util::future::join_all(opening).await;
        let rotating = rings.iter().map(|ring| ring.rotate(TENANT, None, true, nobody, START));
        let done = futures_util::future::join_all(rotating).await;
        let rotated: usize = done.into_iter().map(|change| change.unwrap().unwrap().events.len()).sum();
        assert!(rotated >= 1);
        let keys = rings[0].list(TENANT).await.unwrap();
        let count = |state| keys.iter().filter(|key| key.state == state).count();
        assert_eq!((count(KeyState::Active), count(KeyState::Next)), (1, 1));
        assert_eq!(count(KeyState::Retiring), rotated, "each rotation that was told of happened");
    }

    async fn a_compromised_key_is_gone_at_once(engine: Engine) {
        let db = TestDb::new(engine).await;
        let clock = Clock::manual(START);
        let (a, b) = (open(&db, &clock, ES256).await, open(&db, &clock, ES256).await);
        b.of(TENANT).await.unwrap();
        let (bad, next) = (signer(&a).await, in_state(&a, KeyState::Next).await);
        let by = |event: grantor::types::Event| event.with("actor", "somebody");
        let change = a.revoke(TENANT, &bad, by, clock.now()).await.unwrap().unwrap();
        assert_eq!(change.events[0].event_type, EventType::KeyRevoked);
        assert_eq!(change.events[0].metadata["actor"], "somebody");
        clock.advance_seconds(2);
        for ring in [&a, &b] {
            let keys = ring.of(TENANT).await.unwrap();
            assert!(keys.verifying(&bad).is_none() && keys.verifying_hint(&bad).is_none());
            assert!(!published(&keys.jwks().body).contains_key(bad.as_str()));
            assert_eq!(published(&keys.jwks().body).len(), 2);
            assert_eq!(signer(ring).await, next.kid);
        }
        assert!(a.revoke(TENANT, &bad, nobody, clock.now()).await.unwrap().is_none(), "once");
        // A next key and a retiring one can be compromised too.
        let next = in_state(&a, KeyState::Next).await;
        a.revoke(TENANT, &next.kid, nobody, clock.now()).await.unwrap().unwrap();
        assert_ne!(in_state(&a, KeyState::Next).await.kid, next.kid);
        let old = signer(&a).await;
        a.rotate(TENANT, None, true, nobody, clock.now()).await.unwrap().unwrap();
        a.revoke(TENANT, &old, nobody, clock.now()).await.unwrap().unwrap();
        assert!(a.of(TENANT).await.unwrap().verifying(&old).is_none());
        assert_eq!(a.list(TENANT).await.unwrap().len(), 2);
    }

    async fn retiring_a_key_is_orderly(engine: Engine) {
        let db = TestDb::new(engine).await;
        let clock = Clock::manual(START);
        let ring = open(&db, &clock, ES256).await;
        let next = in_state(&ring, KeyState::Next).await.kid;
        ring.retire(TENANT, &next, nobody, clock.now()).await.unwrap().unwrap();
        assert!(ring.of(TENANT).await.unwrap().verifying(&next).is_none());
        let (active, next) = (signer(&ring).await, in_state(&ring, KeyState::Next).await.kid);
        ring.retire(TENANT, &active, nobody, clock.now()).await.unwrap().unwrap();
        assert_eq!(signer(&ring).await, active, "its successor is not known to everybody yet");
        clock.advance_seconds(600);
        ring.tick(clock.now()).await.unwrap();
        assert_eq!(signer(&ring).await, next);
        let again = ring.retire(TENANT, &active, nobody, clock.now()).await.unwrap().unwrap();
        assert!(again.events.is_empty(), "it is retiring already");
        let unknown = Kid::parse("unknown").unwrap();
        assert!(ring.retire(TENANT, &unknown, nobody, clock.now()).await.unwrap().is_none());
    }

    async fn mac_and_sealing_keys_outlive_what_they_made(engine: Engine) {
        let db = TestDb::new(engine).await;
        let clock = Clock::manual(START);
        let ring = open(&db, &clock, ES256).await;
        let ids = |keys: &grantor::keys::TenantKeys| {
            [Purpose::Mac, Purpose::Seal, Purpose::Data, Purpose::BlindIndex, Purpose::Pairwise]
                .map(|purpose| keys.purpose(purpose).unwrap().id().to_owned())
        };
        let before = ids(&ring.of(TENANT).await.unwrap());
        let audit = ring.audit_signer().await.unwrap().id;
        clock.advance_seconds(90 * DAY);
        let events = ring.tick(clock.now()).await.unwrap();
        assert_eq!(events.iter().filter(|event| event.metadata.contains_key("purpose")).count(), 5, "and the two for encryption");
        let keys = ring.of(TENANT).await.unwrap();
        let after = ids(&keys);
        assert!(before.iter().zip(&after).take(3).all(|(before, after)| before != after));
        assert_eq!(before[3..], after[3..], "never by schedule");
        assert_eq!(ring.audit_signer().await.unwrap().id, audit);
        // A refresh token lives for seven days.
        clock.advance_seconds(7 * DAY);
        ring.tick(clock.now()).await.unwrap();
        let keys = ring.of(TENANT).await.unwrap();
        assert!(keys.purpose_by_id(Purpose::Mac, &before[0]).is_some());
        clock.advance_seconds(DAY + 60);
        ring.tick(clock.now()).await.unwrap();
        let keys = ring.of(TENANT).await.unwrap();
        assert!(keys.purpose_by_id(Purpose::Mac, &before[0]).is_none());
        assert!(keys.purpose_by_id(Purpose::Seal, &before[1]).is_none());
    }
}
