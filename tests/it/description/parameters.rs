//! Parameters of paths, queries and headers of the admin API (R-VAL-06, R-VAL-08, R-VAL-15, R-VAL-22, R-VAL-23).

use super::variants::Schema;
use super::{Described, Operation, names};
use crate::support::http::Answer;
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

/// Texts that a parameter's schema does not allow.
fn wrong_texts(schema: Schema<'_>, kind: &Value) -> Vec<String> {
    let mut texts: Vec<String> = ["", "no such", "<b>", "ä", "1;DROP TABLE users", "'--", "\u{1}"]
        .map(str::to_owned)
        .to_vec();
    if let Some(longest) = schema.bound("maxLength") {
        texts.push("a".repeat(longest + 1));
        // What is no letter may still be in a text.
        texts.retain(|text| text.is_empty() || text.len() > longest);
    }
    if kind["type"] == "integer" {
        let (least, most) = (
            kind["minimum"].as_i64().unwrap(),
            kind["maximum"].as_i64().unwrap(),
        );
        texts.extend([least - 1, most + 1, 999_999_999].map(|number| number.to_string()));
        texts.extend(["1.5", "-1", "+1", "0x1", "1e1"].map(str::to_owned));
        return texts;
    }
    texts.retain(|text| {
        !schema.allows(&json!(text)) || kind.get("format").is_some() || kind.get("anyOf").is_some()
    });
    texts
}

#[tokio::test]
async fn what_a_query_may_not_say_is_refused_by_its_name() {
    let described = Described::spawn().await;
    let mut sent = 0;
    for operation in described.operations() {
        if !operation.path.starts_with("/admin/") {
            continue;
        }
        let path = described.path(&operation);
        let send = |query: String| described.call(&operation, &format!("{path}?{query}")).send();
        let refused = |answer: &Answer, name: &str, query: &str| {
            assert_eq!(
                answer.status,
                400,
                "{} {query}: {}",
                operation.name(),
                answer.text()
            );
            assert!(
                names(answer, name),
                "{} {query}: {}",
                operation.name(),
                answer.text()
            );
        };
        for parameter in parameters(&operation, "query") {
            let name = parameter["name"].as_str().unwrap();
            let schema = Schema::of(&described.document, &parameter["schema"]);
            for wrong in wrong_texts(schema, &parameter["schema"]) {
                let query = format!("{name}={}", encoded(&wrong));
                refused(&send(query.clone()).await, name, &query);
                sent += 1;
            }
            for right in schema.utmost_values() {
                let right = right.as_str().map_or_else(|| right.to_string(), str::to_owned);
                let answer = send(format!("{name}={}", encoded(&right))).await;
                assert_eq!(
                    answer.status,
                    200,
                    "{} {name}={right}: {}",
                    operation.name(),
                    answer.text()
                );
            }
            let query = format!("{name}=1&{name}=1");
            refused(&send(query.clone()).await, name, &query);
        }
        // An operation with a body may look at that first; either is refused.
        let answer = send("no_such_parameter=1".to_owned()).await;
        let is_refused = matches!(answer.status.as_u16(), 400 | 415);
        assert!(
            is_refused,
            "{}: {} {}",
            operation.name(),
            answer.status,
            answer.text()
        );
    }
    assert!(sent > 100, "{sent} queries");
}

fn parameters<'d>(operation: &Operation<'d>, place: &str) -> Vec<&'d Value> {
    let own = operation.operation["parameters"].as_array().into_iter().flatten();
    let of_path = operation.item["parameters"].as_array().into_iter().flatten();
    own.chain(of_path)
        .filter(|parameter| parameter["in"] == place)
        .collect()
}

#[tokio::test]
async fn nothing_is_at_a_path_that_is_not_allowed() {
    let described = Described::spawn().await;
    let mut sent = 0;
    for operation in described.operations() {
        for parameter in parameters(&operation, "path") {
            let name = parameter["name"].as_str().unwrap();
            let schema = Schema::of(&described.document, &parameter["schema"]);
            for wrong in [
                "a".repeat(65),
                "ä".to_owned(),
                "<b>".to_owned(),
                "a b".to_owned(),
                "a\"b".to_owned(),
                "'--".to_owned(),
            ] {
                assert!(!schema.allows(&json!(wrong)), "{wrong}");
                let wrong = encoded(&wrong).replace('+', "%20");
                let path = operation.path.replace(&format!("{{{name}}}"), &wrong);
                let mut call = described.call(&operation, &path);
                if operation.operation["requestBody"].is_object() {
                    call = call.json(&json!({}));
                }
                let answer = call.send().await;
                let is_refused = matches!(answer.status.as_u16(), 400 | 401 | 404);
                assert!(
                    is_refused,
                    "{} {path}: {} {}",
                    operation.method,
                    answer.status,
                    answer.text()
                );
                sent += 1;
            }
        }
    }
    assert!(sent > 150, "{sent} paths");
}

#[tokio::test]
async fn a_condition_has_the_length_that_is_described() {
    let described = Described::spawn().await;
    for operation in described.operations() {
        for parameter in parameters(&operation, "header") {
            let longest = Schema::of(&described.document, &parameter["schema"])
                .bound("maxLength")
                .unwrap();
            let path = described.path(&operation);
            if path.contains("/none") {
                continue;
            }
            for (length, expected) in [(longest, 412), (longest + 1, 400)] {
                let mut call = described
                    .call(&operation, &path)
                    .header("if-match", &format!("\"{}\"", "7".repeat(length - 2)));
                if operation.operation["requestBody"].is_object() {
                    call = call.json(&json!({}));
                }
                call.send().await.expect(expected);
            }
        }
    }
}
