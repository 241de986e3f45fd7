//! The authorization endpoint (RFC 6749 §3.1, OIDC Core §3.1.2).
//!
//! `endpoint.rs` is the way of a request: client, parameters and redirect URI (`opened.rs`; `object.rs` for signed ones,
//! `pushed.rs` for pushed ones) → the rest (`request.rs`) → [`decision::decide`] (`turn.rs`) → a page that comes back here
//! (`interaction.rs`), or a code (`once.rs`, `code.rs`).

pub mod code;
pub mod decision;
pub mod endpoint;
mod envelope;
pub mod hint;
pub mod interaction;
pub mod object;
mod once;
pub mod opened;
pub mod pushed;
pub mod redirect;
pub mod request;
mod turn;

/// Path below the issuer.
pub const PATH: &str = "/oauth2/authorize";
