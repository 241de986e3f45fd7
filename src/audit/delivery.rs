//! Delivers what lies in the outbox: events whose own process stopped, or could not write them at the time.

use super::log::Shared;
use super::queue::{Entry, Message, Waiter};
use super::{alert, prepare};
use crate::fault::Fault;
use crate::storage::outbox;
use crate::types::Event;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(2);
/// Events of one round.
const ROUND: usize = 128;
/// How long a round waits for the writer; a claim lasts longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Runs until it is aborted.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shared.links.delivered.wait() => forget_delivered(&shared).await,
            _ = interval.tick() => {
                forget_delivered(&shared).await;
                while shared.links.is_available.load(Ordering::Relaxed) {
                    match round(&shared).await {
                        Ok(ROUND) => {}
                        Ok(_) => break,
                        Err(fault) => {
                            tracing::warn!("audit events in the outbox cannot be read: {fault}");
                            break;
                        }
                    }
                }
            }
        }
    }
}

/// Claims a round of events and writes them. Gives how many were claimed.
pub(super) async fn round(shared: &Shared) -> Result<usize, Fault> {
    let claimed = outbox::claim(&shared.main, shared.clock.now(), ROUND as i64).await?;
    let count = claimed.len();
    let mut claims = Vec::with_capacity(count);
    for (id, text) in claimed {
        // A newer release may have written a type of event that this one does not know: it stays for that release.
        let event: Event = match serde_json::from_str(&text) {
            Ok(event) => event,
            Err(error) => {
                tracing::error!("the audit event {id} in the outbox cannot be read and stays there: {error}");
                continue;
            }
        };
        alert::tell(&event);
        let (entry, claim) = Entry::awaited(prepare::record(event), Waiter::Outbox);
        if shared.queue.send(Message::Entry(entry)).await.is_err() {
            break;
        }
        claims.push(claim);
    }
    let all = async {
        for claim in claims {
            claim.decided().await;
        }
    };
    let _ = tokio::time::timeout(PATIENCE, all).await;
    forget_delivered(shared).await;
    Ok(count)
}

/// Removes from the outbox what is durable in the audit store.
pub(super) async fn forget_delivered(shared: &Shared) {
    let ids = shared.links.delivered.take();
    if ids.is_empty() {
        return;
    }
    if let Err(fault) = outbox::delete(&shared.main, &ids).await {
        // They are found there again and recognised as stored.
        tracing::warn!("delivered audit events stay in the outbox for now: {fault}");
    }
}
