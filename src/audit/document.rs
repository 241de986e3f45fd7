//! A record as the admin API and exports show it.

use crate::storage::audit_read::StoredEvent;
use serde_json::{Map, Value, json};

/// The members of a record by their public names. `token_family` stands in `metadata`.
pub fn document(event: &StoredEvent) -> Value {
    // What cannot be parsed was changed in the store; it is shown as it is.
    let mut metadata = match serde_json::from_str(&event.metadata) {
        Ok(Value::Object(members)) => members,
        _ => Map::from_iter([("unreadable".to_owned(), json!(event.metadata))]),
    };
    if let Some(family) = &event.token_family {
        metadata.insert("token_family".to_owned(), json!(family));
    }
    json!({
        "id": event.id,
        "time": event.time,
        "event_type": event.event_type,
        "outcome": event.outcome,
        "tenant": event.tenant_id,
        "client_id": event.client_id,
        "user_id": event.user_id,
        "ip": event.ip,
        "user_agent": event.user_agent,
        "request_id": event.request_id,
        "metadata": metadata,
    })
}
