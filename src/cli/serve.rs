//! `serve`: the server.

use super::context::Context;
use super::outcome::Outcome;
use super::{first_start, migrate, restored};
use crate::app::{App, Stores};
use crate::config::master_key;
use crate::jobs;
use crate::server::{self, Listeners, Service};
use clap::Args;
use std::sync::Arc;

/// Serve; what `grantor` does without a command
///
/// Pending migrations are applied first. The first start makes the keys, the admin client and the admin user, and prints
/// their secrets to standard error, once.
#[derive(Debug, Default, Args)]
#[command(
    after_help = "Example:\n  grantor serve --issuer https://id.example.com --trusted-proxies 10.0.0.0/8"
)]
pub(super) struct Serve {
    /// Leave the schema alone, and refuse to start on one that is older than this release
    #[arg(long)]
    no_migrate: bool,
}

impl Serve {
    pub(super) async fn run(self, context: Context) -> Outcome {
        let (master, created) = master_key::load_or_create(&context.config, &context.entropy)?;
        if created {
            tracing::info!(
                "made the master key file {}: keep a copy where the database is not",
                master_key::path().display()
            );
        }
        if self.no_migrate {
            migrate::require_current(&context).await?;
        } else {
            migrate::apply(&context).await?;
        }
        let Context {
            config,
            clock,
            entropy,
        } = context;
        let listeners = Listeners::bind(config.listen, config.management_listen)?;
        let stores = Stores::open(&config).await?;
        restored::refuse_undecided(&stores).await?;
        let app = Arc::new(App::build(Arc::new(config), stores, master, clock, entropy).await?);
        first_start::make(&app).await?.print(&app);
        jobs::start(app.clone());
        let running = server::start(Service::of(&app, None), listeners).await?;
        tracing::info!(
            issuer = %app.config.issuer,
            "serving {} on {}, health and metrics on {}",
            app.config.issuer,
            running.address,
            running.management_address
        );
        running.until_signalled().await;
        app.shutdown().await;
        Ok(())
    }
}
