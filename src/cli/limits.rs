//! `limits`: what passes, and forgetting what somebody has used.

use super::at::At;
use super::context::Context;
use super::outcome::Outcome;
use super::print;
use super::record::event;
use crate::app::App;
use crate::audit::EventType;
use crate::protect::limits::{Key, Tier};
use crate::types::{ClientId, TenantId, UserId};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use std::net::IpAddr;

/// Show and forget rate limits
#[derive(Debug, Args)]
pub(super) struct Limits {
    #[command(flatten)]
    at: At,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Show(Show),
    Reset(Reset),
}

/// Show the limits that hold, with what was changed while servers run
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  grantor limits show --json")]
struct Show {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Forget what somebody has used
///
/// Attempts at secrets are forgotten in the database, requests in Redis or Valkey. What a server counts in its own memory
/// it forgets by itself, within the period of the limit. Monthly quotas are not touched: raise the client's plan instead.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  grantor limits reset --address 192.0.2.7")]
#[group(required = true, multiple = true)]
struct Reset {
    /// An address: its requests and its attempts at secrets, with those of its IPv6 site
    #[arg(long, value_name = "ADDRESS")]
    address: Option<IpAddr>,
    /// A client of the tenant
    #[arg(long, value_name = "CLIENT_ID", value_parser = client_id)]
    client: Option<ClientId>,
    /// A user of the tenant, by id: its requests. What failed at its password forgets `user unlock`
    #[arg(long, value_name = "USER_ID", value_parser = user_id)]
    user: Option<UserId>,
}

fn client_id(text: &str) -> Result<ClientId, String> {
    ClientId::parse(text).map_err(|malformed| malformed.to_string())
}

fn user_id(text: &str) -> Result<UserId, String> {
    text.parse().map_err(|_| "is not the id of a user".to_owned())
}

impl Limits {
    pub(super) async fn run(self, context: Context) -> Outcome {
        context.with_app(async |app| self.run_with(app).await).await
    }

    async fn run_with(self, app: &App) -> Outcome {
        let tenant = self.at.find(&app.store, &app.config).await?.id;
        match self.command {
            Command::Show(command) => command.run(app).await,
            Command::Reset(command) => command.run(app, tenant).await,
        }
    }
}

/// A tier and its limit.
type Row = (Tier, Map<String, Value>);

impl Show {
    async fn run(self, app: &App) -> Outcome {
        app.edge.refresh_limits().await?;
        let rows = Tier::ALL.into_iter().filter_map(|tier| {
            let limit = app.edge.limits().of(tier)?;
            let numbers = [
                ("rate", json!(limit.rate)),
                ("period_seconds", json!(limit.period_s)),
                ("burst", json!(limit.burst)),
            ];
            let members = numbers.map(|(name, number)| (name.to_owned(), number));
            Some((tier, Map::from_iter(members)))
        });
        if self.json {
            let limits: Map<_, _> = rows
                .map(|(tier, limit)| (tier.as_str().to_owned(), limit.into()))
                .collect();
            return Ok(print::document(&limits)?);
        }
        let columns: [print::Column<Row>; 4] = [
            ("LIMIT", |row| row.0.as_str().to_owned()),
            ("REQUESTS", |row| print::member(&row.1, "rate")),
            ("IN SECONDS", |row| print::member(&row.1, "period_seconds")),
            ("AT ONCE", |row| print::member(&row.1, "burst")),
        ];
        let rows: Vec<Row> = rows.collect();
        Ok(print::table(&rows, &columns)?)
    }
}

impl Reset {
    async fn run(self, app: &App, tenant: TenantId) -> Outcome {
        let mut event = event(app, tenant, EventType::LimitsReset, "limits reset")?;
        let mut keys = Vec::new();
        let mut found = false;
        if let Some(address) = self.address {
            found |= app.edge.attempts().forget(address).await?;
            keys.push(Key::Address(address));
            event = event.with("address", address.to_string());
        }
        if let Some(client) = &self.client {
            keys.push(Key::Client(tenant, client));
            event = event.client(client);
        }
        if let Some(user) = self.user {
            keys.push(Key::User(tenant, user));
            event = event.user(user);
        }
        found |= app.edge.limits().forget(&keys).await?;
        app.audit.record(event).await?;
        print::line(if found { "forgotten" } else { "nothing was known" })?;
        Ok(())
    }
}
