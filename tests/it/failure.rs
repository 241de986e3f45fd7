//! What the server does when something that it needs fails: it says so in time, gives nothing away, and needs no restart.

use crate::support::chaos::{Chaos, Weather};
use crate::support::{Engine, TestDb};
use grantor::fault::FaultKind;
use grantor::storage::{Schema, Store};
use std::time::{Duration, Instant};

/// "A database or audit store that does not answer is 503 within 5 s": what a single use of the store may take of it.
const PATIENCE: Duration = Duration::from_millis(4_500);

#[tokio::test]
async fn a_store_gives_up_in_time_and_recovers() {
    if !Engine::Postgres.is_available() {
        return;
    }
    let db = TestDb::new(Engine::Postgres).await;
    let chaos = Chaos::before(&db.url).await;
    let store = Store::open(&chaos.url(&db.url), None, 2).await.unwrap();
    store.schema_state(Schema::Main).await.unwrap();
    for weather in [
        Weather::Cut,
        Weather::Blackhole,
        Weather::Slow(Duration::from_secs(9)),
    ] {
        chaos.set(weather);
        let started = Instant::now();
        let fault = store
            .schema_state(Schema::Main)
            .await
            .expect_err("nothing answers");
        assert_eq!(fault.kind(), FaultKind::Unavailable, "{weather:?}: {fault}");
        assert!(
            started.elapsed() < PATIENCE,
            "{weather:?} took {:?}",
            started.elapsed()
        );
        chaos.set(Weather::Fair);
        recovers(&store).await;
    }
}

/// A connection that was cut is noticed at its next use, so the first few uses may still fail.
async fn recovers(store: &Store) {
    let started = Instant::now();
    while let Err(fault) = store.schema_state(Schema::Main).await {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "no recovery: {fault}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
