//! The two tasks that keep the log provable: noting how far the stream has come, and checkpoints.

use super::checkpoint::Checkpointer;
use super::log::Shared;
use crate::storage::{Store, audit_heads, audit_read};
use std::sync::Arc;
use std::time::Duration;

/// The head is noted at most this often.
const NOTE_EVERY: Duration = Duration::from_secs(1);

/// Notes the head in the main database whenever the stream went on. Runs until the writer ends or it is aborted.
pub(super) async fn note_heads(shared: Arc<Shared>) {
    let mut head = shared.head.clone();
    while head.changed().await.is_ok() {
        note_head(&shared).await;
        tokio::time::sleep(NOTE_EVERY).await;
    }
}

/// Notes how far the stream has come, so that a cut tail is found.
pub(super) async fn note_head(shared: &Shared) {
    let head = *shared.head.borrow();
    if head.sequence == 0 {
        return;
    }
    let now = shared.clock.now();
    let noted = audit_heads::note(&shared.main, shared.stream, head.sequence, &head.hash, now).await;
    if let Err(fault) = noted {
        tracing::warn!("the head of the audit log could not be noted in the main database: {fault}");
    }
}

/// Says what the server's role could do to the log that it should not be able to.
async fn warn_of_rights(store: &Store) {
    // A store that does not answer yet is reported by whoever writes to it.
    let Ok(Some(rights)) = audit_read::rights(store).await else {
        return;
    };
    if rights.is_owner || rights.may_change {
        let role = &rights.role;
        tracing::warn!(
            role,
            "the database role \"{role}\" may change the audit log, which triggers alone protect: give the server a role \
             that may only insert and read there, as docs/audit.md says"
        );
    }
}

/// Makes checkpoints at an interval. Runs until it is aborted.
pub(super) async fn make_checkpoints(checkpointer: Arc<Checkpointer>, every: Duration) {
    warn_of_rights(&checkpointer.store).await;
    let mut interval = tokio::time::interval(every);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The first tick is at once, before there is anything.
    interval.tick().await;
    loop {
        interval.tick().await;
        if let Err(fault) = checkpointer.checkpoint().await {
            tracing::warn!("no audit checkpoint could be made: {fault}");
        }
    }
}
