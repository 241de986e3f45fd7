//! The body of a registration request (RFC 7591 §3.1, RFC 7592 §2.2).

use super::refused;
use crate::clients::Unregistered;
use crate::fault::Fault;
use crate::oauth::error::ErrorCode;
use crate::oauth::request::Unserved;
use crate::protect::Exchange;
use crate::protect::body::json_within;
use crate::types::Violation;
use actix_web::web;
use serde_json::{Map, Value};

/// Largest body: room for keys, and for every list that anybody needs.
const MAX_BODY: usize = 64 * 1024;
/// So many things that are wrong are named.
const MAX_TOLD: usize = 5;

/// Reads the members. Unknown ones are still there.
pub(super) async fn read(exchange: &Exchange, payload: web::Payload) -> Result<Map<String, Value>, Unserved> {
    let body = json_within(exchange, payload.into_inner(), MAX_BODY).await?;
    let Value::Object(members) = body else {
        return Err(refused(
            ErrorCode::InvalidClientMetadata,
            "The body must be a JSON object",
        ));
    };
    // RFC 7591 §2.3: its values would take precedence over those beside it. Nobody's statements are trusted here, and
    // to leave one out silently would register another client than the one that was asked for.
    if members
        .get("software_statement")
        .is_some_and(|statement| !statement.is_null())
    {
        return Err(refused(
            ErrorCode::UnapprovedSoftwareStatement,
            "This server approves no software statements: send the metadata itself",
        ));
    }
    Ok(members)
}

/// Why the registrar did not take a registration. A client that registers itself has no identifier and no resource of its
/// own choice, and no rights to give: nothing of it can be taken.
pub(super) fn unregistered(why: Unregistered) -> Unserved {
    match why {
        Unregistered::Invalid(found) => invalid(&found),
        Unregistered::Fault(fault) => fault.into(),
        Unregistered::Taken { pointer, .. } => Fault::internal(format!("{pointer} was taken")).into(),
        Unregistered::NotAllowed(_) => Fault::internal("a client was not allowed to be itself").into(),
    }
}

/// What is wrong, as RFC 7591 §3.2.2 has it: redirect URIs have a code of their own.
pub(super) fn invalid(found: &[Violation]) -> Unserved {
    let is_redirect = |violation: &Violation| violation.pointer.starts_with("/redirect_uris");
    let code = if found.iter().any(is_redirect) {
        ErrorCode::InvalidRedirectUri
    } else {
        ErrorCode::InvalidClientMetadata
    };
    let told = found.iter().take(MAX_TOLD).map(|violation| {
        let member = violation.pointer.trim_start_matches('/');
        format!("{member} {}", violation.detail)
    });
    refused(code, told.collect::<Vec<_>>().join("; "))
}
