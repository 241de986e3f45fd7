//! Verification names every change to the log by its place.

use super::support::{Process, event, execute, number, rows, signer};
use crate::support::db::new_folder;
use crate::support::{Engine, TestDb};
use grantor::audit::{Anchor, EventType, Finding, Report, Verification, fingerprint, lead};
use grantor::clock::Clock;
use grantor::storage::audit_heads;
use std::path::PathBuf;
use uuid::Uuid;

/// A log of two streams with 12 and 6 records and three checkpoints, and its anchor.
struct Log {
    db: TestDb,
    anchor: PathBuf,
    streams: [Uuid; 2],
}

impl Log {
    async fn new(engine: Engine) -> Self {
        let db = TestDb::new(engine).await;
        let folder = new_folder();
        let anchor = folder.join("anchor.jsonl");
        let one = Process::with(&db, Clock::System, Some(Anchor::file(&anchor))).await;
        let two = Process::with(&db, Clock::System, Some(Anchor::file(&anchor))).await;
        for turn in 0..6 {
            for (process, count) in [(&one, 2), (&two, 1)] {
                for _ in 0..count {
                    let issued = event(EventType::TokenIssued)
                        .client("shop")
                        .with("method", "oauth");
                    process.audit.record(issued).await.unwrap();
                }
            }
            if turn == 2 {
                assert_eq!(one.audit.checkpoint().await.unwrap(), Some(1));
                assert_eq!(two.audit.checkpoint().await.unwrap(), None);
            }
        }
        let streams = [one.audit.stream(), two.audit.stream()];
        assert_eq!(two.audit.checkpoint().await.unwrap(), Some(2));
        one.audit.record(event(EventType::Logout)).await.unwrap();
        one.audit.shutdown().await;
        two.audit.shutdown().await;
        let log = Self { db, anchor, streams };
        log.allow_changes().await;
        log
    }

    /// What an administrator of the database can do.
    async fn allow_changes(&self) {
        let statements: &[&str] = match self.db.engine() {
            Engine::Postgres => &[
                "ALTER TABLE audit_events DISABLE TRIGGER ALL",
                "ALTER TABLE audit_checkpoints DISABLE TRIGGER ALL",
            ],
            Engine::Sqlite => &[
                "DROP TRIGGER audit_events_no_update",
                "DROP TRIGGER audit_events_no_delete",
                "DROP TRIGGER audit_events_no_replace",
                "DROP TRIGGER audit_checkpoints_no_update",
                "DROP TRIGGER audit_checkpoints_no_delete",
                "DROP TRIGGER audit_checkpoints_no_replace",
            ],
        };
        for sql in statements {
            execute(&self.db.audit, sql).await.unwrap();
        }
    }

    async fn change(&self, sql: &str) {
        let changed = execute(&self.db.audit, sql).await.unwrap();
        assert!(changed > 0, "{sql} changed nothing");
    }

    /// A UUID as a literal of the engine.
    fn uuid(&self, id: Uuid) -> String {
        match self.db.engine() {
            Engine::Postgres => format!("'{id}'"),
            Engine::Sqlite => format!("X'{}'", id.simple()),
        }
    }

    /// Bytes as a literal of the engine.
    fn bytes(&self, hex: &str) -> String {
        match self.db.engine() {
            Engine::Postgres => format!("'\\x{hex}'"),
            Engine::Sqlite => format!("X'{hex}'"),
        }
    }

    fn place(&self, stream: usize, sequence: i64) -> String {
        format!(
            "stream = {} AND sequence = {sequence}",
            self.uuid(self.streams[stream])
        )
    }

    async fn verify(&self) -> Report {
        verify(&self.db, &[]).await
    }

    async fn verify_with_anchor(&self) -> Report {
        let verification = Verification {
            main: &self.db.main,
            audit: &self.db.audit,
            fingerprints: &[],
            anchor: Some(&self.anchor),
        };
        verification.run().await.unwrap()
    }

