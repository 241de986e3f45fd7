//! Rate limits as a caller sees them.

use super::{Ground, START};
use crate::support::http::{Answer, Http};
use crate::support::{Engine, TestApp};

const USER: &str = "0190a5a0-0000-7000-8000-000000000001";

async fn things(http: &Http, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut call = http.get(path);
    for (name, value) in headers {
        call = call.header(name, value);
    }
    call.send().await
}

/// R-LIM-01, -19, -20, -21.
#[tokio::test]
async fn a_client_has_its_own_limit_once_it_is_authenticated() {
    let ground = Ground::new(&[("limits.standard.rate", "5")]).await;
    let http = ground.http();
    for remaining in (0..5).rev() {
        let answer = things(&http, "/admin/v1/things", &[("x-client", "one")])
            .await
            .expect(200);
        assert_eq!(answer.header("x-ratelimit-limit"), "5");
        assert_eq!(answer.header("x-ratelimit-remaining"), remaining.to_string());
        assert_eq!(answer.header("ratelimit-policy"), "\"standard\";q=5;w=60");
        let reset: i64 = answer.header("x-ratelimit-reset").parse().unwrap();
        let t = reset - START.seconds();
        assert_eq!(
            answer.header("ratelimit"),
            format!("\"standard\";r={remaining};t={t}")
        );
    }
    let refused = things(&http, "/admin/v1/things", &[("x-client", "one")])
        .await
        .expect(429);
    assert_eq!(refused.header("x-ratelimit-remaining"), "0");
    assert_eq!(refused.header("retry-after"), "12");
    let other = things(&http, "/admin/v1/things", &[("x-client", "two")])
        .await
        .expect(200);
    assert_eq!(
        other.header("x-ratelimit-remaining"),
        "4",
        "the address did not pay for the first client"
    );
    ground.clock.advance_seconds(12);
    things(&http, "/admin/v1/things", &[("x-client", "one")])
        .await
        .expect(200);
}

/// contract.md: "Calls without credentials fall under STANDARD by address. Before a client is authenticated only its
/// address counts, never the client_id that it names."
#[tokio::test]
async fn whoever_has_not_said_who_it_is_counts_by_address() {
    let ground = Ground::new(&[("limits.standard.rate", "3")]).await;
    let http = ground.http();
    for _ in 0..3 {
        http.get("/admin/v1/things").send().await.expect(200);
    }
    for path in ["/admin/v1/things", "/page", "/nothing", "/oauth2/nothing"] {
        http.get(path).send().await.expect(429);
    }
    let elsewhere = Http::from_address(
        &format!("http://{}", ground.running.address),
        "127.0.0.2".parse().unwrap(),
    );
    elsewhere.get("/page").send().await.expect(200);
    http.get("/.well-known/document").send().await.expect(200);
}

#[tokio::test]
async fn public_documents_have_a_limit_of_their_own() {
    let ground = Ground::new(&[("limits.public.rate", "2")]).await;
    let http = ground.http();
    http.get("/.well-known/document").send().await.expect(200);
    let answer = http.get("/.well-known/document").send().await.expect(200);
    assert_eq!(answer.header("ratelimit-policy"), "\"public\";q=2;w=60");
    let refused = http.get("/.well-known/document").send().await.expect(429);
    assert_eq!(refused.json()["title"], "Too many requests");
    http.get("/page").send().await.expect(200);
}

