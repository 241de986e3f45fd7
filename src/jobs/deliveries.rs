//! Messages to receivers outside: sent until they arrive, are refused, or are of no use any more.
//!
//! Every replica looks for due messages once a second and serves each receiver one portion at a time. A receiver that does
//! not answer costs one portion; then this replica leaves it alone for a while, besides the longer and longer time that
//! each of its messages waits. What is remembered here is caution only: everything that matters is in the table.

use crate::app::App;
use crate::audit::{EventType, Outcome};
use crate::fault::Fault;
use crate::oidc::backchannel::{self, Message};
use crate::outgoing::OutgoingError;
use crate::storage::deliveries::{self, Delivery, Kind, Receiver};
use crate::storage::{ended_sessions, outbox};
use crate::types::{TenantId, Timestamp};
use futures_util::future::join_all;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Receivers that one replica serves at once.
const RECEIVERS: usize = 32;
/// Messages to one receiver that one replica sends at once.
const PORTION: i64 = 4;
/// Sessions whose end is announced in one round, and messages that are buried in one.
const ROUND: i64 = 200;
/// The wait after the first attempt in seconds; it triples with each one up to the longest.
const FIRST_WAIT_S: i64 = 10;
/// The longest wait between attempts in seconds: an hour's outage is noticed as over a quarter of an hour later at most.
const LONGEST_WAIT_S: i64 = 900;
/// The longest time that a replica leaves a receiver alone, in seconds.
const LONGEST_PAUSE_S: i64 = 60;

/// Serves receivers. Cheap to clone.
#[derive(Clone)]
pub(super) struct Couriers {
    app: Arc<App>,
    seats: Arc<Semaphore>,
    known: Arc<Mutex<Known>>,
}

