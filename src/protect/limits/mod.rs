//! Rate limits in memory: which there are, whom they count, and what they say.

mod bucket;

use self::bucket::Buckets;
use crate::config::{Limit, LimitConfig};
use crate::protect::address::limit_key;
use crate::types::{ClientId, TenantId, Timestamp, UserId};
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;

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
}

impl Tier {
    /// Every tier.
    pub const ALL: [Self; 8] = [
        Self::Standard,
        Self::Expensive,
        Self::Authentication,
        Self::Sensitive,
        Self::Public,
        Self::PerUser,
        Self::PerKey,
        Self::Global,
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
        }
    }

    fn limit(self, config: &LimitConfig) -> Limit {
        match self {
            Self::Standard => config.standard,
            Self::Expensive => config.expensive,
            Self::Authentication => config.authentication,
            Self::Sensitive => config.sensitive,
            Self::Public => config.public,
            Self::PerUser => config.per_user,
            Self::PerKey => config.per_key,
            Self::Global => config.global,
        }
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
    /// The one that a caller should heed: a refusal, else what has least left.
    #[must_use]
    pub fn tighter(self, other: Self) -> Self {
        let rank = |decision: &Self| (decision.passed, decision.remaining, u32::MAX - decision.window_s);
        if rank(&other) < rank(&self) { other } else { self }
    }
}

/// All limits of this process.
#[derive(Debug)]
pub struct Limits {
    tiers: [Buckets; Tier::ALL.len()],
    secrets: [RandomState; 2],
    epoch: i64,
}

impl Limits {
    /// Limits that nobody has used yet.
    pub fn new(config: &LimitConfig, now: Timestamp) -> Self {
        Self {
            tiers: Tier::ALL.map(|tier| Buckets::new(tier.limit(config))),
            secrets: [RandomState::new(), RandomState::new()],
            epoch: now.micros(),
        }
    }

    /// Takes one request off a limit, if there is one left.
    pub fn take(&self, tier: Tier, key: Key<'_>, now: Timestamp) -> Decision {
        self.buckets(tier)
            .take(key.digest(&self.secrets), self.elapsed(now))
            .decision(tier)
    }

    /// Takes one request off several limits: all of them, or none when one refuses. Gives the tightest.
    pub fn take_all(&self, layers: &[(Tier, Key<'_>)], now: Timestamp) -> Option<Decision> {
        let mut tightest: Option<Decision> = None;
        for (index, &(tier, key)) in layers.iter().enumerate() {
            let decision = self.take(tier, key, now);
            tightest = Some(tightest.map_or(decision, |tightest| tightest.tighter(decision)));
            if !decision.passed {
                for &(tier, key) in layers.iter().take(index) {
                    self.give_back(tier, key, now);
                }
                break;
            }
        }
        tightest
    }

    /// Takes back a request that was let through: it turned out to belong to another key.
    pub fn give_back(&self, tier: Tier, key: Key<'_>, now: Timestamp) {
        self.buckets(tier)
            .give_back(key.digest(&self.secrets), self.elapsed(now));
    }

    /// How many keys are known, over all tiers.
    pub fn keys(&self) -> usize {
        self.tiers.iter().map(Buckets::keys).sum()
    }

    fn buckets(&self, tier: Tier) -> &Buckets {
        // The discriminants are the places in `Tier::ALL`.
        let [first, ..] = &self.tiers;
        self.tiers.get(tier as usize).unwrap_or(first)
    }

    /// Microseconds since the start; a clock that was set back counts as standing still.
    fn elapsed(&self, now: Timestamp) -> i128 {
        i128::from(now.micros().saturating_sub(self.epoch).max(0))
    }
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
        }
    }

    fn limits(rate: u32, period_s: u32, burst: u32) -> Limits {
        let limit = Limit {
            rate,
            period_s,
            burst,
        };
        Limits::new(&config(limit), Timestamp::from_micros(0))
    }

