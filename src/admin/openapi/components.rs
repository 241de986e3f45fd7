//! Schemas, answers and security schemes that operations refer to.

use crate::types::{ADMIN_SCOPES, Issuer};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// The schemas as they are written: one file per resource.
const FILES: &[&str] = &[
    include_str!("schemas/common.json"),
    include_str!("schemas/oauth.json"),
    include_str!("schemas/clients.json"),
    include_str!("schemas/users.json"),
    include_str!("schemas/sessions.json"),
    include_str!("schemas/grants.json"),
    include_str!("schemas/deliveries.json"),
    include_str!("schemas/keys.json"),
    include_str!("schemas/limits.json"),
    include_str!("schemas/registration.json"),
    include_str!("schemas/tenants.json"),
    include_str!("schemas/audit.json"),
];

static SCHEMAS: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    let mut schemas = Map::new();
    for file in FILES {
        // A file that cannot be read is missing, which the tests find.
        let read: Map<String, Value> = serde_json::from_str(file).unwrap_or_default();
        schemas.extend(read);
    }
    if let Some(create) = schemas.get("ClientCreate").cloned() {
        schemas.insert("ClientPatch".to_owned(), client_patch(&create));
        let (client, created) = client_answers(create);
        schemas.insert("ClientList".to_owned(), list_of("Client"));
        schemas.insert("Client".to_owned(), client);
        schemas.insert("ClientCreated".to_owned(), created);
    }
    if let Some(create) = schemas.get("UserCreate").cloned() {
        schemas.insert("UserPatch".to_owned(), user_patch(&create));
        schemas.insert("User".to_owned(), user_answer(create));
        schemas.insert("UserList".to_owned(), list_of("User"));
    }
    if let Some(token) = schemas.get("RegistrationToken").cloned() {
        schemas.insert("RegistrationTokenCreated".to_owned(), with_token(token));
        schemas.insert("RegistrationTokenList".to_owned(), list_of("RegistrationToken"));
    }
    if let Some(request) = schemas.get("ClientRegistrationRequest").cloned() {
        schemas.insert("ClientReplacement".to_owned(), replacement(request));
    }
    schemas.insert("TenantList".to_owned(), list_of("Tenant"));
    schemas.insert("SessionList".to_owned(), list_of("Session"));
    schemas.insert("GrantList".to_owned(), list_of("Grant"));
    schemas.insert("DeliveryList".to_owned(), list_of("Delivery"));
    schemas.insert("PlanList".to_owned(), list_of("Plan"));
    schemas.insert("ConsentList".to_owned(), list_of("Consent"));
    schemas
});

/// Every schema by its name.
pub fn schemas() -> Map<String, Value> {
    SCHEMAS.clone()
}

/// A page of a list (contract: `{"items": […], "next_cursor": "…"}`).
fn list_of(schema: &str) -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["items", "next_cursor"],
        "properties": {
            "items": {"type": "array", "maxItems": 100, "items": {"$ref": format!("#/components/schemas/{schema}")}},
            "next_cursor": {"type": ["string", "null"], "description": "For the next page; null at the end."},
        },
    })
}

/// What a merge patch (RFC 7396) may hold: what a creation may, and null for what is to be as if it were not given.
fn client_patch(create: &Value) -> Value {
    let mut patch = create.clone();
    patch["description"] = "A merge patch (RFC 7396): null takes a member away.".into();
    patch["example"] = json!({"client_name": "Orders", "contacts": null});
    if let Some(properties) = patch["properties"].as_object_mut() {
        properties.remove("client_id");
        for schema in properties.values_mut() {
            nullable(schema);
        }
    }
    if let Some(in_languages) = patch["patternProperties"].as_object_mut() {
        in_languages.values_mut().for_each(nullable);
    }
    patch
}

fn nullable(schema: &mut Value) {
    let kind = schema["type"].take();
    schema["type"] = json!([kind, "null"]);
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        words.push(Value::Null);
    }
    if let Some(members) = schema.as_object_mut() {
        members.remove("default");
    }
}

/// A client as it is answered, and as its creation answers it.
fn client_answers(create: Value) -> (Value, Value) {
    let mut client = create;
    client["description"] =
        "A registered client, with what follows from its class and the deployment's settings.".into();
    client["required"] = json!([
        "client_id",
        "enabled",
        "client_id_issued_at",
        "created_at",
        "updated_at"
    ]);
    let time = |description| json!({"type": "string", "format": "date-time", "description": description});
    let properties = &mut client["properties"];
    properties["client_id_issued_at"] =
        json!({"type": "integer", "description": "When it was registered, in Unix seconds (RFC 7591)."});
    properties["created_at"] = time("When it was registered.");
    properties["updated_at"] = time("When it was last changed.");
    properties["last_used_at"] =
        time("When it last got a token, to within a day; only for a client that registered itself.");
    properties["registration_token_id"] = json!({
        "type": "string", "format": "uuid", "description": "The initial access token that it registered with.",
    });
    properties["previous_secret_expires_at"] = time("Until when the secret before the last rotation works.");
    let example = json!({
        "client_id": "orders", "enabled": true, "client_name": "Order service", "consumer_class": "service",
        "grant_types": ["client_credentials"], "scope": "orders:read orders:write", "access_token_ttl": 900,
        "client_id_issued_at": 1_767_225_600, "created_at": "2026-01-01T00:00:00.000Z",
        "updated_at": "2026-01-01T00:00:00.000Z",
    });
    client["example"] = example;
    let mut created = client.clone();
    created["properties"]["client_secret"] = json!({
        "type": "string", "pattern": "^gcs_[A-Za-z0-9_-]{43}$",
        "description": "Shown this once; only for clients that authenticate with a secret.",
    });
    created["properties"]["client_secret_expires_at"] =
        json!({"type": "integer", "enum": [0], "description": "0: it does not expire (RFC 7591)."});
    (client, created)
}