/// R-LIM-11: all layers count together, the tightest decides and is shown.
#[tokio::test]
async fn the_tightest_of_all_layers_decides_and_is_shown() {
    let ground = Ground::new(&[
        ("limits.expensive.rate", "2"),
        ("limits.sensitive.rate", "3"),
        ("limits.per_user.rate", "40"),
    ])
    .await;
    let http = ground.http();
    let one = [("x-client", "one")];
    let answer = things(&http, "/admin/v1/export", &one).await.expect(200);
    assert_eq!(answer.header("ratelimit-policy"), "\"expensive\";q=2;w=60");
    things(&http, "/admin/v1/export", &one).await.expect(200);
    things(&http, "/admin/v1/export", &one).await.expect(429);
    things(&http, "/admin/v1/export", &[("x-client", "two")])
        .await
        .expect(200);
    // Sensitive operations are counted apart from each other, for each caller.
    for _ in 0..3 {
        things(&http, "/admin/v1/rotate", &one).await.expect(200);
    }
    things(&http, "/admin/v1/rotate", &one).await.expect(429);
    things(&http, "/admin/v1/reset", &one).await.expect(200);
    // A user is counted over all clients.
    let answer = things(
        &http,
        "/admin/v1/things",
        &[("x-client", "three"), ("x-user", USER)],
    )
    .await;
    assert_eq!(answer.header("ratelimit-policy"), "\"per_user\";q=40;w=60");
    let answer = things(
        &http,
        "/admin/v1/things",
        &[("x-client", "four"), ("x-user", USER)],
    )
    .await;
    assert_eq!(answer.header("x-ratelimit-remaining"), "38");
}

#[tokio::test]
async fn all_together_have_a_limit() {
    let ground = Ground::new(&[("limits.global.rate", "4")]).await;
    let http = ground.http();
    for client in ["a", "b", "c", "d"] {
        things(&http, "/admin/v1/things", &[("x-client", client)])
            .await
            .expect(200);
    }
    let refused = things(&http, "/admin/v1/things", &[("x-client", "e")])
        .await
        .expect(429);
    assert_eq!(refused.header("ratelimit-policy"), "\"global\";q=4;w=1");
    ground.clock.advance_seconds(1);
    things(&http, "/admin/v1/things", &[("x-client", "e")])
        .await
        .expect(200);
}

/// R-LIM-32.
#[tokio::test]
async fn forwarding_headers_count_from_trusted_proxies_only() {
    let ground = Ground::new(&[("limits.standard.rate", "1")]).await;
    let http = ground.http();
    http.get("/page")
        .header("x-forwarded-for", "9.9.9.1")
        .send()
        .await
        .expect(200);
    http.get("/page")
        .header("x-forwarded-for", "9.9.9.2")
        .send()
        .await
        .expect(429);

    let ground = Ground::new(&[("limits.standard.rate", "1"), ("trusted_proxies", "127.0.0.0/8")]).await;
    let http = ground.http();
    http.get("/page")
        .header("x-forwarded-for", "9.9.9.1")
        .send()
        .await
        .expect(200);
    http.get("/page")
        .header("x-forwarded-for", "9.9.9.2")
        .send()
        .await
        .expect(200);
    http.get("/page")
        .header("x-forwarded-for", "9.9.9.3, 9.9.9.2")
        .send()
        .await
        .expect(429);
    let ipv6 = |last: &str| format!("for=\"[2001:db8:1:2::{last}]\"");
    http.get("/page")
        .header("forwarded", &ipv6("1"))
        .send()
        .await
        .expect(200);
    http.get("/page")
        .header("forwarded", &ipv6("2"))
        .send()
        .await
        .expect(429);
}

/// R-LIM-23: the audit log learns of a caller at its limit, not of every single request.
#[tokio::test]
async fn r_lim_23_the_audit_log_is_told_once() {
    let app = TestApp::spawn_with(
        Engine::Sqlite,
        &[("limits.standard.rate", "2"), ("limits.standard.burst", "2")],
    )
    .await;
    for _ in 0..5 {
        app.http.get("/nothing").send().await;
    }
    let events = app.audit_log().await;
    let limited: Vec<_> = events
        .iter()
        .filter(|event| event.event_type == "rate_limited")
        .collect();
    assert_eq!(limited.len(), 1);
    assert_eq!(limited[0].meta("limit"), "standard");
    assert_eq!(limited[0].outcome, "failure");
}
