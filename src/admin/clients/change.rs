//! A change of a client: the merge patch, and what the audit log says of it.

use super::document;
use crate::fault::Fault;
use crate::storage::clients::{Client, ClientMetadata};
use crate::types::AuthMethod;
use serde_json::{Map, Value, json};

/// Members of which the audit log says only that they changed: large, or personal.
const NOT_TOLD: [&str; 2] = ["jwks", "contacts"];

/// RFC 7396 §2.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    if let Some(members) = target.as_object_mut() {
        for (name, value) in patch {
            if value.is_null() {
                members.remove(name);
            } else {
                merge(members.entry(name.as_str()).or_insert(Value::Null), value);
            }
        }
    }
}

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
    let mut changes = differences(&old, &new);
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

fn differences(old: &Map<String, Value>, new: &Map<String, Value>) -> Map<String, Value> {
    let mut changes = Map::new();
    for name in old.keys().chain(new.keys()) {
        let (from, to) = (old.get(name), new.get(name));
        if from != to {
            let told = if NOT_TOLD.contains(&name.as_str()) {
                "changed".into()
            } else {
                json!({"from": from, "to": to})
            };
            changes.insert(name.clone(), told);
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7396, appendix A.
    #[test]
    fn rfc7396_appendix_a() {
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (
                json!({}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
        ] {
            let mut merged = target.clone();
            merge(&mut merged, &patch);
            assert_eq!(merged, result, "{target} {patch}");
        }
    }

    #[test]
    fn the_log_tells_what_changed_but_neither_keys_nor_people() {
        let old = json!({"scope": "a", "contacts": ["a@example.com"], "same": 1});
        let new = json!({"scope": "b", "contacts": [], "same": 1, "client_name": "N"});
        let changes = differences(old.as_object().unwrap(), new.as_object().unwrap());
        assert_eq!(
            Value::Object(changes),
            json!({
                "scope": {"from": "a", "to": "b"},
                "contacts": "changed",
                "client_name": {"from": null, "to": "N"},
            })
        );
    }
}
