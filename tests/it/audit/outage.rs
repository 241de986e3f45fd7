//! The audit store does not answer, or its answer is lost.

use super::support::{Process, event, eventually, rows};
use crate::support::chaos::{Chaos, Weather};
use crate::support::{Engine, TestDb};
use grantor::audit::{EventType, Verification};
use grantor::clock::Clock;
use grantor::fault::FaultKind;
use grantor::storage::{Store, Tx, outbox};
use std::time::{Duration, Instant};

/// Keeps everybody else from writing to the audit store until it is dropped.
async fn blocked(store: &Store) -> Tx {
    const SQL: &str = "LOCK TABLE audit_events IN EXCLUSIVE MODE";
    let mut tx = store.begin().await.unwrap();
    if let Tx::Postgres(tx, _) = &mut tx {
        sqlx::query(SQL).execute(&mut **tx).await.unwrap();
    }
    tx
}

async fn assert_verified(db: &TestDb) {
    let verification = Verification {
        main: &db.main,
        audit: &db.audit,
        fingerprints: &[],
        anchor: None,
    };
    let report = verification.run().await.unwrap();
    assert!(report.is_clean(), "{report}");
}

on_both_engines! {
    async fn while_the_store_is_blocked_nothing_is_given_and_nothing_is_lost(engine: Engine) {
        let db = TestDb::new(engine).await;
        let process = Process::start(&db).await;
        process.audit.record(event(EventType::Login)).await.unwrap();
        let blocked = blocked(&db.audit).await;
        let started = Instant::now();
        let (issued, revoked, denied) = (
            event(EventType::TokenIssued),
            event(EventType::FamilyRevoked),
            event(EventType::AccessDenied),
        );
        process.audit.note(denied.clone());
        process.commit_to_outbox(&revoked).await;
        let (recorded, ()) = tokio::join!(
            process.audit.record(issued.clone()),
            process.audit.deliver(revoked.clone()),
        );
        assert_eq!(recorded.unwrap_err().kind(), FaultKind::Unavailable);
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        drop(blocked);
        let again = event(EventType::TokenIssued);
        eventually("the log is written again", async || process.audit.record(again.clone()).await.is_ok()).await;
        eventually("the outbox is empty", async || outbox::count(&db.main).await.unwrap() == 0).await;
        let rows = rows(&db.audit).await;
        let count = |id| rows.iter().filter(|row| row.2 == id).count();
        assert_eq!((count(revoked.id), count(denied.id), count(again.id)), (1, 1, 1));
        // Either it never reached the store, or the log says that it does not hold.
        let withdrawn = rows
            .iter()
            .filter(|row| row.3 == "record_withdrawn" && row.4.contains(&issued.id.to_string()))
            .count();
        assert_eq!(count(issued.id), withdrawn);
        process.audit.shutdown().await;
        assert_verified(&db).await;
    }

    async fn a_request_that_was_given_up_is_on_record_all_the_same(engine: Engine) {
        // A client that closes its connection cancels the handler while it waits. Its change is not put back.
        let db = TestDb::new(engine).await;
        let process = Process::start(&db).await;
        let blocked = blocked(&db.audit).await;
        let issued = event(EventType::TokenIssued);
        let recording = process.audit.record(issued.clone());
        assert!(tokio::time::timeout(Duration::from_millis(200), recording).await.is_err());
        tokio::time::sleep(Duration::from_secs(5)).await;
        drop(blocked);
        eventually("it is on record", async || {
            rows(&db.audit).await.iter().filter(|row| row.2 == issued.id).count() == 1
        })
        .await;
        process.audit.flush().await;
        assert!(rows(&db.audit).await.iter().all(|row| row.3 != "record_withdrawn"));
    }
}

#[tokio::test]
async fn a_record_whose_commit_was_not_confirmed_is_withdrawn_and_the_rest_stands_once() {
    if !Engine::Postgres.is_available() {
        return;
    }
    let db = TestDb::new(Engine::Postgres).await;
    let chaos = Chaos::before(&db.url).await;
    // One connection, which knows the statement: it needs no answer before it can send it.
    let store = Store::open(&chaos.url(&db.url), Some("audit"), 1).await.unwrap();
    let process = Process::on(db.main.clone(), store.clone(), Clock::System, None);
    process.audit.record(event(EventType::Login)).await.unwrap();
    eventually(
        "the connection is back in the pool",
        async || matches!(&store, Store::Postgres { pool, .. } if pool.num_idle() == 1),
    )
    .await;
    chaos.set(Weather::Mute);
    let (issued, revoked, denied) = (
        event(EventType::TokenIssued).client("shop"),
        event(EventType::FamilyRevoked),
        event(EventType::AccessDenied),
    );
    process.commit_to_outbox(&revoked).await;
    process.audit.note(denied.clone());
    let (recorded, ()) = tokio::join!(
        process.audit.record(issued.clone()),
        process.audit.deliver(revoked.clone())
    );
    assert_eq!(recorded.unwrap_err().kind(), FaultKind::Unavailable);
    let unheard = rows(&db.audit).await;
    assert!(
        unheard.iter().any(|row| row.2 == issued.id),
        "the database heard the commit"
    );
    chaos.set(Weather::Fair);
    eventually("the log is written again", async || {
        process.audit.record(event(EventType::Login)).await.is_ok()
    })
    .await;
    process.audit.flush().await;
    let rows = rows(&db.audit).await;
    for id in [issued.id, revoked.id, denied.id] {
        assert_eq!(rows.iter().filter(|row| row.2 == id).count(), 1);
    }
    let withdrawn: Vec<_> = rows.iter().filter(|row| row.3 == "record_withdrawn").collect();
    assert_eq!(withdrawn.len(), 1);
    let metadata: serde_json::Value = serde_json::from_str(&withdrawn[0].4).unwrap();
    assert_eq!(metadata["record"], issued.id.to_string());
    assert_eq!(metadata["event_type"], "token_issued");
    process.audit.shutdown().await;
    assert_verified(&db).await;
}