    /// Whether something like this was found at this place.
    fn found(&self, report: &Report, stream: usize, sequence: i64, says: &str) {
        let at_place = |finding: &&Finding| {
            finding.stream == Some(self.streams[stream]) && finding.sequence == Some(sequence)
        };
        assert!(
            report
                .findings
                .iter()
                .filter(at_place)
                .any(|finding| finding.problem.contains(says)),
            "{says:?} at {sequence}: {report}"
        );
    }
}

async fn verify(db: &TestDb, fingerprints: &[String]) -> Report {
    let verification = Verification {
        main: &db.main,
        audit: &db.audit,
        fingerprints,
        anchor: None,
    };
    verification.run().await.unwrap()
}

fn says(report: &Report, text: &str) {
    assert!(report.to_string().contains(text), "{text:?} in: {report}");
}

on_both_engines! {
    async fn an_untouched_log_is_clean(engine: Engine) {
        let log = Log::new(engine).await;
        for report in [log.verify().await, log.verify_with_anchor().await] {
            assert!(report.is_clean(), "{report}");
            assert_eq!((report.streams, report.records, report.checkpoints), (2, 19, 3));
            assert_eq!(report.fingerprints, [signer().fingerprint()]);
        }
        assert_eq!(log.verify_with_anchor().await.anchored, 3);
        assert!(verify(&log.db, &[signer().fingerprint().to_uppercase()]).await.is_clean());
    }

    async fn a_changed_member_is_named(engine: Engine) {
        for change in [
            "outcome = 'failure'",
            "client_id = 'shoq'",
            "client_id = NULL",
            "user_id = 'somebody'",
            "metadata = replace(metadata, 'oauth', 'oauti')",
            "event_type = 'token_issue'",
            "request_id = ''",
        ] {
            let log = Log::new(engine).await;
            log.change(&format!("UPDATE audit_events SET {change} WHERE {}", log.place(0, 5))).await;
            let report = log.verify().await;
            assert_eq!(report.findings.len(), 1, "{change}: {report}");
            log.found(&report, 0, 5, "does not match its hash");
            assert!(report.findings[0].event.is_some() && report.findings[0].time.is_some());
        }
    }

    async fn a_changed_hash_is_named(engine: Engine) {
        let log = Log::new(engine).await;
        let zeros = log.bytes(&"00".repeat(32));
        log.change(&format!("UPDATE audit_events SET hash = {zeros} WHERE {}", log.place(1, 2))).await;
        let report = log.verify().await;
        log.found(&report, 1, 2, "does not match its hash");
        log.found(&report, 1, 3, "does not follow");
    }

    async fn a_removed_record_is_named(engine: Engine) {
        let log = Log::new(engine).await;
        log.change(&format!("DELETE FROM audit_events WHERE {}", log.place(0, 4))).await;
        let report = log.verify().await;
        assert_eq!(report.findings.len(), 1, "{report}");
        log.found(&report, 0, 4, "it is missing");
        log.change(&format!("DELETE FROM audit_events WHERE {}", log.place(0, 5))).await;
        log.change(&format!("DELETE FROM audit_events WHERE {}", log.place(0, 1))).await;
        let report = log.verify().await;
        log.found(&report, 0, 4, "it and those up to 5 are missing");
        log.found(&report, 0, 1, "it is missing");
    }

    async fn two_swapped_records_are_named(engine: Engine) {
        let log = Log::new(engine).await;
        for (from, to) in [(3, 999), (8, 3), (999, 8)] {
            let place = log.place(0, from);
            log.change(&format!("UPDATE audit_events SET sequence = {to} WHERE {place}")).await;
        }
        let report = log.verify().await;
        for sequence in [3, 8] {
            log.found(&report, 0, sequence, "does not match its hash");
        }
    }

    async fn a_cut_end_is_named(engine: Engine) {
        let log = Log::new(engine).await;
        let stream = log.uuid(log.streams[0]);
        log.change(&format!("DELETE FROM audit_events WHERE stream = {stream} AND sequence > 7")).await;
        let report = log.verify().await;
        assert_eq!(report.findings.len(), 1, "{report}");
        assert_eq!(report.findings[0].stream, Some(log.streams[0]));
        says(&report, "its end was cut");
        says(&report, "record 13, but the last one is 7");
        // The checkpoints cut as well: the main database still knows.
        log.change("DELETE FROM audit_checkpoints WHERE number > 1").await;
        let report = log.verify().await;
        says(&report, "its end was cut: the main database has noted record 13");
        says(&report, "checkpoint 2: it and those up to 3 are missing");
        // The main database forged too: the anchor still knows.
        execute(&log.db.main, "DELETE FROM audit_heads").await.unwrap();
        assert!(log.verify().await.is_clean());
        let report = log.verify_with_anchor().await;
        says(&report, "checkpoint 2: it is in the anchor but not in the audit store");
        says(&report, "its end was cut: checkpoint 3 of the anchor covers record 13");
    }

    async fn a_missing_stream_is_named(engine: Engine) {
        let log = Log::new(engine).await;
        let stream = log.uuid(log.streams[1]);
        log.change(&format!("DELETE FROM audit_events WHERE stream = {stream}")).await;
        let report = log.verify().await;
        assert_eq!(report.findings.len(), 1, "{report}");
        assert_eq!(report.findings[0].stream, Some(log.streams[1]));
        says(&report, "the stream is missing");
    }

    async fn an_emptied_store_is_found(engine: Engine) {
        let log = Log::new(engine).await;
        log.change("DELETE FROM audit_events").await;
        log.change("DELETE FROM audit_checkpoints").await;
        let report = log.verify().await;
        assert_eq!(report.findings.len(), 3, "{report}");
        says(&report, "checkpoint 1: it and those up to 3 are missing");
    }

    async fn a_stream_that_was_rewritten_whole_is_found(engine: Engine) {
        let log = Log::new(engine).await;
        // Another stream's records, moved with valid hashes, cannot stand in for it: the hash covers the stream. So the
        // forger computes all hashes anew. A process does that for us, under the name of the old stream.
        let stream = log.uuid(log.streams[1]);
        log.change(&format!("DELETE FROM audit_events WHERE stream = {stream}")).await;
        let forger = Process::start(&log.db).await;
        for _ in 0..6 {
            forger.audit.record(event(EventType::Login)).await.unwrap();
        }
        let forged = log.uuid(forger.audit.stream());
        log.change(&format!("UPDATE audit_events SET stream = {stream} WHERE stream = {forged}")).await;
        let report = log.verify().await;
        log.found(&report, 1, 3, "checkpoint 1 covers it with another hash");
        log.found(&report, 1, 6, "the main database has noted it with another hash");
        log.found(&report, 1, 1, "does not match its hash");
    }

    async fn an_altered_checkpoint_is_named(engine: Engine) {
        for change in [
            "heads = replace(heads, '\"sequence\":6', '\"sequence\":5')",
            "heads = '[]'",
            "number = 7",
            "key_id = 'other'",
        ] {
            let log = Log::new(engine).await;
            log.change(&format!("UPDATE audit_checkpoints SET {change} WHERE number = 1")).await;
            let report = log.verify().await;
            assert!(!report.is_clean(), "{change}: {report}");
            let place = if change == "number = 7" { 7 } else { 1 };
            assert!(report.findings.iter().any(|finding| finding.checkpoint == Some(place)), "{change}: {report}");
            assert!(!log.verify_with_anchor().await.is_clean());
        }
        let log = Log::new(engine).await;
        log.change("DELETE FROM audit_checkpoints WHERE number = 2").await;
        says(&log.verify().await, "checkpoint 2: it is missing");
    }

    async fn a_checkpoint_of_another_key_is_not_trusted(engine: Engine) {
        let log = Log::new(engine).await;
        let other = fingerprint(&[7; 32]);
        let report = verify(&log.db, &[other]).await;
        assert_eq!(report.findings.len(), 3, "{report}");
        says(&report, "signed with a key that is not trusted");
        execute(&log.db.main, "DELETE FROM audit_signers").await.unwrap();
        assert_eq!(log.verify().await.findings.len(), 3);
        assert!(verify(&log.db, &[signer().fingerprint()]).await.is_clean());
    }

    async fn a_record_that_cannot_be_read_hides_no_other(engine: Engine) {
        let log = Log::new(engine).await;
        if engine == Engine::Sqlite {
            log.change(&format!("UPDATE audit_events SET tenant_id = 'text' WHERE {}", log.place(0, 2))).await;
            log.change(&format!("UPDATE audit_events SET time = 'later' WHERE {}", log.place(0, 4))).await;
        } else {
            log.change(&format!("UPDATE audit_events SET time = 'infinity' WHERE {}", log.place(0, 2))).await;
            log.change(&format!("UPDATE audit_events SET time = '-infinity' WHERE {}", log.place(0, 4))).await;
        }
        log.change(&format!("UPDATE audit_events SET ip = 'x' WHERE {}", log.place(0, 9))).await;
        let report = log.verify().await;
        log.found(&report, 0, 2, "it was changed");
        log.found(&report, 0, 4, "it was changed");
        log.found(&report, 0, 9, "does not match its hash");
        assert_eq!(report.records, 19);
    }

    async fn a_torn_line_of_the_anchor_is_no_finding(engine: Engine) {
        let log = Log::new(engine).await;
        let lines = std::fs::read_to_string(&log.anchor).unwrap();
        std::fs::write(&log.anchor, format!("{lines}{}", &lines[..40])).unwrap();
        let report = log.verify_with_anchor().await;
        assert!(report.is_clean(), "{report}");
        assert_eq!((report.anchored, report.torn_anchor_lines), (3, 1));
    }

    async fn verification_beside_a_busy_writer_finds_nothing(engine: Engine) {
        let db = TestDb::new(engine).await;
        let process = Process::start(&db).await;
        let audit = process.audit.clone();
        let writing = tokio::spawn(async move {
            for turn in 0..200 {
                audit.record(event(EventType::Login)).await.unwrap();
                if turn % 20 == 0 {
                    audit.checkpoint().await.unwrap();
                }
            }
        });
        for _ in 0..10 {
            let report = verify(&db, &[]).await;
            assert!(report.is_clean(), "{report}");
        }
        writing.await.unwrap();
        process.audit.shutdown().await;
        assert!(verify(&db, &[]).await.is_clean());
    }

    async fn replicas_share_one_chain_of_checkpoints(engine: Engine) {
        let db = TestDb::new(engine).await;
        let processes = [Process::start(&db).await, Process::start(&db).await, Process::start(&db).await];
        for _ in 0..10 {
            let turns = processes.iter().map(|process| async {
                process.audit.record(event(EventType::Login)).await.unwrap();
                process.audit.checkpoint().await.unwrap();
            });
            futures_util::future::join_all(turns).await;
        }
        for process in &processes {
            process.audit.shutdown().await;
        }
        let report = verify(&db, &[]).await;
        assert!(report.is_clean(), "{report}");
        assert!(report.checkpoints >= 10);
        // Nothing new, nothing to sign.
        let last = number(&db.audit, "SELECT max(number) FROM audit_checkpoints").await;
        let late = Process::start(&db).await;
        let made = late.audit.checkpoint().await.unwrap();
        assert!(made.is_none(), "{made:?} after {last}");
    }

    async fn the_lead_over_a_restored_main_database_is_seen(engine: Engine) {
        let db = TestDb::new(engine).await;
        let process = Process::start(&db).await;
        assert!(!lead(&db.main, &db.audit).await.unwrap().looks_restored());
        for _ in 0..3 {
            process.audit.record(event(EventType::Login)).await.unwrap();
        }
        process.audit.shutdown().await;
        assert_eq!(lead(&db.main, &db.audit).await.unwrap().records, 0);
        execute(&db.main, "DELETE FROM audit_heads").await.unwrap();
        audit_heads::note(&db.main, process.audit.stream(), 1, &[0; 32], Clock::System.now().plus_seconds(-700))
            .await
            .unwrap();
        let found = lead(&db.main, &db.audit).await.unwrap();
        assert_eq!(found.records, 2);
        assert!((690..=720).contains(&found.seconds), "{found:?}");
        assert_eq!(rows(&db.audit).await.len(), 3);
    }
}
