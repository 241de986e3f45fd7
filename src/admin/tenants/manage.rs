//! Making, changing and deleting tenants: what the admin API and the command line have in common.

use super::document;
use crate::account::Credential;
use crate::account::profile::{CheckedProfile, Profile};
use crate::admin::schema;
use crate::app::App;
use crate::audit::{Event, EventType, differences};
use crate::clients::{NewSecret, first_admin};
use crate::fault::Fault;
use crate::storage::tenants::{self, TenantRow};
use crate::storage::{Tx, clients, outbox};
use crate::types::{ADMIN_ROLE, ClientId, Secret, TenantId, TenantName, Timestamp, Violation};
use serde_json::{Map, Value};
use sqlx::types::Json;

/// The client with which the administration of a tenant begins.
const ADMIN_CLIENT: &str = "admin";

/// A tenant that was just made.
pub struct Created {
    /// The tenant.
    pub tenant: TenantRow,
    /// Its first client.
    pub client_id: ClientId,
    /// That client's secret, for the one time that it is shown.
    pub client_secret: Secret,
    /// Its first user with a password that has to be changed, where one was wanted.
    pub user: Option<(String, Secret)>,
}

/// Why nothing was done.
#[derive(Debug)]
pub enum NotDone {
    /// The document is not valid: everything that is wrong.
    Invalid(Vec<Violation>),
    /// There is a tenant of this name.
    Taken,
    /// The first tenant can be neither disabled nor deleted.
    First,
    /// Somebody else changed it meanwhile.
    Stale,
    /// Our own fault.
    Fault(Fault),
}