    fn address(n: u32) -> Key<'static> {
        Key::Address(IpAddr::V4(n.into()))
    }

    const START: Timestamp = Timestamp::from_micros(0);

    #[test]
    fn the_burst_passes_and_the_next_waits_for_the_rate() {
        let limits = limits(100, 60, 100);
        for n in (0..100).rev() {
            let decision = limits.take(Tier::Standard, address(1), START);
            assert!(decision.passed);
            assert_eq!((decision.limit, decision.remaining), (100, n));
        }
        let refused = limits.take(Tier::Standard, address(1), START);
        assert!(!refused.passed);
        assert_eq!((refused.remaining, refused.reset_s, refused.window_s), (0, 1, 60));
        assert!(
            limits.take(Tier::Standard, address(2), START).passed,
            "others are untouched"
        );
        assert!(
            limits.take(Tier::Public, address(1), START).passed,
            "tiers are apart"
        );
        let later = START.plus_seconds(i64::from(refused.reset_s));
        assert!(limits.take(Tier::Standard, address(1), later).passed);
    }

    #[test]
    fn r_lim_17_polling_above_the_rate_is_served_at_the_rate() {
        let limits = limits(1, 1, 1);
        let passed = (0..=50)
            .filter(|n| {
                limits
                    .take(Tier::Standard, address(1), START.plus_micros(n * 200_000))
                    .passed
            })
            .count();
        assert_eq!(passed, 11);
    }

    #[test]
    fn a_clock_that_was_set_back_shuts_nobody_out_for_longer_than_a_full_period() {
        let limits = limits(10, 60, 10);
        let late = START.plus_seconds(100_000);
        assert!(limits.take(Tier::Standard, address(1), late).passed);
        let refused = limits.take(Tier::Standard, address(1), START.plus_seconds(5));
        assert!(!refused.passed);
        assert!(
            limits
                .take(Tier::Standard, address(1), START.plus_seconds(12))
                .passed
        );
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
        let limits = Limits::new(&config, START);
        let layers = [(Tier::Standard, address(1)), (Tier::Sensitive, address(1))];
        for _ in 0..2 {
            let decision = limits.take_all(&layers, START).unwrap();
            assert_eq!((decision.passed, decision.tier), (true, Tier::Sensitive));
        }
        for _ in 0..20 {
            let decision = limits.take_all(&layers, START).unwrap();
            assert_eq!((decision.passed, decision.tier), (false, Tier::Sensitive));
        }
        assert_eq!(limits.take(Tier::Standard, address(1), START).remaining, 7);
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let limits = limits(1, 60, 1);
        assert!(limits.take(Tier::Standard, address(1), START).passed);
        limits.give_back(Tier::Standard, address(1), START);
        assert!(limits.take(Tier::Standard, address(1), START).passed);
        limits.give_back(Tier::Standard, address(2), START);
        assert!(limits.take(Tier::Standard, address(2), START).passed);
        assert!(
            !limits.take(Tier::Standard, address(2), START).passed,
            "nothing is gained"
        );
    }

    #[test]
    fn memory_is_bounded_and_buckets_that_are_full_again_go_first() {
        let limits = limits(2, 60, 2);
        let hog = address(0);
        for _ in 0..2 {
            limits.take(Tier::Standard, hog, START);
        }
        for n in 1..400_000 {
            limits.take(Tier::Standard, address(n), START);
        }
        assert!(limits.keys() <= SHARDS * MAX_KEYS, "{}", limits.keys());
        assert!(
            !limits.take(Tier::Standard, hog, START).passed,
            "who used most is remembered"
        );
        let later = START.plus_seconds(61);
        for n in 0..400_000 {
            limits.take(Tier::Standard, address(n % 100), later);
        }
        for n in 0..u32::try_from(2 * SHARDS * MAX_KEYS).unwrap() {
            limits.take(Tier::Standard, address(n), later.plus_seconds(i64::from(n)));
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
