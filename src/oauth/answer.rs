//! Answers of the OAuth endpoints that are no success.

use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::request::Unserved;
use crate::protect::Exchange;
use crate::surface::Refusal;
use actix_web::http::header;
use actix_web::{HttpResponse, ResponseError as _};

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
    exchange.refuse(refusal).error_response()
}
