//! The database itself refuses to change what is recorded.

use super::support::{Process, event, execute, rows};
use crate::support::{Engine, TestDb};
use grantor::audit::EventType;

on_both_engines! {
    async fn a_record_cannot_be_changed_removed_or_replaced(engine: Engine) {
        let db = TestDb::new(engine).await;
        let process = Process::start(&db).await;
        process.audit.record(event(EventType::Login)).await.unwrap();
        let before = rows(&db.audit).await;
        let mut attempts = vec![
            "UPDATE audit_events SET outcome = 'failure'",
            "UPDATE audit_events SET outcome = outcome WHERE sequence = 99",
            "DELETE FROM audit_events",
            "INSERT INTO audit_events SELECT * FROM audit_events WHERE TRUE ON CONFLICT (id) DO UPDATE SET outcome = 'failure'",
            "UPDATE audit_checkpoints SET number = 7",
            "DELETE FROM audit_checkpoints",
        ];
        match engine {
            Engine::Postgres => attempts.extend(["TRUNCATE audit_events", "TRUNCATE audit_events, audit_checkpoints"]),
            Engine::Sqlite => attempts.extend([
                "INSERT OR REPLACE INTO audit_events SELECT * FROM audit_events",
                "REPLACE INTO audit_events SELECT stream, sequence + 1, id, time, event_type, outcome, tenant_id, client_id,
                    user_id, ip, user_agent, request_id, token_family, metadata, previous_hash, hash FROM audit_events",
            ]),
        }
        for sql in attempts {
            let is_statement_on_rows = engine == Engine::Sqlite
                && (sql.contains("sequence = 99") || sql.contains("audit_checkpoints"));
            // SQLite fires for rows only; without one there is nothing to refuse.
            match execute(&db.audit, sql).await {
                Err(error) => assert!(error.contains("append-only"), "{sql}: {error}"),
                Ok(changed) => assert!(is_statement_on_rows && changed == 0, "{sql} changed {changed}"),
            }
        }
        assert_eq!(rows(&db.audit).await, before);
    }
}
