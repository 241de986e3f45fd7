//! Registering a client from a document as `POST /admin/v1/clients` takes it.

use crate::admin::schema;
use crate::app::App;
use crate::audit::Event;
use crate::clients::{Registered, Rules, Unregistered, document};
use crate::fault::Fault;
use crate::storage::clients::{Client, ClientMetadata};
use crate::tenants::Tenant;
use crate::types::Timestamp;
use serde_json::{Map, Value};

/// Registers a client, together with its audit event. `may_give` says whether whoever asks may give a client such a
/// registration.
///
/// # Errors
/// When the document is not valid, something is taken, or the database does not answer.
pub async fn register(
    app: &App,
    tenant: &Tenant,
    document: Value,
    may_give: impl FnOnce(&ClientMetadata) -> bool,
    event: Event,
    now: Timestamp,
) -> Result<Registered, Unregistered> {
    let found = schema::violations("ClientCreate", &document)?;
    let Value::Object(mut document) = document else {
        return Err(Unregistered::Invalid(found));
    };
    if !found.is_empty() {
        return Err(Unregistered::Invalid(found));
    }
    let chosen = document.remove("client_id");
    let client_id = document::identifier(chosen.as_ref(), &app.entropy)?
        .map_err(|violation| Unregistered::Invalid(vec![violation]))?;
    let enabled = document.remove("enabled").and_then(|enabled| enabled.as_bool());
    let rules = Rules::of(&app.config, &tenant.issuer);
    let metadata = document::read(document, &rules).map_err(Unregistered::Invalid)?;
    if !may_give(&metadata) {
        return Err(Unregistered::NotAllowed(client_id));
    }
    let event = event.client(&client_id);
    app.registrar.check_plan(tenant.id, &metadata).await?;
    app.registrar.check_sector(None, &metadata, &event).await?;
    let mut registered = app.registrar.make(tenant.id, client_id, metadata, now)?;
    registered.client.enabled = enabled.unwrap_or(true);
    let tx = app.store.begin().await?;
    app.registrar.insert(tx, &registered.client, event).await?;
    Ok(registered)
}

/// A client as the admin API shows it.
///
/// # Errors
/// When the registration is no JSON, which is a defect.
pub fn view(app: &App, client: &Client, now: Timestamp) -> Result<Map<String, Value>, Fault> {
    document::view(client, &app.config.tokens, now)
}
