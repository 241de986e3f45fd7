//! The two tasks that keep the log provable: noting how far the stream has come, and checkpoints.

use super::checkpoint::Checkpointer;
use super::log::Shared;
use crate::storage::audit_heads;
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

/// Makes checkpoints at an interval. Runs until it is aborted.
pub(super) async fn make_checkpoints(checkpointer: Arc<Checkpointer>, every: Duration) {
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