impl From<Fault> for NotDone {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Makes a tenant from a document as `POST /admin/v1/tenants` takes it, with its keys, its first client and perhaps its
/// first user. `event` says who does it, whence, and when; one of its kind is recorded for each thing that is made.
///
/// # Errors
/// When the document is not valid, the name is taken, or the database does not answer. When only the user could not be
/// made, the tenant is there and the fault says so.
pub async fn create(app: &App, document: Value, event: Event, now: Timestamp) -> Result<Created, NotDone> {
    let found = schema::violations("TenantCreate", &document)?;
    let Value::Object(mut document) = document else {
        return Err(NotDone::Invalid(found));
    };
    if !found.is_empty() {
        return Err(NotDone::Invalid(found));
    }
    let name = name(&mut document)?;
    let user = first_user(&mut document)?;
    let enabled = document.remove("enabled").and_then(|enabled| enabled.as_bool());
    let tenant = TenantRow {
        id: TenantId(app.entropy.uuid_v7(now)?),
        name,
        enabled: enabled.unwrap_or(true),
        settings: Json(document::settings(document).map_err(NotDone::Invalid)?),
        version: 1,
        created_at: now,
    };
    let (client_id, client_secret) = insert(app, &tenant, &event, now).await?;
    let user = match user {
        Some(user) => Some(make_user(app, &tenant, &user, &event, now).await?),
        None => None,
    };
    Ok(Created {
        tenant,
        client_id,
        client_secret,
        user,
    })
}

/// Whether a merge patch fits its schema.
///
/// # Errors
/// When it does not.
pub fn check_patch(patch: &Value) -> Result<(), NotDone> {
    let found = schema::violations("TenantPatch", patch)?;
    if found.is_empty() {
        Ok(())
    } else {
        Err(NotDone::Invalid(found))
    }
}

/// Lays a merge patch that fits its schema over a tenant. Gives it as it is now, also when nothing changed.
///
/// # Errors
/// When the result is not valid, the first tenant would be disabled, it was changed meanwhile, or the database does not
/// answer.
pub async fn change(app: &App, row: &TenantRow, patch: &Value, event: Event) -> Result<TenantRow, NotDone> {
    let (settings, enabled) = document::patched(row, patch).map_err(NotDone::Invalid)?;
    if row.id == TenantId::FIRST && !enabled {
        return Err(NotDone::First);
    }
    let issuer = &app.tenants.first().issuer;
    let mut changed = TenantRow {
        settings: Json(settings),
        enabled,
        ..row.clone()
    };
    let (before, after) = (document::view(row, issuer), document::view(&changed, issuer));
    let changes = differences(&before, &after, |_| true);
    if changes.is_empty() {
        return Ok(changed);
    }
    let event = about(event, row).with("changes", changes);
    let mut tx = app.store.begin().await?;
    if !tenants::update(&mut tx, &changed).await? {
        return Err(NotDone::Stale);
    }
    changed.version += 1;
    commit(app, tx, vec![event]).await?;
    Ok(changed)
}

/// Deletes a tenant: from here on nobody finds it. A job removes what it has.
///
/// # Errors
/// When it is the first one, it was changed meanwhile, or the database does not answer.
pub async fn remove(app: &App, row: &TenantRow, event: Event, now: Timestamp) -> Result<(), NotDone> {
    if row.id == TenantId::FIRST {
        return Err(NotDone::First);
    }
    let mut tx = app.store.begin().await?;
    if !tenants::begin_deletion(&mut tx, row, now).await? {
        return Err(NotDone::Stale);
    }
    Ok(commit(app, tx, vec![about(event, row)]).await?)
}

fn name(document: &mut Map<String, Value>) -> Result<TenantName, NotDone> {
    let name = document.remove("name");
    let name = name.as_ref().and_then(Value::as_str).unwrap_or_default();
    TenantName::parse(name).map_err(|why| NotDone::Invalid(vec![Violation::new("/name", why.0)]))
}

fn first_user(document: &mut Map<String, Value>) -> Result<Option<CheckedProfile>, NotDone> {
    let Some(Value::String(username)) = document.remove("admin_username") else {
        return Ok(None);
    };
    let profile = Profile {
        username,
        enabled: true,
        roles: vec![ADMIN_ROLE.to_owned()],
        ..Profile::default()
    };
    let checked = profile.check().map_err(|wrong| {
        let wrong = wrong
            .into_iter()
            .map(|wrong| Violation::new("/admin_username", wrong.detail));
        NotDone::Invalid(wrong.collect())
    });
    checked.map(Some)
}

/// The tenant with keys and client: all of it, or nothing.
async fn insert(
    app: &App,
    tenant: &TenantRow,
    event: &Event,
    now: Timestamp,
) -> Result<(ClientId, Secret), NotDone> {
    // A taken name is told before keys are made for nothing.
    if tenants::find_by_name(&mut app.store.read().await?, &tenant.name)
        .await?
        .is_some()
    {
        return Err(NotDone::Taken);
    }
    let keys = app.keys.first_keys(tenant.id, now).await?;
    let secret = NewSecret::make(&app.entropy)?;
    let client_id = ClientId::parse(ADMIN_CLIENT).map_err(|why| Fault::internal(why.0))?;
    let client = first_admin(tenant.id, client_id, secret.hash, now)?;
    let client_event = within(app, event, tenant.id, EventType::ClientCreated)?
        .client(&client.client_id)
        .with("scope", client.metadata.scope.to_string());
    let mut tx = app.store.begin().await?;
    if !tenants::insert(&mut tx, tenant).await? {
        return Err(NotDone::Taken);
    }
    keys.insert(&mut tx).await?;
    clients::insert(&mut tx, &client).await?;
    commit(app, tx, vec![about(event.clone(), tenant), client_event]).await?;
    Ok((client.client_id, secret.secret))
}

async fn make_user(
    app: &App,
    tenant: &TenantRow,
    user: &CheckedProfile,
    event: &Event,
    now: Timestamp,
) -> Result<(String, Secret), NotDone> {
    let password = app.accounts.generate_password()?;
    let credential = Credential::Password {
        password: password.clone(),
        temporary: true,
    };
    let event = within(app, event, tenant.id, EventType::UserCreated)?.with("roles", vec![ADMIN_ROLE]);
    let made = app
        .accounts
        .create(tenant.id, user, Some(credential), event, now)
        .await?;
    match made {
        Ok(_) => Ok((user.profile().username.clone(), password)),
        Err(_) => Err(Fault::internal(format!(
            "the tenant {} was made, but its first user was refused",
            tenant.name
        ))
        .into()),
    }
}

/// The same actor's event of another kind, in the log of the new tenant.
fn within(app: &App, event: &Event, tenant: TenantId, event_type: EventType) -> Result<Event, Fault> {
    Ok(Event {
        id: app.entropy.uuid_v7(event.time)?,
        tenant,
        event_type,
        ..event.clone()
    })
}

/// Tenants are administered in the first tenant, and so is its log: what the event is about is in its metadata.
fn about(event: Event, tenant: &TenantRow) -> Event {
    event
        .with("tenant_id", tenant.id.to_string())
        .with("name", tenant.name.as_str())
}

/// Commits a change together with its events; from here on it holds on this replica.
async fn commit(app: &App, mut tx: Tx, events: Vec<Event>) -> Result<(), Fault> {
    for event in &events {
        outbox::insert(&mut tx, event).await?;
    }
    tx.commit().await?;
    app.tenants.invalidate();
    for event in events {
        app.audit.deliver(event).await;
    }
    Ok(())
}