/// What this replica knows of receivers.
#[derive(Default)]
struct Known {
    /// Those that are being served.
    busy: HashSet<Receiver>,
    /// Those that did not answer: how often in a row, and until when they are left alone.
    resting: HashMap<Receiver, (u32, Timestamp)>,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Attempt {
    /// The receiver has it, or nobody wants it any more.
    Done,
    /// It may work later.
    Failed(String),
    /// It never will.
    Refused(String),
    /// The address may not be reached.
    Forbidden(&'static str),
}

impl Couriers {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self {
            app,
            seats: Arc::new(Semaphore::new(RECEIVERS)),
            known: Arc::default(),
        }
    }

    /// Announces what has ended and sends what is due; gives the tasks that do so.
    pub(super) async fn round(&self) -> Result<JoinSet<()>, Fault> {
        let app = &self.app;
        for ended in ended_sessions::list(&app.store, ROUND).await? {
            if let Err(fault) = backchannel::announce(app, &ended, app.clock.now()).await {
                tracing::warn!("the end of a session is announced later: {fault}");
            }
        }
        self.bury_overdue().await?;
        let now = app.clock.now();
        let mut tasks = JoinSet::new();
        let due = deliveries::receivers(&app.store, now).await?;
        let due = in_turn(due, &self.known().busy);
        for receiver in due {
            let Ok(seat) = Arc::clone(&self.seats).try_acquire_owned() else {
                break;
            };
            if !self.known().begin(&receiver, now) {
                continue;
            }
            let couriers = self.clone();
            tasks.spawn(async move {
                if let Err(fault) = couriers.serve(&receiver).await {
                    tracing::warn!("messages to a receiver are sent later: {fault}");
                }
                couriers.known().busy.remove(&receiver);
                drop(seat);
            });
        }
        Ok(tasks)
    }

    /// Sends what is due for one receiver, as long as it answers.
    async fn serve(&self, receiver: &Receiver) -> Result<(), Fault> {
        let app = &self.app;
        loop {
            let claim = app.entropy.uuid_v4()?;
            let now = app.clock.now();
            let claimed = deliveries::claim(&app.store, receiver, claim, now, PORTION).await?;
            if claimed.is_empty() {
                return Ok(());
            }
            let attempts = claimed.iter().map(|delivery| self.attempt(delivery));
            let answered = join_all(attempts).await;
            let now = app.clock.now();
            // A claim that cannot be settled for want of the database runs out by itself.
            if answered
                .into_iter()
                .collect::<Result<Vec<_>, _>>()?
                .contains(&false)
            {
                self.known().rest(receiver, now);
                return Ok(());
            }
            self.known().resting.remove(receiver);
        }
    }

    /// Sends one message and settles it. `false` when its receiver is in trouble.
    async fn attempt(&self, delivery: &Delivery) -> Result<bool, Fault> {
        let app = &self.app;
        let attempt = match message(app, delivery).await {
            Ok(Some(message)) => send(app, delivery.kind, message).await,
            Ok(None) => Attempt::Done,
            Err(fault) => {
                tracing::error!("the message {} could not be made: {fault}", delivery.id);
                Attempt::Failed("the message could not be made".to_owned())
            }
        };
        let now = app.clock.now();
        match attempt {
            Attempt::Done => {
                deliveries::done(&mut app.store.write().await?, delivery).await?;
                Ok(true)
            }
            Attempt::Failed(error) if delivery.attempts < delivery.max_attempts => {
                let due_at = now.plus_micros(self.wait_micros(delivery.attempts)?);
                deliveries::put_off(&mut app.store.write().await?, delivery, &error, due_at).await?;
                Ok(false)
            }
            Attempt::Failed(error) => self.bury(delivery, &error).await.map(|()| false),
            Attempt::Refused(error) => self.bury(delivery, &error).await.map(|()| true),
            Attempt::Forbidden(error) => {
                let event = app.event(now, EventType::SsrfBlocked, Outcome::Failure, delivery.tenant_id)?;
                app.audit.note(
                    event
                        .client(&delivery.receiver)
                        .with("member", "backchannel_logout_uri"),
                );
                self.bury(delivery, error).await.map(|()| true)
            }
        }
    }

    async fn bury(&self, delivery: &Delivery, error: &str) -> Result<(), Fault> {
        let app = &self.app;
        let now = app.clock.now();
        let event = died(app, delivery, error, now)?;
        let mut tx = app.store.begin().await?;
        if deliveries::bury(&mut tx, delivery, error, now).await? {
            outbox::insert(&mut tx, &event).await?;
            tx.commit().await?;
            app.audit.deliver(event).await;
        }
        Ok(())
    }

    async fn bury_overdue(&self) -> Result<(), Fault> {
        let app = &self.app;
        let now = app.clock.now();
        if !deliveries::any_overdue(&app.store, now).await? {
            return Ok(());
        }
        let mut tx = app.store.begin().await?;
        let mut events = Vec::new();
        for delivery in deliveries::bury_overdue(&mut tx, now, ROUND).await? {
            let error = delivery.last_error.as_deref().unwrap_or_default();
            let event = died(app, &delivery, error, now)?;
            outbox::insert(&mut tx, &event).await?;
            events.push(event);
        }
        tx.commit().await?;
        for event in events {
            app.audit.deliver(event).await;
        }
        Ok(())
    }

    /// The wait after so many attempts, a fifth more or less, so that what failed together is not tried again together.
    fn wait_micros(&self, attempts: i64) -> Result<i64, Fault> {
        let jitter = i64::from(u16::from_le_bytes(self.app.entropy.bytes()?));
        Ok(wait_micros(attempts, jitter))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Receivers in the order in which they get seats: of each tenant one, then of each a second one, and so on, those that
/// are being served counted. However many slow receivers a tenant has, the next free seat is another one's.
fn in_turn(receivers: Vec<Receiver>, busy: &HashSet<Receiver>) -> Vec<Receiver> {
    let mut taken: HashMap<TenantId, usize> = HashMap::new();
    for receiver in busy {
        *taken.entry(receiver.tenant_id).or_default() += 1;
    }
    let mut ranked: Vec<_> = receivers
        .into_iter()
        .map(|receiver| {
            let before = taken.entry(receiver.tenant_id).or_default();
            *before += 1;
            (*before, receiver)
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, receiver)| receiver).collect()
}

impl Known {
    /// Whether a receiver is to be served now; it counts as busy from then on.
    fn begin(&mut self, receiver: &Receiver, now: Timestamp) -> bool {
        // Whoever was not heard of for so long starts anew.
        self.resting
            .retain(|_, (_, until)| now < until.plus_seconds(10 * LONGEST_PAUSE_S));
        let rests = self.resting.get(receiver).is_some_and(|(_, until)| now < *until);
        !rests && self.busy.insert(receiver.clone())
    }

    fn rest(&mut self, receiver: &Receiver, now: Timestamp) {
        let (failures, until) = self.resting.entry(receiver.clone()).or_insert((0, now));
        *failures += 1;
        let pause = (1_i64 << (*failures).min(6)).min(LONGEST_PAUSE_S);
        *until = now.plus_seconds(pause);
    }
}

async fn message(app: &App, delivery: &Delivery) -> Result<Option<Message>, Fault> {
    match delivery.kind {
        Kind::BackchannelLogout => backchannel::message(app, delivery, app.clock.now()).await,
    }
}

async fn send(app: &App, kind: Kind, message: Message) -> Attempt {
    let Message {
        url,
        content_type,
        body,
    } = message;
    match app.outgoing.deliver(&url, content_type, body).await {
        Ok(status) => judge(kind, status),
        Err(OutgoingError::Failed(error)) => Attempt::Failed(error.to_owned()),
        Err(OutgoingError::Forbidden(error)) => Attempt::Forbidden(error),
    }
}

/// What a receiver's status means. Back-Channel Logout §2.8: 200 is success, and 204 is to be taken for it; 400 says that the
/// request was invalid or the logout failed, which the same request would not change. All else is trouble that may pass.
fn judge(kind: Kind, status: u16) -> Attempt {
    match (kind, status) {
        (Kind::BackchannelLogout, 200 | 204) => Attempt::Done,
        (Kind::BackchannelLogout, 400) => Attempt::Refused("the receiver refused it with 400".to_owned()),
        (Kind::BackchannelLogout, status) => Attempt::Failed(format!("the receiver answered {status}")),
    }
}

fn died(app: &App, delivery: &Delivery, error: &str, now: Timestamp) -> Result<crate::audit::Event, Fault> {
    tracing::warn!(
        delivery = %delivery.id,
        "the message {} to {} is a dead letter: {error}",
        delivery.id,
        delivery.receiver
    );
    let event = app.event(
        now,
        EventType::DeliveryFailed,
        Outcome::Failure,
        delivery.tenant_id,
    )?;
    Ok(event
        .client(&delivery.receiver)
        .because(error)
        .with("delivery", delivery.id.to_string())
        .with("kind", delivery.kind.as_str())
        .with("attempts", delivery.attempts))
}

/// `jitter` is 0 to 65535.
fn wait_micros(attempts: i64, jitter: i64) -> i64 {
    let exponent = u32::try_from(attempts.clamp(1, 10) - 1).unwrap_or(0);
    let seconds = FIRST_WAIT_S
        .saturating_mul(3_i64.pow(exponent))
        .min(LONGEST_WAIT_S);
    // From 80 % to 120 %.
    seconds * 800_000 + seconds * 400_000 * jitter / 65_535
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_with_many_receivers_does_not_hold_up_another() {
        let receiver = |tenant: u128, number: usize| Receiver {
            tenant_id: TenantId(uuid::Uuid::from_u128(tenant)),
            kind: Kind::BackchannelLogout,
            receiver: number.to_string(),
        };
        let mut due: Vec<_> = (0..100).map(|number| receiver(1, number)).collect();
        due.push(receiver(2, 0));
        due.push(receiver(2, 1));
        let order = in_turn(due.clone(), &HashSet::new());
        assert_eq!(order[..3], [receiver(1, 0), receiver(2, 0), receiver(1, 1)]);
        assert_eq!(order.len(), due.len());
        // Those that are being served count, and are not begun anew.
        let busy = (200..230).map(|number| receiver(1, number)).collect();
        assert_eq!(in_turn(due, &busy)[..2], [receiver(2, 0), receiver(2, 1)]);
    }

    #[test]
    fn waits_grow_and_differ() {
        let waits: Vec<_> = (1..=12).map(|attempts| wait_micros(attempts, 32_768)).collect();
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]), "{waits:?}");
        assert_eq!(wait_micros(1, 0), 8_000_000);
        assert_eq!(wait_micros(1, 65_535), 12_000_000);
        assert_eq!(wait_micros(2, 0), 24_000_000);
        assert_eq!(wait_micros(40, 65_535), 1_080_000_000);
        assert_eq!(wait_micros(i64::MAX, 0), 720_000_000);
    }

