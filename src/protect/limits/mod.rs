//! Rate limits: what there is to take from, and how a request takes from all of it at once.

mod bucket;
mod decision;
mod effective;
mod key;
pub mod quota;
mod shared;
mod tier;

pub use self::decision::Decision;
pub use self::key::Key;
pub use self::shared::Shared;
pub use self::tier::Tier;

use self::bucket::{Buckets, Taken};
use self::effective::Effective;
use crate::config::{Limit, LimitConfig};
use crate::fault::Fault;
use crate::storage::clients::Client;
use crate::storage::limits::ChangedLimits;
use crate::storage::plans::Plan;
use crate::types::{TenantId, Timestamp};
use arc_swap::ArcSwap;
use std::hash::RandomState;
use std::sync::Arc;

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

    /// Forgets what was counted for somebody, here and in the shared store; gives whether anything was.
    ///
    /// # Errors
    /// When the shared store does not answer.
    pub async fn forget(&self, keys: &[Key<'_>]) -> Result<bool, Fault> {
        let places: Vec<(Tier, Key<'_>)> = keys
            .iter()
            .flat_map(|key| key.tiers().iter().map(|tier| (*tier, *key)))
            .collect();
        let mut found = false;
        for (tier, key) in &places {
            found |= self.buckets(*tier).forget(key.digest(&self.secrets));
        }
        match &self.shared {
            Some(shared) => Ok(shared.forget(&places).await? || found),
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
    use std::net::IpAddr;

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
}
