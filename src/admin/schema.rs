//! Bodies are checked against the very schemas that `/openapi.json` publishes, so that the description and the check
//! cannot part.

use super::openapi;
use crate::fault::Fault;
use crate::types::Violation;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Longest name of an unknown member that is repeated.
const MAX_NAME: usize = 64;

/// The schemas of request bodies, compiled. They are constants of the program, though compiled at their first use.
static SCHEMAS: LazyLock<HashMap<&'static str, Validator>> = LazyLock::new(compile);

/// Everything that is wrong with a body.
///
/// # Errors
/// When there is no such schema, which is a defect.
pub fn violations(schema: &str, body: &Value) -> Result<Vec<Violation>, Fault> {
    let validator = SCHEMAS
        .get(schema)
        .ok_or_else(|| Fault::internal(format!("there is no schema {schema}")))?;
    let mut found: Vec<Violation> = validator
        .iter_errors(body)
        .flat_map(|error| told(&error))
        .collect();
    found.sort_by(|a, b| a.pointer.cmp(&b.pointer));
    found.dedup();
    Ok(found)
}

fn compile() -> HashMap<&'static str, Validator> {
    let schemas = openapi::schemas();
    openapi::bodies()
        .filter_map(|name| {
            let root = json!({
                "$ref": format!("#/components/schemas/{name}"),
                "components": {"schemas": schemas},
            });
            // A schema that does not compile is missing, which the tests find.
            Some((name, jsonschema::draft202012::new(&root).ok()?))
        })
        .collect()
}

/// An error in our own words, which never repeat a value.
fn told(error: &ValidationError<'_>) -> Vec<Violation> {
    let at = error.instance_path().to_string();
    let one = |detail: String| vec![Violation::new(at.clone(), detail)];
    let below = |name: &str, detail: &'static str| Violation::new(format!("{at}/{}", escaped(name)), detail);
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => unexpected
            .iter()
            .map(|name| below(name, "is not a known member"))
            .collect(),
        ValidationErrorKind::Required { property } => {
            vec![below(property.as_str().unwrap_or_default(), "is required")]
        }
        ValidationErrorKind::Type { kind } => one(format!("must be {}", types(kind))),
        ValidationErrorKind::Enum { options } => one(format!("must be one of {}", words(options))),
        ValidationErrorKind::MinLength { limit: 1 } => one("must not be empty".to_owned()),
        ValidationErrorKind::MinLength { limit } => one(format!("must have at least {limit} characters")),
        ValidationErrorKind::MaxLength { limit } => one(format!("must have at most {limit} characters")),
        ValidationErrorKind::Minimum { limit } => one(format!("must be at least {limit}")),
        ValidationErrorKind::Maximum { limit } => one(format!("must be at most {limit}")),
        ValidationErrorKind::MinItems { limit } => one(format!("needs at least {limit} entries")),
        ValidationErrorKind::MaxItems { limit } => one(format!("must have at most {limit} entries")),
        ValidationErrorKind::MinProperties { limit } => one(format!("needs at least {limit} members")),
        ValidationErrorKind::MaxProperties { limit } => one(format!("must have at most {limit} members")),
        ValidationErrorKind::UniqueItems => one("must not have an entry twice".to_owned()),
        ValidationErrorKind::Not { schema } => vec![together(&at, schema)],
        ValidationErrorKind::Pattern { pattern } => one(format!("must match {pattern}")),
        _ => one("must be as the API's description says".to_owned()),
    }
}

/// Members that exclude each other stand in the description as `not` with `required`.
fn together(at: &str, not: &Value) -> Violation {
    let names: Vec<_> = not["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    match names.split_last() {
        Some((last, others)) => {
            let detail = format!("must not be there together with {}", others.join(" and "));
            Violation::new(format!("{at}/{}", escaped(last)), detail)
        }
        None => Violation::new(at.to_owned(), "must be as the API's description says"),
    }
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => article(&one.to_string()),
        TypeKind::Multiple(many) => {
            let all: Vec<_> = many.iter().map(|one| article(&one.to_string())).collect();
            all.join(" or ")
        }
    }
}

fn article(name: &str) -> String {
    match name {
        "null" => name.to_owned(),
        "integer" | "array" | "object" => format!("an {name}"),
        _ => format!("a {name}"),
    }
}

fn words(options: &Value) -> String {
    let words: Vec<_> = options
        .as_array()
        .into_iter()
        .flatten()
        .map(|option| option.as_str().unwrap_or("null"))
        .collect();
    words.join(", ")
}

/// A member's name within a JSON Pointer (RFC 6901 §3), cut where it is overlong.
fn escaped(name: &str) -> String {
    let name: String = name.chars().take(MAX_NAME).filter(|c| !c.is_control()).collect();
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(schema: &str, body: &Value) -> Vec<String> {
        let found = violations(schema, body).unwrap();
        found.into_iter().map(|violation| violation.pointer).collect()
    }

    #[test]
    fn every_body_of_the_description_can_be_checked() {
        for name in openapi::bodies() {
            assert!(violations(name, &json!({})).is_ok(), "{name}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once_and_no_value_repeated() {
        let body = json!({
            "client_name": "", "scope": 7, "redirect_uris": ["a", 5, "a"], "grant_types": ["password"],
            "access_token_ttl": 7.5, "require_pkce": "yes", "canary": "secret-value", "a/b": 1,
        });
        let found = violations("ClientCreate", &body).unwrap();
        let text = format!("{found:?}");
        assert!(
            !text.contains("secret-value") && !text.contains("password"),
            "{text}"
        );
        assert_eq!(
            pointers("ClientCreate", &body),
            [
                "/access_token_ttl",
                "/a~1b",
                "/canary",
                "/client_name",
                "/grant_types/0",
                "/redirect_uris",
                "/redirect_uris/1",
                "/require_pkce",
                "/scope",
            ]
        );
    }

    #[test]
    fn members_that_exclude_each_other_are_named() {
        let both = json!({"expires_in": 60, "expires_at": "2030-01-01T00:00:00Z"});
        let found = violations("RegistrationTokenCreate", &both).unwrap();
        let told: Vec<_> = found
            .iter()
            .map(|found| format!("{} {}", found.pointer, found.detail))
            .collect();
        assert_eq!(told, ["/expires_at must not be there together with expires_in"]);
    }

    #[test]
    fn a_patch_may_say_null_and_not_more_than_a_creation() {
        assert_eq!(
            pointers("ClientPatch", &json!({"client_name": null, "grant_types": null})),
            [""; 0]
        );
        assert_eq!(
            pointers("ClientPatch", &json!({"client_id": "x"})),
            ["/client_id"]
        );
        assert_eq!(pointers("ClientPatch", &json!({"unknown": null})), ["/unknown"]);
        assert_eq!(
            pointers("ClientPatch", &json!({"access_token_ttl": 4})),
            ["/access_token_ttl"]
        );
        assert_eq!(pointers("ClientPatch", &json!([])), [""]);
    }
}
