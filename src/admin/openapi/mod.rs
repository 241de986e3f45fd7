//! The description of the HTTP API: OpenAPI 3.1, made from the operations and schemas by which the server itself works.

mod components;
mod public;

use crate::admin::operation::{Operation, Parameter, ParameterKind, Verb};
use crate::admin::version;
use crate::types::Issuer;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

pub use self::components::schemas;

/// The names of all schemas of request bodies.
pub fn bodies() -> impl Iterator<Item = &'static str> {
    let names: BTreeSet<_> = super::operations()
        .filter_map(|operation| operation.body)
        .collect();
    names.into_iter()
}

/// The document for an issuer.
pub fn document(issuer: &Issuer) -> Value {
    let mut paths = public::paths();
    for operation in super::operations() {
        let path = paths
            .entry(operation.path)
            .or_insert_with(|| Value::Object(path_parameters(operation.path)));
        path[operation.method.as_str()] = describe(operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "grantor",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "OAuth 2.1 and OpenID Connect authorization server",
            "description": "The admin API takes access tokens of this server: get one with the client_credentials grant. \
                Every answer has X-Correlation-ID; errors of the admin API are problem details (RFC 9457), those of the \
                OAuth endpoints RFC 6749 error objects. Times are RFC 3339 in UTC.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": issuer.as_str()}],
        "tags": [
            {"name": "OAuth", "description": "Tokens: RFC 6749, 7009, 7662 and their neighbours."},
            {"name": "OpenID Connect", "description": "Signing in and out."},
            {"name": "Documents", "description": "What everybody may read."},
            {"name": "Clients", "description": "Registered clients."},
            {"name": "Registration", "description": "Who may register clients (RFC 7591)."},
            {"name": "Users", "description": "Accounts of people."},
            {"name": "Sessions", "description": "Browsers in which people are signed in."},
            {"name": "Grants", "description": "What applications hold of people: token families."},
            {"name": "Consents", "description": "What people have agreed to."},
            {"name": "Keys", "description": "Signing keys."},
            {"name": "Limits", "description": "How much anybody may ask for."},
            {"name": "Tenants", "description": "Issuers with keys, clients and users of their own."},
            {"name": "Audit", "description": "The audit log."},
        ],
        "paths": paths,
        "components": components::components(issuer),
    })
}

/// The parameters that a path has in braces.
fn path_parameters(path: &str) -> Map<String, Value> {
    let names = path.split(['{', '}']).skip(1).step_by(2);
    let parameters: Vec<_> = names
        .map(|name| {
            json!({
                "name": name, "in": "path", "required": true,
                "schema": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9._~:+=@-]{1,64}$"},
            })
        })
        .collect();
    let mut item = Map::new();
    if !parameters.is_empty() {
        item.insert("parameters".to_owned(), parameters.into());
    }
    item
}

fn describe(operation: &Operation) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "security": [{"oauth2": [operation.scope]}],
        "responses": responses(operation),
    });
    if !operation.description.is_empty() {
        described["description"] = operation.description.into();
    }
    if !operation.parameters.is_empty() {
        described["parameters"] = operation.parameters.iter().map(parameter).collect();
    }
    if let Some(schema) = operation.body {
        let schema = json!({"schema": {"$ref": format!("#/components/schemas/{schema}")}});
        let mut content = json!({"application/json": schema});
        if operation.method == Verb::Patch {
            content["application/merge-patch+json"] = schema;
        }
        described["requestBody"] = json!({"required": true, "content": content});
    }
    described
}

fn parameter(parameter: &Parameter) -> Value {
    let (place, schema) = match parameter.kind {
        ParameterKind::Integer {
            minimum,
            maximum,
            default,
        } => (
            "query",
            json!({"type": "integer", "minimum": minimum, "maximum": maximum, "default": default}),
        ),
        ParameterKind::Text { max_length } => (
            "query",
            json!({"type": "string", "minLength": 1, "maxLength": max_length}),
        ),
        ParameterKind::Matching(pattern) => ("query", json!({"type": "string", "pattern": pattern})),
        ParameterKind::Address => (
            "query",
            json!({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}),
        ),
        ParameterKind::Time => ("query", json!({"type": "string", "format": "date-time"})),
        ParameterKind::Word(words) => ("query", json!({"type": "string", "enum": words})),
        ParameterKind::Header => (
            "header",
            json!({"type": "string", "maxLength": version::MAX_CONDITION}),
        ),
    };
    json!({"name": parameter.name, "in": place, "description": parameter.description, "schema": schema})
}

fn responses(operation: &Operation) -> Value {
    let mut headers = components::headers_of_success();
    if operation.success == 201 {
        headers["Location"] =
            json!({"description": "Where the new object is.", "schema": {"type": "string", "format": "uri"}});
    }
    if operation.versioned {
        headers["ETag"] = json!({"description": "The object's version.", "schema": {"type": "string"}});
    }
    let mut success = json!({"description": "Done.", "headers": headers});
    if let Some(schema) = operation.answer {
        success["content"] =
            json!({"application/json": {"schema": {"$ref": format!("#/components/schemas/{schema}")}}});
    }
    let mut responses = json!({operation.success.to_string(): success});
    let mut refusals = vec![400, 401, 403, 429, 500, 503];
    refusals.extend(operation.refusals);
    if operation.body.is_some() {
        refusals.extend([408, 413, 415]);
    }
    for status in refusals {
        responses[status.to_string()] = json!({"$ref": format!("#/components/responses/Problem{status}")});
    }
    responses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Value {
        super::document(&Issuer::parse("https://id.example.com").unwrap())
    }

    /// Every `$ref` below a value.
    fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(entries) => entries.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 50);
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_operation_says_what_it_needs_and_answers() {
        let document = document();
        let mut ids = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                if method == "parameters" {
                    continue;
                }
                let name = format!("{method} {path}");
                assert!(
                    ids.insert(operation["operationId"].as_str().unwrap().to_owned()),
                    "{name}"
                );
                assert!(operation["security"].is_array(), "{name}");
                let responses = operation["responses"].as_object().unwrap();
                for status in ["429", "503"] {
                    assert!(responses.contains_key(status), "{name} {status}");
                }
                if path.starts_with("/admin/") {
                    assert!(
                        !operation["security"][0]["oauth2"][0].as_str().unwrap().is_empty(),
                        "{name}"
                    );
                    assert!(
                        responses.contains_key("401") && responses.contains_key("403"),
                        "{name}"
                    );
                }
            }
        }
    }

    #[test]
    fn every_example_is_valid_by_its_own_schema() {
        let schemas = schemas();
        for (name, schema) in &schemas {
            let Some(example) = schema.get("example") else {
                continue;
            };
            let root =
                json!({"$ref": format!("#/components/schemas/{name}"), "components": {"schemas": schemas}});
            let validator = jsonschema::draft202012::new(&root).unwrap();
            let errors: Vec<_> = validator
                .iter_errors(example)
                .map(|error| error.to_string())
                .collect();
            assert_eq!(errors, [""; 0], "{name}");
        }
    }
}
