//! The generic cell rate algorithm: a token bucket in one number per key.
//!
//! The number is the *theoretical arrival time* (TAT): until when the requests that were let through would keep an
//! evenly working server busy. A request passes when that lies no more than a burst ahead. A refused request leaves it
//! alone, so that a caller who polls too fast is served at the rate, not starved. Time is counted in units of which one
//! request is worth a whole number (microseconds × rate), so that there is no rounding in anybody's favour.

use super::{Decision, Tier};
use crate::config::Limit;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks per tier, so that cores rarely wait for one another.
pub(super) const SHARDS: usize = 16;
/// Keys per shard. With 33 bytes each, this bounds the memory of all tiers to about 35 MB.
pub(super) const MAX_KEYS: usize = 4_096;
/// A shard is first swept when it has so many keys.
pub(super) const FIRST_SWEEP: usize = 64;

/// The keys of one tier.
#[derive(Debug)]
pub(super) struct Buckets {
    limit: Limit,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug)]
struct Shard {
    arrivals: HashMap<u128, i128>,
    sweep_at: usize,
}

/// A bucket after a request, in units.
pub(super) struct Taken {
    limit: Limit,
    passed: bool,
    /// How far the theoretical arrival time is ahead of now.
    ahead: i128,
}

impl Buckets {
    pub(super) fn new(limit: Limit) -> Self {
        Self {
            limit,
            shards: std::array::from_fn(|_| {
                Mutex::new(Shard {
                    arrivals: HashMap::new(),
                    sweep_at: FIRST_SWEEP,
                })
            }),
        }
    }

    pub(super) fn take(&self, key: u128, elapsed: i128) -> Taken {
        let now = elapsed * i128::from(self.limit.rate);
        let cost = self.limit.cost();
        let capacity = self.limit.capacity();
        let mut shard = self.shard(key);
        let arrival = match shard.arrivals.get_mut(&key) {
            // More than a full bucket ahead means that the clock was set back: then the bucket is empty, no more.
            Some(arrival) if *arrival > now + capacity => {
                *arrival = now + capacity;
                *arrival
            }
            Some(arrival) => (*arrival).max(now),
            None => now,
        };
        let next = arrival + cost;
        let passed = next - now <= capacity;
        if passed {
            shard.make_room(key, now);
            shard.arrivals.insert(key, next);
        }
        Taken {
            limit: self.limit,
            passed,
            ahead: if passed { next - now } else { arrival - now },
        }
    }

    pub(super) fn give_back(&self, key: u128, elapsed: i128) {
        let now = elapsed * i128::from(self.limit.rate);
        let mut shard = self.shard(key);
        if let Some(arrival) = shard.arrivals.get_mut(&key) {
            *arrival -= self.limit.cost();
            if *arrival <= now {
                shard.arrivals.remove(&key);
            }
        }
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

impl Shard {
    /// Drops the keys that say nothing any more (their bucket is full again), each time the number of keys has doubled.
    /// When a shard is full all the same, the quarter that is nearest to being full goes: it loses least.
    fn make_room(&mut self, key: u128, now: i128) {
        if self.arrivals.len() < self.sweep_at || self.arrivals.contains_key(&key) {
            return;
        }
        self.arrivals.retain(|_, arrival| *arrival > now);
        if self.arrivals.len() >= MAX_KEYS {
            let mut arrivals: Vec<i128> = self.arrivals.values().copied().collect();
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
        self.cost() * i128::from(self.burst)
    }

    fn seconds(self, units: i128) -> u32 {
        let second = i128::from(self.rate) * 1_000_000;
        u32::try_from((units + second - 1) / second).unwrap_or(u32::MAX)
    }
}

impl Taken {
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
            let buckets = Buckets::new(limit);
            let mut model = Model {
                limit,
                tokens: i128::from(burst) * i128::from(period_s) * 1_000_000,
                at: 0,
            };
            let mut at = 0;
            let mut passed: i128 = 0;
            for step in steps {
                at += step % (1 + 2_000_000 * i64::from(period_s) / i64::from(rate.min(1_000_000)).max(1));
                let decision = buckets.take(1, i128::from(at)).decision(Tier::Standard);
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
