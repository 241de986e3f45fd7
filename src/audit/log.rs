//! The handle through which everything is recorded.

use super::anchor::Anchor;
use super::checkpoint::Checkpointer;
use super::queue::{Entry, Message, Waiter};
use super::signer::AuditSigner;
use super::writer::{Links, Writer};
use super::{alert, delivery, keeper, prepare};
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::fault::Fault;
use crate::storage::Store;
use crate::storage::audit::Head;
use crate::types::Event;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

/// How long a record may take to become durable; a caller has its 503 within 5 s.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long a delivery is waited for, so that it can be read as soon as its change was answered. What takes rights away
/// does not depend on it.
const DELIVERY_PATIENCE: Duration = Duration::from_secs(1);
/// How often a checkpoint is made when there is something new.
pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);
/// Events that may wait for the writer.
const QUEUE: usize = 4096;

/// The audit log of this process. Cheap to clone; when the last clone is dropped without [`Audit::shutdown`], what is
/// still queued is lost, as in a crash.
#[derive(Clone, Debug)]
pub struct Audit {
    shared: Arc<Shared>,
    checkpointer: Arc<Checkpointer>,
    tasks: Arc<Tasks>,
}

/// What the log works with.
#[derive(Debug)]
pub struct Parts {
    /// The main database: outbox and noted heads.
    pub main: Store,
    /// The audit store.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Randomness for the stream's id.
    pub entropy: Entropy,
    /// What signs checkpoints.
    pub signer: AuditSigner,
    /// Where checkpoints go besides the database.
    pub anchor: Option<Anchor>,
    /// How often a checkpoint is made when there is something new; [`CHECKPOINT_EVERY`] unless a test wants otherwise.
    pub checkpoint_every: Duration,
}

/// What the handle and the tasks behind it share.
#[derive(Debug)]
pub(super) struct Shared {
    pub main: Store,
    pub clock: Clock,
    pub queue: mpsc::Sender<Message>,
    /// The stream that this process writes, and how far it has come.
    pub stream: Uuid,
    pub head: watch::Receiver<Head>,
    pub links: Links,
}

