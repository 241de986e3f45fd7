//! The client information response (RFC 7591 §3.2.1, RFC 7592 §3).

use super::PATH;
use crate::app::App;
use crate::clients::self_registration::told;
use crate::fault::Fault;
use crate::storage::clients::Client;
use crate::types::{GrantType, Issuer, Secret};
use serde_json::{Map, Value};

/// The URL at which a client manages its registration.
pub(super) fn configuration_uri(issuer: &Issuer, client: &Client) -> String {
    issuer.at(&format!("{PATH}/{}", client.client_id))
}

/// Everything that is registered for a client, and how it manages it. A secret is told once: only its hash is kept.
pub(super) fn document(
    app: &App,
    issuer: &Issuer,
    client: &Client,
    secret: Option<&Secret>,
    registration_token: &str,
) -> Result<Map<String, Value>, Fault> {
    let metadata = &client.metadata.0;
    let mut document = told(metadata)?;
    let mut set = |name: &str, value: Value| document.insert(name.to_owned(), value);
    set("client_id", client.client_id.as_str().into());
    set("client_id_issued_at", client.created_at.seconds().into());
    if metadata.has_grant(GrantType::AuthorizationCode) {
        let alg = metadata.id_token_alg(&app.config.tokens);
        set("id_token_signed_response_alg", alg.as_str().into());
    }
    if let Some(secret) = secret {
        set("client_secret", secret.expose().into());
        set("client_secret_expires_at", 0.into());
    }
    set("registration_access_token", registration_token.into());
    set(
        "registration_client_uri",
        configuration_uri(issuer, client).into(),
    );
    Ok(document)
}
