//! Merge patches, and what the audit log says of a change.

use serde_json::{Map, Value, json};

/// RFC 7396 §2.
pub fn merge(target: &mut Value, patch: &Value) {
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
