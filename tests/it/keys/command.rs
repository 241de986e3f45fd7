//! `grantor keys`, beside a ring that goes on running.

use super::{ES256, MASTER, START, TENANT, open, try_open};
use crate::support::program::{Program, Run};
use crate::support::{Engine, TestDb};
use grantor::clock::Clock;
use grantor::keys::Purpose;
use grantor::storage::outbox;
use serde_json::Value;

/// Runs the program on the test's databases.
pub fn run(program: &Program, db: &TestDb, master: &str, arguments: &[&str]) -> Run {
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

    /// R-SEC-08: "Rotation on schedule and at once upon suspicion."
    async fn keys_of_the_servers_own_are_replaced_at_once(engine: Engine) {
        let (db, program) = (TestDb::new(engine).await, Program::new());
        let clock = Clock::manual(START);
        let run = |arguments: &[&str]| run(&program, &db, MASTER[0], arguments);
        let none = run(&["keys", "rotate", "--purpose", "mac"]);
        assert!(none.code == 1 && none.stderr.contains("first start"), "{}", none.stderr);
        let ring = open(&db, &clock, ES256).await;
        let before = ring.of(TENANT).await.unwrap();
        let old = before.purpose(Purpose::Mac).unwrap().id().to_owned();
        let done = run(&["keys", "rotate", "--purpose", "mac", "--immediate", "--json"]);
        let done: Value = serde_json::from_str(&done.stdout).unwrap();
        assert_eq!(done["previous_key"], *old);
        clock.advance_seconds(2);
        let after = ring.of(TENANT).await.unwrap();
        let second = after.purpose(Purpose::Mac).unwrap().id().to_owned();
        assert_eq!(done["key"], *second);
        assert!(after.purpose_by_id(Purpose::Mac, &old).is_some(), "what it made is still good");
        // On suspicion: neither that key nor the older one proves anything any more.
        let done = run(&["keys", "rotate", "--purpose", "mac", "--immediate", "--compromised"]);
        assert!(done.code == 0 && done.stdout.contains(&second), "{} {}", done.stdout, done.stderr);
        clock.advance_seconds(2);
        let last = ring.of(TENANT).await.unwrap();
        assert!(last.purpose(Purpose::Mac).is_ok());
        for gone in [&old, &second] {
            assert!(last.purpose_by_id(Purpose::Mac, gone).is_none(), "{gone}");
        }
        assert_eq!(outbox::count(&db.main).await.unwrap(), 2);
        for wrong in [&["--purpose", "pairwise"][..], &["--purpose", "mac", "--alg", "ES256"], &["--compromised"]] {
            assert_eq!(run(&[&["keys", "rotate"][..], wrong].concat()).code, 2, "{wrong:?}");
        }
    }
}
