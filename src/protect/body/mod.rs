//! Bodies of requests: read within a bound of size and time, and parsed strictly.

mod form;
mod json;
mod longest;

pub use self::form::Form;
pub use self::json::parse as parse_json;
pub use self::longest::longest;

use crate::protect::Exchange;
use crate::protect::head::body_too_large;
use crate::surface::{Refusal, Refused, Surface};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::web::BytesMut;
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use serde_json::Value;
use std::time::Duration;

/// Parameters that are secret, and so must not be in a URL: URLs are kept in histories, logs and `Referer`.
const SECRETS: &[&str] = &[
    "access_token",
    "client_assertion",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "password",
    "refresh_token",
    "subject_token",
    "token",
];

/// Extractor: the parameters of a form (`application/x-www-form-urlencoded`). Repeated ones are still there: see
/// [`Form::without_repeats`].
#[derive(Debug)]
pub struct FormBody(pub Form);

/// Extractor: a JSON body, at most as deep as `http.json_depth`, without repeated members and NUL.
#[derive(Debug)]
pub struct JsonBody(pub Value);

impl FromRequest for FormBody {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let exchange = Exchange::of(&request)?;
            if exchange.surface() == Surface::Oauth {
                no_secret_in_url(request.query_string()).map_err(|refusal| exchange.refuse(refusal))?;
            }
            let max = exchange.edge().config().http.max_form;
            let bytes = read(&exchange, payload, max).await?;
            let form = Form::parse(&bytes).map_err(|refusal| exchange.refuse(refusal))?;
            Ok(Self(form))
        })
    }
}

impl FromRequest for JsonBody {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let exchange = Exchange::of(&request)?;
            let max = exchange.edge().config().http.max_json;
            Ok(Self(json_within(&exchange, payload, max).await?))
        })
    }
}

/// Reads a JSON body as [`JsonBody`] does, of at most `max` bytes.
///
/// # Errors
/// 400, 408 or 413.
pub async fn json_within(exchange: &Exchange, payload: Payload, max: usize) -> Result<Value, Refused> {
    let config = &exchange.edge().config().http;
    let bytes = read(exchange, payload, max.min(config.max_json)).await?;
    parse_json(&bytes, config.json_depth).map_err(|refusal| exchange.refuse(refusal))
}

/// Reads a body of at most `max` bytes, in chunks or with a length, within `http.body_timeout_s`.
async fn read(exchange: &Exchange, mut payload: Payload, max: usize) -> Result<BytesMut, Refused> {
    let whole = async {
        let mut bytes = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|error| broken(&error))?;
            if bytes.len() + chunk.len() > max {
                return Err(body_too_large(max));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    };
    let seconds = exchange.edge().config().http.body_timeout_s;
    // Whoever sends slowly must not take the places of those who do not.
    let worked = exchange.pause_work();
    let result = match tokio::time::timeout(Duration::from_secs(seconds), whole).await {
        Ok(result) => result,
        Err(_) => Err(Refusal::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("The body did not arrive within {seconds} s."),
        )),
    };
    if let Ok(bytes) = &result {
        exchange.received(bytes.len());
        if worked {
            exchange.begin_work()?;
        }
    }
    result.map_err(|refusal| exchange.refuse(refusal))
}

fn broken(error: &PayloadError) -> Refusal {
    let detail = match error {
        PayloadError::Incomplete(_) | PayloadError::Io(_) => "The body ended before it was complete.",
        PayloadError::EncodingCorrupted => "The body is not framed as HTTP says.",
        _ => "The body cannot be read.",
    };
    Refusal::new(StatusCode::BAD_REQUEST, detail)
}

/// > The parameters can only be transmitted in the request-body and MUST NOT be included in the request URI.
/// > (RFC 6749 §2.3.1)
fn no_secret_in_url(query: &str) -> Result<(), Refusal> {
    let query = Form::parse(query.as_bytes())?;
    match SECRETS.iter().find(|name| query.get(name).is_some()) {
        None => Ok(()),
        Some(name) => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            format!("The parameter {name} must be in the body, never in the URL. Consider it disclosed."),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_s2_3_1_secrets_are_not_taken_from_the_url() {
        assert!(no_secret_in_url("").is_ok());
        assert!(no_secret_in_url("ui=1&tokens=2").is_ok());
        for query in ["client_secret=x", "a=b&refresh_token=grt_x", "c%6Fde=1"] {
            let refusal = no_secret_in_url(query).unwrap_err();
            assert_eq!(refusal.status(), StatusCode::BAD_REQUEST);
            assert!(
                !format!("{refusal:?}").contains("grt_"),
                "the value is not repeated"
            );
        }
    }
}
