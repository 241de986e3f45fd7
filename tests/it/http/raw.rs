//! What is no request: refused in our format, in bounded time and memory, and the server lives.

use super::{Ground, read_to_end};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The status, the lower-cased head and the body.
fn parts(answer: &str) -> (u16, String, String) {
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("{answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_ascii_lowercase(), body.to_owned())
}

/// RFC 9112 §3.2, §6.3: exactly one Host, one way to frame the body.
#[tokio::test]
async fn rfc9112_s6_3_what_can_be_framed_in_two_ways_is_refused() {
    let ground = Ground::new(&[]).await;
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let table = [
        ("no Host", "GET /oauth2/x HTTP/1.1\r\n\r\n".to_owned()),
        (
            "two Hosts",
            "GET /oauth2/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(),
        ),
        (
            "two lengths",
            format!(
                "POST /oauth2/token HTTP/1.1\r\nHost: a\r\n{form}Content-Length: 3\r\nContent-Length: 4\r\n\r\na=b"
            ),
        ),
        (
            "length and chunks",
            format!(
                "POST /oauth2/token HTTP/1.1\r\nHost: a\r\n{form}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            ),
        ),
        (
            "chunks not last",
            format!(
                "POST /oauth2/token HTTP/1.1\r\nHost: a\r\n{form}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"
            ),
        ),
        (
            "two encodings",
            format!(
                "POST /oauth2/token HTTP/1.1\r\nHost: a\r\n{form}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"
            ),
        ),
        (
            "signed length",
            format!("POST /oauth2/token HTTP/1.1\r\nHost: a\r\n{form}Content-Length: +3\r\n\r\na=b"),
        ),
        (
            "space before colon",
            "GET /oauth2/x HTTP/1.1\r\nHost : a\r\n\r\n".to_owned(),
        ),
        (
            "NUL in a header",
            "GET /oauth2/x HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n".to_owned(),
        ),
        (
            "folded header",
            "GET /oauth2/x HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n".to_owned(),
        ),
    ];
    for (what, request) in table {
        let (status, head, body) = parts(&ground.exchange(request.as_bytes()).await);
        assert_eq!(status, 400, "{what}");
        assert!(
            head.contains("x-correlation-id: ") && head.contains("x-frame-options: deny"),
            "{what}: {head}"
        );
        assert!(head.contains("connection: close"), "{what}");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["error"], "invalid_request", "{what}");
    }
    for junk in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"SSH-2.0-x\r\n",
        b"\0\0\0\0\r\n\r\n",
    ] {
        let (status, head, _) = parts(&ground.exchange(junk).await);
        assert_eq!(status, 400);
        assert!(head.contains("application/problem+json"), "{head}");
    }
    ground.http().get("/page").send().await.expect(200);
}

/// The answer to what the server does not read to its end. RFC 9112 §9.6: a connection that is closed while bytes are still
/// coming may be reset, and the client's system then throws away what it has received, so that it has to ask again.
async fn told(ground: &Ground, request: &[u8]) -> (u16, String, String) {
    let mut last = None;
    for _ in 0..10 {
        let answer = ground.exchange(request).await;
        if answer.contains("\r\n\r\n") && !answer.ends_with("\r\n\r\n") {
            return parts(&answer);
        }
        last = Some(answer);
    }
    panic!("cut off each time: {last:?}");
}

