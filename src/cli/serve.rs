//! `serve`: the server.

use super::context::Context;
use super::migrate;
use super::outcome::Outcome;
use crate::config::master_key;
use clap::Args;

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
        let (_master, created) = master_key::load_or_create(&context.config, &context.entropy)?;
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
        Ok(())
    }
}
