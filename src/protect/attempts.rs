//! The authentication tier: a sliding log of attempts by address, exact and shared by all replicas through the main
//! database.
//!
//! [`Attempts::take`] decides in the database and so is for what is rare (sign-in). What is frequent (client
//! authentication) asks [`Attempts::blocked`], which looks at a copy in memory that is at most a second old, and writes
//! only when an authentication failed ([`Attempts::failed`]).

use crate::config::{Limit, LimitConfig};
use crate::fault::Fault;
use crate::protect::address::limit_key;
use crate::protect::limits::{Decision, Tier};
use crate::storage::Store;
use crate::storage::attempts::{self as table, AttemptLog};
use crate::types::Timestamp;
use arc_swap::ArcSwap;
use ring::digest;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Every answer is to be there within 5 s.
const PATIENCE: Duration = Duration::from_secs(4);
/// How often a change by another replica may come in between.
const MAX_TRIES: usize = 16;
/// So many blocked keys are known in memory; there the longest blocked ones.
const MAX_BLOCKED: i64 = 10_000;
/// Attempts of one address within one replica take turns at so many places.
const TURNS: usize = 64;
/// Above this many attempts per period, attempts within a hundredth of the period count as made at its end: the log
/// stays short, and never lets more through.
const MAX_EXACT: u32 = 100;

/// The attempts of all addresses. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Attempts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    limit: ArcSwap<Limit>,
    failures_only: bool,
    blocked: RwLock<HashMap<[u8; 32], Timestamp>>,
    turns: [tokio::sync::Mutex<()>; TURNS],
}

impl Attempts {
    /// The attempts in the main database.
    pub fn new(store: Store, config: &LimitConfig) -> Self {
        Self(Arc::new(Inner {
            store,
            limit: ArcSwap::from_pointee(config.authentication),
            failures_only: config.count_failures_only,
            blocked: RwLock::new(HashMap::new()),
            turns: std::array::from_fn(|_| tokio::sync::Mutex::new(())),
        }))
    }

    /// Lets another limit hold from now on. What was counted stays counted.
    pub(super) fn adopt(&self, limit: Limit) {
        self.0.limit.store(Arc::new(limit));
    }

    fn limit(&self) -> Limit {
        **self.0.limit.load()
    }

    /// Whether only failed sign-ins count instead of all attempts.
    pub fn failures_only(&self) -> bool {
        self.0.failures_only
    }

    /// Takes one attempt, if there is one left: as many pass as are configured, the next does not, over all replicas.
    ///
    /// # Errors
    /// When the database does not answer; then nobody may try.
    pub async fn take(&self, address: IpAddr, now: Timestamp) -> Result<Decision, Fault> {
        self.bounded(self.record(address, now)).await
    }

    /// Gives back an attempt that was taken at `at` and was none after all, so that it does not count.
    ///
    /// # Errors
    /// When the database does not answer; the attempt counts then.
    pub async fn give_back(&self, address: IpAddr, at: Timestamp) -> Result<(), Fault> {
        let key = key_hash(address);
        for _ in 0..MAX_TRIES {
            let mut conn = self.0.store.write().await?;
            let Some(found) = table::find(&mut conn, &key).await? else {
                return Ok(());
            };
            let mut log = Log::new(found, self.limit(), at);
            if !log.remove(at) || table::store(&mut conn, &key, &log.stored, None, log.over_at()).await? {
                let mut blocked = self.0.blocked.write().unwrap_or_else(PoisonError::into_inner);
                blocked.remove(&key);
                return Ok(());
            }
        }
        Err(Fault::unavailable(
            "an authentication attempt could not be given back: too many at once",
        ))
    }

