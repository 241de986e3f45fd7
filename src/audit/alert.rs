//! Events that an operator has to hear of at once: they stand in the log too, at level `warn`, with their type as `alert`.

use crate::types::{Event, EventType};
use serde_json::Value;

/// Says in the log that a key counts as compromised (R-KEY-05). Whoever delivers the event says so, also where a command made
/// it; an event that has to be delivered once more is said once more.
pub(super) fn tell(event: &Event) {
    let is_compromised = event.metadata.get("compromised") == Some(&Value::Bool(true));
    if event.event_type != EventType::KeyRevoked && !is_compromised {
        return;
    }
    let text = |names: &[&str]| {
        let found = names.iter().find_map(|name| event.metadata.get(*name)?.as_str());
        found.unwrap_or_default().to_owned()
    };
    tracing::warn!(
        alert = event.event_type.as_str(),
        tenant = %event.tenant,
        key = text(&["previous_kid", "kid", "previous_key"]),
        of = text(&["alg", "purpose"]),
        "a key counts as compromised: it was taken away, and what it made is worth nothing"
    );
}
