//! The one writer of a process: takes what has gathered, chains it, and commits it as one group.
//!
//! **Outages.** The stream is this process's own, so its head is known without asking, except after a commit with unknown
//! outcome. The writer then reads the head and stores a bridge (`audit_interrupted`) at the next place before anything
//! else. A place is taken once only: when the bridge is stored, an earlier commit that is still under way cannot land any
//! more, and what became of every record in doubt is known:
//!
//! - it is stored and its caller still waits, or has gone away: it stands;
//! - it is stored, but its caller was told that it failed and has put its change back: a `record_withdrawn` follows it;
//! - it is not stored: refusals and deliveries are written again; the rest is dropped, as its caller was told.

use super::log::Parts;
use super::queue::{Delivered, Entry, Message, Refusals, Waiter};
use super::{chain, prepare};
use crate::clock::Clock;
use crate::fault::{Fault, FaultKind};
use crate::storage::Store;
use crate::storage::audit::{self, Head, Record};
use crate::types::{Event, EventType, Outcome, TenantId, Timestamp};
use serde_json::json;
use std::collections::VecDeque;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use uuid::Uuid;

/// Records of one commit.
const BATCH: usize = 512;
/// Pause between attempts while the store is down.
const PAUSE: Duration = Duration::from_millis(250);
/// How long an orderly stop tries to write.
const STOP: Duration = Duration::from_secs(4);
/// A record that is older when it is chained stands under the present time and says when it happened.
const LATE_S: i64 = 5;

/// The writer's state.
pub(super) struct Writer {
    store: Store,
    clock: Clock,
    stream: Uuid,
    head: Head,
    told_head: watch::Sender<Head>,
    queue: mpsc::Receiver<Message>,
    links: Links,
    /// What was taken from the queue and is not stored.
    held: VecDeque<Entry>,
    flushes: Vec<oneshot::Sender<()>>,
    interruption: Option<Interruption>,
    stop: Option<(oneshot::Sender<()>, Instant)>,
}

/// What the writer shares with the handle.
#[derive(Clone, Debug)]
pub(super) struct Links {
    pub refusals: Arc<Refusals>,
    pub delivered: Arc<Delivered>,
    /// Whether the store could be written at the last attempt.
    pub is_available: Arc<AtomicBool>,
}

/// The stream's head is in doubt.
struct Interruption {
    since: Timestamp,
    /// The id of the record that ends it, the same at every attempt.
    bridge: Uuid,
    /// Attempts that failed.
    failures: u32,
    /// What may have been stored by the attempt with unknown outcome.
    doubtful: Vec<Entry>,
    /// Requests that were refused because of it.
    refused: u64,
}

impl Writer {
    /// A writer of an empty stream, and where it tells how far it has come.
    pub fn new(
        parts: &Parts,
        stream: Uuid,
        queue: mpsc::Receiver<Message>,
        links: Links,
    ) -> (Self, watch::Receiver<Head>) {
        let head = Head {
            sequence: 0,
            time: parts.clock.now(),
            hash: chain::START,
        };
        let (told_head, listener) = watch::channel(head);
        let writer = Self {
            store: parts.store.clone(),
            clock: parts.clock.clone(),
            stream,
            head,
            told_head,
            queue,
            links,
            held: VecDeque::new(),
            flushes: Vec::new(),
            interruption: None,
            stop: None,
        };
        (writer, listener)
    }

    /// Runs until it is stopped or every handle is gone.
    pub async fn run(mut self) {
        loop {
            self.take_what_has_gathered().await;
            if let Err(fault) = self.attempt().await {
                self.failed(&fault).await;
            }
            let is_idle = self.held.is_empty() && self.interruption.is_none();
            if is_idle {
                for flush in self.flushes.drain(..) {
                    let _ = flush.send(());
                }
            }
            let is_written = is_idle && self.queue.is_closed() && self.queue.is_empty();
            let is_over = |(_, deadline): &(_, Instant)| Instant::now() >= *deadline;
            if is_written || self.stop.as_ref().is_some_and(is_over) {
                break;
            }
        }
        let lost = self.held.len()
            + self
                .interruption
                .map_or(0, |interruption| interruption.doubtful.len());
        if lost > 0 {
            tracing::error!("{lost} audit records could not be written before the stop");
        }
        if let Some((done, _)) = self.stop {
            let _ = done.send(());
        }
    }

