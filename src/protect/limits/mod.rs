//! Rate limits: which there are, whom they count, and what they say.

mod bucket;
mod effective;
pub mod quota;
mod shared;

pub use self::shared::Shared;

use self::bucket::{Buckets, Taken};
use self::effective::{Effective, per_second};
use crate::config::{Limit, LimitConfig};
use crate::fault::Fault;
use crate::protect::address::limit_key;
use crate::storage::clients::Client;
use crate::storage::limits::ChangedLimits;
use crate::storage::plans::Plan;
use crate::types::{ClientId, TenantId, Timestamp, UserId};
use arc_swap::ArcSwap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Answers under a smaller limit than this are not delayed.
const LEAST_THROTTLED: u32 = 10;

/// A class of requests with a limit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tier {
    /// Ordinary requests: by client once it is authenticated, else by address.
    Standard,
    /// Exports, reports, key generation: by client.
    Expensive,
    /// Attempts with a secret, by address. Counted in the database (see [`crate::protect::attempts`]); a route of this
    /// tier counts as `Standard` besides.
    Authentication,
    /// Sensitive operations: by operation and caller.
    Sensitive,
    /// Metadata, JWKS and static files, by address.
    Public,
    /// All requests of one user.
    PerUser,
    /// All requests of one API key.
    PerKey,
    /// All requests together.
    Global,
    /// A client or address in one second, where that is set.
    PerSecond,
    /// All requests of a tenant's clients in one second, where that is set.
    PerTenant,
    /// A client in one second, where its plan or the configuration says so: smooths what comes all at once.
    Spike,
    /// A client in a calendar month (see [`quota`]).
    Quota,
}

impl Tier {
    /// Every tier.
    pub const ALL: [Self; 12] = [
        Self::Standard,
        Self::Expensive,
        Self::Authentication,
        Self::Sensitive,
        Self::Public,
        Self::PerUser,
        Self::PerKey,
        Self::Global,
        Self::PerSecond,
        Self::PerTenant,
        Self::Spike,
        Self::Quota,
    ];

    /// The name in `RateLimit-Policy`, in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Expensive => "expensive",
            Self::Authentication => "authentication",
            Self::Sensitive => "sensitive",
            Self::Public => "public",
            Self::PerUser => "per_user",
            Self::PerKey => "per_key",
            Self::Global => "global",
            Self::PerSecond => "per_second",
            Self::PerTenant => "per_tenant",
            Self::Spike => "spike",
            Self::Quota => "quota",
        }
    }

    /// Whether the admin API changes it for everybody; the others are matters of plans.
    pub const fn is_changeable(self) -> bool {
        !matches!(self, Self::Spike | Self::Quota)
    }

    /// The configured limit, `None` where there is none.
    fn limit(self, config: &LimitConfig) -> Option<Limit> {
        Some(match self {
            Self::Standard => config.standard,
            Self::Expensive => config.expensive,
            Self::Authentication => config.authentication,
            Self::Sensitive => config.sensitive,
            Self::Public => config.public,
            Self::PerUser => config.per_user,
            Self::PerKey => config.per_key,
            Self::Global => config.global,
            Self::PerSecond => per_second(config.per_second_cap?),
            Self::PerTenant => per_second(config.per_tenant_cap?),
            Self::Spike | Self::Quota => return None,
        })
    }
}

/// Who is counted.
#[derive(Clone, Copy, Debug)]
pub enum Key<'a> {
    /// Everybody together.
    All,
    /// An address; IPv6 by /64.
    Address(IpAddr),
    /// An authenticated client.
    Client(TenantId, &'a ClientId),
    /// A user.
    User(TenantId, UserId),
    /// All clients of a tenant.
    Tenant(TenantId),
    /// A caller at one operation, named by its route.
    Operation(&'a str, &'a Key<'a>),
}

impl Key<'_> {
    /// A key of constant size. The hash is keyed with two secrets of this process: nobody can make two keys meet.
    fn digest(&self, secrets: &[RandomState; 2]) -> u128 {
        let [high, low] = secrets;
        let text = self.to_bytes();
        u128::from(high.hash_one(&text)) << 64 | u128::from(low.hash_one(&text))
    }

    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        match self {
            Self::All => bytes.push(0),
            Self::Address(address) => {
                bytes.push(1);
                match limit_key(address) {
                    IpAddr::V4(address) => bytes.extend_from_slice(&address.octets()),
                    IpAddr::V6(address) => bytes.extend_from_slice(&address.octets()),
                }
            }
            Self::Client(tenant, client) => {
                bytes.push(2);
                bytes.extend_from_slice(tenant.0.as_bytes());
                bytes.extend_from_slice(client.as_str().as_bytes());
            }
            Self::User(tenant, user) => {
                bytes.push(3);
                bytes.extend_from_slice(tenant.0.as_bytes());
                bytes.extend_from_slice(user.0.as_bytes());
            }
            Self::Tenant(tenant) => {
                bytes.push(5);
                bytes.extend_from_slice(tenant.0.as_bytes());
            }
            Self::Operation(route, caller) => {
                bytes.push(4);
                bytes.extend_from_slice(route.as_bytes());
                bytes.push(0);
                bytes.extend_from_slice(&caller.to_bytes());
            }
        }
        bytes
    }
}

