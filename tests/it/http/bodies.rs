//! Bodies that are too large, too slow, of the wrong kind or not what they say.

use super::{Ground, read_to_end};
use crate::support::http::Answer;
use reqwest::Method;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn detail(answer: &Answer) -> String {
    let body = answer.json();
    let member = if body["error"].is_string() {
        "error_description"
    } else {
        "detail"
    };
    body[member].as_str().unwrap().to_owned()
}

/// R-VAL-17.
#[tokio::test]
async fn r_val_17_only_the_expected_content_type_is_taken() {
    let ground = Ground::new(&[]).await;
    let http = ground.http();
    for kind in [
        "text/plain",
        "application/xml",
        "application/json",
        "multipart/form-data; boundary=x",
    ] {
        let answer = http
            .post("/oauth2/token")
            .body(kind, "a=b")
            .send()
            .await
            .expect(415);
        assert_eq!(answer.json()["error"], "invalid_request");
        assert!(detail(&answer).contains("application/x-www-form-urlencoded"));
    }
    http.post("/oauth2/token").send().await.expect(415);
    for kind in [
        "text/json",
        "application/x-www-form-urlencoded",
        "application/merge-patch+json",
    ] {
        http.post("/admin/v1/things")
            .body(kind, "{}")
            .send()
            .await
            .expect(415);
    }
    http.post("/admin/v1/things")
        .body("Application/JSON; charset=utf-8", "{}")
        .send()
        .await
        .expect(200);
    let patch = |kind| {
        http.call(Method::PATCH, "/admin/v1/things/1")
            .body(kind, "{}")
            .send()
    };
    patch("application/merge-patch+json").await.expect(200);
    patch("application/json").await.expect(200);
    patch("application/json-patch+json").await.expect(415);
}

/// R-VAL-18, -44.
#[tokio::test]
async fn r_val_18_a_body_is_bounded_with_a_length_and_in_chunks() {
    let ground = Ground::new(&[]).await;
    let http = ground.http();
    let form = |length: usize| {
        let body = format!("a={}", "x".repeat(length - 2));
        http.post("/oauth2/token")
            .body("application/x-www-form-urlencoded", body)
            .send()
    };
    form(65_536).await.expect(200);
    let refused = form(65_537).await.expect(413);
    assert_eq!(refused.json()["error"], "invalid_request");
    let json = |length: usize| {
        let body = format!("\"{}\"", "x".repeat(length - 2));
        http.post("/admin/v1/things")
            .body("application/json", body)
            .send()
    };
    json(1 << 20).await.expect(200);
    json((1 << 20) + 1).await.expect(413);
    // In chunks, without a length.
    let mut request =
        b"POST /oauth2/token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\
        Content-Type: application/x-www-form-urlencoded\r\n\r\n"
            .to_vec();
    for _ in 0..20 {
        request.extend_from_slice(b"1000\r\n");
        request.extend_from_slice(&[b'x'; 0x1000]);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    let answer = ground.exchange(&request).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\"error\":\"invalid_request\""), "{answer}");
    http.get("/page").send().await.expect(200);
}

/// A body in chunks that never ends: refused at its bound, and the rest is not read for ever.
#[tokio::test]
async fn a_body_without_end_is_not_read_to_its_end() {
    let ground = Ground::new(&[]).await;
    let (mut reading, mut writing) = ground.connect().await.into_split();
    let head = "POST /oauth2/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\
        Content-Type: application/x-www-form-urlencoded\r\n\r\n";
    writing.write_all(head.as_bytes()).await.unwrap();
    let sender = tokio::spawn(async move {
        let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
        while writing.write_all(chunk.as_bytes()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let mut answer = Vec::new();
    let ended = reading.read_to_end(&mut answer);
    // A reset is an end too.
    let _ = tokio::time::timeout(Duration::from_secs(20), ended)
        .await
        .expect("the connection is closed");
    sender.abort();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn compressed_bodies_are_refused() {
    let ground = Ground::new(&[]).await;
    for encoding in ["gzip", "br", "deflate", "gzip, identity"] {
        let call = ground.http();
        let call = call
            .post("/admin/v1/things")
            .json(&serde_json::json!({}))
            .header("content-encoding", encoding);
        let answer = call.send().await.expect(415);
        assert!(detail(&answer).contains("Content-Encoding"));
    }
}

/// RFC 6749 §3.2: "Request and response parameters MUST NOT be included more than once."
#[tokio::test]
async fn rfc6749_s3_2_a_repeated_parameter_is_named() {
    let ground = Ground::new(&[]).await;
    let http = ground.http();
    let post = |body: &'static str| {
        http.post("/oauth2/token")
            .body("application/x-www-form-urlencoded", body)
            .send()
    };
    let refused = post("client_id=a&client_id=a").await.expect(400);
    assert_eq!(detail(&refused), "The parameter client_id must not be repeated.");
    post("resource=a&resource=b&foo=1").await.expect(200);
    for bad in ["a=%ff", "a=%0", "a=%00", "%zz=1"] {
        assert_eq!(
            post(bad).await.expect(400).json()["error"],
            "invalid_request",
            "{bad}"
        );
    }
    let in_url = http
        .post("/oauth2/token?client_secret=canary")
        .form(&[])
        .send()
        .await
        .expect(400);
    assert!(!in_url.text().contains("canary"));
}

#[tokio::test]
async fn json_that_has_two_meanings_or_is_too_deep_is_refused_with_its_place() {
    let ground = Ground::new(&[]).await;
    let http = ground.http();
    let post = |body: String| {
        http.post("/admin/v1/things")
            .body("application/json", body)
            .send()
    };
    let refused = post(r#"{"a":{"b":1,"b":2}}"#.to_owned()).await.expect(400);
    assert_eq!(refused.json()["errors"][0]["pointer"], "/a/b");
    let refused = post("{\"a\":\"\\u0000\"}".to_owned()).await.expect(400);
    assert_eq!(refused.json()["errors"][0]["pointer"], "/a");
    post(format!("{}{}", "[".repeat(32), "]".repeat(32)))
        .await
        .expect(200);
    post(format!("{}{}", "[".repeat(33), "]".repeat(33)))
        .await
        .expect(400);
    post("[".repeat(10_000)).await.expect(400);
    for bad in ["", "{", "{}x", "\u{feff}{}"] {
        assert!(detail(&post(bad.to_owned()).await.expect(400)).contains("not valid JSON"));
    }
}

/// R-LIM-37.
#[tokio::test]
async fn r_lim_37_a_body_that_does_not_come_is_given_up() {
    let ground = Ground::new(&[("http.body_timeout_s", "1")]).await;
    let mut stream = ground.connect().await;
    let head = "POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\
        Content-Type: application/x-www-form-urlencoded\r\n\r\na=";
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"error\":\"invalid_request\""), "{answer}");
}

#[tokio::test]
async fn a_body_that_ends_early_does_no_harm() {
    let ground = Ground::new(&[]).await;
    let mut stream = ground.connect().await;
    let head = "POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\
        Content-Type: application/x-www-form-urlencoded\r\n\r\na=b";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 400 "),
        "{answer}"
    );
    ground.http().get("/page").send().await.expect(200);
}
