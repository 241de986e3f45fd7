//! Recording: durable when acknowledged, once each, through outages.

use super::support::{Process, event, event_at, eventually, execute, ids, number, rows};
use crate::support::{Engine, TestDb};
use grantor::audit::{EventType, Outcome};
use grantor::clock::Clock;
use grantor::fault::FaultKind;
use grantor::storage::{counters, outbox};
use std::collections::HashSet;
use std::time::{Duration, Instant};

on_both_engines! {
    async fn what_was_recorded_together_stands_in_one_stream_without_gaps(engine: Engine) {
        let db = TestDb::new(engine).await;
        let process = Process::start(&db).await;
        let tasks: Vec<_> = (0..400)
            .map(|_| {
                let audit = process.audit.clone();
                tokio::spawn(async move {
                    let event = event(EventType::TokenIssued);
                    let id = event.id;
                    audit.record(event).await.map(|()| id)
                })
            })
            .collect();
        let mut recorded = HashSet::new();
        for task in tasks {
            recorded.insert(task.await.unwrap().unwrap());
        }
        let rows = rows(&db.audit).await;
        assert_eq!(rows.iter().map(|row| row.2).collect::<HashSet<_>>(), recorded);
        for (index, (stream, sequence, ..)) in rows.iter().enumerate() {
            assert_eq!((*stream, *sequence), (process.audit.stream(), index as i64 + 1));
        }
    }

    async fn an_event_that_comes_again_counts_as_recorded(engine: Engine) {
        let db = TestDb::new(engine).await;
        let (one, two) = (Process::start(&db).await, Process::start(&db).await);
        let repeated = event(EventType::TokenRevoked);
        one.audit.record(repeated.clone()).await.unwrap();
        // Again in the same process, in another one beside new ones, and twice in one group.
        one.audit.record(repeated.clone()).await.unwrap();
        let (a, b, c, d) = tokio::join!(
            two.audit.record(event(EventType::Login)),
            two.audit.record(repeated.clone()),
            two.audit.record(repeated.clone()),
            two.audit.record(event(EventType::Logout)),
        );
        for result in [a, b, c, d] {
            result.unwrap();
        }
        let found = ids(&db.audit).await;
        assert_eq!(found.len(), 3);
        assert_eq!(found.iter().filter(|id| **id == repeated.id).count(), 1);
    }

    async fn an_event_of_the_outbox_is_recorded_once_and_forgotten_there(engine: Engine) {
        let db = TestDb::new(engine).await;
        let process = Process::start(&db).await;
        let revoked = event(EventType::FamilyRevoked);
        process.commit_to_outbox(&revoked).await;
        assert_eq!(outbox::count(&db.main).await.unwrap(), 1);
        process.audit.deliver(revoked.clone()).await;
        assert_eq!(ids(&db.audit).await, [revoked.id]);
        eventually("the outbox is empty", async || outbox::count(&db.main).await.unwrap() == 0).await;
    }

    async fn another_replica_delivers_what_a_stopped_one_left(engine: Engine) {
        let db = TestDb::new(engine).await;
        let clock = Clock::manual(Clock::System.now());
        let process = Process::at(&db, clock.clone()).await;
        let left = event_at(EventType::UserRevoked, clock.now()).with("reason", "theft");
        process.commit_to_outbox(&left).await;
        drop(process);
        let other = Process::at(&db, clock.clone()).await;
        assert_eq!(other.audit.deliver_outbox().await.unwrap(), 0, "its own process has the first 15 s");
        clock.advance_seconds(16);
        eventually("it is delivered", async || {
            other.audit.deliver_outbox().await.unwrap();
            outbox::count(&db.main).await.unwrap() == 0
        })
        .await;
        let rows = rows(&db.audit).await;
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].2, left.id);
        assert!(rows[0].4.contains(r#""reason":"theft","occurred_at":""#), "{}", rows[0].4);
    }

    async fn an_event_that_no_release_here_knows_stays_in_the_outbox(engine: Engine) {
        let db = TestDb::new(engine).await;
        let clock = Clock::manual(Clock::System.now());
        let process = Process::at(&db, clock.clone()).await;
        let known = event_at(EventType::Logout, clock.now());
        process.commit_to_outbox(&known).await;
        process.commit_to_outbox(&event_at(EventType::Login, clock.now())).await;
        execute(&db.main, "UPDATE audit_outbox SET event = replace(event, '\"login\"', '\"from_the_future\"')")
            .await
            .unwrap();
        clock.advance_seconds(16);
        eventually("the other one is delivered", async || {
            process.audit.deliver_outbox().await.unwrap();
            ids(&db.audit).await == [known.id]
        })
        .await;
        eventually("it is forgotten", async || outbox::count(&db.main).await.unwrap() == 1).await;
    }

    async fn nothing_is_recorded_while_the_store_is_away_and_all_is_well_when_it_is_back(engine: Engine) {
        let db = TestDb::new(engine).await;
        let process = Process::start(&db).await;
        process.audit.record(event(EventType::Login)).await.unwrap();
        execute(&db.audit, "ALTER TABLE audit_events RENAME TO gone").await.unwrap();
        let (refused, taken) = (event(EventType::TokenIssued), event(EventType::TokenRevoked));
        let start = Instant::now();
        let fault = process.audit.record(refused.clone()).await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Unavailable);
        assert!(start.elapsed() < Duration::from_secs(5));
        assert!(!process.audit.is_available());
        // What takes rights away does not wait for the store, and ordinary refusals are kept.
        process.commit_to_outbox(&taken).await;
        process.audit.deliver(taken.clone()).await;
        let noted = event(EventType::AccessDenied);
        process.audit.note(noted.clone());
        tokio::time::sleep(Duration::from_millis(600)).await;
        execute(&db.audit, "ALTER TABLE gone RENAME TO audit_events").await.unwrap();
        let after = event(EventType::TokenIssued);
        eventually("the log is written again", async || process.audit.record(after.clone()).await.is_ok()).await;
        process.audit.flush().await;
        let rows = rows(&db.audit).await;
        let found: HashSet<_> = rows.iter().map(|row| row.2).collect();
        assert!(!found.contains(&refused.id), "its caller was told that it failed");
        for id in [taken.id, noted.id, after.id] {
            assert!(found.contains(&id));
        }
        let bridge = rows.iter().find(|row| row.3 == "audit_interrupted").expect("the outage is on record");
        assert!(bridge.4.contains(r#""refused_requests":1"#), "{}", bridge.4);
        assert_eq!(rows.iter().map(|row| row.1).collect::<Vec<_>>(), (1..=rows.len() as i64).collect::<Vec<_>>());
        eventually("the outbox is empty", async || outbox::count(&db.main).await.unwrap() == 0).await;
    }

    async fn one_record_that_the_store_refuses_holds_up_no_other(engine: Engine) {
        let db = TestDb::new(engine).await;
        let sql = match engine {
            Engine::Sqlite => "CREATE TRIGGER poison BEFORE INSERT ON audit_events WHEN NEW.client_id = 'poison'
                BEGIN SELECT RAISE(ABORT, 'poison'); END",
            Engine::Postgres => "ALTER TABLE audit_events ADD CHECK (client_id <> 'poison')",
        };
        execute(&db.audit, sql).await.unwrap();
        let process = Process::start(&db).await;
        for _ in 0..2 {
            let others: Vec<_> = (0..20).map(|_| event(EventType::Login)).collect();
            let bad = event(EventType::Login).client("poison");
            let results = futures_util::future::join_all(
                others.iter().chain([&bad]).chain(&others[..0]).cloned().map(|event| process.audit.record(event)),
            )
            .await;
            assert!(results[..20].iter().all(Result::is_ok));
            assert!(results[20].is_err());
            // Alone, so that nothing else shows that the store is well.
            assert!(process.audit.record(event(EventType::Login).client("poison")).await.is_err());
        }
        process.audit.note(event(EventType::Login).client("poison"));
        process.audit.flush().await;
        process.audit.record(event(EventType::Logout)).await.unwrap();
    }

    async fn an_orderly_stop_writes_what_is_queued(engine: Engine) {
        let db = TestDb::new(engine).await;
        let process = Process::start(&db).await;
        let noted: Vec<_> = (0..1500).map(|_| event(EventType::AccessDenied)).collect();
        for event in &noted {
            process.audit.note(event.clone());
        }
        process.audit.shutdown().await;
        assert_eq!(ids(&db.audit).await, noted.iter().map(|event| event.id).collect::<Vec<_>>());
        assert!(process.audit.record(event(EventType::Login)).await.is_err());
    }

    async fn refusals_beyond_the_queue_are_counted(engine: Engine) {
        let db = TestDb::new(engine).await;
        let process = Process::start(&db).await;
        // On a runtime of one thread the writer does not run meanwhile.
        for _ in 0..10_000 {
            process.audit.note(event(EventType::RateLimited));
        }
        process.audit.flush().await;
        process.audit.flush().await;
        let rows = rows(&db.audit).await;
        let singly = rows.iter().filter(|row| row.3 == "rate_limited").count();
        let counted: usize = rows
            .iter()
            .filter(|row| row.3 == "refusals_counted")
            .map(|row| {
                let metadata: serde_json::Value = serde_json::from_str(&row.4).unwrap();
                metadata["counts"]["rate_limited"].as_u64().unwrap() as usize
            })
            .sum();
        assert_eq!(singly + counted, 10_000);
        assert!(counted > 0);
    }

    async fn the_time_of_a_stream_never_goes_back(engine: Engine) {
        let db = TestDb::new(engine).await;
        let clock = Clock::manual(Clock::System.now());
        let process = Process::at(&db, clock.clone()).await;
        for seconds in [0, 3, -2, -4000, 60, 1] {
            clock.advance_seconds(seconds);
            process.audit.record(event_at(EventType::Login, clock.now())).await.unwrap();
        }
        let sql = "SELECT count(*) FROM audit_events a JOIN audit_events b
            ON a.stream = b.stream AND a.sequence = b.sequence - 1 AND a.time > b.time";
        assert_eq!(number(&db.audit, sql).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_shares_one_commit() {
    let db = TestDb::new(Engine::Sqlite).await;
    let process = Process::start(&db).await;
    process.audit.record(event(EventType::Login)).await.unwrap();
    let before = counters::commits();
    let records = (0..500).map(|_| {
        let mut event = event(EventType::Login);
        event.outcome = Outcome::Failure;
        process.audit.record(event)
    });
    futures_util::future::join_all(records).await;
    // Other tests of this process commit as well.
    assert_eq!(ids(&db.audit).await.len(), 501);
    assert!(counters::commits() - before < 450);
}
