//! `registration-token`: initial access tokens, with which clients register themselves.

use super::context::Context;
use super::outcome::{Failure, Outcome};
use super::print;
use super::record::event;
use crate::admin::registration_tokens::{make, remove, view};
use crate::app::App;
use crate::audit::EventType;
use crate::storage::registration_tokens;
use crate::types::{RegistrationTokenId, TenantId};
use clap::{Args, Subcommand};
use serde_json::{Map, Value};

const TENANT: TenantId = TenantId::FIRST;
/// Tokens that are read at once.
const PAGE: i64 = 100;

/// Make and delete initial access tokens (RFC 7591)
#[derive(Debug, Subcommand)]
pub(super) enum RegistrationToken {
    Create(Create),
    List(List),
    Delete(Delete),
}

/// Make an initial access token
///
/// The token is printed, once. Whoever holds it registers clients with POST /oauth2/register, where registration.mode is
/// not off.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  grantor registration-token create --max-uses 5 --expires-in 604800 --redirect-host partner.example.com"
)]
pub(super) struct Create {
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// How many clients it registers [default: 1]
    #[arg(long, value_name = "NUMBER")]
    max_uses: Option<u32>,
    /// Life in seconds, a minute to a year [default: 86400]
    #[arg(long, value_name = "SECONDS")]
    expires_in: Option<u32>,
    /// The most that its clients may be granted, separated by spaces
    #[arg(long)]
    scope: Option<String>,
    /// A grant that its clients may have; may come several times
    #[arg(long = "grant", value_name = "GRANT")]
    grants: Vec<String>,
    /// A host of its clients' redirect URIs; may come several times
    #[arg(long = "redirect-host", value_name = "HOST")]
    redirect_hosts: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// List initial access tokens that have not expired, newest first
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  grantor registration-token list --json")]
pub(super) struct List {
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

/// Delete an initial access token; clients that were registered with it stay
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  grantor registration-token delete 0190a5a0-6666-7000-8000-00000000abcd")]
pub(super) struct Delete {
    /// The id that the list shows
    id: String,
}

impl RegistrationToken {
    pub(super) async fn run(self, context: Context) -> Outcome {
        let run = async |app: &App| match self {
            Self::Create(command) => command.run(app).await,
            Self::List(command) => command.run(app).await,
            Self::Delete(command) => command.run(app).await,
        };
        context.with_app(run).await
    }
}

impl Create {
    async fn run(self, app: &App) -> Outcome {
        let json = self.json;
        let event = event(
            app,
            TENANT,
            EventType::RegistrationTokenCreated,
            "registration-token create",
        )?;
        let (token, secret) = make(app, TENANT, self.document(), event, app.clock.now()).await?;
        if json {
            let mut shown = view(&token)?;
            shown.insert("token".to_owned(), secret.expose().into());
            return Ok(print::document(&shown)?);
        }
        print::line(&format!("id: {}", token.id))?;
        print::line(&format!("token: {}", secret.expose()))?;
        Ok(())
    }

    fn document(self) -> Value {
        let mut members = Map::new();
        let texts = [("description", self.description), ("scope", self.scope)];
        let numbers = [("max_uses", self.max_uses), ("expires_in", self.expires_in)];
        let lists = [
            ("grant_types", self.grants),
            ("redirect_hosts", self.redirect_hosts),
        ];
        for (name, text) in texts {
            members.extend(text.map(|text| (name.to_owned(), Value::from(text))));
        }
        for (name, number) in numbers {
            members.extend(number.map(|number| (name.to_owned(), Value::from(number))));
        }
        for (name, list) in lists {
            if !list.is_empty() {
                members.insert(name.to_owned(), list.into());
            }
        }
        Value::Object(members)
    }
}

impl List {
    async fn run(self, app: &App) -> Outcome {
        let columns: [print::Column<Map<String, Value>>; 5] = [
            ("ID", |token| print::member(token, "id")),
            ("USES", |token| print::member(token, "uses")),
            ("OF", |token| print::member(token, "max_uses")),
            ("EXPIRES", |token| print::member(token, "expires_at")),
            ("DESCRIPTION", |token| print::member(token, "description")),
        ];
        let (mut shown, mut before) = (Vec::new(), None);
        loop {
            let mut conn = app.store.read().await?;
            let page = registration_tokens::list(&mut conn, TENANT, before, app.clock.now(), PAGE).await?;
            for token in &page {
                shown.push(view(token)?);
            }
            let Some(last) = page.last() else { break };
            before = Some(last.id);
        }
        Ok(print::records(&shown, &columns, self.json)?)
    }
}

impl Delete {
    async fn run(self, app: &App) -> Outcome {
        let unknown = || Failure::Refused(format!("there is no registration token {:?}", self.id));
        let id: RegistrationTokenId = self.id.parse().map_err(|_| unknown())?;
        let event = event(
            app,
            TENANT,
            EventType::RegistrationTokenDeleted,
            "registration-token delete",
        )?;
        if !remove(app, TENANT, id, event).await? {
            return Err(unknown());
        }
        print::line(&format!("deleted: {id}"))?;
        Ok(())
    }
}
