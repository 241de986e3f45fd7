//! What is on its way to the writer.

use super::ticket::{Claim, Ticket, ticket};
use crate::storage::audit::Record;
use crate::types::{EventType, TenantId};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::oneshot;
use uuid::Uuid;

/// What is sent to the writer.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every message is an entry; boxing would cost each an allocation"
)]
pub(super) enum Message {
    Entry(Entry),
    /// Answered when everything before it is decided.
    Flush(oneshot::Sender<()>),
    /// Answered when everything is written; nothing is taken after it.
    Stop(oneshot::Sender<()>),
}

/// A record and who waits for it.
#[derive(Debug)]
pub(super) struct Entry {
    pub record: Record,
    pub waiter: Waiter,
    /// The store refused it before, when it refused everything.
    pub was_refused: bool,
    /// It is among the requests that an interruption counts as refused.
    is_counted: bool,
}

/// Who waits for a record.
#[derive(Debug)]
pub(super) enum Waiter {
    /// Nobody: it is written when it can be.
    None,
    /// A request, which is refused when the record fails.
    Answer(Ticket),
    /// The outbox, which forgets the event when it is stored.
    Outbox(Ticket),
}

impl Entry {
    /// An entry that nobody waits for.
    pub fn unattended(record: Record) -> Self {
        Self::new(record, Waiter::None)
    }

    /// An entry that a request or the outbox waits for.
    pub fn awaited(record: Record, waiter: impl FnOnce(Ticket) -> Waiter) -> (Self, Claim) {
        let (ticket, claim) = ticket();
        (Self::new(record, waiter(ticket)), claim)
    }

    fn new(record: Record, waiter: Waiter) -> Self {
        Self {
            record,
            waiter,
            was_refused: false,
            is_counted: false,
        }
    }

    /// Whether its caller was told that it failed: then it must not be written any more.
    pub fn is_failed(&self) -> bool {
        matches!(&self.waiter, Waiter::Answer(ticket) if ticket.is_failed())
    }

    /// Tells a waiting request that the record failed; where none listens any more, the record still has to be written.
    /// `true` for each refused request once.
    pub fn fail(&mut self) -> bool {
        match &self.waiter {
            Waiter::Answer(ticket) if ticket.failed() => !std::mem::replace(&mut self.is_counted, true),
            Waiter::Answer(_) => {
                self.waiter = Waiter::None;
                false
            }
            Waiter::None | Waiter::Outbox(_) => false,
        }
    }
}

/// Refusals that were not recorded singly.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    is_any: AtomicBool,
    counts: Mutex<Counts>,
}

/// How many, by tenant and event type.
pub(super) type Counts = BTreeMap<TenantId, BTreeMap<&'static str, u64>>;

impl Refusals {
    pub fn count(&self, tenant: TenantId, event_type: EventType) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts
            .entry(tenant)
            .or_default()
            .entry(event_type.as_str())
            .or_default() += 1;
        self.is_any.store(true, Ordering::Release);
    }

    pub fn take(&self) -> Counts {
        if !self.is_any.load(Ordering::Acquire) {
            return Counts::new();
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_any.store(false, Ordering::Release);
        std::mem::take(&mut *counts)
    }
}

/// Events that are durable and still lie in the outbox.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    ids: Mutex<Vec<Uuid>>,
    some: tokio::sync::Notify,
}

impl Delivered {
    /// Ids that are kept. What is beyond is found in the outbox again, and recognised as stored.
    const KEPT: usize = 16_384;

    pub fn add(&self, id: Uuid) {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if ids.len() < Self::KEPT {
            ids.push(id);
        }
        drop(ids);
        self.some.notify_one();
    }

    pub fn take(&self) -> Vec<Uuid> {
        std::mem::take(&mut *self.ids.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub async fn wait(&self) {
        self.some.notified().await;
    }
}
