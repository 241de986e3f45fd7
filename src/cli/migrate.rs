//! `migrate`: brings both schemas up to this release.

use super::context::Context;
use super::outcome::Outcome;
use super::print;
use crate::fault::Fault;
use crate::storage::{Schema, SchemaState, Store};
use crate::types::Secret;
use clap::Args;

/// Apply pending migrations to the main database and to the audit store
///
/// The server does so itself when it starts. This command is for those who migrate in another role, or before they
/// replace the servers: the previous release goes on working on the new schema.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  GRANTOR_MIGRATION_DATABASE_URL=postgres://owner@db/grantor grantor migrate"
)]
pub(super) struct Migrate {}

impl Migrate {
    pub(super) async fn run(self, context: Context) -> Outcome {
        let applied = apply(&context).await?;
        print::line(&match applied {
            0 => "nothing to apply".to_owned(),
            1 => "1 migration applied".to_owned(),
            count => format!("{count} migrations applied"),
        })?;
        Ok(())
    }
}

/// Applies what is missing and gives how many migrations that was. Processes that start at once take turns.
pub(super) async fn apply(context: &Context) -> Result<usize, Fault> {
    let database = &context.config.database;
    let (audit, audit_schema) = database.audit_migration();
    let holder = context.entropy.uuid_v4()?;
    let mut applied = 0;
    for (schema, url, pg_schema) in [
        (Schema::Main, database.migration().clone(), None),
        (Schema::Audit, audit, audit_schema),
    ] {
        let store = open(&url, pg_schema).await?;
        if let SchemaState::Pending(count) = store.schema_state(schema).await? {
            store.migrate(schema, pg_schema, &context.clock, holder).await?;
            applied += count;
        }
        store.close().await;
    }
    Ok(applied)
}

/// Refuses a schema that is not that of this release.
///
/// # Errors
/// When migrations are pending, or the schema is from a release after which this one no longer works.
pub(super) async fn require_current(context: &Context) -> Result<(), Fault> {
    let database = &context.config.database;
    let (audit, audit_schema) = database.audit();
    for (schema, name, url, pg_schema) in [
        (Schema::Main, "main database", database.url.clone(), None),
        (Schema::Audit, "audit store", audit, audit_schema),
    ] {
        let store = open(&url, pg_schema).await?;
        let state = store.schema_state(schema).await?;
        store.close().await;
        if let SchemaState::Pending(count) = state {
            return Err(Fault::internal(format!(
                "the {name} lacks {count} migrations of this release: run `grantor migrate`, or start without --no-migrate"
            )));
        }
    }
    Ok(())
}

pub(super) async fn open(url: &Secret, pg_schema: Option<&str>) -> Result<Store, Fault> {
    const CONNECTIONS: u32 = 2;
    Store::open(url.expose(), pg_schema, CONNECTIONS).await
}
