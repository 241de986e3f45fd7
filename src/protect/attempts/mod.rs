//! The authentication tier: a sliding log of attempts by address, exact and shared by all replicas through the main
//! database. An IPv6 site counts besides: whoever has many networks of it to choose from has ten times the limit of one.
//!
//! [`Attempts::take`] decides in the database and so is for what is rare (sign-in). What is frequent (client
//! authentication) asks [`Attempts::blocked`], which looks at a copy in memory that is at most a second old, and writes
//! only when an authentication failed ([`Attempts::failed`]).

mod log;

use self::log::{Log, refusal};
use crate::config::{Limit, LimitConfig};
use crate::fault::Fault;
use crate::protect::address::{self, limit_key};
use crate::protect::limits::Decision;
use crate::storage::Store;
use crate::storage::attempts::{self as table, AttemptLog};
use crate::types::Timestamp;
use arc_swap::ArcSwap;
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
/// How much of an address's limit an IPv6 site has.
const SITE_FACTOR: u32 = 10;
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

/// Whom attempts count for, under which key, and how many pass.
struct Party {
    key: [u8; 32],
    limit: Limit,
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

    /// The limit that holds right now.
    pub fn limit(&self) -> Limit {
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
        self.bounded(async {
            let (one, site) = self.parties(address);
            let decision = self.record(&one, now).await?;
            let Some(site) = site.filter(|_| decision.passed) else {
                return Ok(decision);
            };
            let wider = self.record(&site, now).await?;
            if !wider.passed {
                self.put_back(&one, now).await?;
            }
            Ok(decision.tighter(wider))
        })
        .await
    }

    /// Gives back an attempt that was taken at `at` and was none after all, so that it does not count.
    ///
    /// # Errors
    /// When the database does not answer; the attempt counts then.
    pub async fn give_back(&self, address: IpAddr, at: Timestamp) -> Result<(), Fault> {
        let (one, site) = self.parties(address);
        self.put_back(&one, at).await?;
        match site {
            Some(site) => self.put_back(&site, at).await,
            None => Ok(()),
        }
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
            let (one, site) = self.parties(address);
            let decision = self.look(&one, now).await?;
            match site {
                Some(site) => Ok(decision.tighter(self.look(&site, now).await?)),
                None => Ok(decision),
            }
        })
        .await
    }

    /// Forgets the attempts of an address, so that it may try again; gives whether there were any. Other replicas that
    /// know the address as blocked learn it with their next [`Attempts::refresh`].
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn forget(&self, address: IpAddr) -> Result<bool, Fault> {
        let (one, site) = self.parties(address);
        let mut found = false;
        for party in [Some(one), site].into_iter().flatten() {
            found |= table::delete(&mut self.0.store.write().await?, &party.key).await?;
            self.unblock(&party);
        }
        Ok(found)
    }

    /// The refusal of an address that is known to have no attempt left; asks memory only.
    pub fn blocked(&self, address: IpAddr, now: Timestamp) -> Option<Decision> {
        let blocked = self.0.blocked.read().unwrap_or_else(PoisonError::into_inner);
        if blocked.is_empty() {
            return None;
        }
        let (one, site) = self.parties(address);
        let refusals = [Some(one), site].into_iter().flatten().filter_map(|party| {
            let until = *blocked.get(&party.key)?;
            (until > now).then(|| refusal(party.limit, until.micros_since(now)))
        });
        refusals.max_by_key(|refusal| refusal.reset_s)
    }

    /// Learns which addresses other replicas have blocked.
    ///
    /// # Errors
    /// When the database does not answer; what was known stays.
    pub async fn refresh(&self, now: Timestamp) -> Result<(), Fault> {
        let rows = table::blocked(&mut self.0.store.read().await?, now, MAX_BLOCKED).await?;
        let mut blocked = self.0.blocked.write().unwrap_or_else(PoisonError::into_inner);
        let (found, most) = (rows.len(), usize::try_from(MAX_BLOCKED).unwrap_or(usize::MAX));
        // Where the rows are all that there are, nobody else is blocked. What is blocked here this very moment is known
        // again a second later.
        if found < most || blocked.len() > 2 * most {
            blocked.clear();
        }
        blocked.retain(|_, until| *until > now);
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

    /// Whom an attempt from an address counts for: the address, and an IPv6 address's site.
    fn parties(&self, address: IpAddr) -> (Party, Option<Party>) {
        let limit = self.limit();
        let one = Party {
            key: address::hash("address", limit_key(address)),
            limit,
        };
        let site = address::site(address);
        let site = site.is_ipv6().then(|| Party {
            key: address::hash("site", site),
            limit: Limit {
                rate: limit.rate.saturating_mul(SITE_FACTOR),
                burst: limit.burst.saturating_mul(SITE_FACTOR),
                ..limit
            },
        });
        (one, site)
    }

    async fn record(&self, party: &Party, now: Timestamp) -> Result<Decision, Fault> {
        let Party { key, limit } = party;
        let [first, ..] = &self.0.turns;
        let turn = key
            .first()
            .and_then(|&byte| self.0.turns.get(usize::from(byte) % TURNS));
        let _turn = turn.unwrap_or(first).lock().await;
        for _ in 0..MAX_TRIES {
            let mut conn = self.0.store.write().await?;
            let found = table::find(&mut conn, key).await?;
            let mut log = Log::new(found.unwrap_or_else(AttemptLog::empty), *limit, now);
            if !log.add(now) {
                self.block(party, log.free_at());
                return Ok(log.decision(now, false));
            }
            let blocked_until = (log.used() >= limit.rate).then(|| log.free_at());
            if table::store(&mut conn, key, &log.stored, blocked_until, log.over_at()).await? {
                if let Some(until) = blocked_until {
                    self.block(party, until);
                }
                return Ok(log.decision(now, true));
            }
        }
        Err(Fault::unavailable(
            "an authentication attempt could not be counted: too many at once",
        ))
    }

    async fn put_back(&self, party: &Party, at: Timestamp) -> Result<(), Fault> {
        let Party { key, limit } = party;
        for _ in 0..MAX_TRIES {
            let mut conn = self.0.store.write().await?;
            let Some(found) = table::find(&mut conn, key).await? else {
                return Ok(());
            };
            let mut log = Log::new(found, *limit, at);
            if !log.remove(at) || table::store(&mut conn, key, &log.stored, None, log.over_at()).await? {
                self.unblock(party);
                return Ok(());
            }
        }
        Err(Fault::unavailable(
            "an authentication attempt could not be given back: too many at once",
        ))
    }

    async fn look(&self, party: &Party, now: Timestamp) -> Result<Decision, Fault> {
        let found = table::find(&mut self.0.store.read().await?, &party.key).await?;
        let log = Log::new(found.unwrap_or_else(AttemptLog::empty), party.limit, now);
        Ok(log.decision(now, log.used() < party.limit.rate))
    }

    fn block(&self, party: &Party, until: Timestamp) {
        let mut blocked = self.0.blocked.write().unwrap_or_else(PoisonError::into_inner);
        blocked.insert(party.key, until);
    }

    fn unblock(&self, party: &Party) {
        let mut blocked = self.0.blocked.write().unwrap_or_else(PoisonError::into_inner);
        blocked.remove(&party.key);
    }
}
