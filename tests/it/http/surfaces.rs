//! Every answer, whatever its surface and status: format, security headers, request id.

use super::{Ground, REGISTERED};
use crate::support::http::Answer;
use reqwest::Method;
use serde_json::Value;

const ID: &str = "0190a5a0-1111-4000-8000-00000000abcd";

/// The format of an error, by its content type and members.
fn format_of(answer: &Answer) -> &'static str {
    match answer.header("content-type") {
        "application/json" => {
            let body = answer.json();
            let mut members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
            members.sort_unstable();
            assert_eq!(members, ["error", "error_description"]);
            "oauth"
        }
        "application/problem+json" => {
            let body = answer.json();
            assert_eq!(body["status"], Value::from(answer.status.as_u16()));
            assert_eq!(body["instance"], answer.header("x-correlation-id"));
            for member in ["type", "title", "detail"] {
                assert!(body[member].is_string(), "{member}");
            }
            "problem"
        }
        "text/html; charset=utf-8" => {
            assert!(answer.text().contains(answer.header("x-correlation-id")));
            "page"
        }
        other => panic!("{other}: {}", answer.text()),
    }
}

#[tokio::test]
async fn an_error_has_the_format_of_its_surface() {
    let ground = Ground::new(&[]).await;
    let http = ground.http();
    let html = "text/html,application/xhtml+xml;q=0.9";
    let table = [
        (Method::GET, "/oauth2/nothing", html, 404, "oauth"),
        (Method::GET, "/admin/v1/nothing", html, 404, "problem"),
        (Method::GET, "/nothing", html, 404, "page"),
        (Method::GET, "/nothing", "*/*", 404, "problem"),
        (Method::GET, "/debug", "*/*", 404, "problem"),
        (Method::GET, "/actuator", "*/*", 404, "problem"),
        (Method::GET, "/oauth2/token", "*/*", 405, "oauth"),
        (Method::TRACE, "/oauth2/token", "*/*", 405, "oauth"),
        (Method::DELETE, "/admin/v1/things", "*/*", 405, "problem"),
        (Method::POST, "/page", "*/*", 405, "page"),
        (Method::POST, "/.well-known/document", "*/*", 405, "problem"),
        (Method::GET, "/fault/internal", "*/*", 500, "page"),
        (Method::GET, "/fault/unavailable", "*/*", 503, "page"),
        (Method::GET, "/panic", "*/*", 500, "problem"),
        // Made by an extractor of actix.
        (Method::GET, "/foreign/x", "*/*", 404, "problem"),
    ];
    for (method, path, accept, status, format) in table {
        let answer = http
            .call(method.clone(), path)
            .header("accept", accept)
            .send()
            .await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}");
        assert_eq!(format_of(&answer), format, "{method} {path}");
        for word in [
            "sqlx",
            "postgres",
            "/src/",
            "panicked",
            "canary",
            "actix",
            env!("CARGO_PKG_VERSION"),
        ] {
            assert!(!answer.text().contains(word), "{method} {path}: {word}");
        }
        match status {
            405 => assert!(answer.header("allow").ends_with("OPTIONS"), "{path}"),
            503 => assert!(answer.header("retry-after").parse::<u32>().is_ok()),
            _ => {}
        }
    }
    http.get("/page").send().await.expect(200);
}

