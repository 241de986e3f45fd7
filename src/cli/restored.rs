//! `restored`: what has to be said once after the main database was restored from a backup.
//!
//! A backup brings back what has been taken away since: sessions that were ended, families that were revoked for theft. The
//! audit store, which is not restored with it, shows that: it is ahead of what the main database remembers of it. The
//! server then refuses to start until somebody has decided.

use super::context::Context;
use super::outcome::{Failure, Outcome};
use super::print;
use crate::app::Stores;
use crate::audit::{self, Event, EventType, lead};
use crate::fault::Fault;
use crate::storage::{audit as audit_store, audit_heads, clients, outbox, sessions, users};
use crate::types::{Caller, TenantId, Timestamp};
use clap::Args;

/// End what a restored database brought back, after restoring it from a backup
///
/// Ends all sessions, token families, pending codes and client tokens, since some of them had been revoked after the backup was
/// made; everybody signs in again. With --accept they are kept.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  grantor restored")]
pub(super) struct Restored {
    /// Keep sessions and families: you know that nothing was revoked since the backup
    #[arg(long)]
    accept: bool,
}

impl Restored {
    pub(super) async fn run(self, context: Context) -> Outcome {
        let stores = Stores::open(&context.config).await?;
        let now = context.clock.now();
        let event_type = if self.accept {
            EventType::RestoreAccepted
        } else {
            EventType::RestoreEnded
        };
        let event = Event::new(
            context.entropy.uuid_v7(now)?,
            now,
            TenantId::FIRST,
            event_type,
            audit::Outcome::Success,
        )
        .by(&Caller::system(context.entropy.uuid_v4()?))
        .with("actor", "command line");
        let mut tx = stores.main.begin().await?;
        if !self.accept {
            users::raise_all_epochs(&mut tx).await?;
            sessions::end_every(&mut tx, "restored", now).await?;
            clients::raise_all_epochs(&mut tx, now).await?;
        }
        outbox::insert(&mut tx, &event).await?;
        tx.commit().await?;
        catch_up(&stores, now).await?;
        print::line(if self.accept {
            "accepted: sessions and token families of the backup go on"
        } else {
            "ended: all sessions, token families, codes and client tokens of the backup"
        })?;
        Ok(())
    }
}

/// Notes how far the audit store has come, so that the next start finds both in step.
async fn catch_up(stores: &Stores, now: Timestamp) -> Result<(), Fault> {
    for head in audit_store::heads(&stores.audit).await? {
        audit_heads::note(&stores.main, head.stream, head.sequence, &head.hash, now).await?;
    }
    Ok(())
}

/// Refuses to start on a main database that looks restored.
pub(super) async fn refuse_undecided(stores: &Stores) -> Result<(), Failure> {
    let lead = lead(&stores.main, &stores.audit).await?;
    if !lead.looks_restored() {
        return Ok(());
    }
    Err(Failure::Refused(format!(
        "the audit store is {} records and {} minutes ahead of what the main database remembers of it, so the main database was \
         probably restored from a backup: run `grantor restored` to end the sessions and token families that it brought back, or \
         `grantor restored --accept` to keep them",
        lead.records,
        lead.seconds / 60
    )))
}
