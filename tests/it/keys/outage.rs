//! Keys while the database is away, and the cost of reading them.

use super::{DAY, ES256, MASTER, START, TENANT, nobody, open};
use crate::support::{Engine, TestDb};
use grantor::clock::Clock;
use grantor::config::Config;
use grantor::entropy::Entropy;
use grantor::fault::FaultKind;
use grantor::keys::KeyRing;
use grantor::sealed::MasterKeys;
use grantor::types::TenantId;
use std::sync::Arc;
use uuid::Uuid;

on_both_engines! {
    async fn known_keys_serve_for_a_day_while_the_database_is_away(engine: Engine) {
        let db = TestDb::new(engine).await;
        let clock = Clock::manual(START);
        let (store, _) = db.stores().await;
        let config = Config::from_pairs(ES256).unwrap();
        let master = MasterKeys::parse(MASTER[0]).unwrap();
        let ring = KeyRing::open(store.clone(), clock.clone(), Entropy::system(), &config, master).await.unwrap();
        let keys = ring.of(TENANT).await.unwrap();
        store.close().await;
        for hours in [0, 1, 22] {
            clock.advance_seconds(hours * 3_600);
            assert!(Arc::ptr_eq(&ring.of(TENANT).await.unwrap(), &keys));
        }
        clock.advance_seconds(3_600);
        assert_eq!(ring.of(TENANT).await.unwrap_err().kind(), FaultKind::Unavailable);
        let unknown = TenantId(Uuid::from_u128(7));
        assert!(ring.of(unknown).await.is_err(), "keys that were never read do not serve");
        let change = ring.rotate(TENANT, None, true, nobody, clock.now()).await;
        assert_eq!(change.unwrap_err().kind(), FaultKind::Unavailable);
    }

    async fn unchanged_rows_leave_the_keys_as_they_are(engine: Engine) {
        let db = TestDb::new(engine).await;
        let clock = Clock::manual(START);
        let (a, b) = (open(&db, &clock, ES256).await, open(&db, &clock, ES256).await);
        let keys = a.of(TENANT).await.unwrap();
        clock.advance_seconds(DAY);
        let all = futures_util::future::join_all((0..50).map(|_| a.of(TENANT))).await;
        assert!(all.into_iter().all(|again| Arc::ptr_eq(&again.unwrap(), &keys)));
        // What another replica changes is seen after two seconds by whoever asks next.
        b.rotate(TENANT, None, true, nobody, clock.now()).await.unwrap().unwrap();
        clock.advance_seconds(1);
        assert!(Arc::ptr_eq(&a.of(TENANT).await.unwrap(), &keys));
        clock.advance_seconds(1);
        assert_eq!(a.of(TENANT).await.unwrap().jwks(), b.of(TENANT).await.unwrap().jwks());
    }
}
