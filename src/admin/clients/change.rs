//! A change of a client: the merge patch, and what the audit log says of it.

use super::document;
use crate::admin::merge::{differences, merge};
use crate::fault::Fault;
use crate::storage::clients::{Client, ClientMetadata};
use crate::types::AuthMethod;
use serde_json::{Map, Value, json};

/// Members of which the audit log says only that they changed: large, or personal.
const NOT_TOLD: [&str; 2] = ["jwks", "contacts"];

/// The registration document with the patch applied, and whether the client is then enabled.
///
/// # Errors
/// When the stored registration is no JSON, which is a defect.
pub(super) fn patched(client: &Client, patch: &Value) -> Result<(Map<String, Value>, bool), Fault> {
    let mut members = document::members(&client.metadata)?;
    // It follows from the grant types, unless the patch says something else, which is then checked.
    members.remove("response_types");
    members.insert("enabled".to_owned(), client.enabled.into());
    let mut merged = Value::Object(members);
    merge(&mut merged, patch);
    let Value::Object(mut merged) = merged else {
        return Err(Fault::internal("a patched client is no object"));
    };
    let enabled = merged.remove("enabled").and_then(|enabled| enabled.as_bool());
    Ok((merged, enabled.unwrap_or(true)))
}

/// Puts a registration in the place of a client's present one, and gives what changed, for the audit log.
///
/// # Errors
/// When a registration is no JSON, which is a defect.
pub(super) fn apply(
    client: &mut Client,
    metadata: ClientMetadata,
    enabled: bool,
) -> Result<Map<String, Value>, Fault> {
    let (old, new) = (
        document::members(&client.metadata)?,
        document::members(&metadata)?,
    );
    let mut changes = differences(&old, &new, |name| !NOT_TOLD.contains(&name));
    if client.enabled != enabled {
        changes.insert(
            "enabled".to_owned(),
            json!({"from": client.enabled, "to": enabled}),
        );
    }
    if !has_secret(&metadata) && client.secret_hash.is_some() {
        // A secret that is no longer in use must not come back to life with a later change of the method.
        client.secret_hash = None;
        client.previous_secret_hash = None;
        client.previous_secret_expires_at = None;
        changes.insert("client_secret".to_owned(), "changed".into());
    }
    client.metadata.0 = metadata;
    client.enabled = enabled;
    Ok(changes)
}

/// Whether a client authenticates with a secret.
pub(super) fn has_secret(metadata: &ClientMetadata) -> bool {
    matches!(
        metadata.token_endpoint_auth_method,
        AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost
    )
}
