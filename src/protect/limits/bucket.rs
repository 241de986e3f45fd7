//! The generic cell rate algorithm: a token bucket in one instant per key.
//!
//! The instant is the *theoretical arrival time* (TAT): until when the requests that were let through would keep an
//! evenly working server busy. A request passes when that lies no more than a burst ahead. A refused request leaves it
//! alone, so that a caller who polls too fast is served at the rate, not starved. It is kept as whole microseconds and
//! `1/rate` parts of one, of which one request is worth a whole number, so that there is no rounding in anybody's favour;
//! when a limit changes, what a caller has used of it stays used.

use super::{Decision, Tier};
use crate::config::Limit;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks per tier, so that cores rarely wait for one another.
pub(super) const SHARDS: usize = 16;
/// Keys per shard. With 33 bytes each, this bounds the memory of a tier to about 4.5 MB.
pub(super) const MAX_KEYS: usize = 4_096;
/// A shard is first swept when it has so many keys.
pub(super) const FIRST_SWEEP: usize = 64;
/// No bucket is deeper than this many microseconds (142 years): instants stay below 2⁵³, up to which the shared store
/// counts exactly.
const MAX_DEPTH: i128 = 1 << 52;

/// The keys of one tier.
#[derive(Debug)]
pub(super) struct Buckets {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug)]
struct Shard {
    arrivals: HashMap<u128, Arrival>,
    sweep_at: usize,
}

/// A theoretical arrival time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Arrival {
    micros: i64,
    /// Parts of a microsecond, of which there are `rate`.
    parts: u32,
}

/// A bucket after a request. One microsecond is worth `rate` units.
pub(super) struct Taken {
    limit: Limit,
    passed: bool,
    /// How far the theoretical arrival time is ahead of now, in units.
    ahead: i128,
}

impl Buckets {
    pub(super) fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| {
                Mutex::new(Shard {
                    arrivals: HashMap::new(),
                    sweep_at: FIRST_SWEEP,
                })
            }),
        }
    }

    pub(super) fn take(&self, limit: Limit, key: u128, now_micros: i64) -> Taken {
        let now = i128::from(now_micros) * i128::from(limit.rate);
        let capacity = limit.capacity();
        let mut shard = self.shard(key);
        let arrival = match shard.arrivals.get_mut(&key) {
            // More than a full bucket ahead means that the clock was set back or the limit made smaller: then the bucket
            // is empty, no more, and fills from now on.
            Some(arrival) if arrival.units(limit) > now + capacity => {
                *arrival = Arrival::of(now + capacity, limit);
                now + capacity
            }
            Some(arrival) => arrival.units(limit).max(now),
            None => now,
        };
        let next = arrival + limit.cost();
        let passed = next - now <= capacity;
        if passed {
            shard.make_room(key, now_micros);
            shard.arrivals.insert(key, Arrival::of(next, limit));
        }
        Taken {
            limit,
            passed,
            ahead: if passed { next - now } else { arrival - now },
        }
    }

    pub(super) fn give_back(&self, limit: Limit, key: u128, now_micros: i64) {
        let mut shard = self.shard(key);
        if let Some(arrival) = shard.arrivals.get_mut(&key) {
            let units = arrival.units(limit) - limit.cost();
            *arrival = Arrival::of(units, limit);
            if units <= i128::from(now_micros) * i128::from(limit.rate) {
                shard.arrivals.remove(&key);
            }
        }
    }

    pub(super) fn forget(&self, key: u128) -> bool {
        self.shard(key).arrivals.remove(&key).is_some()
    }

    pub(super) fn keys(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).arrivals.len()).sum()
    }

    fn shard(&self, key: u128) -> MutexGuard<'_, Shard> {
        let [first, ..] = &self.shards;
        let index = usize::try_from(key % SHARDS as u128).unwrap_or(0);
        lock(self.shards.get(index).unwrap_or(first))
    }
}

impl Arrival {
    fn of(units: i128, limit: Limit) -> Self {
        let rate = i128::from(limit.rate);
        Self {
            micros: i64::try_from(units.div_euclid(rate)).unwrap_or(i64::MAX),
            parts: u32::try_from(units.rem_euclid(rate)).unwrap_or(0),
        }
    }

    /// Parts that are of another rate count as a whole microsecond.
    fn units(self, limit: Limit) -> i128 {
        i128::from(self.micros) * i128::from(limit.rate) + i128::from(self.parts.min(limit.rate))
    }
}