    /// With the default number of attempts a message is tried for longer than a session lasts (8 h).
    #[test]
    fn the_attempts_outlast_a_session() {
        let least: i64 = (1..40).map(|attempts| wait_micros(attempts, 0)).sum();
        assert!(least > 28_800 * 850_000, "{least}");
        let middle: i64 = (1..40).map(|attempts| wait_micros(attempts, 32_768)).sum();
        assert!(middle > 28_800_000_000, "{middle}");
    }

    #[test]
    fn s2_8_what_a_status_means() {
        let judge = |status| judge(Kind::BackchannelLogout, status);
        assert_eq!(judge(200), Attempt::Done);
        assert_eq!(judge(204), Attempt::Done);
        assert!(matches!(judge(400), Attempt::Refused(_)));
        for status in [202, 301, 302, 401, 404, 408, 429, 500, 501, 502, 503, 504] {
            assert!(matches!(judge(status), Attempt::Failed(_)), "{status}");
        }
    }

    #[test]
    fn a_receiver_in_trouble_is_left_alone_for_longer_and_longer() {
        let receiver = Receiver {
            tenant_id: TenantId::FIRST,
            kind: Kind::BackchannelLogout,
            receiver: "rp".to_owned(),
        };
        let mut known = Known::default();
        let mut now = Timestamp::from_seconds(1_000_000);
        assert!(known.begin(&receiver, now));
        assert!(!known.begin(&receiver, now), "it is served already");
        for pause in [2, 4, 8, 16, 32, 60, 60] {
            known.busy.clear();
            known.rest(&receiver, now);
            assert!(!known.begin(&receiver, now.plus_seconds(pause - 1)), "{pause}");
            now = now.plus_seconds(pause);
            assert!(known.begin(&receiver, now), "{pause}");
        }
    }
}
