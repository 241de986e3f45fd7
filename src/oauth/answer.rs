//! Answers of the OAuth endpoints that are no success.

use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::request::Unserved;
use crate::protect::Exchange;
use crate::surface::Refusal;
use actix_web::http::header;
use actix_web::{HttpResponse, ResponseError as _};

/// After how many seconds to come again when what a client publishes could not be fetched: it is not tried sooner.
const RETRY_AFTER_S: u32 = 5;

/// The answer to a request that was not served.
pub fn unserved(exchange: &Exchange, unserved: Unserved) -> HttpResponse {
    match unserved {
        Unserved::Error(error) => self::error(exchange, &error),
        Unserved::Refused(refused) => refused.error_response(),
    }
}

/// An OAuth error as JSON (RFC 6749 §5.2).
pub fn error(exchange: &Exchange, error: &OauthError) -> HttpResponse {
    if let Some(fault) = error.fault() {
        return exchange.fault(fault).error_response();
    }
    let mut refusal =
        Refusal::new(error.code().status(), error.description().to_owned()).code(error.code().as_str());
    if error.code() == ErrorCode::InvalidClient
        && let Some(scheme) = error.challenge
    {
        refusal = refusal.header(
            header::WWW_AUTHENTICATE,
            &format!("{scheme} realm=\"{}\"", exchange.tenant().issuer),
        );
    }
    if error.code() == ErrorCode::TemporarilyUnavailable {
        refusal = refusal.retry_after(RETRY_AFTER_S);
    }
    exchange.refuse(refusal).error_response()
}