    /// Counts an attempt that failed. Refused when the log was full already, for instance because others failed at the
    /// same time: then the answer must not tell how the attempt ended.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn failed(&self, address: IpAddr, now: Timestamp) -> Result<Decision, Fault> {
        self.take(address, now).await
    }

    /// Whether there is an attempt left, asked of the database, without taking it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn peek(&self, address: IpAddr, now: Timestamp) -> Result<Decision, Fault> {
        self.bounded(async {
            let key = key_hash(address);
            let found = table::find(&mut self.0.store.read().await?, &key).await?;
            let log = Log::new(found.unwrap_or_else(AttemptLog::empty), self.limit(), now);
            Ok(log.decision(now, log.used() < self.limit().rate))
        })
        .await
    }

    /// Forgets the attempts of an address, so that it may try again; gives whether there were any. Other replicas that
    /// know the address as blocked refuse its clients, not its people, for as long as it would have been.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn forget(&self, address: IpAddr) -> Result<bool, Fault> {
        let key = key_hash(address);
        let found = table::delete(&mut self.0.store.write().await?, &key).await?;
        let mut blocked = self.0.blocked.write().unwrap_or_else(PoisonError::into_inner);
        blocked.remove(&key);
        Ok(found)
    }

    /// The refusal of an address that is known to have no attempt left; asks memory only.
    pub fn blocked(&self, address: IpAddr, now: Timestamp) -> Option<Decision> {
        let blocked = self.0.blocked.read().unwrap_or_else(PoisonError::into_inner);
        if blocked.is_empty() {
            return None;
        }
        let until = *blocked.get(&key_hash(address))?;
        (until > now).then(|| refusal(self.limit(), until.micros_since(now)))
    }

    /// Learns which addresses other replicas have blocked.
    ///
    /// # Errors
    /// When the database does not answer; what was known stays.
    pub async fn refresh(&self, now: Timestamp) -> Result<(), Fault> {
        let rows = table::blocked(&mut self.0.store.read().await?, now, MAX_BLOCKED).await?;
        let mut blocked = self.0.blocked.write().unwrap_or_else(PoisonError::into_inner);
        blocked.retain(|_, until| *until > now);
        if blocked.len() > usize::try_from(2 * MAX_BLOCKED).unwrap_or(usize::MAX) {
            blocked.clear();
        }
        for (key, until) in rows {
            if let Ok(key) = key.try_into() {
                blocked.insert(key, until);
            }
        }
        Ok(())
    }

    async fn bounded(&self, work: impl Future<Output = Result<Decision, Fault>>) -> Result<Decision, Fault> {
        match tokio::time::timeout(PATIENCE, work).await {
            Ok(result) => result,
            Err(_) => Err(Fault::unavailable(
                "an authentication attempt could not be counted within 4 s",
            )),
        }
    }

    async fn record(&self, address: IpAddr, now: Timestamp) -> Result<Decision, Fault> {
        let key = key_hash(address);
        let [first, ..] = &self.0.turns;
        let turn = key
            .first()
            .and_then(|&byte| self.0.turns.get(usize::from(byte) % TURNS));
        let _turn = turn.unwrap_or(first).lock().await;
        for _ in 0..MAX_TRIES {
            let mut conn = self.0.store.write().await?;
            let found = table::find(&mut conn, &key).await?;
            let mut log = Log::new(found.unwrap_or_else(AttemptLog::empty), self.limit(), now);
            if !log.add(now) {
                self.remember(key, log.free_at());
                return Ok(log.decision(now, false));
            }
            let blocked_until = (log.used() >= self.limit().rate).then(|| log.free_at());
            if table::store(&mut conn, &key, &log.stored, blocked_until, log.over_at()).await? {
                if let Some(until) = blocked_until {
                    self.remember(key, until);
                }
                return Ok(log.decision(now, true));
            }
        }
        Err(Fault::unavailable(
            "an authentication attempt could not be counted: too many at once",
        ))
    }

    fn remember(&self, key: [u8; 32], until: Timestamp) {
        let mut blocked = self.0.blocked.write().unwrap_or_else(PoisonError::into_inner);
        blocked.insert(key, until);
    }
}

/// One address's log, without what has left the window.
struct Log {
    stored: AttemptLog,
    limit: Limit,
}

impl Log {
    fn new(mut stored: AttemptLog, limit: Limit, now: Timestamp) -> Self {
        let from = now.micros().saturating_sub(period(limit));
        stored.attempts.0.retain(|&(at, _)| at > from);
        Self { stored, limit }
    }

    fn used(&self) -> u32 {
        self.stored
            .attempts
            .0
            .iter()
            .fold(0, |sum: u32, &(_, count)| sum.saturating_add(count))
    }

