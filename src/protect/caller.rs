//! Who sent a request, and under which id it is known.

use crate::protect::Exchange;
use crate::types::Caller;
use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::{FromRequest, HttpRequest};
use std::future::{Ready, ready};
use std::ops::Deref;
use uuid::Uuid;

/// The header that carries the request's id, on every answer too.
pub static X_CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// So many characters of `User-Agent` are kept.
const MAX_USER_AGENT: usize = 256;

/// Extractor: the [`Caller`] of a request.
#[derive(Clone, Debug)]
pub struct CallerInfo(pub Caller);

impl Deref for CallerInfo {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl FromRequest for CallerInfo {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Exchange::of(request).map(|exchange| Self(exchange.caller().clone())))
    }
}

/// The trace that a request belongs to, where it says so (W3C Trace Context, `traceparent`).
pub(super) fn trace_id(headers: &HeaderMap) -> Option<Uuid> {
    let text = only(headers, &TRACEPARENT)?;
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let nonzero = |text: &str| text.bytes().any(|b| b != b'0');
    // > If a trace context has a higher version, parse it by the rules of version 00; "ff" is forbidden.
    let known = is_hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
    let valid = known
        && is_hex(trace, 32)
        && nonzero(trace)
        && is_hex(parent, 16)
        && nonzero(parent)
        && is_hex(flags, 2);
    valid.then(|| Uuid::try_parse(trace).ok())?
}

/// The id that the sender gave the request, if it is a UUID in its usual form.
pub(super) fn correlation_id(headers: &HeaderMap) -> Option<Uuid> {
    let text = only(headers, &X_CORRELATION_ID)?;
    (text.len() == 36).then(|| Uuid::try_parse(text).ok())?
}

/// `User-Agent` without control characters, cut to 256 characters.
pub(super) fn user_agent(headers: &HeaderMap) -> String {
    headers
        .get(header::USER_AGENT)
        .map(|value| {
            String::from_utf8_lossy(value.as_bytes())
                .chars()
                .filter(|c| !c.is_control())
                .take(MAX_USER_AGENT)
                .collect()
        })
        .unwrap_or_default()
}

/// The text of a header that is there exactly once.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name);
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn with(name: &HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name.clone(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn only_a_uuid_is_taken_over_as_request_id() {
        let id = "0190a5a0-1111-7000-8000-00000000abcd";
        let of = |values: &[&str]| correlation_id(&with(&X_CORRELATION_ID, values));
        assert_eq!(of(&[id]).unwrap().to_string(), id);
        for bad in [
            "",
            "x",
            "{}",
            &id.replace('-', ""),
            &format!("{{{id}}}"),
            &"a".repeat(1000),
        ] {
            assert_eq!(of(&[bad]), None, "{bad}");
        }
        assert_eq!(of(&[id, id]), None, "twice is none");
    }

    #[test]
    fn a_traceparent_is_continued_as_the_w3c_recommendation_says() {
        let of = |text: &str| trace_id(&with(&TRACEPARENT, &[text]));
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(
            of(good).unwrap().simple().to_string(),
            "0af7651916cd43dd8448eb211c80319c"
        );
        assert!(of(&good.replace("00-", "cc-").replace("-01", "-01-more")).is_some());
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        ] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_user_agent_is_cut_and_cleaned() {
        let long = "ä".repeat(10_000);
        assert_eq!(
            user_agent(&with(&header::USER_AGENT, &[&long])).chars().count(),
            256
        );
        assert_eq!(user_agent(&with(&header::USER_AGENT, &["a\tb"])), "ab");
        assert_eq!(user_agent(&HeaderMap::new()), "");
    }
}
