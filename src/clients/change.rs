//! A change of a client's registration, and what the audit log says of it.

use super::document;
use crate::audit::differences;
use crate::fault::Fault;
use crate::storage::clients::{Client, ClientMetadata};
use serde_json::{Map, Value, json};

/// Members of which the audit log says only that they changed: large, or personal.
const NOT_TOLD: [&str; 2] = ["jwks", "contacts"];

/// Puts a registration in the place of a client's present one, and gives what changed, for the audit log.
///
/// # Errors
/// When a registration is no JSON, which is a defect.
pub fn apply(
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
    if !metadata.has_secret() && client.secret_hash.is_some() {
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
