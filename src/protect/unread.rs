//! The answer to what could not be read as a request: bytes that are not HTTP, a head that is too long or never ends.
//! No endpoint and no layer sees it, so its answer is made here from what is left of it, as like the others as can be.

use crate::protect::Edge;
use crate::protect::exchange::Exchange;
use crate::protect::head::head_too_large;
use crate::protect::headers;
use crate::protect::place::Place;
use crate::protect::request_log::Line;
use crate::surface::{Refusal, Surface};
use actix_web::body::MessageBody as _;
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use std::net::SocketAddr;

/// Longest target that is understood, in bytes.
const MAX_TARGET: usize = 65_534;

/// The whole answer, after which the connection is closed. `head` is the beginning of what was sent, which has
/// `length` bytes.
pub fn unread(
    edge: &Edge,
    peer: Option<SocketAddr>,
    head: &[u8],
    length: usize,
    status: StatusCode,
) -> Vec<u8> {
    let (method, target) = request_line(head);
    let status = match status {
        StatusCode::BAD_REQUEST if length > MAX_TARGET && !head.contains(&b'\n') => StatusCode::URI_TOO_LONG,
        status => status,
    };
    let path = target.split(['?', '#']).next().unwrap_or("");
    let exchange = Exchange::unread(edge, peer, method, path);
    let line = Line::begin(&exchange);
    let place = Place::of(edge.config().issuer.path(), path);
    let below = place.as_ref().map_or(path, |place| place.path.as_ref());
    let surface = Surface::of_unknown_path(below, accepts_html(head));
    exchange.unknown_path(surface);
    let mut response = surface.refuse(&refusal(edge, status), exchange.request_id());
    headers::complete(&exchange, response.headers_mut());
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    let (response, body) = response.into_parts();
    let body = body.try_into_bytes().unwrap_or_default();
    let mut answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len()).into_bytes();
    for (name, value) in response.headers() {
        answer.extend_from_slice(name.as_str().as_bytes());
        answer.extend_from_slice(b": ");
        answer.extend_from_slice(value.as_bytes());
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"\r\n");
    let sent = if exchange.method() == Method::HEAD {
        0
    } else {
        body.len()
    };
    answer.extend_from_slice(body.get(..sent).unwrap_or_default());
    line.sent(status, sent);
    answer
}

fn refusal(edge: &Edge, status: StatusCode) -> Refusal {
    match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => head_too_large(),
        StatusCode::URI_TOO_LONG => Refusal::new(
            status,
            format!("A URL may have at most {MAX_TARGET} bytes. Send parameters in the body of a POST."),
        ),
        StatusCode::REQUEST_TIMEOUT => Refusal::new(
            status,
            format!(
                "The head of the request did not arrive within {} s.",
                edge.config().http.header_timeout_s
            ),
        ),
        status if status.is_server_error() => Refusal::new(status, "The server failed."),
        status => Refusal::new(
            status,
            "This is not HTTP as RFC 9112 has it: one Host, one Content-Length or Transfer-Encoding, no stray bytes.",
        ),
    }
}

/// Method and target, as far as they are there.
fn request_line(head: &[u8]) -> (Method, &str) {
    let line = head
        .split(|&b| b == b'\r' || b == b'\n')
        .next()
        .unwrap_or_default();
    let mut words = line.split(|&b| b == b' ');
    let method = words
        .next()
        .filter(|word| word.len() <= 32)
        .and_then(|word| Method::from_bytes(word).ok())
        .unwrap_or(Method::GET);
    let target = words
        .next()
        .and_then(|word| std::str::from_utf8(word).ok())
        .filter(|target| target.starts_with('/'))
        .unwrap_or("/");
    (method, target)
}

fn accepts_html(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    text.lines()
        .any(|line| line.starts_with("accept:") && line.contains("text/html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_of_a_request_line_is_used() {
        assert_eq!(
            request_line(b"POST /a?b HTTP/1.1\r\nX: y"),
            (Method::POST, "/a?b")
        );
        assert_eq!(request_line(b"GET /a"), (Method::GET, "/a"));
        for junk in [
            &b""[..],
            b"\x16\x03\x01\x02\x00",
            b"\r\n",
            b"GET",
            b"GET http://x/ HTTP/1.1",
        ] {
            assert_eq!(request_line(junk), (Method::GET, "/"));
        }
    }
}