/// R-HDR-10, -11, -14, -17, -18, R-LOG-05, R-LIM-19, -20.
#[tokio::test]
async fn every_answer_carries_the_same_headers() {
    let ground = Ground::new(&[("limits.standard.rate", "6"), ("limits.public.rate", "20")]).await;
    let http = ground.http();
    let calls = [
        (Method::GET, "/page", 200),
        (Method::GET, "/.well-known/document", 200),
        (Method::HEAD, "/.well-known/document", 200),
        (Method::OPTIONS, "/oauth2/token", 204),
        (Method::GET, "/fault/internal", 500),
        (Method::GET, "/nothing", 404),
        (Method::PUT, "/page", 405),
        (Method::POST, "/admin/v1/things", 415),
        (Method::GET, "/panic", 500),
        (Method::GET, "/page", 429),
        (Method::GET, "/oauth2/nothing", 429),
        (Method::POST, "/oauth2/token", 429),
    ];
    for (method, path, status) in calls {
        let call = http.call(method.clone(), path).header("x-correlation-id", ID);
        let answer = call.header("origin", REGISTERED).send().await;
        let what = format!("{method} {path}");
        assert_eq!(answer.status.as_u16(), status, "{what}");
        assert_eq!(answer.header("x-correlation-id"), ID, "{what}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{what}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{what}");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{what}: {policy}");
        assert!(
            !policy.contains("unsafe") && !policy.contains('*'),
            "{what}: {policy}"
        );
        assert!(!answer.header("permissions-policy").is_empty(), "{what}");
        assert!(
            !answer.header("cross-origin-resource-policy").is_empty(),
            "{what}"
        );
        assert!(answer.header("vary").contains("Origin"), "{what}");
        assert_eq!(answer.header("server"), "", "{what}");
        assert_eq!(
            answer.header("strict-transport-security"),
            "",
            "{what}: http issuer"
        );
        for name in [
            "x-ratelimit-limit",
            "x-ratelimit-remaining",
            "x-ratelimit-reset",
            "ratelimit",
            "ratelimit-policy",
        ] {
            assert!(!answer.header(name).is_empty(), "{what}: {name}");
        }
        let cached = if path.starts_with("/.well-known") {
            "public, max-age=300"
        } else {
            "no-store"
        };
        assert_eq!(answer.header("cache-control"), cached, "{what}");
    }
}

#[tokio::test]
async fn an_id_that_is_none_is_replaced() {
    let ground = Ground::new(&[]).await;
    let http = ground.http();
    let long = "a".repeat(1000);
    for bad in ["x", "{}", long.as_str()] {
        let answer = http.get("/page").header("x-correlation-id", bad).send().await;
        let id: uuid::Uuid = answer.header("x-correlation-id").parse().unwrap();
        assert_eq!(id.get_version_num(), 4);
    }
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let answer = http.get("/page").header("traceparent", trace).send().await;
    assert_eq!(
        answer.header("x-correlation-id"),
        "0af76519-16cd-43dd-8448-eb211c80319c"
    );
}

#[tokio::test]
async fn hsts_is_said_where_the_issuer_is_https() {
    let ground = Ground::new(&[("issuer", "https://id.example.com")]).await;
    let answer = ground.http().get("/nothing").send().await;
    assert_eq!(answer.header("strict-transport-security"), "max-age=31536000");
}

#[tokio::test]
async fn an_issuer_with_a_path_keeps_it_before_everything() {
    let ground = Ground::new(&[("issuer", "https://id.example.com/auth/one")]).await;
    let http = ground.http();
    // RFC 8414 §3.1: the well-known part stands between the host and the path; OIDC Discovery appends it.
    for path in [
        "/auth/one/.well-known/document",
        "/.well-known/document/auth/one",
        "/auth/one/page",
    ] {
        http.get(path).send().await.expect(200);
    }
    for path in ["/.well-known/document", "/page"] {
        http.get(path).send().await.expect(404);
    }
    let answer = http.get("/auth/one/oauth2/nothing").send().await.expect(404);
    assert_eq!(format_of(&answer), "oauth");
    let page = http
        .get("/auth/one/x")
        .header("accept", "text/html")
        .send()
        .await
        .text();
    let stylesheet = page.split('"').find(|text| text.ends_with(".css")).unwrap();
    assert!(
        stylesheet.starts_with("/auth/one/assets/grantor-"),
        "{stylesheet}"
    );
    let css = http.get(stylesheet).send().await.expect(200);
    assert_eq!(css.header("content-type"), "text/css; charset=utf-8");
    assert!(css.header("cache-control").contains("immutable"));
}