impl Shard {
    /// Drops the keys that say nothing any more (their bucket is full again), each time the number of keys has doubled.
    /// When a shard is full all the same, the quarter that is nearest to being full goes: it loses least.
    fn make_room(&mut self, key: u128, now_micros: i64) {
        if self.arrivals.len() < self.sweep_at || self.arrivals.contains_key(&key) {
            return;
        }
        let now = Arrival {
            micros: now_micros,
            parts: 0,
        };
        self.arrivals.retain(|_, arrival| *arrival > now);
        if self.arrivals.len() >= MAX_KEYS {
            let mut arrivals: Vec<Arrival> = self.arrivals.values().copied().collect();
            let (_, &mut nearest, _) = arrivals.select_nth_unstable(MAX_KEYS / 4);
            let mut to_drop = MAX_KEYS / 4;
            self.arrivals.retain(|_, arrival| {
                let drop = *arrival <= nearest && to_drop > 0;
                to_drop -= usize::from(drop);
                !drop
            });
        }
        self.sweep_at = (self.arrivals.len() * 2).clamp(FIRST_SWEEP, MAX_KEYS);
        self.arrivals.shrink_to(self.sweep_at);
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // A map of numbers is whole after every operation, also after one that panicked.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Limit {
    /// One request in units: a microsecond is worth `rate` of them.
    fn cost(self) -> i128 {
        i128::from(self.period_s) * 1_000_000
    }

    fn capacity(self) -> i128 {
        (self.cost() * i128::from(self.burst)).min(MAX_DEPTH * i128::from(self.rate))
    }

    fn seconds(self, units: i128) -> u32 {
        let second = i128::from(self.rate) * 1_000_000;
        u32::try_from((units + second - 1) / second).unwrap_or(u32::MAX)
    }
}

/// A limit in the numbers that the shared store counts with: microseconds and parts of one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cost {
    /// What one request costs.
    pub(super) cost: (i64, u32),
    /// How far ahead the arrival time may lie.
    pub(super) depth: (i64, u32),
    /// A key that was not used for so long says nothing any more: twice the time in which a bucket fills.
    pub(super) forget_after_ms: i64,
}

impl Cost {
    pub(super) fn of(limit: Limit) -> Self {
        let split = |units| {
            let arrival = Arrival::of(units, limit);
            (arrival.micros, arrival.parts)
        };
        let depth = split(limit.capacity());
        Self {
            cost: split(limit.cost()),
            depth,
            forget_after_ms: 2_000 * (depth.0 / 1_000_000 + 1),
        }
    }
}

impl Taken {
    /// What the shared store answered.
    pub(super) fn new(limit: Limit, passed: bool, ahead_micros: i64, parts: u32) -> Self {
        Self {
            limit,
            passed,
            ahead: i128::from(ahead_micros) * i128::from(limit.rate) + i128::from(parts),
        }
    }

    pub(super) fn passed(&self) -> bool {
        self.passed
    }

    pub(super) fn decision(&self, tier: Tier) -> Decision {
        let free = self.limit.capacity() - self.ahead;
        let wait = if self.passed {
            self.ahead
        } else {
            self.limit.cost() - free
        };
        Decision {
            tier,
            passed: self.passed,
            limit: self.limit.burst,
            window_s: self.limit.seconds(self.limit.capacity()).max(1),
            remaining: u32::try_from(free / self.limit.cost()).unwrap_or(u32::MAX),
            reset_s: self.limit.seconds(wait).max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition of the limit, counted out with rational numbers: a bucket of `burst` tokens that fills at
    /// `rate / period`, exactly.
    struct Model {
        limit: Limit,
        /// Tokens × period in microseconds.
        tokens: i128,
        at: i64,
    }

    impl Model {
        fn take(&mut self, at: i64) -> bool {
            let one = i128::from(self.limit.period_s) * 1_000_000;
            let filled = i128::from(at - self.at) * i128::from(self.limit.rate);
            self.tokens = (self.tokens + filled).min(one * i128::from(self.limit.burst));
            self.at = at;
            let passed = self.tokens >= one;
            if passed {
                self.tokens -= one;
            }
            passed
        }
    }

    proptest! {
        #[test]
        fn decisions_equal_an_exact_token_bucket(
            rate in 1u32..2_000_000_000, period_s in 1u32..86_400, burst in 1u32..50,
            steps in proptest::collection::vec(0i64..100_000_000, 1..200),
        ) {
            let rate = rate.min(1_000_000_000);
            let limit = Limit { rate, period_s, burst };
            let buckets = Buckets::new();
            let mut model = Model {
                limit,
                tokens: i128::from(burst) * i128::from(period_s) * 1_000_000,
                at: 0,
            };
            let mut at = 0;
            let mut passed: i128 = 0;
            for step in steps {
                at += step % (1 + 2_000_000 * i64::from(period_s) / i64::from(rate.min(1_000_000)).max(1));
                let decision = buckets.take(limit, 1, at).decision(Tier::Standard);
                prop_assert_eq!(decision.passed, model.take(at));
                let one = i128::from(period_s) * 1_000_000;
                prop_assert_eq!(i128::from(decision.remaining), model.tokens / one);
                passed += i128::from(decision.passed);
                // Never more than BURST + elapsed × RATE / PERIOD.
                prop_assert!(passed * one <= i128::from(burst) * one + i128::from(at) * i128::from(rate));
                if !decision.passed {
                    let later = at + i64::from(decision.reset_s) * 1_000_000;
                    prop_assert!(i128::from(later - at) * i128::from(rate) + model.tokens >= one);
                }
            }
        }
    }
}
