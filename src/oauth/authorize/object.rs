//! Request objects (RFC 9101, OpenID Connect Core §6): an authorization request as a JWT that its client signed, and may
//! have encrypted to this server then.

use crate::app::App;
use crate::audit::{EventType, Outcome};
use crate::clients::authentication::Reason;
use crate::fault::Fault;
use crate::jose::jwt::Unverified;
use crate::jose::{Claims, Encrypted};
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::parameters::REPEATABLE;
use crate::protect::Exchange;
use crate::protect::body::Form;
use crate::storage::clients::Client;
use crate::types::{Algorithm, Issuer, Timestamp};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// A request object says what it is, or is a plain JWT (§10.8). Client assertions, proofs and tokens that say what they are
/// are none.
const TYPES: [&str; 2] = ["oauth-authz-req+jwt", "JWT"];
/// How far ahead of ours the client's clock may be, in seconds: for `nbf` and `iat`.
const CLOCK_TOLERANCE_S: i64 = 10;
/// The longest life of an object where signing is required, in seconds (FAPI 2.0 Message Signing §5.3.1).
const MAX_LIFE_S: i64 = 3600;
/// Longest `jti`.
const MAX_JTI: usize = 255;
/// Most parameters.
const MAX_PARAMETERS: usize = 256;
/// What a JWT says about itself (RFC 7519 §4.1), which is no parameter.
const OF_THE_TOKEN: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

/// Verifies an object of a client and gives the parameters that it holds. `issuer` is whom it has to be meant for.
///
/// # Errors
/// `invalid_request_object` with what is wrong; `request_not_supported` for a client that has no keys to sign with.
pub async fn verify(
    app: &App,
    exchange: &Exchange,
    client: &Client,
    issuer: &Issuer,
    object: &str,
) -> Result<Form, OauthError> {
    let now = exchange.now();
    if client.metadata.jwks.is_none() && client.metadata.jwks_uri.is_none() {
        return Err(OauthError::new(
            ErrorCode::RequestNotSupported,
            "Request objects have to be signed, and this client has registered neither jwks nor jwks_uri",
        ));
    }
    let signed = decrypted(app, client, object).await?;
    let unverified = Unverified::parse(&signed).map_err(|error| invalid(error.reason()))?;
    if !may_sign(client, unverified.alg()) {
        return Err(invalid("the algorithm is not the registered one"));
    }
    let wanted = (unverified.kid(), unverified.alg());
    let keys = match app.authenticator.keys().of(&client.metadata, wanted, now).await {
        Ok(keys) => keys,
        Err(reason) => {
            if reason == Reason::KeysForbidden {
                note_forbidden(app, exchange, client, "jwks_uri")?;
            }
            return Err(invalid("the keys of the client are not to be had"));
        }
    };
    // §6.2: "If signature validation fails, the authorization server MUST return an "invalid_request_object" error".
    let claims = unverified
        .verify_signature(&TYPES, &keys)
        .map_err(|error| invalid(error.reason()))?;
    let says = Says { client, issuer, now };
    says.right(&claims).map_err(invalid)?;
    parameters(claims.as_map()).map(Form::from).map_err(invalid)
}

/// The signed object within an encrypted one; any other as it is. §6.1: "The authorization server MUST decrypt the JWT in
/// accordance with the JSON Web Encryption [RFC7516] specification. The result is a signed Request Object. If decryption
/// fails, the authorization server MUST return an "invalid_request_object" error". Whatever fails, it says the same, so that
/// nobody learns from it about somebody else's object.
async fn decrypted<'o>(app: &App, client: &Client, object: &'o str) -> Result<Cow<'o, str>, OauthError> {
    if !Encrypted::is_one(object) {
        return Ok(Cow::Borrowed(object));
    }
    let keys = app.keys.of(client.tenant_id).await?;
    let opened = Encrypted::parse(object)
        .and_then(|token| keys.decryption(&token)?.open(&token))
        .and_then(|content| String::from_utf8(content.to_vec()).ok());
    opened
        .map(Cow::Owned)
        .ok_or_else(|| invalid("it cannot be decrypted"))
}

/// Records that a client's address leads to where the server must not go.
pub fn note_forbidden(
    app: &App,
    exchange: &Exchange,
    client: &Client,
    member: &'static str,
) -> Result<(), Fault> {
    let event = app.event(
        exchange.now(),
        EventType::SsrfBlocked,
        Outcome::Failure,
        client.tenant_id,
    )?;
    let event = event.by(exchange.caller()).client(&client.client_id);
    app.audit.note(event.with("member", member));
    Ok(())
}

fn invalid(why: &str) -> OauthError {
    OauthError::new(
        ErrorCode::InvalidRequestObject,
        format!("The request object is refused: {why}"),
    )
}

/// §6.2: the algorithm is the registered one. Where signing is required, RS256 has to be registered by name: FAPI 2.0 leaves
/// it out. Nowhere is `none` an algorithm.
fn may_sign(client: &Client, alg: Algorithm) -> bool {
    match client.metadata.request_object_signing_alg {
        Some(registered) => registered == alg,
        None => !(client.metadata.require_signed_request_object && alg == Algorithm::RS256),
    }
}

/// What an object has to say.
struct Says<'a> {
    client: &'a Client,
    issuer: &'a Issuer,
    now: Timestamp,
}

