//! Dynamic client registration (RFC 7591, OpenID Connect Dynamic Client Registration) and its management (RFC 7592).
//!
//! A client that registers itself gets what the settings allow and nothing that only an administrator gives. Where
//! `registration.mode` is `off` the endpoints are not there.

mod admission;
mod answer;
mod manage;
mod register;
mod request;

use super::error::{ErrorCode, OauthError};
use super::request::Unserved;
use crate::config::RegistrationMode;
use crate::protect::Exchange;
use crate::protect::cors::Cors;
use crate::protect::limits::Tier;
use crate::protect::routes::{Body, Policy, Routes};
use crate::surface::Refusal;
use actix_web::http::{Method, StatusCode};

/// Path below the issuer.
pub const PATH: &str = "/oauth2/register";
/// The client configuration endpoint (RFC 7592 §3) of each client.
const ONE: &str = "/oauth2/register/{client_id}";

/// The endpoints of this module.
pub(super) fn routes(routes: &mut Routes) {
    let register = Policy::OAUTH
        .paid_by_address()
        .body(Body::Json)
        .cors(Cors::Any)
        .tier(Tier::Sensitive);
    let replace = Policy::OAUTH.body(Body::Json);
    let other = Policy::OAUTH.body(Body::None);
    routes.add(Method::POST, PATH, register, register::post);
    routes.add(Method::GET, ONE, other, manage::get);
    routes.add(Method::PUT, ONE, replace, manage::put);
    routes.add(Method::DELETE, ONE, other, manage::delete);
}

/// Where clients cannot register, nothing is here.
fn is_offered(exchange: &Exchange) -> Result<(), Unserved> {
    if exchange.tenant().registration.mode == RegistrationMode::Off {
        let refusal = Refusal::new(StatusCode::NOT_FOUND, "There is nothing at this path.");
        return Err(exchange.refuse(refusal).into());
    }
    Ok(())
}

/// Who has a right to be here, but not to this.
fn forbidden(exchange: &Exchange, description: &'static str) -> Unserved {
    let refusal = Refusal::new(StatusCode::FORBIDDEN, description).code(ErrorCode::AccessDenied.as_str());
    exchange.refuse(refusal).into()
}

fn refused(code: ErrorCode, description: impl Into<std::borrow::Cow<'static, str>>) -> Unserved {
    OauthError::new(code, description).into()
}