/// The tasks end with the last handle.
#[derive(Debug)]
struct Tasks(Vec<JoinHandle<()>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

impl Audit {
    /// Starts the log with a new stream. The databases need not answer yet. Runs on the current tokio runtime.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn start(parts: Parts) -> Result<Self, Fault> {
        let (queue, messages) = mpsc::channel(QUEUE);
        let stream = parts.entropy.uuid_v7(parts.clock.now())?;
        let links = Links {
            refusals: Arc::default(),
            delivered: Arc::default(),
            is_available: Arc::new(AtomicBool::new(true)),
        };
        let (writer, head) = Writer::new(&parts, stream, messages, links.clone());
        let shared = Arc::new(Shared {
            main: parts.main.clone(),
            clock: parts.clock.clone(),
            queue,
            stream,
            head,
            links,
        });
        let checkpointer = Arc::new(Checkpointer {
            main: parts.main,
            store: parts.store,
            clock: parts.clock,
            signer: parts.signer,
            anchor: parts.anchor,
            state: tokio::sync::Mutex::default(),
        });
        let tasks = vec![
            tokio::spawn(writer.run()),
            tokio::spawn(delivery::run(shared.clone())),
            tokio::spawn(keeper::note_heads(shared.clone())),
            tokio::spawn(keeper::make_checkpoints(
                checkpointer.clone(),
                parts.checkpoint_every,
            )),
        ];
        Ok(Self {
            shared,
            checkpointer,
            tasks: Arc::new(Tasks(tasks)),
        })
    }

    /// Records an event and waits until it is durable. What gives something to a caller waits for this before it answers.
    ///
    /// # Errors
    /// [`Fault::unavailable`] within 4 s when it could not be made durable. The caller then puts its change back and
    /// refuses. Should the record have reached the store all the same (an unknown commit), the log follows it with a
    /// `record_withdrawn` that names it.
    pub async fn record(&self, event: Event) -> Result<(), Fault> {
        let deadline = Instant::now() + PATIENCE;
        let (entry, claim) = Entry::awaited(prepare::record(event), Waiter::Answer);
        let queued = timeout_at(deadline, self.shared.queue.send(Message::Entry(entry))).await;
        let stored = match queued {
            Ok(Ok(())) => match timeout_at(deadline, claim.decided()).await {
                Ok(stored) => stored,
                Err(_) => claim.give_up(),
            },
            _ => false,
        };
        if stored {
            Ok(())
        } else {
            Err(Fault::unavailable("the audit record could not be made durable"))
        }
    }

    /// Records an ordinary refusal. Never waits: when the log cannot keep up, refusals are counted, and the counts
    /// recorded later in one `refusals_counted`.
    pub fn note(&self, event: Event) {
        let (tenant, event_type) = (event.tenant, event.event_type);
        let entry = Entry::unattended(prepare::record(event));
        if self.shared.queue.try_send(Message::Entry(entry)).is_err() {
            self.shared.links.refusals.count(tenant, event_type);
        }
    }

    /// Records an event that a committed transaction left in the outbox ([`crate::storage::outbox::insert`]), then
    /// removes it there. Returns as soon as it is durable, and without that after a second, or at once when the store is
    /// known to be down: the outbox keeps the event, and every replica delivers what it finds there.
    pub async fn deliver(&self, event: Event) {
        alert::tell(&event);
        let (entry, claim) = Entry::awaited(prepare::record(event), Waiter::Outbox);
        let is_queued = self.shared.queue.try_send(Message::Entry(entry)).is_ok();
        if is_queued && self.is_available() {
            claim.watch(DELIVERY_PATIENCE).await;
        }
    }

    /// Waits until everything that was handed over before is written, or 4 s. Before the log is read.
    pub async fn flush(&self) {
        let (done, waiting) = oneshot::channel();
        let _ = tokio::time::timeout(PATIENCE, async {
            if self.shared.queue.send(Message::Flush(done)).await.is_ok() {
                let _ = waiting.await;
            }
        })
        .await;
    }

    /// Whether the audit store could be written at the last attempt.
    pub fn is_available(&self) -> bool {
        self.shared.links.is_available.load(Ordering::Relaxed)
    }

    /// How far this process's stream has come.
    pub fn head(&self) -> Head {
        *self.shared.head.borrow()
    }

    /// The fingerprint of the key that signs checkpoints, for the operator to keep elsewhere.
    pub fn fingerprint(&self) -> String {
        self.checkpointer.signer.fingerprint()
    }

    /// The stream that this process writes.
    pub fn stream(&self) -> Uuid {
        self.shared.stream
    }

    /// Delivers what lies in the outbox and is nobody's at present; returns how many events. A task does this every two
    /// seconds.
    ///
    /// # Errors
    /// When the main database does not answer.
    pub async fn deliver_outbox(&self) -> Result<usize, Fault> {
        delivery::round(&self.shared).await
    }

    /// Makes a checkpoint now if there is something new; gives its number. A task does this at an interval.
    ///
    /// # Errors
    /// When a database does not answer.
    pub async fn checkpoint(&self) -> Result<Option<i64>, Fault> {
        self.checkpointer.checkpoint().await
    }

    /// The orderly end: writes what is queued, removes from the outbox what was delivered, notes the head and makes the
    /// last checkpoint. Events that come later are refused.
    pub async fn shutdown(&self) {
        let (done, waiting) = oneshot::channel();
        let stopped = async {
            if self.shared.queue.send(Message::Stop(done)).await.is_ok() {
                let _ = waiting.await;
            }
        };
        if tokio::time::timeout(PATIENCE + PATIENCE, stopped).await.is_err() {
            tracing::error!("the audit log could not be written completely before the stop");
        }
        delivery::forget_delivered(&self.shared).await;
        keeper::note_head(&self.shared).await;
        if let Err(fault) = self.checkpoint().await {
            tracing::warn!("no audit checkpoint could be made at the stop: {fault}");
        }
        for task in &self.tasks.0 {
            task.abort();
        }
    }
}
