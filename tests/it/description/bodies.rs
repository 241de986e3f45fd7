//! Bodies of JSON.

use super::variants::{Schema, Variant};
use super::{Described, Operation, names};
use crate::support::http::Answer;
use serde_json::{Value, json};

const JSON: &str = "application/json";

/// What the description's own example says, about the object that is there.
fn example(described: &Described, operation: &Operation<'_>, schema: Schema<'_>) -> Value {
    let mut example = schema.example();
    if operation.id == "replaceRegistration" {
        example["client_id"] = described.object("/oauth2/register").into();
    }
    if example.is_object() { example } else { json!({}) }
}

/// R-VAL-03 to R-VAL-16: an unknown member, a missing one, another type, one character, entry or unit beyond the bounds,
/// other characters, words that are not in the list: 400, which names the place and repeats nothing.
#[tokio::test]
async fn what_a_schema_forbids_is_refused_where_it_stands() {
    let described = Described::spawn().await;
    let before = described.app.audit_log().await.len();
    let (mut sent, mut accepted) = (0, Vec::new());
    for operation in described.operations() {
        let Some(schema) = operation.schema(JSON) else {
            continue;
        };
        let schema = Schema::of(&described.document, schema);
        for wrong in schema.wrong_objects(&example(&described, &operation, schema)) {
            let call = described.call(&operation, &described.path(&operation));
            let answer = call.json(&wrong.body).send().await;
            if !is_refused(&operation, &wrong, &answer) {
                let (pointer, what, text) = (&wrong.pointer, &wrong.what, answer.text());
                accepted.push(format!(
                    "{}: {pointer}: {what}: {} {text}",
                    operation.name(),
                    answer.status
                ));
            }
            sent += 1;
        }
    }
    assert!(accepted.is_empty(), "{}", accepted.join("\n"));
    assert!(sent > 700, "{sent} bodies");
    // R-VAL-02: nothing happened.
    assert_eq!(described.app.audit_log().await.len(), before);
}

/// Whether the answer is the surface's own error, which names the place.
fn is_refused(operation: &Operation<'_>, wrong: &Variant, answer: &Answer) -> bool {
    if answer.status != 400 || answer.text().len() > 4000 {
        return false;
    }
    if operation.path.starts_with("/admin/") {
        return names(answer, &wrong.pointer);
    }
    let member = wrong.pointer.split('/').nth(1).unwrap_or_default();
    let body = answer.json();
    body["error_description"]
        .as_str()
        .is_some_and(|description| description.contains(member))
}

/// What lies at the very bounds is not refused for them. Other rules, which JSON Schema does not say, may refuse it.
#[tokio::test]
async fn what_a_schema_allows_is_not_refused_for_its_form() {
    let described = Described::spawn().await;
    let mut sent = 0;
    for operation in described.operations() {
        let Some(schema) = operation.schema(JSON) else {
            continue;
        };
        let schema = Schema::of(&described.document, schema);
        for (name, property) in schema.properties() {
            for value in property.utmost_values() {
                let mut body = example(&described, &operation, schema);
                // A patch that changes nothing is the best place to try one member.
                if operation.method == "PATCH" {
                    body = json!({});
                }
                body[name] = value;
                if !schema.allows(&body) {
                    continue;
                }
                let call = described.call(&operation, &described.path(&operation));
                let answer = call.json(&body).send().await;
                assert!(
                    answer.status.as_u16() < 500,
                    "{}: {body}: {}",
                    operation.name(),
                    answer.text()
                );
                refused_for_no_form(&operation, name, &body, &answer);
                sent += 1;
            }
        }
    }
    assert!(sent > 200, "{sent} bodies");
}

/// Not for what the schema says: the words are those of `admin::schema`.
fn refused_for_no_form(operation: &Operation<'_>, name: &str, body: &Value, answer: &Answer) {
    if answer.status != 400 || !operation.path.starts_with("/admin/") {
        return;
    }
    for error in answer.json()["errors"].as_array().unwrap() {
        if !error["pointer"]
            .as_str()
            .unwrap()
            .starts_with(&format!("/{name}"))
        {
            continue;
        }
        let detail = error["detail"].as_str().unwrap();
        for form in [
            "is not a known",
            "must have at least",
            "entries",
            "must match",
            "must be a string",
            "must be an integer",
        ] {
            assert!(
                !detail.contains(form),
                "{}: {name}: {detail}: {body}",
                operation.name()
            );
        }
    }
}
