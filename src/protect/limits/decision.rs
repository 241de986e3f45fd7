//! What a limit says to a request.

use super::Tier;
use std::time::Duration;

/// Answers under a smaller limit than this are not delayed.
const LEAST_THROTTLED: u32 = 10;

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
    pub(in crate::protect) fn delay(&self, start_percent: u32, max_ms: u64) -> Option<Duration> {
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