/// What a limit says to one request, as its headers tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Which limit.
    pub tier: Tier,
    /// Whether the request passes.
    pub passed: bool,
    /// So many requests at once.
    pub limit: u32,
    /// In so many seconds a used-up limit is whole again.
    pub window_s: u32,
    /// So many more pass right now.
    pub remaining: u32,
    /// Seconds until the limit is whole again; after a refusal, until one request passes.
    pub reset_s: u32,
}

impl Decision {
    /// How long the answer to a request that passed is to wait: nothing up to `start_percent` of the limit, then more and
    /// more up to `max_ms` for the last one. Limits of a few requests delay nothing.
    pub(super) fn delay(&self, start_percent: u32, max_ms: u64) -> Option<Duration> {
        let is_rate = !matches!(self.tier, Tier::Authentication | Tier::Quota);
        if !self.passed || !is_rate || self.limit < LEAST_THROTTLED {
            return None;
        }
        let limit = u64::from(self.limit);
        let used = limit - u64::from(self.remaining).min(limit);
        let start = limit * u64::from(start_percent) / 100;
        let beyond = used.checked_sub(start).filter(|beyond| *beyond > 0)?;
        let delay = max_ms.saturating_mul(beyond) / (limit - start).max(1);
        (delay > 0).then(|| Duration::from_millis(delay))
    }

    /// The one that a caller should heed: a refusal, else what has least left.
    #[must_use]
    pub fn tighter(self, other: Self) -> Self {
        let rank = |decision: &Self| (decision.passed, decision.remaining, u32::MAX - decision.window_s);
        if rank(&other) < rank(&self) { other } else { self }
    }
}

/// One limit of a request: which, for whom, and how much.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    /// Which.
    pub tier: Tier,
    /// Who is counted.
    pub key: Key<'a>,
    /// How much passes.
    pub limit: Limit,
}

/// All limits as this replica counts them: in memory, and where there is one, in a store that all replicas share.
///
/// What memory refuses is refused: this replica alone has let that much through. What passes here is put to the store.
/// While that does not answer, memory, which has counted on, decides alone.
#[derive(Debug)]
pub struct Limits {
    effective: ArcSwap<Effective>,
    tiers: [Buckets; Tier::ALL.len()],
    secrets: [RandomState; 2],
    epoch: i64,
    shared: Option<Shared>,
}

impl Limits {
    /// Limits that nobody has used yet.
    pub fn new(config: LimitConfig, shared: Option<Shared>, now: Timestamp) -> Self {
        Self {
            effective: ArcSwap::from_pointee(Effective::of(config)),
            tiers: Tier::ALL.map(|_| Buckets::new()),
            secrets: [RandomState::new(), RandomState::new()],
            epoch: now.micros(),
            shared,
        }
    }

