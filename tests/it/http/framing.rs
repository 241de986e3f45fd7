//! Where one request ends and the next begins: what two readers could see differently is refused, and what follows a
//! refusal is never taken for a request (RFC 9112).

use super::{Ground, read_to_end};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const POST: &str =
    "POST /oauth2/token HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n";

/// The statuses of all answers on a connection that the server closes.
fn statuses(answers: &str) -> Vec<u16> {
    answers
        .match_indices("HTTP/1.1 ")
        .filter_map(|(at, found)| answers.get(at + found.len()..)?.get(..3)?.parse().ok())
        .collect()
}

/// Sends bytes; gives the statuses of the answers until the server closes the connection.
async fn answered(ground: &Ground, bytes: &[u8]) -> Vec<u16> {
    statuses(&ground.exchange(bytes).await)
}

/// RFC 9112 §6.3: "If a message is received without Transfer-Encoding and with an invalid Content-Length header field, then
/// the message framing is invalid and the recipient MUST treat it as an unrecoverable error".
#[tokio::test]
async fn rfc9112_s6_3_a_length_that_is_not_one_number_is_refused() {
    let ground = Ground::new(&[]).await;
    for length in [
        "",
        "0x3",
        "-1",
        "+3",
        "3;",
        "3 3",
        "3,4",
        "٣",
        "1e1",
        "99999999999999999999999",
    ] {
        let request = format!("{POST}Content-Length: {length}\r\n\r\na=b");
        assert_eq!(answered(&ground, request.as_bytes()).await, [400], "{length:?}");
    }
}

/// RFC 9112 §6.1 and §6.3: what is not chunked last cannot be framed.
#[tokio::test]
async fn rfc9112_s6_1_a_transfer_coding_that_is_not_chunked_alone_is_refused() {
    let ground = Ground::new(&[]).await;
    for coding in [
        "identity",
        "gzip",
        "xchunked",
        "chunked, chunked",
        "gzip, chunked",
        "chunked, identity",
        "\"chunked\"",
    ] {
        let request = format!("{POST}Transfer-Encoding: {coding}\r\n\r\n3\r\na=b\r\n0\r\n\r\n");
        let statuses = answered(&ground, request.as_bytes()).await;
        assert!(matches!(*statuses, [400 | 501]), "{coding:?}: {statuses:?}");
    }
    // HTTP/1.0 has no codings: "a server ... MUST treat the message as if the framing is faulty".
    let request =
        POST.replace("HTTP/1.1", "HTTP/1.0") + "Transfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n";
    let answers = ground.exchange(request.as_bytes()).await;
    assert!(
        answers.contains(" 400 ") || answers.contains(" 200 "),
        "{answers}"
    );
}

