//! The authorization endpoint (RFC 6749 §3.1, OIDC Core §3.1.2).
//!
//! `endpoint.rs` is the way of a request: parameters → client and redirect URI (`redirect.rs`) → the rest
//! (`request.rs`) → [`decision::decide`] → a page that comes back here (`interaction.rs`), or a code (`code.rs`).

pub mod code;
pub mod decision;
pub mod endpoint;
mod hint;
pub mod interaction;
pub mod redirect;
pub mod request;

/// Path below the issuer.
pub const PATH: &str = "/oauth2/authorize";