/// What replaces a registration: the same, and it says whose it is (RFC 7592 §2.2).
fn replacement(mut request: Value) -> Value {
    request["required"] = json!(["client_id"]);
    request["properties"]["client_id"] =
        json!({"type": "string", "maxLength": 64, "description": "The client's own."});
    request["properties"]["client_secret"] = json!({"type": ["string", "null"], "maxLength": 1000, "writeOnly": true, "description": "If it is there, the client's own."});
    request["example"]["client_id"] = "c_AAAAAAAAAAAAAAAAAAAAAA".into();
    request
}

/// An initial access token as its creation answers it.
fn with_token(mut token: Value) -> Value {
    token["description"] = "An initial access token.".into();
    token["properties"]["token"] = json!({
        "type": "string", "pattern": "^gia_[A-Za-z0-9_-]{43}$", "description": "Shown this once.",
    });
    token["example"]["token"] = "gia_EXAMPLE-EXAMPLE-EXAMPLE-EXAMPLE-EXAMPLE-123".into();
    if let Some(required) = token["required"].as_array_mut() {
        required.push("token".into());
    }
    token
}

/// As for clients; a user always has a username.
fn user_patch(create: &Value) -> Value {
    let mut patch = create.clone();
    patch["description"] = "A merge patch (RFC 7396): null takes a member away.".into();
    patch["example"] = json!({"nickname": null, "address": {"locality": "Oxford"}, "roles": ["admin"]});
    patch["minProperties"] = 0.into();
    if let Some(members) = patch.as_object_mut() {
        members.remove("required");
    }
    if let Some(properties) = patch["properties"].as_object_mut() {
        for (name, schema) in properties {
            if name != "username" {
                nullable(schema);
            }
        }
    }
    patch["properties"]["attributes"]["additionalProperties"]["type"] =
        json!(["string", "number", "boolean", "array", "null"]);
    if let Some(lines) = patch["properties"]["address"]["properties"].as_object_mut() {
        lines.values_mut().for_each(nullable);
    }
    patch
}

/// A user as it is answered.
fn user_answer(create: Value) -> Value {
    let mut user = create;
    user["description"] = "A person's account.".into();
    user["required"] = json!(["id", "username", "enabled", "roles", "created_at", "updated_at"]);
    let time = |description| json!({"type": "string", "format": "date-time", "description": description});
    if let Some(properties) = user["properties"].as_object_mut() {
        properties.remove("password");
        properties.remove("password_hash");
        properties.insert(
            "id".to_owned(),
            json!({"type": "string", "format": "uuid", "description": "The subject of the user's tokens."}),
        );
        properties.insert(
            "has_password".to_owned(),
            json!({"type": "boolean", "description": "Whether the user can sign in with a password."}),
        );
        properties.insert(
            "password_changed_at".to_owned(),
            time("When the password was set."),
        );
        properties.insert("created_at".to_owned(), time("When the account was made."));
        properties.insert("updated_at".to_owned(), time("When it was last changed."));
    }
    user["example"] = json!({
        "id": "0190a5a0-2222-4000-8000-00000000abcd", "username": "alice", "enabled": true, "roles": [],
        "email": "alice@example.org", "email_verified": true, "phone_number_verified": false,
        "name": "Alice Liddell", "has_password": true, "password_temporary": false,
        "password_changed_at": "2026-01-01T00:00:00.000Z", "created_at": "2026-01-01T00:00:00.000Z",
        "updated_at": "2026-01-01T00:00:00.000Z",
    });
    user
}

/// Headers of every answer.
pub(super) fn headers_of_success() -> Value {
    json!({
        "X-Correlation-ID": {"description": "The request's id.", "schema": {"type": "string", "format": "uuid"}},
        "RateLimit": {"description": "What is left of the tightest limit.", "schema": {"type": "string"}},
        "RateLimit-Policy": {"description": "The limits that were counted.", "schema": {"type": "string"}},
        "X-RateLimit-Limit": {"description": "Requests per period.", "schema": {"type": "integer"}},
        "X-RateLimit-Remaining": {"description": "Requests left.", "schema": {"type": "integer"}},
        "X-RateLimit-Reset": {"description": "When all are there again, in Unix seconds.", "schema": {"type": "integer"}},
    })
}

