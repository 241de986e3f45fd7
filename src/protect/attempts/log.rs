//! A sliding log of attempts, and what it says.

use crate::config::Limit;
use crate::protect::limits::{Decision, Tier};
use crate::storage::attempts::AttemptLog;
use crate::types::Timestamp;

/// Above this many attempts per period, attempts within a hundredth of the period count as made at its end: the log
/// stays short, and never lets more through.
const MAX_EXACT: u32 = 100;

/// One party's log, without what has left the window.
pub(super) struct Log {
    pub(super) stored: AttemptLog,
    limit: Limit,
}

impl Log {
    pub(super) fn new(mut stored: AttemptLog, limit: Limit, now: Timestamp) -> Self {
        let from = now.micros().saturating_sub(period(limit));
        stored.attempts.0.retain(|&(at, _)| at > from);
        Self { stored, limit }
    }

    pub(super) fn used(&self) -> u32 {
        self.stored
            .attempts
            .0
            .iter()
            .fold(0, |sum: u32, &(_, count)| sum.saturating_add(count))
    }

    /// Adds an attempt, unless the log is full.
    pub(super) fn add(&mut self, now: Timestamp) -> bool {
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
    pub(super) fn remove(&mut self, at: Timestamp) -> bool {
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
    pub(super) fn free_at(&self) -> Timestamp {
        let oldest = self.stored.attempts.0.first().map_or(0, |&(at, _)| at);
        Timestamp::from_micros(oldest.saturating_add(period(self.limit)))
    }

    /// When the newest attempt leaves the window.
    pub(super) fn over_at(&self) -> Timestamp {
        let newest = self.stored.attempts.0.last().map_or(0, |&(at, _)| at);
        Timestamp::from_micros(newest.saturating_add(period(self.limit)))
    }

    pub(super) fn decision(&self, now: Timestamp, passed: bool) -> Decision {
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

pub(super) fn refusal(limit: Limit, wait_micros: i64) -> Decision {
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
