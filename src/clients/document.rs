//! Clients as JSON: what comes in, and what goes out.

use super::localized;
use super::registration::{Rules, complete, violations};
use crate::config::TokenConfig;
use crate::entropy::Entropy;
use crate::fault::Fault;
use crate::storage::clients::{Client, ClientMetadata};
use crate::types::{ClientId, GrantType, Resource, Timestamp, Violation, base64url};
use serde_json::{Map, Value};
use uuid::Uuid;

/// What a made identifier starts with. It is no UUID, as user ids are.
const MADE_PREFIX: &str = "c_";
/// The length of a made identifier: the prefix and 128 bits as base64url.
const MADE_LENGTH: usize = MADE_PREFIX.len() + 22;

/// A registration out of a document that fits its schema: completed, and kept to the rules.
///
/// # Errors
/// Everything that is wrong.
pub fn read(mut document: Map<String, Value>, rules: &Rules<'_>) -> Result<ClientMetadata, Vec<Violation>> {
    let malformed = forms(&document);
    if !malformed.is_empty() {
        return Err(malformed);
    }
    localized::fold(&mut document)?;
    let mut metadata: ClientMetadata = serde_json::from_value(Value::Object(document))
        .map_err(|_| vec![Violation::new("", "must be as the API's description says")])?;
    complete(&mut metadata);
    let found = violations(&metadata, rules);
    if found.is_empty() {
        Ok(metadata)
    } else {
        Err(found)
    }
}

/// What JSON Schema cannot tell: the form of resources, and that a whole number is written like one.
fn forms(document: &Map<String, Value>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (name, value) in document {
        if value.is_f64() {
            found.push(Violation::new(
                format!("/{name}"),
                "must be written without a fraction",
            ));
        }
        if name.contains('#') && localized::split(name).is_none() {
            found.push(Violation::new(
                format!("/{name}"),
                "must be a member for people, with a language tag of at most 35 characters (BCP 47)",
            ));
        }
    }
    for name in ["resources", "resource_identifiers"] {
        let entries = document.get(name).and_then(Value::as_array).into_iter().flatten();
        for (position, entry) in entries.enumerate() {
            if let Some(Err(malformed)) = entry.as_str().map(Resource::parse) {
                found.push(Violation::new(format!("/{name}/{position}"), malformed.0));
            }
        }
    }
    found
}

/// The identifier that a creation chooses, or one that is made for it.
///
/// # Errors
/// A fault when there is no randomness; within, what is wrong with one that could be somebody else's.
pub fn identifier(chosen: Option<&Value>, entropy: &Entropy) -> Result<Result<ClientId, Violation>, Fault> {
    let Some(chosen) = chosen.and_then(Value::as_str) else {
        let made = format!("{MADE_PREFIX}{}", base64url(&entropy.bytes::<16>()?));
        let made =
            ClientId::parse(&made).map_err(|why| Fault::internal(format!("a made client_id {why}")))?;
        return Ok(Ok(made));
    };
    let made_like = chosen.starts_with(MADE_PREFIX) && chosen.len() == MADE_LENGTH;
    // A client's own tokens have its identifier as `sub`: it must never be that of a person.
    let detail = if made_like || Uuid::try_parse(chosen).is_ok() {
        "must not have the form of an id that this server makes"
    } else {
        match ClientId::parse(chosen) {
            Ok(client_id) => return Ok(Ok(client_id)),
            Err(malformed) => malformed.0,
        }
    };
    Ok(Err(Violation::new("/client_id", detail)))
}

/// A client as it is answered: its registration, and what follows from it at this moment.
///
/// # Errors
/// When the registration is no JSON, which is a defect.
pub fn view(client: &Client, tokens: &TokenConfig, now: Timestamp) -> Result<Map<String, Value>, Fault> {
    let metadata = &client.metadata.0;
    let mut view = members(metadata)?;
    let mut set = |name: &str, value: Value| view.insert(name.to_owned(), value);
    set("client_id", client.client_id.as_str().into());
    set("enabled", client.enabled.into());
    set("consumer_class", metadata.class().as_str().into());
    set(
        "access_token_ttl",
        metadata.effective_access_token_ttl(tokens).into(),
    );
    set(
        "access_token_signed_response_alg",
        metadata.access_token_alg(tokens).as_str().into(),
    );
    if metadata.has_grant(GrantType::AuthorizationCode) {
        set(
            "id_token_signed_response_alg",
            metadata.id_token_alg(tokens).as_str().into(),
        );
    }
    if metadata.has_grant(GrantType::RefreshToken) {
        set(
            "refresh_token_ttl",
            metadata.effective_refresh_token_ttl(tokens).into(),
        );
    }
    if let Some(until) = client.previous_secret_expires_at.filter(|until| now < *until) {
        set("previous_secret_expires_at", until.to_string().into());
    }
    if let Some(used_at) = client.last_used_at {
        set("last_used_at", used_at.to_string().into());
    }
    if let Some(token) = client.registered_with {
        set("registration_token_id", token.to_string().into());
    }
    set("client_id_issued_at", client.created_at.seconds().into());
    set("created_at", client.created_at.to_string().into());
    set("updated_at", client.updated_at.to_string().into());
    Ok(view)
}

/// The registration as its members are named outside.
///
/// # Errors
/// When it is no JSON object, which is a defect.
pub fn members(metadata: &ClientMetadata) -> Result<Map<String, Value>, Fault> {
    match serde_json::to_value(metadata) {
        Ok(Value::Object(mut members)) => {
            localized::unfold(&mut members);
            Ok(members)
        }
        Ok(_) => Err(Fault::internal("a client's registration is no object")),
        Err(error) => Err(Fault::internal("a client's registration is no JSON").caused_by(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_made_identifier_is_no_user_id_and_none_like_it_can_be_chosen() {
        let entropy = Entropy::seeded(1);
        let made = identifier(None, &entropy).unwrap().unwrap();
        assert!(Uuid::try_parse(made.as_str()).is_err());
        let uuid = "0190a5a0-3333-7000-8000-00000000abcd";
        for bad in [made.as_str(), uuid, &uuid.to_uppercase(), &uuid.replace('-', "")] {
            assert!(identifier(Some(&json!(bad)), &entropy).unwrap().is_err(), "{bad}");
        }
        let chosen = identifier(Some(&json!("orders")), &entropy).unwrap().unwrap();
        assert_eq!(chosen.as_str(), "orders");
    }

    #[test]
    fn what_the_schema_cannot_tell_has_its_place() {
        let document = json!({"access_token_ttl": 900.0, "resources": ["https://a.example", "not a uri"]});
        let found = forms(document.as_object().unwrap());
        let pointers: Vec<_> = found.into_iter().map(|violation| violation.pointer).collect();
        assert_eq!(pointers, ["/access_token_ttl", "/resources/1"]);
    }
}
