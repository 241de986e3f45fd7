//! The management listener.

use super::{Ground, START};
use grantor::clock::Clock;
use grantor::protect::Resting;

/// The database's clock is the machine's: the server's has to be told.
fn agree(ground: &Ground) {
    let skew = Clock::System.now().seconds() - START.seconds();
    ground.clock.advance_seconds(skew);
}

#[tokio::test]
async fn readiness_tells_what_is_wrong_and_not_why() {
    let ground = Ground::new(&[]).await;
    let management = ground.management();
    management.get("/health/live").send().await.expect(200);
    // The server's clock stands where the test put it, far from the database's.
    let answer = management.get("/health/ready").send().await.expect(503);
    assert_eq!(answer.json()["checks"]["database"], "failed");
    assert_eq!(answer.json()["checks"]["keys"], "ok");
    assert!(!answer.text().contains("clock"));
    agree(&ground);
    let answer = management.get("/health/ready").send().await.expect(200);
    for check in ["database", "migrations", "audit", "keys"] {
        assert_eq!(answer.json()["checks"][check], "ok", "{check}");
    }
    let grantor::storage::Conn::Sqlite(mut conn, _) = ground.db.main.write().await.unwrap() else {
        unreachable!()
    };
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 2")
        .execute(&mut *conn)
        .await
        .unwrap();
    let answer = management.get("/health/ready").send().await.expect(503);
    assert_eq!(answer.json()["checks"]["migrations"], "failed");
}

#[tokio::test]
async fn numbers_are_for_whoever_has_the_token() {
    let token = "a-management-token-of-32-characters";
    let ground = Ground::new(&[("management_token", token)]).await;
    ground.http().get("/page").send().await.expect(200);
    let management = ground.management();
    management.get("/metrics").send().await.expect(401);
    management
        .get("/metrics")
        .bearer("wrong")
        .send()
        .await
        .expect(401);
    let numbers = management
        .get("/metrics")
        .bearer(token)
        .send()
        .await
        .expect(200)
        .text();
    let line = r#"grantor_http_requests_total{method="GET",route="/page",status="2xx"} 1"#;
    assert!(numbers.contains(line), "{numbers}");
    management.get("/health/live").send().await.expect(200);
}

#[tokio::test]
async fn the_public_listener_knows_nothing_of_it() {
    let ground = Ground::new(&[]).await;
    for path in ["/health/live", "/health/ready", "/metrics"] {
        ground.http().get(path).send().await.expect(404);
    }
    ground.management().get("/page").send().await.expect(404);
}

#[tokio::test]
async fn refusals_by_limits_are_counted() {
    let ground = Ground::new(&[("limits.standard.rate", "1")]).await;
    for _ in 0..3 {
        ground.http().get("/page").send().await;
    }
    let numbers = ground.edge.render_metrics(Resting::default());
    assert!(
        numbers.contains(r#"grantor_rate_limited_total{tier="standard"} 2"#),
        "{numbers}"
    );
}