pub(super) fn components(issuer: &Issuer) -> Value {
    json!({
        "schemas": schemas(),
        "responses": responses(),
        "securitySchemes": security(issuer),
    })
}

/// Refusals by status, in the two formats: problem details, and OAuth errors.
fn responses() -> Value {
    let mut responses = Map::new();
    for (status, description) in [
        (400, "The body or a parameter is not valid; every place is named."),
        (401, "There is no access token, or it is not valid here."),
        (403, "The access token lacks the scope, or the caller a right."),
        (404, "There is no such object, or it is not offered."),
        (408, "The body did not arrive in time."),
        (409, "Taken, or in another state than the request supposes."),
        (412, "The object has changed since its ETag was read."),
        (413, "The body is too large."),
        (415, "The body has another media type than the operation takes."),
        (429, "A limit is used up."),
        (500, "The server failed."),
        (503, "Something that the server needs does not answer."),
    ] {
        let mut headers = headers_of_success();
        match status {
            401 | 403 => headers["WWW-Authenticate"] = text("RFC 6750 section 3."),
            429 | 503 => headers["Retry-After"] = text("Seconds after which to come again."),
            _ => {}
        }
        let answer = |media: &str, schema: &str| {
            json!({
                "description": description, "headers": headers,
                "content": {media: {"schema": {"$ref": format!("#/components/schemas/{schema}")}}},
            })
        };
        responses.insert(
            format!("Problem{status}"),
            answer("application/problem+json", "Problem"),
        );
        responses.insert(format!("Oauth{status}"), answer("application/json", "OauthError"));
    }
    Value::Object(responses)
}

fn text(description: &str) -> Value {
    json!({"description": description, "schema": {"type": "string"}})
}

fn security(issuer: &Issuer) -> Value {
    let scopes: Map<String, Value> = ADMIN_SCOPES
        .iter()
        .map(|scope| {
            let (resource, right) = scope.split_once(':').unwrap_or((scope, ""));
            let description = match right {
                "read" => format!("Read {resource}"),
                _ => format!("Create, change and delete {resource}"),
            };
            ((*scope).to_owned(), description.into())
        })
        .collect();
    let token = issuer.at("/oauth2/token");
    json!({
        "oauth2": {
            "type": "oauth2",
            "description": "An access token of this server whose audience is the issuer.",
            "flows": {
                "clientCredentials": {"tokenUrl": token, "scopes": scopes},
                "authorizationCode": {
                    "authorizationUrl": issuer.at("/oauth2/authorize"), "tokenUrl": token, "refreshUrl": token, "scopes": scopes,
                },
            },
        },
        "registration_token": {
            "type": "http", "scheme": "bearer",
            "description": "An initial access token (RFC 7591) or a registration access token (RFC 7592).",
        },
        "openid": {"type": "openIdConnect", "openIdConnectUrl": issuer.at("/.well-known/openid-configuration")},
        "client_secret_basic": {
            "type": "http", "scheme": "basic",
            "description": "RFC 6749 section 2.3.1, for clients that are registered for it. Others send client_id with \
                client_secret or client_assertion in the form.",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::clients::ClientMetadata;
    use std::collections::BTreeSet;

    #[test]
    fn every_file_of_schemas_is_read() {
        for file in FILES {
            let read: Map<String, Value> = serde_json::from_str(file).unwrap();
            assert!(read.keys().all(|name| SCHEMAS.contains_key(name)));
        }
    }

    /// The schema and the struct are written apart; here they are held together.
    #[test]
    fn a_client_has_the_members_of_its_schema_and_no_other() {
        let create = &SCHEMAS["ClientCreate"]["properties"];
        let described: BTreeSet<_> = create.as_object().unwrap().keys().map(String::as_str).collect();
        // Each member's name survives reading and writing; one that the struct does not know would be gone.
        let mut known = BTreeSet::from(["client_id", "enabled"]);
        for (name, schema) in create.as_object().unwrap() {
            let words = schema.get("enum").and_then(Value::as_array);
            let value = match (schema["type"].as_str().unwrap(), words) {
                (_, Some(words)) => words[0].clone(),
                ("boolean", _) => json!(true),
                ("integer", _) => schema["maximum"].clone(),
                ("array", _) => json!([]),
                ("object", _) => json!({"keys": []}),
                _ => json!(""),
            };
            let read: ClientMetadata = serde_json::from_value(json!({name: value})).unwrap();
            if serde_json::to_value(&read).unwrap().get(name) == Some(&value) {
                known.insert(name);
            }
        }
        assert_eq!(described, known);
        let written = serde_json::to_value(ClientMetadata::default()).unwrap();
        for name in written.as_object().unwrap().keys() {
            assert!(described.contains(name.as_str()), "{name} is not described");
        }
    }

    #[test]
    fn defaults_are_those_of_the_code() {
        let written = serde_json::to_value(ClientMetadata::default()).unwrap();
        for (name, schema) in SCHEMAS["ClientCreate"]["properties"].as_object().unwrap() {
            if let Some(default) = schema.get("default")
                && name != "enabled"
            {
                assert_eq!(Some(default), written.get(name), "{name}");
            }
        }
    }
}