#[tokio::test]
async fn rfc9112_s7_1_chunks_that_are_not_well_formed_are_refused() {
    let ground = Ground::new(&[]).await;
    let table = [
        ("a sign", "+3\r\na=b\r\n0\r\n\r\n"),
        ("a prefix", "0x3\r\na=b\r\n0\r\n\r\n"),
        ("no number", "\r\na=b\r\n0\r\n\r\n"),
        ("more than 64 bits", "10000000000000003\r\na=b\r\n0\r\n\r\n"),
        ("no end of the data", "3\r\na=bX0\r\n\r\n"),
        ("less than it says", "2\r\na=b\r\n0\r\n\r\n"),
        ("a line that ends with LF alone", "3\na=b\r\n0\r\n\r\n"),
    ];
    for (what, body) in table {
        let request = format!("{POST}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        // Refused, or cut off without a word: never served.
        let statuses = answered(&ground, request.as_bytes()).await;
        assert!(matches!(*statuses, [] | [400]), "{what}: {statuses:?}");
    }
    // "A recipient MUST ignore unrecognized chunk extensions" (§7.1.1), but not without end.
    let request =
        format!("{POST}Connection: close\r\nTransfer-Encoding: CHUNKED\r\n\r\n3;x=y\r\na=b\r\n0\r\n\r\n");
    assert_eq!(answered(&ground, request.as_bytes()).await, [200]);
}

#[tokio::test]
async fn an_extension_or_trailer_without_end_takes_no_memory_and_no_time() {
    let ground = Ground::new(&[("http.body_timeout_s", "2")]).await;
    for begin in ["3;x=", "3\r\na=b\r\n0\r\nX: "] {
        let mut stream = ground.connect().await;
        let head = format!("{POST}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n{begin}");
        stream.write_all(head.as_bytes()).await.unwrap();
        // 16 MiB; the server stops reading or gives up before it has kept them.
        let block = [b'x'; 65_536];
        let sending = async {
            for _ in 0..256 {
                if stream.write_all(&block).await.is_err() {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(5), sending).await;
        let statuses = statuses(&read_to_end(&mut stream).await);
        assert!(
            statuses.is_empty() || matches!(*statuses, [400 | 408 | 413 | 431]),
            "{begin:?}: {statuses:?}"
        );
    }
    ground.http().get("/page").send().await.expect(200);
}

/// RFC 9110 §6.5.1: trailers are no headers.
#[tokio::test]
async fn a_trailer_changes_nothing_about_the_request() {
    let ground = Ground::new(&[]).await;
    let request = format!(
        "{POST}Connection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n3\r\na=b\r\n0\r\nX-A: b\r\nContent-Length: 99\r\n\r\n"
    );
    let statuses = answered(&ground, request.as_bytes()).await;
    assert!(matches!(*statuses, [200 | 400]), "{statuses:?}");
}

/// RFC 9112 §3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that lacks a
/// Host header field and to any request message that contains more than one Host header field line or a Host header field
/// with an invalid field value."
#[tokio::test]
async fn rfc9112_s3_2_a_host_that_is_none_is_refused() {
    let ground = Ground::new(&[]).await;
    for host in [
        "",
        "a b",
        "a/b",
        "user@a",
        "a\tb",
        "[::1",
        "a:b:c",
        "a:99999999",
        "\u{e4}",
    ] {
        let request = format!("GET /page HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(answered(&ground, request.as_bytes()).await, [400], "{host:?}");
    }
    for host in ["a", "a.example:8443", "[::1]:80", "127.0.0.1", "A.EXAMPLE"] {
        let request = format!("GET /page HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(answered(&ground, request.as_bytes()).await, [200], "{host:?}");
    }
}

/// RFC 9112 §3.2.2: what the target says counts, and the Host not; nothing here depends on either.
#[tokio::test]
async fn rfc9112_s3_2_2_an_absolute_target_leads_to_the_same_place() {
    let ground = Ground::new(&[]).await;
    let request =
        "GET http://evil.example/.well-known/document HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = ground.exchange(request.as_bytes()).await;
    assert_eq!(statuses(&answer), [200]);
    assert!(!answer.contains("evil"), "{answer}");
    for target in ["*", "evil.example:443", "http://", "//evil.example/page"] {
        for method in ["GET", "CONNECT", "OPTIONS"] {
            let request = format!("{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            let answer = ground.exchange(request.as_bytes()).await;
            let statuses = statuses(&answer);
            assert!(matches!(*statuses, [200..=499]), "{method} {target}: {answer}");
            assert!(
                !answer.to_ascii_lowercase().contains("location: //evil"),
                "{answer}"
            );
        }
    }
}

/// A body that was refused by its head must not become the next request.
#[tokio::test]
async fn the_body_of_a_refused_request_is_no_request() {
    let ground = Ground::new(&[]).await;
    let hidden = "GET /page HTTP/1.1\r\nHost: a\r\n\r\n";
    let length = hidden.len();
    let table = [
        (
            "another media type",
            "POST /oauth2/token HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n".to_owned(),
            415,
        ),
        (
            "no such path",
            "POST /oauth2/none HTTP/1.1\r\nHost: a\r\n".to_owned(),
            404,
        ),
        (
            "another method",
            "PUT /oauth2/token HTTP/1.1\r\nHost: a\r\n".to_owned(),
            405,
        ),
        (
            "a GET with a body",
            "GET /admin/v1/things HTTP/1.1\r\nHost: a\r\n".to_owned(),
            200,
        ),
        (
            "no such encoding",
            format!("{POST}Content-Encoding: gzip\r\n"),
            415,
        ),
    ];
    for (what, head, status) in table {
        let mut stream = ground.connect().await;
        let request = format!("{head}Content-Length: {length}\r\n\r\n{hidden}");
        stream.write_all(request.as_bytes()).await.unwrap();
        // The connection may be kept: whatever comes within a while is the whole of it.
        let mut answers = Vec::new();
        let reading = async {
            let mut buffer = [0; 8192];
            while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                answers.extend_from_slice(&buffer[..count]);
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(700), reading).await;
        let answers = String::from_utf8_lossy(&answers).into_owned();
        assert_eq!(statuses(&answers), [status], "{what}: {answers}");
    }
}

/// RFC 9110 §10.1.1.
#[tokio::test]
async fn rfc9110_s10_1_1_who_asks_whether_to_go_on_is_told() {
    let ground = Ground::new(&[]).await;
    let mut stream = ground.connect().await;
    let head = format!("{POST}Connection: close\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut buffer = vec![0; 25];
    let interim = tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut buffer)).await;
    interim.expect("it is told in time").unwrap();
    assert_eq!(buffer, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"a=b").await.unwrap();
    assert_eq!(statuses(&read_to_end(&mut stream).await), [200]);
}

/// Old and new versions, and what belongs to other protocols.
#[tokio::test]
async fn other_versions_are_refused_or_served_and_nothing_is_upgraded() {
    let ground = Ground::new(&[]).await;
    for line in [
        "GET /page HTTP/2.0",
        "GET /page HTTP/1.9",
        "GET /page HTTP/0.9",
        "GET /page",
        "PRI * HTTP/2.0",
    ] {
        let answer = ground
            .exchange(format!("{line}\r\nHost: a\r\nConnection: close\r\n\r\nSM\r\n\r\n").as_bytes())
            .await;
        let statuses = statuses(&answer);
        assert!(matches!(statuses.first(), Some(400 | 505)), "{line}: {answer}");
    }
    let upgrade = "GET /page HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n\
        HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    assert_eq!(answered(&ground, upgrade.as_bytes()).await, [200]);
}
