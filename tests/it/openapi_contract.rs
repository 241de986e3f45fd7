//! The API's description is stored, so that a change of it is a change that somebody sees; one that breaks callers is
//! told apart (R-CI-07 to R-CI-09).

use crate::documentation::assert_up_to_date;
use crate::support::source::root;
use grantor::admin::openapi;
use grantor::types::Issuer;
use serde_json::{Value, json};

/// What may not change under a caller: the kind of a value, what must be there, and every bound.
const BINDING: [&str; 14] = [
    "type",
    "required",
    "enum",
    "const",
    "pattern",
    "format",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "additionalProperties",
    "security",
];

#[test]
fn the_stored_description_is_the_one_that_is_served() {
    let served = openapi::document(&Issuer::parse("http://localhost:8080").unwrap());
    let path = "docs/openapi.json";
    if let Ok(stored) = std::fs::read(root().join(path)) {
        let stored = serde_json::from_slice(&stored).expect("the stored description is JSON");
        let breaking = breaking(&stored, &served);
        let is_meant = std::env::var("GRANTOR_TEST_UPDATE").is_ok_and(|value| value == "breaking");
        assert!(
            breaking.is_empty() || is_meant,
            "this breaks callers (if it is meant to: GRANTOR_TEST_UPDATE=breaking, and a new major version):\n{}",
            breaking.join("\n")
        );
    }
    let text = serde_json::to_string_pretty(&served).expect("JSON") + "\n";
    assert_up_to_date(path, &text);
}

#[test]
fn what_breaks_callers_is_told_apart() {
    let stored = json!({"paths": {"/a": {"post": {"summary": "x", "responses": {"200": {}}}}}, "components": {"schemas":
        {"A": {"type": "object", "required": ["b"], "properties": {"b": {"type": "integer", "maximum": 9, "pattern": "^a"}}}}}});
    let changed = |change: fn(&mut Value)| {
        let mut served = stored.clone();
        change(&mut served);
        !breaking(&stored, &served).is_empty()
    };
    // What breaks.
    assert!(changed(
        |new| new["components"]["schemas"]["A"]["required"] = json!([])
    ));
    assert!(changed(
        |new| new["components"]["schemas"]["A"]["properties"]["b"]["type"] = json!("string")
    ));
    assert!(changed(
        |new| new["components"]["schemas"]["A"]["properties"]["b"]["maximum"] = json!(8)
    ));
    assert!(changed(|new| drop(remove(
        new,
        "/components/schemas/A/properties/b",
        "pattern"
    ))));
    assert!(changed(|new| drop(remove(
        new,
        "/components/schemas/A/properties",
        "b"
    ))));
    assert!(changed(|new| drop(remove(new, "/paths/~1a", "post"))));
    assert!(changed(|new| drop(remove(
        new,
        "/paths/~1a/post/responses",
        "200"
    ))));
    // What does not.
    assert!(!changed(|new| new["paths"]["/a"]["post"]["summary"] = json!("y")));
    assert!(!changed(|new| new["paths"]["/b"] = json!({"get": {}})));
    assert!(!changed(
        |new| new["components"]["schemas"]["A"]["properties"]["c"] = json!({"type": "string"})
    ));
}

/// Whether everything that a parameter could say it still can.
fn holds(words: &Value, old: &Value) -> bool {
    let words = words.as_array().into_iter().flatten().collect::<Vec<_>>();
    old.as_array()
        .into_iter()
        .flatten()
        .all(|word| words.contains(&word))
}

/// What of the stored description no longer holds.
fn breaking(stored: &Value, served: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for part in ["paths", "components"] {
        compare(&stored[part], &served[part], part, &mut found);
    }
    found
}

fn compare(stored: &Value, served: &Value, place: &str, found: &mut Vec<String>) {
    match (stored, served) {
        (Value::Object(stored), Value::Object(served)) => {
            for name in BINDING
                .iter()
                .filter(|name| !stored.contains_key(**name) && served.contains_key(**name))
            {
                found.push(format!("{place}: `{name}` is new"));
            }
            for (name, old) in stored {
                let place = format!("{place}/{name}");
                let is_binding = BINDING.contains(&name.as_str()) && !old.is_object();
                match served.get(name) {
                    None if is_prose(name) => {}
                    None => found.push(format!("{place} is gone")),
                    Some(new) if name == "enum" && place.contains("/parameters/") && holds(new, old) => {}
                    Some(new) if is_binding && new != old => {
                        found.push(format!("{place} was {old} and is {new}"))
                    }
                    Some(_) if is_prose(name) => {}
                    Some(new) => compare(old, new, &place, found),
                }
            }
        }
        (Value::Array(stored), Value::Array(served)) => {
            for (index, old) in stored.iter().enumerate() {
                match served.get(index) {
                    Some(new) => compare(old, new, &format!("{place}/{index}"), found),
                    None => found.push(format!("{place}/{index} is gone")),
                }
            }
        }
        (stored, served)
            if stored.is_object() || stored.is_array() || served.is_object() || served.is_array() =>
        {
            found.push(format!("{place} has another form"));
        }
        _ => {}
    }
}

/// For people only.
fn is_prose(name: &str) -> bool {
    matches!(
        name,
        "description" | "summary" | "example" | "examples" | "title" | "externalDocs"
    )
}

fn remove(value: &mut Value, pointer: &str, member: &str) -> Option<Value> {
    value.pointer_mut(pointer)?.as_object_mut()?.remove(member)
}