#[tokio::test]
async fn thousands_of_headers_are_refused_in_the_surfaces_format() {
    let ground = Ground::new(&[]).await;
    let lines = "X-Header: value\r\n".repeat(5000);
    let table = [
        ("/oauth2/token", "application/json"),
        ("/admin/v1/things", "application/problem+json"),
    ];
    for (path, kind) in table {
        let request = format!("POST {path} HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let (status, head, body) = told(&ground, request.as_bytes()).await;
        assert_eq!(status, 431);
        let expected = format!("content-type: {kind}");
        assert!(head.lines().any(|line| line == expected), "{head}");
        assert!(body.contains("header lines"), "{body}");
    }
    // One line that never ends.
    let mut request = b"GET /page HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nX: ".to_vec();
    request.extend(std::iter::repeat_n(b'x', 1 << 20));
    let (status, head, body) = told(&ground, &request).await;
    assert_eq!(status, 431);
    assert!(head.contains("text/html") && body.contains("<h1>"), "{head}");
    // Longer than we take, shorter than what the parser takes.
    let request = format!(
        "GET /page HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: {}\r\n\r\n",
        "x".repeat(40_000)
    );
    assert_eq!(parts(&ground.exchange(request.as_bytes()).await).0, 431);
    ground.http().get("/page").send().await.expect(200);
}

#[tokio::test]
async fn a_url_that_is_too_long_is_told_from_what_is_no_http() {
    let ground = Ground::new(&[]).await;
    for (length, expected) in [(40_000, 431), (70_000, 414)] {
        let query = "x".repeat(length);
        let request = format!("GET /page?{query} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let (status, _, body) = told(&ground, request.as_bytes()).await;
        assert_eq!(status, expected, "{body}");
    }
}

/// R-LIM-37: "Slow-drip client disconnected/408."
#[tokio::test]
async fn r_lim_37_a_head_that_does_not_come_is_given_up() {
    let ground = Ground::new(&[("http.header_timeout_s", "1")]).await;
    let mut stream = ground.connect().await;
    stream
        .write_all(b"GET /oauth2/x HTTP/1.1\r\nHost: a\r\n")
        .await
        .unwrap();
    let (status, head, _) = parts(&read_to_end(&mut stream).await);
    assert_eq!(status, 408);
    assert!(head.contains("x-correlation-id"), "{head}");
}

#[tokio::test]
async fn the_head_of_a_later_request_has_to_come_in_time_too() {
    let ground = Ground::new(&[("http.header_timeout_s", "1")]).await;
    let mut stream = ground.connect().await;
    stream
        .write_all(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let mut buffer = vec![0; 65_536];
    let count = stream.read(&mut buffer).await.unwrap();
    assert!(buffer[..count].starts_with(b"HTTP/1.1 200 "));
    let (mut reading, mut writing) = stream.into_split();
    let drip = tokio::spawn(async move {
        // Far slower than a head may be, far faster than a connection is idle.
        for byte in b"GET /page HTTP/1.1\r\nX: "
            .iter()
            .chain(std::iter::repeat(&b'x'))
        {
            if writing.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let ended = async { while let Ok(1..) = reading.read(&mut buffer).await {} };
    let within = tokio::time::timeout(Duration::from_secs(15), ended).await;
    drip.abort();
    within.expect("the connection is closed");
}

#[tokio::test]
async fn requests_in_a_row_on_one_connection_are_all_answered() {
    let ground = Ground::new(&[]).await;
    let request = "GET /.well-known/document HTTP/1.1\r\nHost: a\r\n\r\n".repeat(5)
        + "GET /oauth2/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    let answer = ground.exchange(request.as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 5, "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 400 Bad Request").count(), 1, "{answer}");
    assert!(answer.ends_with('}'), "{answer}");
}

#[tokio::test]
async fn a_stop_lets_finish_what_runs() {
    let ground = Ground::new(&[]).await;
    let http = ground.http();
    let slow = tokio::spawn(async move { http.get("/slow").send().await });
    // The request has to have arrived: it shows in the numbers.
    let management = ground.management();
    loop {
        let numbers = management.get("/metrics").send().await.text();
        if numbers.contains("grantor_http_requests_in_flight 1") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let address = ground.running.address;
    let began = Instant::now();
    ground.running.stop().await;
    assert!(began.elapsed() < Duration::from_secs(25));
    assert_eq!(slow.await.unwrap().expect(200).json(), "done");
    assert!(
        tokio::net::TcpStream::connect(address).await.is_err(),
        "nobody listens"
    );
}
