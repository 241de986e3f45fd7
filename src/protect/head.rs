//! Heads that no endpoint should see, and bodies of the wrong kind or size as far as the head tells it.

use crate::protect::routes::Body;
use crate::protect::{Exchange, caller};
use crate::surface::Refusal;
use actix_web::dev::ServiceRequest;
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::uri::Authority;
use actix_web::http::{Method, StatusCode, Version};

/// More header lines than this are refused.
const MAX_HEADERS: usize = 96;
/// Longer heads than this, in bytes, are refused.
const MAX_HEAD: usize = 32 * 1024;

/// A head that no endpoint should see. HTTP/1 has been checked by actix, HTTP/2 has not.
pub(super) fn refused_head(request: &ServiceRequest) -> Option<Refusal> {
    let headers = request.headers();
    let bytes = request
        .uri()
        .path_and_query()
        .map_or(0, |target| target.as_str().len())
        + headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 4)
            .sum::<usize>();
    if headers.len() > MAX_HEADERS || bytes > MAX_HEAD {
        return Some(head_too_large());
    }
    let mut hosts = headers.get_all(header::HOST);
    let well_named = match (hosts.next(), hosts.next()) {
        (None, _) => request.uri().authority().is_some() || request.version() == Version::HTTP_10,
        (Some(host), None) => is_host(host),
        (Some(_), Some(_)) => false,
    };
    if well_named {
        None
    } else {
        let detail = "A request names its host exactly once.";
        Some(Refusal::new(StatusCode::BAD_REQUEST, detail))
    }
}

/// RFC 9112 §3.2: a name or address, perhaps with a port, and nobody at it.
fn is_host(value: &HeaderValue) -> bool {
    let authority = value
        .to_str()
        .ok()
        .and_then(|text| text.parse::<Authority>().ok());
    authority.is_some_and(|authority| {
        let text = authority.as_str();
        let port = text.strip_prefix(authority.host()).unwrap_or("@");
        !text.contains('@')
            && (port.is_empty()
                || port
                    .strip_prefix(':')
                    .is_some_and(|port| port.parse::<u16>().is_ok()))
    })
}

/// The 431 for a head that is too long or has too many lines.
pub(super) fn head_too_large() -> Refusal {
    Refusal::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        format!("At most {MAX_HEADERS} header lines and {MAX_HEAD} bytes of head are taken."),
    )
}

/// A body of the wrong kind or size, as far as the head tells it.
pub(super) fn refused_body(exchange: &Exchange, body: Body, request: &ServiceRequest) -> Option<Refusal> {
    if body == Body::None || !matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH) {
        return None;
    }
    let (expected, max): (&[&str], _) = match body {
        Body::Form | Body::FormIfAny => (
            &["application/x-www-form-urlencoded"],
            exchange.edge().config().http.max_form,
        ),
        Body::MergePatch => (
            &["application/merge-patch+json", "application/json"],
            exchange.edge().config().http.max_json,
        ),
        _ => (&["application/json"], exchange.edge().config().http.max_json),
    };
    let headers = request.headers();
    let empty = exchange.state().request_bytes == 0
        && !headers.contains_key(header::TRANSFER_ENCODING)
        && !headers.contains_key(header::CONTENT_TYPE);
    if empty && body == Body::FormIfAny {
        return None;
    }
    let encoded = headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if encoded {
        return Some(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Compressed bodies are not taken: send it without Content-Encoding.",
        ));
    }
    let media_type = caller::only(headers, &header::CONTENT_TYPE)
        .and_then(|text| text.split(';').next())
        .unwrap_or("")
        .trim();
    if !expected
        .iter()
        .any(|expected| media_type.eq_ignore_ascii_case(expected))
    {
        return Some(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("The Content-Type must be {}.", expected.join(" or ")),
        ));
    }
    (exchange.state().request_bytes > max as u64).then(|| body_too_large(max))
}

/// The 413 for a body of more than `max` bytes.
pub(super) fn body_too_large(max: usize) -> Refusal {
    Refusal::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("The body may have at most {max} bytes."),
    )
}
