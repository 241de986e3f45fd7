//! `grantor limits …`, shown with the program itself beside a server that counts.

use crate::support::Engine;
use crate::support::limit_store::OwnRedis;
use crate::support::process::{ADMIN_SECRET, Installation};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Runs a command to its end, which is to be good, and gives what it printed.
fn run(installation: &Installation, arguments: &str) -> String {
    let arguments: Vec<_> = arguments.split_whitespace().collect();
    let output = installation.command(&arguments).output().expect("it starts");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn code(installation: &Installation, arguments: &str) -> Option<i32> {
    let arguments: Vec<_> = arguments.split_whitespace().collect();
    let output = installation.command(&arguments).output().expect("it starts");
    output.status.code()
}

#[tokio::test]
async fn the_limits_that_hold_are_shown() {
    let installation = Installation::new(Engine::Sqlite, &[("GRANTOR_LIMIT__PER_TENANT_CAP", "70")]).await;
    let serving = installation.serve().await;
    let form = [("grant_type", "client_credentials"), ("scope", "limits:write")];
    let token = serving
        .http
        .post("/oauth2/token")
        .basic("admin", ADMIN_SECRET)
        .form(&form)
        .send()
        .await;
    let token = token.expect(200).json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let body = json!({"expensive": {"rate": 3, "period_seconds": 10}, "per_second": {"rate": 50}});
    let changed = serving
        .http
        .call(Method::PATCH, "/admin/v1/limits")
        .bearer(&token)
        .json(&body);
    changed.send().await.expect(200);
    let shown: Value = serde_json::from_str(&run(&installation, "limits show --json")).unwrap();
    assert_eq!(
        shown["expensive"],
        json!({"rate": 3, "period_seconds": 10, "burst": 3}),
        "changed while it runs"
    );
    assert_eq!(
        shown["authentication"],
        json!({"rate": 5, "period_seconds": 900, "burst": 5})
    );
    assert_eq!(
        shown["per_tenant"],
        json!({"rate": 70, "period_seconds": 1, "burst": 70})
    );
    assert_eq!(shown["per_second"]["rate"], 50, "switched on while it runs");
    assert_eq!(shown["spike"], Value::Null, "a matter of plans");
    let table = run(&installation, "limits show");
    let lines: Vec<_> = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .collect();
    assert_eq!(lines[0], ["LIMIT", "REQUESTS", "IN", "SECONDS", "AT", "ONCE"]);
    assert!(
        lines.contains(&vec!["authentication", "5", "900", "5"]),
        "{table}"
    );
}

/// Attempts at secrets are forgotten in the database, at once for people; every reset is on record.
#[tokio::test]
async fn attempts_are_forgotten() {
    let installation = Installation::new(Engine::Sqlite, &[]).await;
    let serving = installation.serve().await;
    let guess = || {
        serving
            .http
            .post("/oauth2/token")
            .basic("admin", "wrong")
            .form(&[("grant_type", "client_credentials")])
    };
    for _ in 0..5 {
        guess().send().await.expect(401);
    }
    guess().send().await.expect(429);
    assert_eq!(
        run(&installation, "limits reset --address 127.0.0.1"),
        "forgotten\n"
    );
    assert_eq!(
        run(&installation, "limits reset --address 127.0.0.1"),
        "nothing was known\n"
    );
    let started = Instant::now();
    while guess().send().await.status != 401 {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "the server learns it"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for bad in [
        "limits reset",
        "limits reset --address nowhere",
        "limits reset --client a\u{7f}b",
        "limits reset --user x",
    ] {
        assert_eq!(code(&installation, bad), Some(2), "{bad}");
    }
    run(
        &installation,
        "limits reset --client admin --user 0190a5a0-0000-7000-8000-000000000001",
    );
    let export = run(&installation, "audit export");
    let resets: Vec<&str> = export
        .lines()
        .filter(|line| line.contains("limits_reset"))
        .collect();
    assert_eq!(resets.len(), 3, "{export}");
    assert!(resets.iter().all(|line| line.contains("grantor limits reset")));
    assert!(resets.iter().any(|line| line.contains("127.0.0.1")));
    assert!(
        resets
            .iter()
            .any(|line| line.contains("client=admin user=0190a5a0-"))
    );
}

/// Requests are forgotten in the shared store: a replica that has not counted them itself lets the client pass at once.
#[tokio::test]
async fn requests_are_forgotten_in_the_shared_store() {
    let Some(redis) = OwnRedis::start() else { return };
    let url = redis.url();
    let settings = [
        ("GRANTOR_REDIS_URL", url.as_str()),
        ("GRANTOR_REDIS__TIMEOUT_MS", "5000"),
        ("GRANTOR_LIMITS__STANDARD__RATE", "3"),
        ("GRANTOR_LIMITS__STANDARD__PERIOD_SECONDS", "86400"),
    ];
    let installation = Installation::new(Engine::Sqlite, &settings).await;
    let serving = installation.serve().await;
    for n in 0..4 {
        serving
            .http
            .get("/nothing")
            .send()
            .await
            .expect(if n < 3 { 404 } else { 429 });
    }
    serving.terminate();
    let serving = installation.serve().await;
    serving.http.get("/nothing").send().await.expect(429);
    serving.terminate();
    assert_eq!(
        run(&installation, "limits reset --address 127.0.0.1"),
        "forgotten\n"
    );
    let serving = installation.serve().await;
    serving.http.get("/nothing").send().await.expect(404);
}