    /// A tier's limit for somebody, where the tier has one.
    pub fn layer<'a>(&self, tier: Tier, key: Key<'a>) -> Option<Layer<'a>> {
        let limit = self.of(tier)?;
        Some(Layer { tier, key, limit })
    }

    /// A tier's limit that holds right now, `None` where there is none.
    pub fn of(&self, tier: Tier) -> Option<Limit> {
        self.effective.load().tier(tier)
    }

    /// A tier's limit for a client, as its plan has it.
    pub fn layer_of_client<'a>(&self, tier: Tier, key: Key<'a>, client: &Client) -> Option<Layer<'a>> {
        let limit = self.effective.load().for_client(tier, plan_of(client).as_ref())?;
        Some(Layer { tier, key, limit })
    }

    /// How many requests a client may make in a month, `None` for any number.
    pub fn quota_of(&self, client: &Client) -> Option<u32> {
        self.effective.load().quota(plan_of(client).as_ref())
    }

    /// Whether these changes hold already.
    pub fn has_adopted(&self, changes: &ChangedLimits) -> bool {
        self.effective.load().is_of(changes)
    }

    /// Lets changes hold from now on. What callers have used stays used.
    pub fn adopt(&self, changes: &ChangedLimits, plans: Vec<Plan>) {
        let configured = self.effective.load().configured().clone();
        let effective = Effective::changed(configured, changes, plans);
        self.effective.store(Arc::new(effective));
    }

    /// Takes one request off several limits: off all of them, or off none when one refuses. Gives the tightest. `owed`
    /// are limits that memory has been asked about before ([`Limits::take_here`]) and the shared store has not.
    pub async fn take(&self, owed: &[Layer<'_>], layers: &[Layer<'_>], now: Timestamp) -> Option<Decision> {
        let here = self.take_here(layers, now);
        let Some(shared) = &self.shared else { return here };
        if here.is_some_and(|decision| !decision.passed) {
            return here;
        }
        let all: Vec<Layer<'_>> = owed.iter().chain(layers).copied().collect();
        let Some(taken) = shared.take(&all, now).await else {
            return here;
        };
        if taken.iter().any(|taken| !taken.passed()) {
            self.give_back(&all, now);
        }
        tightest(&all, &taken)
    }

    /// The same in memory alone.
    pub fn take_here(&self, layers: &[Layer<'_>], now: Timestamp) -> Option<Decision> {
        let taken: Vec<Taken> = layers
            .iter()
            .map(|layer| {
                let digest = layer.key.digest(&self.secrets);
                self.buckets(layer.tier)
                    .take(layer.limit, digest, self.elapsed(now))
            })
            .collect();
        if taken.iter().any(|taken| !taken.passed()) {
            let passed = layers.iter().zip(&taken).filter(|(_, taken)| taken.passed());
            for (layer, _) in passed {
                self.give_back(&[*layer], now);
            }
        }
        tightest(layers, &taken)
    }

    /// Takes back in memory a request that was let through: it turned out to belong to another key.
    pub fn give_back(&self, layers: &[Layer<'_>], now: Timestamp) {
        for layer in layers {
            self.buckets(layer.tier).give_back(
                layer.limit,
                layer.key.digest(&self.secrets),
                self.elapsed(now),
            );
        }
    }

    /// Forgets what was counted under these limits, here and in the shared store; gives whether anything was.
    ///
    /// # Errors
    /// When the shared store does not answer.
    pub async fn forget(&self, layers: &[Layer<'_>]) -> Result<bool, Fault> {
        let mut found = false;
        for layer in layers {
            found |= self.buckets(layer.tier).forget(layer.key.digest(&self.secrets));
        }
        match &self.shared {
            Some(shared) => Ok(shared.forget(layers).await? || found),
            None => Ok(found),
        }
    }

    /// How many keys are known in memory, over all tiers.
    pub fn keys(&self) -> usize {
        self.tiers.iter().map(Buckets::keys).sum()
    }

    /// Whether the shared store answers; `None` where there is none.
    pub fn is_shared(&self) -> Option<bool> {
        self.shared.as_ref().map(Shared::is_up)
    }

    /// Sees to the connection to the shared store. Called about once a second.
    pub async fn tend(&self) {
        if let Some(shared) = &self.shared {
            shared.tend().await;
        }
    }

    fn buckets(&self, tier: Tier) -> &Buckets {
        // The discriminants are the places in `Tier::ALL`.
        let [first, ..] = &self.tiers;
        self.tiers.get(tier as usize).unwrap_or(first)
    }

    /// Microseconds since the start; a clock that was set back counts as standing still.
    fn elapsed(&self, now: Timestamp) -> i64 {
        now.micros().saturating_sub(self.epoch).max(0)
    }
}

/// The plan that a client is on.
fn plan_of(client: &Client) -> Option<(TenantId, String)> {
    let plan = client.metadata.plan.as_ref()?;
    Some((client.tenant_id, plan.clone()))
}

fn tightest(layers: &[Layer<'_>], taken: &[Taken]) -> Option<Decision> {
    let decisions = layers
        .iter()
        .zip(taken)
        .map(|(layer, taken)| taken.decision(layer.tier));
    decisions.reduce(Decision::tighter)
}

#[cfg(test)]
mod tests {
    use super::bucket::{FIRST_SWEEP, MAX_KEYS, SHARDS};
    use super::*;

    fn config(limit: Limit) -> LimitConfig {
        LimitConfig {
            standard: limit,
            expensive: limit,
            authentication: limit,
            sensitive: limit,
            public: limit,
            per_user: limit,
            per_key: limit,
            global: limit,
            count_failures_only: false,
            redis_url: None,
            redis_timeout_ms: 0,
            per_second_cap: None,
            per_tenant_cap: None,
            quota_month: None,
            spike_rate: None,
            throttle_start_percent: 80,
            throttle_max_delay_ms: 0,
            tighten_percent: 50,
            cooldown_s: 900,
        }
    }

    fn limits(rate: u32, period_s: u32, burst: u32) -> Limits {
        let limit = Limit {
            rate,
            period_s,
            burst,
        };
        Limits::new(config(limit), None, Timestamp::from_micros(0))
    }

    fn address(n: u32) -> Key<'static> {
        Key::Address(IpAddr::V4(n.into()))
    }

    fn take(limits: &Limits, tier: Tier, key: Key<'_>, now: Timestamp) -> Decision {
        limits
            .take_here(&[limits.layer(tier, key).unwrap()], now)
            .unwrap()
    }

    const START: Timestamp = Timestamp::from_micros(0);

    #[test]
    fn the_burst_passes_and_the_next_waits_for_the_rate() {
        let limits = limits(100, 60, 100);
        for n in (0..100).rev() {
            let decision = take(&limits, Tier::Standard, address(1), START);
            assert!(decision.passed);
            assert_eq!((decision.limit, decision.remaining), (100, n));
        }
        let refused = take(&limits, Tier::Standard, address(1), START);
        assert!(!refused.passed);
        assert_eq!((refused.remaining, refused.reset_s, refused.window_s), (0, 1, 60));
        assert!(
            take(&limits, Tier::Standard, address(2), START).passed,
            "others are untouched"
        );
        assert!(
            take(&limits, Tier::Public, address(1), START).passed,
            "tiers are apart"
        );
        let later = START.plus_seconds(i64::from(refused.reset_s));
        assert!(take(&limits, Tier::Standard, address(1), later).passed);
    }

    #[test]
    fn r_lim_17_polling_above_the_rate_is_served_at_the_rate() {
        let limits = limits(1, 1, 1);
        let passed = (0..=50)
            .filter(|n| {
                take(
                    &limits,
                    Tier::Standard,
                    address(1),
                    START.plus_micros(n * 200_000),
                )
                .passed
            })
            .count();
        assert_eq!(passed, 11);
    }

    #[test]
    fn a_clock_that_was_set_back_shuts_nobody_out_for_longer_than_a_full_period() {
        let limits = limits(10, 60, 10);
        let late = START.plus_seconds(100_000);
        assert!(take(&limits, Tier::Standard, address(1), late).passed);
        let refused = take(&limits, Tier::Standard, address(1), START.plus_seconds(5));
        assert!(!refused.passed);
        assert!(take(&limits, Tier::Standard, address(1), START.plus_seconds(12)).passed);
    }

    #[test]
    fn all_layers_are_taken_or_none() {
        let mut config = config(Limit {
            rate: 10,
            period_s: 60,
            burst: 10,
        });
        config.sensitive = Limit {
            rate: 2,
            period_s: 60,
            burst: 2,
        };
        let limits = Limits::new(config, None, START);
        let layers = [
            limits.layer(Tier::Standard, address(1)).unwrap(),
            limits.layer(Tier::Sensitive, address(1)).unwrap(),
        ];
        for _ in 0..2 {
            let decision = limits.take_here(&layers, START).unwrap();
            assert_eq!((decision.passed, decision.tier), (true, Tier::Sensitive));
        }
        for _ in 0..20 {
            let decision = limits.take_here(&layers, START).unwrap();
            assert_eq!((decision.passed, decision.tier), (false, Tier::Sensitive));
        }
        assert_eq!(take(&limits, Tier::Standard, address(1), START).remaining, 7);
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let limits = limits(1, 60, 1);
        assert!(take(&limits, Tier::Standard, address(1), START).passed);
        limits.give_back(&[limits.layer(Tier::Standard, address(1)).unwrap()], START);
        assert!(take(&limits, Tier::Standard, address(1), START).passed);
        limits.give_back(&[limits.layer(Tier::Standard, address(2)).unwrap()], START);
        assert!(take(&limits, Tier::Standard, address(2), START).passed);
        assert!(
            !take(&limits, Tier::Standard, address(2), START).passed,
            "nothing is gained"
        );
    }

    #[test]
    fn memory_is_bounded_and_buckets_that_are_full_again_go_first() {
        let limits = limits(2, 60, 2);
        let hog = address(0);
        for _ in 0..2 {
            take(&limits, Tier::Standard, hog, START);
        }
        for n in 1..400_000 {
            take(&limits, Tier::Standard, address(n), START);
        }
        assert!(limits.keys() <= SHARDS * MAX_KEYS, "{}", limits.keys());
        assert!(
            !take(&limits, Tier::Standard, hog, START).passed,
            "who used most is remembered"
        );
        let later = START.plus_seconds(61);
        for n in 0..400_000 {
            take(&limits, Tier::Standard, address(n % 100), later);
        }
        for n in 0..u32::try_from(2 * SHARDS * MAX_KEYS).unwrap() {
            take(
                &limits,
                Tier::Standard,
                address(n),
                later.plus_seconds(i64::from(n)),
            );
        }
        assert!(limits.keys() < SHARDS * FIRST_SWEEP * 4, "{}", limits.keys());
    }

    #[test]
    fn tiers_stand_at_their_places() {
        for (index, tier) in Tier::ALL.into_iter().enumerate() {
            assert_eq!(tier as usize, index);
        }
    }
}
