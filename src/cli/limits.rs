//! `grantor limits`: what passes, and forgetting what somebody has used.

use super::context::Context;
use super::outcome::Outcome;
use super::print;
use crate::app::App;
use crate::protect::limits::{Key, Tier};
use crate::types::{ClientId, TenantId, UserId};
use clap::{Args, Subcommand};
use serde_json::{Map, json};
use std::net::IpAddr;

const TENANT: TenantId = TenantId::FIRST;

/// Show and forget rate limits
#[derive(Debug, Subcommand)]
pub(super) enum Limits {
    Show(Show),
    Reset(Reset),
}

/// Show the limits that hold, with what was changed while servers run
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  grantor limits show --json")]
pub(super) struct Show {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Forget what somebody has used
///
/// Attempts to sign in are forgotten in the database, requests in Redis or Valkey. What a server counts in its own memory
/// it forgets by itself, within the period of the limit.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  grantor limits reset --address 192.0.2.7")]
#[group(required = true, multiple = true)]
pub(super) struct Reset {
    /// An address: its requests and its attempts to sign in
    #[arg(long, value_name = "ADDRESS")]
    address: Option<IpAddr>,
    /// A client of the first tenant
    #[arg(long, value_name = "CLIENT_ID", value_parser = client_id)]
    client: Option<ClientId>,
    /// A user of the first tenant, by id
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
        let app = context.open().await?;
        app.edge.refresh_limits().await?;
        match self {
            Self::Show(command) => command.run(&app),
            Self::Reset(command) => command.run(&app).await,
        }
    }
}

impl Show {
    fn run(self, app: &App) -> Outcome {
        let limits = Tier::ALL
            .into_iter()
            .filter_map(|tier| Some((tier, app.edge.limits().of(tier)?)));
        if self.json {
            let limits: Map<_, _> = limits
                .map(|(tier, limit)| {
                    let limit =
                        json!({"rate": limit.rate, "period_seconds": limit.period_s, "burst": limit.burst});
                    (tier.as_str().to_owned(), limit)
                })
                .collect();
            return Ok(print::document(&limits)?);
        }
        for (tier, limit) in limits {
            print::line(&format!(
                "{:15} {} in {} s, {} at once",
                tier.as_str(),
                limit.rate,
                limit.period_s,
                limit.burst
            ))?;
        }
        Ok(())
    }
}

impl Reset {
    async fn run(self, app: &App) -> Outcome {
        let limits = app.edge.limits();
        let mut found = false;
        let mut layers = Vec::new();
        if let Some(address) = self.address {
            found |= app.edge.attempts().forget(address).await?;
            let tiers = [Tier::Standard, Tier::Public, Tier::PerSecond];
            layers.extend(
                tiers
                    .into_iter()
                    .filter_map(|tier| limits.layer(tier, Key::Address(address))),
            );
        }
        if let Some(client) = &self.client {
            let key = Key::Client(TENANT, client);
            let tiers = [Tier::Standard, Tier::Expensive, Tier::PerSecond, Tier::PerKey];
            layers.extend(tiers.into_iter().filter_map(|tier| limits.layer(tier, key)));
        }
        if let Some(user) = self.user {
            layers.extend(limits.layer(Tier::PerUser, Key::User(TENANT, user)));
        }
        found |= limits.forget(&layers).await?;
        print::line(if found { "forgotten" } else { "nothing was known" })?;
        Ok(())
    }
}