    /// Waits for a message when there is nothing to do, then takes what is there. A flush ends the group, so that it is
    /// not put off by what comes after it.
    async fn take_what_has_gathered(&mut self) {
        if self.held.is_empty() && self.interruption.is_none() {
            match self.queue.recv().await {
                Some(message) => self.take(message),
                None => return,
            }
        }
        while self.held.len() < BATCH && self.flushes.is_empty() {
            match self.queue.try_recv() {
                Ok(message) => self.take(message),
                Err(_) => break,
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Entry(entry) => self.held.push_back(entry),
            Message::Flush(done) => self.flushes.push(done),
            Message::Stop(done) => {
                self.queue.close();
                self.stop = Some((done, Instant::now() + STOP));
            }
        }
    }

    /// One attempt to write what is held. When it fails, nothing is lost: each entry is held or in doubt.
    async fn attempt(&mut self) -> Result<(), Fault> {
        if self.interruption.is_some() {
            self.bridge().await?;
        }
        if self.queue.len() < self.queue.max_capacity() / 2 {
            self.hold_counts();
        }
        let mut batch = Vec::with_capacity(self.held.len().min(BATCH));
        while batch.len() < BATCH {
            match self.held.pop_front() {
                Some(entry) if entry.is_failed() => {}
                Some(entry) => batch.push(entry),
                None => break,
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        match self.append(&mut batch).await {
            Ok(()) => batch.into_iter().for_each(|entry| self.settle(entry)),
            Err(fault) if fault.kind() == FaultKind::Unavailable => {
                self.interruption().doubtful.extend(batch);
                return Err(fault);
            }
            Err(fault) => return self.append_singly(batch, fault).await,
        }
        Ok(())
    }

    /// Chains the entries after the head and stores them; the head moves only when they are stored.
    async fn append(&mut self, batch: &mut [Entry]) -> Result<(), Fault> {
        let now = self.clock.now();
        let mut head = self.head;
        let mut chained = Vec::with_capacity(batch.len());
        for Entry { record, .. } in batch {
            if record.time < now.plus_seconds(-LATE_S) {
                prepare::mark_late(record);
                record.time = now;
            }
            let link = chain::link(self.stream, &head, record);
            head = Head {
                sequence: link.sequence,
                time: link.time,
                hash: link.hash,
            };
            chained.push((link, &*record));
        }
        audit::append(&self.store, self.stream, &chained).await?;
        metrics::counter!("grantor_audit_records_total").increment(chained.len() as u64);
        metrics::counter!("grantor_audit_commits_total").increment(1);
        self.move_head(head);
        Ok(())
    }

    fn move_head(&mut self, head: Head) {
        self.head = head;
        self.told_head.send_replace(head);
    }

    /// What follows from a record being stored.
    fn settle(&mut self, entry: Entry) {
        match entry.waiter {
            Waiter::None => {}
            Waiter::Answer(ticket) => {
                if !ticket.stored() {
                    let withdrawn = self.withdrawal(&entry.record);
                    self.held.push_back(Entry::unattended(withdrawn));
                }
            }
            Waiter::Outbox(ticket) => {
                ticket.stored();
                self.links.delivered.add(entry.record.id);
            }
        }
    }

    /// The store refused a batch, and nothing of it is stored. What is there already counts as recorded. When that was
    /// not why, each entry goes by itself, so that one that the store does not take holds up no other.
    async fn append_singly(&mut self, batch: Vec<Entry>, fault: Fault) -> Result<(), Fault> {
        let (rest, is_any_repeated) = self.settle_repeated(batch).await?;
        let mut rest = VecDeque::from(rest);
        if is_any_repeated {
            self.hold(rest);
            return Ok(());
        }
        let mut refused = Vec::new();
        let before = self.head.sequence;
        while let Some(mut entry) = rest.pop_front() {
            match self.append(slice::from_mut(&mut entry)).await {
                Ok(()) => self.settle(entry),
                Err(fault) if fault.kind() == FaultKind::Unavailable => {
                    self.interruption().doubtful.push(entry);
                    self.hold(rest);
                    self.hold(refused.into());
                    return Err(fault);
                }
                Err(_) => refused.push(entry),
            }
        }
        let (refused, _) = self.settle_repeated(refused).await?;
        let is_any_stored = self.head.sequence > before;
        let mut again = VecDeque::new();
        for mut entry in refused {
            if is_any_stored || entry.was_refused {
                self.give_up(entry, &fault);
            } else {
                entry.was_refused = true;
                again.push_back(entry);
            }
        }
        if again.is_empty() {
            return Ok(());
        }
        // The store takes nothing at present. Whether that is because of these entries, the bridge will show.
        self.hold(again);
        Err(fault)
    }

    /// Takes out and settles what is stored already. Gives the rest, and whether there was any.
    async fn settle_repeated(&mut self, batch: Vec<Entry>) -> Result<(Vec<Entry>, bool), Fault> {
        let ids: Vec<_> = batch.iter().map(|entry| entry.record.id).collect();
        let stored = match audit::stored(&self.store, &ids).await {
            Ok(stored) => stored,
            Err(fault) => {
                self.hold(batch.into());
                return Err(fault);
            }
        };
        let (repeated, rest): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .partition(|entry| stored.contains(&entry.record.id));
        let is_any = !repeated.is_empty();
        repeated.into_iter().for_each(|entry| self.settle(entry));
        Ok((rest, is_any))
    }

    /// Puts entries back to be written before all others.
    fn hold(&mut self, mut entries: VecDeque<Entry>) {
        entries.append(&mut self.held);
        self.held = entries;
    }

    /// The store takes other records but not this one.
    fn give_up(&mut self, mut entry: Entry, fault: &Fault) {
        let Record { id, event_type, .. } = &entry.record;
        tracing::error!(%id, event_type, "the audit store refuses one record: {fault}");
        metrics::counter!("grantor_audit_refused_records_total").increment(1);
        entry.fail();
    }

    fn interruption(&mut self) -> &mut Interruption {
        let (since, stream, sequence) = (self.clock.now(), self.stream, self.head.sequence);
        self.interruption.get_or_insert_with(|| Interruption {
            since,
            bridge: own_id("bridge", stream, &sequence.to_be_bytes()),
            failures: 0,
            doubtful: Vec::new(),
            refused: 0,
        })
    }

    /// After a failed attempt. The next one follows at once, since a lost connection is replaced by then; when that fails
    /// too, the store is down, and whoever waits is told.
    async fn failed(&mut self, fault: &Fault) {
        self.links.is_available.store(false, Ordering::Relaxed);
        let mut held = std::mem::take(&mut self.held);
        let interruption = self.interruption();
        interruption.failures += 1;
        if interruption.failures == 1 {
            tracing::error!("the audit store cannot be written; nothing is issued meanwhile: {fault}");
            metrics::counter!("grantor_audit_interruptions_total").increment(1);
            self.held = held;
            return;
        }
        let mut refused = 0;
        for entry in held.iter_mut().chain(&mut interruption.doubtful) {
            refused += u64::from(entry.fail());
        }
        interruption.refused += refused;
        held.retain(|entry| !entry.is_failed());
        self.held = held;
        tokio::time::sleep(PAUSE).await;
    }

    /// Ends an interruption: see the head of this file.
    async fn bridge(&mut self) -> Result<(), Fault> {
        let (since, stream) = (self.clock.now(), self.stream);
        let Some(interruption) = &self.interruption else {
            return Ok(());
        };
        let bridge = interruption.bridge;
        let members = json!({
            "since": interruption.since.to_string(),
            "refused_requests": interruption.refused,
        });
        let mut ids: Vec<_> = interruption
            .doubtful
            .iter()
            .map(|entry| entry.record.id)
            .collect();
        ids.push(bridge);
        // First the head, then what is stored: what lands in between makes the bridge fail, and this begins anew.
        let head = audit::head(&self.store, stream).await?;
        let stored = audit::stored(&self.store, &ids).await?;
        if stored.contains(&bridge) {
            if let Some(head) = audit::head(&self.store, stream).await? {
                self.move_head(head);
            }
        } else {
            self.head = head.unwrap_or(Head {
                sequence: 0,
                hash: chain::START,
                time: self.head.time,
            });
            let record = own_record(
                bridge,
                since,
                TenantId::FIRST,
                EventType::AuditInterrupted,
                members,
            );
            self.append(&mut [Entry::unattended(record)]).await?;
        }
        let doubtful = self.interruption.take().map(|interruption| interruption.doubtful);
        let mut again = VecDeque::new();
        for entry in doubtful.unwrap_or_default() {
            if stored.contains(&entry.record.id) {
                self.settle(entry);
            } else if !entry.is_failed() {
                again.push_back(entry);
            }
        }
        self.hold(again);
        self.links.is_available.store(true, Ordering::Relaxed);
        tracing::info!("the audit store is written again");
        Ok(())
    }

    fn withdrawal(&self, withdrawn: &Record) -> Record {
        let id = own_id("withdrawal", withdrawn.id, &[]);
        let members = json!({ "record": withdrawn.id.to_string(), "event_type": withdrawn.event_type });
        let mut record = own_record(
            id,
            self.clock.now(),
            withdrawn.tenant,
            EventType::RecordWithdrawn,
            members,
        );
        record.client_id.clone_from(&withdrawn.client_id);
        record.user_id.clone_from(&withdrawn.user_id);
        record.request_id.clone_from(&withdrawn.request_id);
        record.token_family.clone_from(&withdrawn.token_family);
        record
    }

    /// The refusals that were counted since, as one record for each tenant.
    fn hold_counts(&mut self) {
        for (tenant, counts) in self.links.refusals.take() {
            let place = [self.head.sequence.to_be_bytes().as_slice(), tenant.0.as_bytes()].concat();
            let id = own_id("counts", self.stream, &place);
            let members = json!({ "counts": counts });
            let now = self.clock.now();
            let record = own_record(id, now, tenant, EventType::RefusalsCounted, members);
            self.held.push_back(Entry::unattended(record));
        }
    }
}

/// An id of the log's own record, the same at every attempt (RFC 9562 §5.8).
fn own_id(purpose: &str, of: Uuid, place: &[u8]) -> Uuid {
    let mut hasher = chain::Hasher::new(b"grantor audit own record 1");
    hasher.part(purpose.as_bytes());
    hasher.part(of.as_bytes());
    hasher.part(place);
    let mut bytes = [0; 16];
    for (byte, hashed) in bytes.iter_mut().zip(hasher.finish()) {
        *byte = hashed;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

fn own_record(
    id: Uuid,
    now: Timestamp,
    tenant: TenantId,
    event_type: EventType,
    members: serde_json::Value,
) -> Record {
    let mut event = Event::new(id, now, tenant, event_type, Outcome::Failure);
    if let serde_json::Value::Object(members) = members {
        event.metadata = members;
    }
    prepare::record(event)
}
