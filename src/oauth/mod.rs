//! OAuth 2.1: the endpoints that clients talk to.

pub mod answer;
pub mod authorize;
pub mod device;
pub mod error;
pub mod family;
pub mod handle;
pub mod introspect;
pub mod jwks;
pub mod metadata;
pub mod par;
pub mod parameters;
pub mod pkce;
pub mod registration;
pub mod request;
pub mod revoke;
pub mod signed_answer;
pub mod token;

use crate::protect::routes::{Policy, Routes};
use actix_web::http::Method;

/// The endpoints of this module.
pub fn routes(routes: &mut Routes) {
    routes.add(Method::GET, jwks::PATH, Policy::DOCUMENT, jwks::get);
    routes.add(
        Method::GET,
        metadata::OPENID_PATH,
        Policy::DOCUMENT,
        metadata::get,
    );
    routes.add(Method::GET, metadata::OAUTH_PATH, Policy::DOCUMENT, metadata::get);
    routes.add(
        Method::GET,
        authorize::PATH,
        Policy::JOURNEY,
        authorize::endpoint::get,
    );
    routes.add(
        Method::POST,
        authorize::PATH,
        Policy::JOURNEY,
        authorize::endpoint::post,
    );
    routes.add(Method::POST, par::PATH, Policy::OAUTH, par::post);
    routes.add(Method::POST, token::PATH, Policy::OAUTH, token::post);
    routes.add(Method::POST, device::PATH, Policy::OAUTH, device::post);
    routes.add(Method::POST, introspect::PATH, Policy::OAUTH, introspect::post);
    routes.add(Method::POST, revoke::PATH, Policy::OAUTH, revoke::post);
    registration::routes(routes);
}