impl Says<'_> {
    fn right(&self, claims: &Claims) -> Result<(), &'static str> {
        let id = self.client.client_id.as_str();
        // §4: "request" and "request_uri" MUST NOT be included in Request Objects.
        if claims.get("request").is_some() || claims.get("request_uri").is_some() {
            return Err("it holds request or request_uri");
        }
        // §6.3: the two MUST be identical, so that it is there.
        if claims.str("client_id") != Some(id) {
            return Err("client_id is not the client of the request");
        }
        if claims.get("iss").is_some() && claims.issuer() != Some(id) {
            return Err("iss is not the client");
        }
        // §10.8: an object with this subject could be a client assertion.
        if claims.subject() == Some(id) {
            return Err("sub is the client, as in a client assertion");
        }
        self.audience(claims)?;
        self.times(claims)?;
        let jti_fits = |jti: &str| (1..=MAX_JTI).contains(&jti.len());
        match claims.get("jti") {
            Some(_) if !claims.id().is_some_and(jti_fits) => Err("jti is no text of 1 to 255 characters"),
            _ => Ok(()),
        }
    }

    /// §4: "The value of aud should be the value of the authorization server (AS) issuer", alone or with others.
    fn audience(&self, claims: &Claims) -> Result<(), &'static str> {
        if claims.get("aud").is_none() {
            return if self.client.metadata.require_signed_request_object {
                Err("aud is missing")
            } else {
                Ok(())
            };
        }
        match claims.audiences() {
            Some(audiences) if audiences.contains(&self.issuer.as_str()) => Ok(()),
            _ => Err("aud does not hold this issuer"),
        }
    }

    fn times(&self, claims: &Claims) -> Result<(), &'static str> {
        let time = |name: &'static str, wrong| match claims.get(name) {
            None => Ok(None),
            Some(_) => claims.time(name).map(Some).ok_or(wrong),
        };
        let expires = time("exp", "exp is no time")?;
        let from = time("nbf", "nbf is no time")?;
        let issued = time("iat", "iat is no time")?;
        if expires.is_some_and(|at| at <= self.now) {
            return Err("it has expired");
        }
        let latest = self.now.plus_seconds(CLOCK_TOLERANCE_S);
        if from.is_some_and(|at| at > latest) || issued.is_some_and(|at| at > latest) {
            return Err("nbf or iat is in the future");
        }
        if !self.client.metadata.require_signed_request_object {
            return Ok(());
        }
        match (from, expires) {
            (Some(from), Some(expires)) if expires <= from.plus_seconds(MAX_LIFE_S) => Ok(()),
            (Some(_), Some(_)) => Err("exp is more than 60 minutes after nbf"),
            _ => Err("exp and nbf are needed"),
        }
    }
}

/// §4: the parameters of an object, as a form would have them: texts as they are, all else as JSON. A parameter that may
/// come several times is an array. `null` is no value.
///
/// # Errors
/// With what cannot be a parameter.
pub fn parameters(claims: &Map<String, Value>) -> Result<Vec<(String, String)>, &'static str> {
    let mut parameters = Vec::with_capacity(claims.len());
    for (name, value) in claims {
        if OF_THE_TOKEN.contains(&name.as_str()) {
            continue;
        }
        match value {
            Value::Null => {}
            Value::String(text) => parameters.push((name.clone(), text.clone())),
            Value::Array(values) if REPEATABLE.contains(&name.as_str()) => {
                for value in values {
                    let text = value.as_str().ok_or("a list holds what is no text")?;
                    parameters.push((name.clone(), text.to_owned()));
                }
            }
            other => parameters.push((name.clone(), other.to_string())),
        }
        if parameters.len() > MAX_PARAMETERS {
            return Err("it has more than 256 parameters");
        }
    }
    if parameters
        .iter()
        .any(|(name, value)| name.contains('\0') || value.contains('\0'))
    {
        return Err("it contains NUL");
    }
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(claims: &Value) -> Result<Vec<(String, String)>, &'static str> {
        parameters(claims.as_object().unwrap())
    }

    #[test]
    fn rfc9101_s4_claims_are_parameters_and_what_the_token_says_of_itself_is_not() {
        let claims = json!({
            "iss": "c", "aud": "https://id.example", "exp": 1, "jti": "x",
            "client_id": "c", "max_age": 60, "claims": {"id_token": {"acr": null}}, "resource": ["urn:a:b", "urn:c:d"],
            "nonce": null,
        });
        let mut read = read(&claims).unwrap();
        read.sort();
        let expected = [
            ("claims", r#"{"id_token":{"acr":null}}"#),
            ("client_id", "c"),
            ("max_age", "60"),
            ("resource", "urn:a:b"),
            ("resource", "urn:c:d"),
        ];
        assert_eq!(read, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    #[test]
    fn what_no_form_could_hold_is_refused() {
        assert!(read(&json!({"state": "a\u{0}b"})).is_err());
        assert!(read(&json!({"a\u{0}b": "x"})).is_err());
        assert!(read(&json!({"resource": [1]})).is_err());
        let many: Map<String, Value> = (0..300).map(|n| (n.to_string(), Value::from(n))).collect();
        assert!(parameters(&many).is_err());
    }
}
