//! `grantor keys`, beside a ring that goes on running.

use super::{ES256, MASTER, START, TENANT, open, try_open};
use crate::support::program::{Program, Run};
use crate::support::{Engine, TestDb};
use grantor::clock::Clock;
use grantor::storage::outbox;
use serde_json::Value;

/// Runs the program on the test's databases.
fn run(program: &Program, db: &TestDb, master: &str, arguments: &[&str]) -> Run {
    let mut environment = vec![
        ("GRANTOR_DATABASE_URL", db.url.as_str()),
        ("GRANTOR_MASTER_KEY", master),
    ];
    environment.extend(
        db.audit_url
            .as_deref()
            .map(|url| ("GRANTOR_AUDIT_DATABASE_URL", url)),
    );
    program.run_with(&environment, arguments)
}

fn keys(run: &Run) -> Vec<(String, String)> {
    assert_eq!(run.code, 0, "{}", run.stderr);
    let keys: Vec<Value> = serde_json::from_str(&run.stdout).unwrap();
    let text = |key: &Value, name: &str| key[name].as_str().unwrap().to_owned();
    keys.iter()
        .map(|key| (text(key, "kid"), text(key, "state")))
        .collect()
}

on_both_engines! {
    async fn keys_are_listed_rotated_retired_and_wrapped_anew(engine: Engine) {
        let (db, program) = (TestDb::new(engine).await, Program::new());
        let clock = Clock::manual(START);
        let run = |master: &str, arguments: &[&str]| run(&program, &db, master, arguments);
        assert!(keys(&run(MASTER[0], &["keys", "list", "--json"])).is_empty(), "a command makes no keys");
        let none = run(MASTER[0], &["keys", "rotate"]);
        assert!(none.code == 1 && none.stderr.contains("first start"), "{}", none.stderr);
        let ring = open(&db, &clock, ES256).await;
        let listed = keys(&run(MASTER[0], &["keys", "list", "--json"]));
        let [(active, _), (next, _)] = listed.as_slice() else {
            panic!("{listed:?}");
        };
        let table = run(MASTER[0], &["keys", "list"]).stdout;
        assert!(table.starts_with("KID") && table.contains(active.as_str()) && table.contains("active"), "{table}");
        let rotated = keys(&run(MASTER[0], &["keys", "rotate", "--alg", "ES256", "--immediate", "--json"]));
        assert!(rotated.contains(&(next.clone(), "active".to_owned())));
        assert!(rotated.contains(&(active.clone(), "retiring".to_owned())));
        let revoked = keys(&run(MASTER[0], &["keys", "retire", active, "--now", "--json"]));
        assert_eq!(revoked.len(), 2, "{revoked:?}");
        let unknown = run(MASTER[0], &["keys", "retire", active]);
        assert!(unknown.code == 1 && unknown.stderr.contains(active.as_str()), "{}", unknown.stderr);
        assert_eq!(run(MASTER[0], &["keys", "rotate", "--alg", "HS256"]).code, 2);
        clock.advance_seconds(2);
        let seen = ring.of(TENANT).await.unwrap();
        assert_eq!(seen.signer(grantor::types::Algorithm::ES256).unwrap().kid().as_str(), next);

        let both = [MASTER[1], MASTER[0]].join(",");
        let done = run(&both, &["keys", "reseal", "--json"]);
        let done: Value = serde_json::from_str(&done.stdout).unwrap();
        assert_eq!((&done["master_key"], &done["signing_keys"]), (&"b".into(), &2.into()));
        try_open(&db, &clock, ES256, MASTER[1]).await.unwrap();
        let refused = run(MASTER[0], &["keys", "list"]);
        assert!(refused.code == 1 && refused.stderr.contains("\"b\""), "{}", refused.stderr);
        // Rotation, revocation, wrapping: each with its event, for the next server to record.
        assert_eq!(outbox::count(&db.main).await.unwrap(), 3);
    }
}
