//! Keys that may have been seen are replaced, and whoever operates the server hears of it.

use super::{MASTER, START, TENANT, nobody, open};
use crate::support::process::{ADMIN_SECRET, Installation};
use crate::support::program::Program;
use crate::support::{Engine, TestDb};
use grantor::clock::Clock;
use grantor::keys::{KeyRing, Purpose};
use grantor::storage::{outbox, purpose_keys, signing_keys};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// The ids of all keys that are of any use.
async fn ids(db: &TestDb) -> HashSet<String> {
    let mut conn = db.main.read().await.unwrap();
    let signing = signing_keys::list(&mut conn, TENANT).await.unwrap();
    let own = purpose_keys::list(&mut conn, TENANT).await.unwrap();
    let fixed = |purpose: Purpose| !purpose.is_rotated();
    let signing = signing
        .into_iter()
        .filter(|key| key.state < grantor::keys::KeyState::Revoked);
    let signing = signing.map(|key| key.kid.to_string());
    let own = own
        .into_iter()
        .filter(|key| !fixed(key.purpose))
        .map(|key| key.id);
    signing.chain(own).collect()
}

async fn published(ring: &KeyRing) -> HashSet<String> {
    let keys = ring.of(TENANT).await.unwrap();
    let set: Value = serde_json::from_slice(&keys.jwks().body).unwrap();
    let kids = set["keys"].as_array().unwrap().iter();
    kids.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

on_both_engines! {
    /// R-SEC-08: "Rotation on schedule and at once upon suspicion": one command, after which nothing that lay in the database before
    /// signs, verifies, seals or reads any more.
    async fn r_sec_08_every_key_of_a_tenant_is_replaced_at_once(engine: Engine) {
        let (db, program) = (TestDb::new(engine).await, Program::new());
        let clock = Clock::manual(START);
        let run = |arguments: &[&str]| crate::keys::command::run(&program, &db, MASTER[0], arguments);
        let none = run(&["keys", "rotate", "--all", "--compromised"]);
        assert!(none.code == 1 && none.stderr.contains("first start"), "{}", none.stderr);
        let ring = open(&db, &clock, &[("tokens.algorithms", "ES256,RS256"), ("token.alg", "ES256")]).await;
        // One of each algorithm is retiring.
        ring.rotate(TENANT, None, true, nobody, START).await.unwrap();
        let pairwise = ring.of(TENANT).await.unwrap().purpose(Purpose::Pairwise).unwrap().id().to_owned();
        let (before, shown) = (ids(&db).await, published(&ring).await);
        let waiting = outbox::count(&db.main).await.unwrap();
        let done = run(&["keys", "rotate", "--all", "--compromised", "--json"]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        let done: Value = serde_json::from_str(&done.stdout).unwrap();
        assert_eq!(done["signing_keys"].as_array().unwrap().len(), 4, "{done}");
        let purposes: Vec<_> = done["purpose_keys"].as_array().unwrap().iter().map(|one| &one["purpose"]).collect();
        assert_eq!(purposes, [&json!("mac"), &json!("seal"), &json!("data"), &json!("enc_rsa"), &json!("enc_ec")]);
        let after = ids(&db).await;
        assert!(before.is_disjoint(&after), "{:?}", before.intersection(&after).collect::<Vec<_>>());
        clock.advance_seconds(2);
        let keys = ring.of(TENANT).await.unwrap();
        assert!(published(&ring).await.is_disjoint(&shown));
        for alg in keys.algorithms() {
            let kid = keys.signer(alg).unwrap().kid();
            assert!(keys.verifying(kid).is_some() && !before.contains(kid.as_str()));
        }
        for kid in &before {
            let kid = grantor::types::Kid::parse(kid).unwrap();
            assert!(keys.verifying_hint(&kid).is_none(), "not even a hint");
        }
        assert_eq!(keys.purpose(Purpose::Pairwise).unwrap().id(), pairwise, "nobody is another to any application");
        // Each has its record: per algorithm three, per purpose two.
        assert_eq!(outbox::count(&db.main).await.unwrap() - waiting, 2 * 3 + 5 * 2);
        for wrong in [&["--all"][..], &["--all", "--compromised", "--alg", "ES256"], &["--all", "--compromised", "--purpose", "mac"]] {
            assert_eq!(run(&[&["keys", "rotate"][..], wrong].concat()).code, 2, "{wrong:?}");
        }
    }
}

/// R-KEY-05: "alert + audit": a running server says in its log that a key counts as compromised, whether its own admin API or a command
/// beside it took the key away.
#[tokio::test]
async fn r_key_05_a_compromised_key_is_an_alert() {
    let installation = Installation::new(Engine::Sqlite, &[]).await;
    let serving = installation.serve().await;
    let alerts = |of: &str| {
        installation
            .output()
            .matches(&format!("\"alert\":\"{of}\""))
            .count()
    };
    let until = async |what: &str, of: &str, count: usize| {
        let patience = Instant::now() + Duration::from_secs(20);
        while alerts(of) < count {
            assert!(Instant::now() < patience, "{what}: {}", installation.output());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let form = [
        ("grant_type", "client_credentials"),
        ("scope", "keys:read keys:write"),
    ];
    let call = serving
        .http
        .post("/oauth2/token")
        .basic("admin", ADMIN_SECRET)
        .form(&form);
    let token = call.send().await.expect(200).json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let keys = serving
        .http
        .get("/admin/v1/keys")
        .bearer(&token)
        .send()
        .await
        .expect(200)
        .json();
    let kid = keys["items"][0]["kid"].as_str().unwrap().to_owned();
    let path = format!("/admin/v1/keys/{kid}/revoke");
    serving.http.post(&path).bearer(&token).send().await.expect(204);
    until("the API's", "key_revoked", 1).await;
    assert!(
        installation
            .output()
            .lines()
            .any(|line| line.contains("\"alert\":\"key_revoked\"") && line.contains(&kid))
    );
    let revoked = installation
        .command(&[
            "keys",
            "rotate",
            "--purpose",
            "mac",
            "--immediate",
            "--compromised",
        ])
        .output();
    assert!(revoked.unwrap().status.success());
    until("the command's", "key_rotated", 1).await;
}
