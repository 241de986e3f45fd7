//! Changing the master key under running replicas.

use super::{ES256, MASTER, START, TENANT, nobody, open, try_open};
use crate::support::{Engine, TestDb};
use grantor::clock::Clock;
use grantor::keys::Purpose;
use grantor::storage::{outbox, signing_keys};

on_both_engines! {
    async fn the_master_key_changes_under_running_replicas(engine: Engine) {
        let db = TestDb::new(engine).await;
        let clock = Clock::manual(START);
        open(&db, &clock, ES256).await;
        // The new key is second everywhere, then first.
        let (old_first, new_first) = (MASTER.join(","), [MASTER[1], MASTER[0]].join(","));
        let a = try_open(&db, &clock, ES256, &old_first).await.unwrap();
        let b = try_open(&db, &clock, ES256, &new_first).await.unwrap();
        let before = a.of(TENANT).await.unwrap();
        // Two at once: every key is wrapped anew once.
        let command = try_open(&db, &clock, ES256, &new_first).await.unwrap();
        let (one, other) = futures_util::join!(b.reseal(nobody, START), command.reseal(nobody, START));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!((one.signing + other.signing, one.purpose + other.purpose), (2, 13));
        let events = one.events.len() + other.events.len();
        assert_eq!(outbox::count(&db.main).await.unwrap(), i64::try_from(events).unwrap());
        let again = b.reseal(nobody, START).await.unwrap();
        assert_eq!((again.signing, again.purpose), (0, 0));
        let ids = signing_keys::master_key_ids(&mut db.main.read().await.unwrap()).await.unwrap();
        assert_eq!(ids, ["b"]);
        // Running replicas go on with the same keys, and what they make next opens as well.
        clock.advance_seconds(2);
        for ring in [&a, &b] {
            let keys = ring.of(TENANT).await.unwrap();
            assert_eq!(keys.jwks(), before.jwks());
            let mac = keys.purpose(Purpose::Mac).unwrap().mac(b"m");
            assert_eq!(mac, before.purpose(Purpose::Mac).unwrap().mac(b"m"));
        }
        a.rotate(TENANT, None, true, nobody, clock.now()).await.unwrap().unwrap();
        assert_eq!(b.reseal(nobody, START).await.unwrap().signing, 1);
        // The old one can go.
        try_open(&db, &clock, ES256, MASTER[1]).await.unwrap();
        assert!(try_open(&db, &clock, ES256, MASTER[0]).await.is_err());
    }
}
