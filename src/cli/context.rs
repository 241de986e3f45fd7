//! What a command works with.

use super::migrate;
use super::outcome::{Failure, Outcome};
use crate::app::{App, Stores};
use crate::clock::Clock;
use crate::config::{Config, LogConfig, Sources, master_key};
use crate::entropy::Entropy;
use crate::telemetry::{self, Output};
use std::sync::Arc;

/// The configuration, the machine's clock and its randomness.
#[derive(Debug)]
pub struct Context {
    /// The configuration.
    pub config: Config,
    /// The machine's clock.
    pub clock: Clock,
    /// The machine's randomness.
    pub entropy: Entropy,
}

impl Context {
    /// For the server: the log goes to standard output.
    pub(super) fn for_server(sources: Sources) -> Result<Self, Failure> {
        let context = Self::load(sources)?;
        telemetry::start(&context.config.log, context.clock.clone(), Output::Stdout);
        for warning in &context.config.warnings {
            tracing::warn!("{warning}");
        }
        Ok(context)
    }

    /// For every other command: standard output is the command's, so the log goes to standard error, and unless asked
    /// for more it holds only what is wrong.
    pub(super) fn for_command(sources: Sources) -> Result<Self, Failure> {
        let context = Self::load(sources)?;
        let mut log: LogConfig = context.config.log.clone();
        if log.filter == "info" {
            "warn".clone_into(&mut log.filter);
        }
        telemetry::start(&log, context.clock.clone(), Output::Stderr);
        Ok(context)
    }

    /// Runs a command that works on what is stored, with the server's parts. The schema must be that of this release. What
    /// was done is in the audit log at the end, however the command ended.
    pub(super) async fn with_app(self, run: impl AsyncFnOnce(&App) -> Outcome) -> Outcome {
        let app = self.open().await?;
        let outcome = run(&app).await;
        app.shutdown().await;
        outcome
    }

    async fn open(self) -> Result<App, Failure> {
        migrate::require_current(&self).await?;
        let (master, _) = master_key::load_or_create(&self.config, &self.entropy)?;
        let stores = Stores::open(&self.config).await?;
        let app = App::build(Arc::new(self.config), stores, master, self.clock, self.entropy).await?;
        Ok(app)
    }

    fn load(sources: Sources) -> Result<Self, Failure> {
        Ok(Self {
            config: Config::load(sources)?.config,
            clock: Clock::System,
            entropy: Entropy::system(),
        })
    }
}
