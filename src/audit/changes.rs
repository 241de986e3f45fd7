//! What the audit log says of a change.

use serde_json::{Map, Value, json};

/// The members in which two objects differ: with both values where `is_told`, otherwise only that they do.
pub fn differences(
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    is_told: impl Fn(&str) -> bool,
) -> Map<String, Value> {
    let mut changes = Map::new();
    for name in old.keys().chain(new.keys()) {
        let (from, to) = (old.get(name), new.get(name));
        if from != to {
            let told = if is_told(name) {
                json!({"from": from, "to": to})
            } else {
                "changed".into()
            };
            changes.insert(name.clone(), told);
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tells_what_changed_and_keeps_some_values_back() {
        let old = json!({"scope": "a", "contacts": ["a@example.com"], "same": 1});
        let new = json!({"scope": "b", "contacts": [], "same": 1, "client_name": "N"});
        let is_told = |name: &str| name != "contacts";
        let changes = differences(old.as_object().unwrap(), new.as_object().unwrap(), is_told);
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
