//! `tenant`: issuers with keys, clients and users of their own.

use super::at;
use super::context::Context;
use super::outcome::{Failure, Outcome};
use super::print;
use super::record::event;
use super::tenant_settings::Settings;
use crate::admin::tenants::{Created, NotDone, change, check_patch, create, remove, view};
use crate::app::App;
use crate::audit::EventType;
use crate::storage::tenants::{self, After, TenantRow};
use crate::types::{TenantId, TenantName};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

/// Tenants that are read at once.
const PAGE: i64 = 100;

/// Make and look after tenants
///
/// Each tenant is an issuer of its own, at /t/NAME below the first one's. Its clients, users and keys are looked after by
/// the commands client, user and keys with --tenant NAME. Running servers notice a change within two seconds.
#[derive(Debug, Subcommand)]
pub(super) enum Tenant {
    Create(Create),
    List(List),
    Show(Show),
    Update(Update),
    Disable(Disable),
    Enable(Enable),
    Delete(Delete),
}

/// Make a tenant
///
/// It gets keys and an admin client, whose secret is printed, once.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  grantor tenant create acme --display-name Acme --admin-username alice")]
pub(super) struct Create {
    /// 1 to 63 characters out of a-z 0-9 -
    #[arg(value_parser = at::name)]
    name: TenantName,
    #[command(flatten)]
    settings: Settings,
    /// Make a first user with the role admin; its password is made and printed, once
    #[arg(long, value_name = "USERNAME")]
    admin_username: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Change the settings of a tenant
///
/// What is not named stays as it is; an empty text takes a setting away.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  grantor tenant update acme --self-registration open --self-registration-max-clients 50"
)]
pub(super) struct Update {
    /// The tenant's name
    #[arg(value_parser = at::name)]
    name: TenantName,
    #[command(flatten)]
    settings: Settings,
}