    /// Adds an attempt, unless the log is full.
    fn add(&mut self, now: Timestamp) -> bool {
        if self.used() >= self.limit.rate {
            return false;
        }
        let at = self.moment(now);
        let attempts = &mut self.stored.attempts.0;
        match attempts.iter_mut().find(|(own, _)| *own == at) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => {
                attempts.push((at, 1));
                // Replicas' clocks differ a little.
                attempts.sort_unstable();
            }
        }
        true
    }

    /// Takes an attempt of this time out again; `false` when there is none.
    fn remove(&mut self, at: Timestamp) -> bool {
        let at = self.moment(at);
        let attempts = &mut self.stored.attempts.0;
        let Some((_, count)) = attempts.iter_mut().find(|(own, _)| *own == at) else {
            return false;
        };
        *count = count.saturating_sub(1);
        attempts.retain(|&(_, count)| count > 0);
        true
    }

    /// The time under which an attempt is noted.
    fn moment(&self, at: Timestamp) -> i64 {
        let grain = if self.limit.rate > MAX_EXACT {
            period(self.limit) / 100
        } else {
            1
        };
        let at = at.micros();
        let rest = at.rem_euclid(grain);
        if rest == 0 { at } else { at - rest + grain }
    }

    /// When the oldest attempt leaves the window.
    fn free_at(&self) -> Timestamp {
        let oldest = self.stored.attempts.0.first().map_or(0, |&(at, _)| at);
        Timestamp::from_micros(oldest.saturating_add(period(self.limit)))
    }

    /// When the newest attempt leaves the window.
    fn over_at(&self) -> Timestamp {
        let newest = self.stored.attempts.0.last().map_or(0, |&(at, _)| at);
        Timestamp::from_micros(newest.saturating_add(period(self.limit)))
    }

    fn decision(&self, now: Timestamp, passed: bool) -> Decision {
        if !passed {
            return refusal(self.limit, self.free_at().micros_since(now));
        }
        Decision {
            tier: Tier::Authentication,
            passed,
            limit: self.limit.rate,
            window_s: self.limit.period_s,
            remaining: self.limit.rate.saturating_sub(self.used()),
            reset_s: seconds(self.over_at().micros_since(now)),
        }
    }
}

fn refusal(limit: Limit, wait_micros: i64) -> Decision {
    Decision {
        tier: Tier::Authentication,
        passed: false,
        limit: limit.rate,
        window_s: limit.period_s,
        remaining: 0,
        reset_s: seconds(wait_micros),
    }
}

fn period(limit: Limit) -> i64 {
    i64::from(limit.period_s) * 1_000_000
}

/// Whole seconds, rounded up, at least one.
fn seconds(micros: i64) -> u32 {
    u32::try_from(micros.saturating_add(999_999) / 1_000_000)
        .unwrap_or(0)
        .max(1)
}

/// The key of an address. It is hashed to have one size, not to hide it.
fn key_hash(address: IpAddr) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"address\0");
    match limit_key(address) {
        IpAddr::V4(address) => context.update(&address.octets()),
        IpAddr::V6(address) => context.update(&address.octets()),
    }
    let mut key = [0; 32];
    key.copy_from_slice(context.finish().as_ref());
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn log(limit: Limit, stored: AttemptLog, at: i64) -> Log {
        Log::new(stored, limit, Timestamp::from_micros(at))
    }

    #[test]
    fn there_is_no_double_burst_at_the_edge_of_the_window() {
        let limit = Limit {
            rate: 5,
            period_s: 900,
            burst: 5,
        };
        let minute = 60_000_000;
        let mut stored = AttemptLog::empty();
        for _ in 0..5 {
            let mut log = log(limit, stored, 15 * minute - 1_000_000);
            assert!(log.add(Timestamp::from_micros(15 * minute - 1_000_000)));
            stored = log.stored;
        }
        let at = 15 * minute + 1_000_000;
        let mut full = log(limit, stored, at);
        assert!(!full.add(Timestamp::from_micros(at)));
        let decision = full.decision(Timestamp::from_micros(at), false);
        assert_eq!((decision.remaining, decision.reset_s), (0, 898));
        let at = at + 898_000_000;
        assert!(log(limit, full.stored, at).add(Timestamp::from_micros(at)));
    }

    proptest! {
        #[test]
        fn the_log_is_exact_up_to_a_hundred_and_never_generous_above(
            rate in 1u32..400, steps in proptest::collection::vec(0i64..10_000_000, 1..600),
        ) {
            let limit = Limit { rate, period_s: 600, burst: rate };
            let mut stored = AttemptLog::empty();
            let mut passed: Vec<i64> = Vec::new();
            let mut now = 1_000_000_000;
            for step in steps {
                now += step;
                let mut log = log(limit, stored, now);
                let within = passed.iter().filter(|&&at| at > now - 600_000_000).count();
                let passes = log.add(Timestamp::from_micros(now));
                if rate <= MAX_EXACT {
                    prop_assert_eq!(passes, within < rate as usize);
                } else {
                    prop_assert!(!passes || within < rate as usize);
                }
                if passes {
                    passed.push(now);
                }
                prop_assert!(log.stored.attempts.0.len() <= 102);
                stored = log.stored;
            }
        }
    }
}
