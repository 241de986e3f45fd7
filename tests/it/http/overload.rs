//! More than can be worked on at once: refused in time, and what others depend on goes on.

use super::Ground;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The least that can be set,
const MOST: usize = 16;
/// and what one surface may have of it.
const HALF: usize = 8;

async fn ground() -> Ground {
    Ground::new(&[("http.max_in_flight", "16")]).await
}

/// Waits until the numbers for the operator hold this line.
async fn until(ground: &Ground, line: &str) {
    let management = ground.management();
    for _ in 0..1000 {
        let numbers = management.get("/metrics").send().await.text();
        if numbers.lines().any(|own| own == line) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {line}");
}

/// R-LIM-28: "503 with `Retry-After` at once"; the other surfaces, metadata, keys and health are answered all the same.
#[tokio::test]
async fn what_is_too_much_is_refused_while_everything_else_goes_on() {
    let ground = ground().await;
    let slow: Vec<_> = (0..HALF)
        .map(|_| {
            let http = ground.http();
            tokio::spawn(async move { http.get("/slow").send().await })
        })
        .collect();
    until(&ground, "grantor_http_requests_working 8").await;
    let http = ground.http();
    let answer = http.get("/admin/v1/things").send().await.expect(503);
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let token = http.post("/oauth2/token").form(&[("a", "b")]);
    token.send().await.expect(200);
    let page = http.get("/page").header("accept", "text/html");
    page.send().await.expect(200);
    http.get("/.well-known/document").send().await.expect(200);
    ground.management().get("/health/live").send().await.expect(200);
    for slow in slow {
        slow.await.unwrap().expect(200);
    }
    http.get("/admin/v1/things").send().await.expect(200);
    let numbers = ground.management().get("/metrics").send().await.text();
    assert!(
        numbers.contains("grantor_http_requests_shed_total 1"),
        "{numbers}"
    );
}

/// Thousands who send a byte a second must not keep out those who do not.
#[tokio::test]
async fn who_sends_a_body_slowly_takes_nobodys_place() {
    let ground = ground().await;
    let mut waiting = Vec::new();
    for _ in 0..3 * MOST {
        let mut stream = ground.connect().await;
        let head = "POST /oauth2/token HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
            Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na";
        stream.write_all(head.as_bytes()).await.unwrap();
        waiting.push(stream);
    }
    until(&ground, "grantor_http_requests_in_flight 48").await;
    until(&ground, "grantor_http_requests_working 0").await;
    ground.http().get("/admin/v1/things").send().await.expect(200);
    for mut stream in waiting {
        stream.write_all(b"=b").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
    until(&ground, "grantor_http_requests_working 0").await;
}

/// R-LIM-37: "connection caps". Who comes later waits in the system's queue, and is served when somebody leaves.
#[tokio::test]
async fn no_more_connections_are_served_than_may_be_at_once() {
    let ground = Ground::new(&[("http.max_connections", "100")]).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(ground.connect().await);
    }
    let mut late = ground.connect().await;
    let request = "GET /.well-known/document HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    late.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let while_full = tokio::time::timeout(Duration::from_millis(500), late.read_to_string(&mut answer)).await;
    assert!(while_full.is_err(), "{answer}");
    silent.clear();
    late.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}