/// List tenants, newest first
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  grantor tenant list --json")]
pub(super) struct List {
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

/// Show a tenant
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  grantor tenant show acme --json")]
pub(super) struct Show {
    /// The tenant's name
    #[arg(value_parser = at::name)]
    name: TenantName,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Disable a tenant: it serves nothing until it is enabled again
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  grantor tenant disable acme")]
pub(super) struct Disable {
    /// The tenant's name
    #[arg(value_parser = at::name)]
    name: TenantName,
}

/// Enable a tenant
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  grantor tenant enable acme")]
pub(super) struct Enable {
    /// The tenant's name
    #[arg(value_parser = at::name)]
    name: TenantName,
}

/// Delete a tenant with everything that it has; what the audit log says of it stays
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  grantor tenant delete acme")]
pub(super) struct Delete {
    /// The tenant's name
    #[arg(value_parser = at::name)]
    name: TenantName,
}

impl Tenant {
    pub(super) async fn run(self, context: Context) -> Outcome {
        let run = async |app: &App| match self {
            Self::Create(command) => command.run(app).await,
            Self::List(command) => command.run(app).await,
            Self::Show(command) => command.run(app).await,
            Self::Update(command) => command.run(app).await,
            Self::Disable(command) => switch(app, &command.name, false).await,
            Self::Enable(command) => switch(app, &command.name, true).await,
            Self::Delete(command) => command.run(app).await,
        };
        context.with_app(run).await
    }
}

impl Create {
    async fn run(self, app: &App) -> Outcome {
        let mut document = self.settings.document();
        document.insert("name".to_owned(), self.name.as_str().into());
        let username = self.admin_username;
        document.extend(username.map(|username| ("admin_username".to_owned(), username.into())));
        let event = event(app, TenantId::FIRST, EventType::TenantCreated, "tenant create")?;
        let created = create(app, Value::Object(document), event, app.clock.now());
        let Created {
            tenant,
            client_id,
            client_secret,
            user,
        } = created.await.map_err(refused)?;
        let mut shown = view(&tenant, &app.config.issuer);
        let mut secrets = vec![
            ("client_id", client_id.to_string()),
            ("client_secret", client_secret.expose().to_owned()),
        ];
        if let Some((username, password)) = user {
            secrets.push(("username", username));
            secrets.push(("password", password.expose().to_owned()));
        }
        if self.json {
            shown.extend(
                secrets
                    .into_iter()
                    .map(|(name, text)| (name.to_owned(), text.into())),
            );
            return Ok(print::document(&shown)?);
        }
        print::line(&format!("issuer: {}", print::member(&shown, "issuer")))?;
        for (name, text) in secrets {
            print::line(&format!("{name}: {text}"))?;
        }
        Ok(())
    }
}

impl List {
    async fn run(self, app: &App) -> Outcome {
        let columns: [print::Column<Map<String, Value>>; 5] = [
            ("NAME", |tenant| print::member(tenant, "name")),
            ("ISSUER", |tenant| print::member(tenant, "issuer")),
            ("ENABLED", |tenant| print::member(tenant, "enabled")),
            ("DISPLAY NAME", |tenant| print::member(tenant, "display_name")),
            ("CREATED", |tenant| print::member(tenant, "created_at")),
        ];
        let mut shown = Vec::new();
        let mut after = None;
        loop {
            let page = tenants::list(&mut app.store.read().await?, after, PAGE).await?;
            shown.extend(page.iter().map(|row| view(row, &app.config.issuer)));
            let Some(last) = page.last() else { break };
            after = Some(After {
                created_at: last.created_at,
                id: last.id,
            });
        }
        Ok(print::records(&shown, &columns, self.json)?)
    }
}

impl Show {
    async fn run(self, app: &App) -> Outcome {
        let shown = view(&find(app, &self.name).await?, &app.config.issuer);
        Ok(print::object(&shown, self.json)?)
    }
}

impl Update {
    async fn run(self, app: &App) -> Outcome {
        let mut patch = Value::Object(self.settings.document());
        empty_to_null(&mut patch);
        check_patch(&patch).map_err(refused)?;
        let tenant = find(app, &self.name).await?;
        let event = event(app, TenantId::FIRST, EventType::TenantUpdated, "tenant update")?;
        change(app, &tenant, &patch, event).await.map_err(refused)?;
        print::line(&format!("updated: {}", self.name))?;
        Ok(())
    }
}

fn empty_to_null(value: &mut Value) {
    match value {
        Value::Object(members) => members.values_mut().for_each(empty_to_null),
        Value::String(text) if text.is_empty() => *value = Value::Null,
        _ => {}
    }
}

impl Delete {
    async fn run(self, app: &App) -> Outcome {
        let tenant = find(app, &self.name).await?;
        let event = event(app, TenantId::FIRST, EventType::TenantDeleted, "tenant delete")?;
        remove(app, &tenant, event, app.clock.now())
            .await
            .map_err(refused)?;
        print::line(&format!("deleted: {}", self.name))?;
        Ok(())
    }
}

async fn switch(app: &App, name: &TenantName, enabled: bool) -> Outcome {
    let (word, done) = if enabled {
        ("tenant enable", "enabled")
    } else {
        ("tenant disable", "disabled")
    };
    let tenant = find(app, name).await?;
    let event = event(app, TenantId::FIRST, EventType::TenantUpdated, word)?;
    change(app, &tenant, &json!({"enabled": enabled}), event)
        .await
        .map_err(refused)?;
    print::line(&format!("{done}: {name}"))?;
    Ok(())
}

async fn find(app: &App, name: &TenantName) -> Result<TenantRow, Failure> {
    let found = tenants::find_by_name(&mut app.store.read().await?, name).await?;
    found.ok_or_else(|| Failure::Refused(format!("there is no tenant {name}")))
}

fn refused(why: NotDone) -> Failure {
    Failure::Refused(match why {
        NotDone::Invalid(wrong) => return Failure::invalid(&wrong),
        NotDone::Taken => "there is a tenant of this name".to_owned(),
        NotDone::First => "the first tenant can be neither disabled nor deleted".to_owned(),
        NotDone::Stale => "the tenant was changed meanwhile: try again".to_owned(),
        NotDone::Fault(fault) => return fault.into(),
    })
}
