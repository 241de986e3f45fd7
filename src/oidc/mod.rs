//! OpenID Connect on top of OAuth: claims, ID tokens, UserInfo, logout.

pub mod backchannel;
pub mod claims;
pub mod claims_request;
mod frontchannel;
pub mod id_token;
pub mod logout;
pub mod session_management;
pub mod subject;
pub mod userinfo;

use crate::protect::routes::{Body, Policy, Routes};
use actix_web::http::Method;

/// The endpoints of this module.
pub fn routes(routes: &mut Routes) {
    routes.add(Method::GET, userinfo::PATH, Policy::OAUTH, userinfo::get);
    let post = Policy::OAUTH.body(Body::FormIfAny);
    routes.add(Method::POST, userinfo::PATH, post, userinfo::post);
    routes.add(
        Method::GET,
        session_management::PATH,
        Policy::PAGE,
        session_management::get,
    );
    routes.add(Method::GET, logout::PATH, Policy::JOURNEY, logout::get);
    routes.add(Method::POST, logout::PATH, Policy::JOURNEY, logout::post);
}
