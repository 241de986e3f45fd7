//! Refusals of the admin API (RFC 9457). The titles are fixed words; the details say what would pass.

use crate::surface::{Invalid, Refusal};
use crate::types::Violation;
use actix_web::http::{StatusCode, header};

/// The body or a parameter is not valid.
pub fn invalid(violations: Vec<Violation>) -> Refusal {
    let detail = match violations.len() {
        1 => "1 member is not valid.".to_owned(),
        many => format!("{many} members are not valid."),
    };
    let errors = violations
        .into_iter()
        .map(|violation| Invalid {
            pointer: violation.pointer,
            detail: violation.detail.into_owned(),
        })
        .collect();
    Refusal::new(StatusCode::BAD_REQUEST, detail)
        .code("validation_failed")
        .title("Validation failed")
        .errors(errors)
}

/// There is no bearer token. RFC 6750 §3.1: "If the request lacks any authentication information […], the resource
/// server SHOULD NOT include an error code".
pub fn unauthenticated() -> Refusal {
    Refusal::new(
        StatusCode::UNAUTHORIZED,
        "Send an access token of this server: Authorization: Bearer …",
    )
    .code("authentication_required")
    .title("Authentication required")
    .header(header::WWW_AUTHENTICATE, "Bearer realm=\"grantor\"")
}

/// The token is none, or no longer good; which of these is not said.
pub fn invalid_token() -> Refusal {
    Refusal::new(
        StatusCode::UNAUTHORIZED,
        "The access token is not valid here: malformed, expired, revoked, or issued for another audience.",
    )
    .code("invalid_token")
    .title("Invalid or expired token")
    .header(
        header::WWW_AUTHENTICATE,
        "Bearer realm=\"grantor\", error=\"invalid_token\"",
    )
}

/// The token lacks the operation's scope.
pub fn insufficient_scope(scope: &str) -> Refusal {
    Refusal::new(
        StatusCode::FORBIDDEN,
        format!("The access token needs the scope {scope}."),
    )
    .code("insufficient_scope")
    .title("Insufficient permissions")
    .header(
        header::WWW_AUTHENTICATE,
        &format!("Bearer realm=\"grantor\", error=\"insufficient_scope\", scope=\"{scope}\""),
    )
}

/// The caller may not do this, whatever the scope.
pub fn forbidden(detail: &'static str) -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, detail)
        .code("insufficient_permissions")
        .title("Insufficient permissions")
}

/// There is no such object, or the caller may not know of it.
pub fn not_found() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "There is no such object.")
        .code("not_found")
        .title("Not found")
}

/// What was asked for is taken, or is in another state than the request supposes.
pub fn conflict(pointer: &'static str, detail: &'static str) -> Refusal {
    Refusal::new(StatusCode::CONFLICT, detail)
        .code("conflict")
        .title("Conflict")
        .errors(vec![Invalid {
            pointer: pointer.to_owned(),
            detail: detail.to_owned(),
        }])
}

/// The object is no longer the one that `If-Match` names.
pub fn precondition_failed() -> Refusal {
    Refusal::new(
        StatusCode::PRECONDITION_FAILED,
        "The object has changed since its ETag was read. Read it again.",
    )
    .code("precondition_failed")
    .title("Precondition failed")
}
