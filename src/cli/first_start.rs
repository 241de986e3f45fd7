//! What the first start makes besides keys: the admin client and the admin user. Never a default password: what was not
//! configured is random, and printed once.

use crate::app::App;
use crate::audit::{EventType, Outcome};
use crate::clients::{NewSecret, first_admin};
use crate::fault::Fault;
use crate::storage::clients;
use crate::storage::{Lease, outbox};
use crate::types::{Caller, Secret, TenantId, Timestamp, TokenHash};

/// What was made and has to be shown.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// The admin client's id, and its secret if it was made here.
    pub(super) client: Option<(String, Option<Secret>)>,
    /// The admin user's name, and its password if it was made here.
    pub(super) user: Option<(String, Option<Secret>)>,
}

/// Makes what is not there yet. Replicas that start at once take turns, so that one makes it and prints it.
pub(super) async fn make(app: &App) -> Result<Made, Fault> {
    let lease = Lease::take(&app.store, "first_start", app.entropy.uuid_v4()?, &app.clock).await?;
    let made = make_alone(app).await;
    lease.release(&app.store).await?;
    made
}

async fn make_alone(app: &App) -> Result<Made, Fault> {
    Ok(Made {
        client: admin_client(app, app.clock.now()).await?,
        user: app
            .accounts
            .bootstrap(TenantId::FIRST, &app.config.bootstrap, app.clock.now())
            .await?
            .map(|user| (user.username, user.password)),
    })
}

async fn admin_client(app: &App, now: Timestamp) -> Result<Option<(String, Option<Secret>)>, Fault> {
    if clients::any(&mut app.store.read().await?, TenantId::FIRST).await? {
        return Ok(None);
    }
    let bootstrap = &app.config.bootstrap;
    let (hash, made) = match &bootstrap.client_secret {
        Some(secret) => (TokenHash::of(secret.expose()), None),
        None => {
            let new = NewSecret::make(&app.entropy)?;
            (new.hash, Some(new.secret))
        }
    };
    let client = first_admin(TenantId::FIRST, bootstrap.client_id.clone(), hash, now)?;
    let event = app
        .event(now, EventType::ClientCreated, Outcome::Success, TenantId::FIRST)?
        .by(&Caller::system(app.entropy.uuid_v4()?))
        .client(&client.client_id)
        .with("actor", "first start");
    let mut tx = app.store.begin().await?;
    if !clients::insert(&mut tx, &client).await? {
        return Ok(None);
    }
    outbox::insert(&mut tx, &event).await?;
    tx.commit().await?;
    app.audit.deliver(event).await;
    Ok(Some((client.client_id.to_string(), made)))
}

impl Made {
    /// Prints what was made and what to do next to standard error: standard output carries only the log.
    pub(super) fn print(&self, app: &App) {
        let issuer = &app.config.issuer;
        let mut lines = Vec::new();
        if let Some((client_id, secret)) = &self.client {
            lines.push(format!("client_id: {client_id}"));
            lines.extend(
                secret
                    .iter()
                    .map(|secret| format!("client_secret: {}", secret.expose())),
            );
        }
        if let Some((username, password)) = &self.user {
            lines.push(format!("username: {username}"));
            lines.extend(
                password
                    .iter()
                    .map(|password| format!("password: {}", password.expose())),
            );
        }
        if lines.is_empty() {
            return;
        }
        // What `audit verify --fingerprint` wants, from where nobody who changes the databases can change it.
        lines.push(format!("audit_fingerprint: {}", app.audit.fingerprint()));
        let secret = match &self.client {
            Some((client_id, Some(_))) => format!("{client_id}:THE_CLIENT_SECRET_ABOVE"),
            Some((client_id, None)) => format!("{client_id}:$GRANTOR_BOOTSTRAP_CLIENT_SECRET"),
            None => String::new(),
        };
        eprintln!(
            "\nThis is the first start. The admin client and user, and the fingerprint of the key that signs the audit log, shown once:\n\n{}\n",
            lines.join("\n")
        );
        if !secret.is_empty() {
            eprintln!(
                "Next, a token for the admin API:\n\n  curl -u {secret} -d grant_type=client_credentials -d 'scope=clients:read clients:write' {issuer}/oauth2/token\n"
            );
        }
        eprintln!("Sign in as the user at {issuer}/account; the API is described at {issuer}/docs\n");
    }
}
