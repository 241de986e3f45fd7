//! OpenID Connect on top of OAuth: claims, ID tokens, UserInfo, logout.

pub mod claims;
pub mod claims_request;
pub mod id_token;
pub mod subject;
