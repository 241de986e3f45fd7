//! Registering and removing a client: what the admin API and the command line have in common.

use super::{change, document};
use crate::admin::schema;
use crate::app::App;
use crate::audit::Event;
use crate::clients::NewSecret;
use crate::fault::Fault;
use crate::storage::clients::{self, Client, ClientMetadata};
use crate::storage::{Tx, outbox};
use crate::types::{ClientId, Secret, TenantId, Timestamp, Violation};
use serde_json::{Map, Value};
use sqlx::types::Json;

/// A client that was just registered.
pub struct Registered {
    /// The client.
    pub client: Client,
    /// Its secret, for the one time that it is shown.
    pub secret: Option<Secret>,
}

/// Why a client was not registered or changed.
#[derive(Debug)]
pub enum Unregistered {
    /// The document is not valid: everything that is wrong.
    Invalid(Vec<Violation>),
    /// Something in it belongs to another client.
    Taken {
        /// The member.
        pointer: &'static str,
        /// What about it.
        detail: &'static str,
    },
    /// Whoever asks has no right to give such a scope.
    NotAllowed(ClientId),
    /// Our own fault.
    Fault(Fault),
}

impl From<Fault> for Unregistered {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Registers a client from a document as `POST /admin/v1/clients` takes it, together with its audit event.
///
/// `may_give` says whether whoever asks may give a client such a registration.
///
/// # Errors
/// When the document is not valid, something is taken, or the database does not answer.
pub async fn register(
    app: &App,
    tenant: TenantId,
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
    let metadata = document::read(document, &app.config).map_err(Unregistered::Invalid)?;
    if !may_give(&metadata) {
        return Err(Unregistered::NotAllowed(client_id));
    }
    let new = change::has_secret(&metadata)
        .then(|| NewSecret::make(&app.entropy))
        .transpose()?;
    let (hash, secret) = new.map(|new| (new.hash, new.secret)).unzip();
    let (epoch, tokens_valid_from) = Client::first_validity(now);
    let client = Client {
        tenant_id: tenant,
        client_id,
        enabled: enabled.unwrap_or(true),
        epoch,
        tokens_valid_from,
        secret_hash: hash,
        previous_secret_hash: None,
        previous_secret_expires_at: None,
        metadata: Json(metadata),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let event = event
        .client(&client.client_id)
        .with("scope", client.metadata.scope.to_string())
        .with("consumer_class", client.metadata.class().as_str());
    let mut tx = app.store.begin().await?;
    if !clients::insert(&mut tx, &client).await? {
        return Err(Unregistered::Taken {
            pointer: "/client_id",
            detail: "There is a client with this client_id.",
        });
    }
    claim_resources(&mut tx, &client).await?;
    commit(app, tx, event).await?;
    Ok(Registered { client, secret })
}

/// Deletes a client in the version that was read, together with its audit event. `false` when it was changed meanwhile.
///
/// # Errors
/// When the database does not answer.
pub async fn remove(app: &App, client: &Client, event: Event) -> Result<bool, Fault> {
    let mut tx = app.store.begin().await?;
    if !clients::delete(&mut tx, client.tenant_id, &client.client_id, client.version).await? {
        return Ok(false);
    }
    commit(app, tx, event.client(&client.client_id)).await?;
    Ok(true)
}

/// A client as the admin API shows it.
///
/// # Errors
/// When the registration is no JSON, which is a defect.
pub fn view(app: &App, client: &Client, now: Timestamp) -> Result<Map<String, Value>, Fault> {
    document::view(client, &app.config.tokens, now)
}

/// Makes the client the owner of the resources that it is to be.
pub(super) async fn claim_resources(tx: &mut Tx, client: &Client) -> Result<(), Unregistered> {
    let resources = &client.metadata.resource_identifiers;
    let taken = clients::set_resource_identifiers(tx, client.tenant_id, &client.client_id, resources).await?;
    match taken {
        None => Ok(()),
        Some(_) => Err(Unregistered::Taken {
            pointer: "/resource_identifiers",
            detail: "One of these resources belongs to another client.",
        }),
    }
}

/// Commits a change together with its audit event; from here on it holds on this replica.
pub(super) async fn commit(app: &App, mut tx: Tx, event: Event) -> Result<(), Fault> {
    outbox::insert(&mut tx, &event).await?;
    tx.commit().await?;
    app.clients.invalidate();
    app.audit.deliver(event).await;
    Ok(())
}
