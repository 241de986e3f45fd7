//! RFC 6749, The OAuth 2.0 Authorization Framework.

mod endpoints;
mod grants;
mod security;
