//! `audit verify` and `audit export`, with the program itself.

use super::support::{Process, event, execute, signer};
use crate::support::program::Program;
use crate::support::{Engine, TestDb};
use grantor::audit::{Anchor, EventType, Outcome};
use grantor::clock::Clock;
use grantor::storage::outbox;
use serde_json::Value;

/// A log of four records, its anchor, and the environment that leads to it.
async fn log(engine: Engine, program: &Program) -> (TestDb, Vec<(String, String)>) {
    let db = TestDb::new(engine).await;
    let anchor = program.folder().join("anchor.jsonl");
    let process = Process::with(&db, Clock::System, Some(Anchor::file(&anchor))).await;
    for client in ["a", "b", "a"] {
        let issued = event(EventType::TokenIssued)
            .client(client)
            .family("f")
            .with("method", "oauth");
        process.audit.record(issued).await.unwrap();
    }
    let mut failed = event(EventType::Login)
        .because("wrong_password")
        .client("esc\u{1b}[2J");
    failed.outcome = Outcome::Failure;
    process.audit.record(failed).await.unwrap();
    process.audit.shutdown().await;
    let mut environment = vec![
        ("GRANTOR_DATABASE_URL".to_owned(), db.url.clone()),
        ("GRANTOR_AUDIT__ANCHOR".to_owned(), anchor.display().to_string()),
    ];
    if let Some(url) = &db.audit_url {
        environment.push(("GRANTOR_AUDIT_DATABASE_URL".to_owned(), url.clone()));
    }
    (db, environment)
}

/// Runs the program without holding up the test's runtime.
fn run(
    program: &Program,
    environment: &[(String, String)],
    arguments: &[&str],
) -> crate::support::program::Run {
    let environment: Vec<_> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    program.run_with(&environment, arguments)
}

on_both_engines! {
    async fn verify_says_whether_the_log_is_whole_and_exits_accordingly(engine: Engine) {
        let program = Program::new();
        let (db, environment) = log(engine, &program).await;
        let clean = run(&program, &environment, &["audit", "verify"]);
        assert_eq!(clean.code, 0, "{}{}", clean.stdout, clean.stderr);
        assert!(clean.stdout.starts_with("4 records in 1 streams, 1 checkpoints, 1 of the anchor compared"));
        assert!(clean.stdout.contains("complete and unchanged"));
        let fingerprint = signer().fingerprint();
        let by_key = run(&program, &environment, &["audit", "verify", "--fingerprint", &fingerprint]);
        assert_eq!(by_key.code, 0, "{}", by_key.stdout);
        assert!(by_key.stdout.contains(&fingerprint));
        let other = "0".repeat(64);
        assert_eq!(run(&program, &environment, &["audit", "verify", "--fingerprint", &other]).code, 1);
        assert_eq!(run(&program, &environment, &["audit", "verify", "--fingerprint", "x"]).code, 2);

        let disable = match engine {
            Engine::Postgres => "ALTER TABLE audit_events DISABLE TRIGGER ALL",
            Engine::Sqlite => "DROP TRIGGER audit_events_no_update",
        };
        execute(&db.audit, disable).await.unwrap();
        execute(&db.audit, "UPDATE audit_events SET client_id = 'c' WHERE sequence = 2").await.unwrap();
        let changed = run(&program, &environment, &["audit", "verify"]);
        assert_eq!(changed.code, 1);
        assert!(changed.stdout.contains("record 2"), "{}", changed.stdout);
        let document = run(&program, &environment, &["audit", "verify", "--json"]);
        assert_eq!(document.code, 1);
        let report: Value = serde_json::from_str(&document.stdout).unwrap();
        assert_eq!(report["findings"][0]["sequence"], 2);
        assert_eq!(report["records"], 4);
    }

    async fn export_prints_what_was_asked_for_and_is_itself_on_record(engine: Engine) {
        let program = Program::new();
        let (db, environment) = log(engine, &program).await;
        let all = run(&program, &environment, &["audit", "export", "--json"]);
        assert_eq!(all.code, 0, "{}", all.stderr);
        let lines: Vec<Value> = all.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0]["event_type"], "login");
        assert_eq!((&lines[0]["sequence"], &lines[3]["sequence"]), (&4.into(), &1.into()));
        assert_eq!(lines[3]["metadata"]["token_family"], "f");
        assert_eq!(lines[2]["previous_hash"], lines[3]["hash"]);
        let one = run(&program, &environment, &["audit", "export", "--client-id", "a", "--event-type", "token_issued"]);
        assert_eq!(one.stdout.lines().count(), 2);
        let failed = run(&program, &environment, &["audit", "export", "--outcome", "failure"]);
        assert!(failed.stdout.contains("wrong_password") && !failed.stdout.contains('\u{1b}'), "{}", failed.stdout);
        let none = run(&program, &environment, &["audit", "export", "--until", "2020-01-01T00:00:00Z"]);
        assert_eq!((none.code, none.stdout.as_str()), (0, ""));
        assert_eq!(run(&program, &environment, &["audit", "export", "--event-type", "nonsense"]).code, 2);
        assert_eq!(run(&program, &environment, &["audit", "export", "--since", "yesterday"]).code, 2);
        // A server delivers them.
        assert_eq!(outbox::count(&db.main).await.unwrap(), 4);
        let waiting = outbox::claim(&db.main, Clock::System.now().plus_seconds(60), 10).await.unwrap();
        assert!(waiting.iter().all(|(_, event)| event.contains(r#""event_type":"audit_read""#)), "{waiting:?}");
        assert!(waiting.iter().any(|(_, event)| event.contains(r#""filter":{"outcome":"failure"}"#)), "{waiting:?}");
    }
}
