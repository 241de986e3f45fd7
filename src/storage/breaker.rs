//! The circuit breaker of a database (R-LIM-28): when most of its uses fail, or too many are slow, it is left alone for a
//! while. Whoever needs it is refused at once instead of waiting, and the database has room to recover. After that one
//! use at a time tries whether it answers again.

use crate::fault::Fault;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The window is counted in so many parts, the oldest of which is dropped as a whole.
const PARTS: usize = 10;
/// Fewer uses than this say nothing about the rate of failures.
const FEWEST_FAILED: u32 = 5;
/// Fewer uses than this say nothing about the slowest twentieth.
const FEWEST_SLOW: u32 = 20;

/// When a database counts as ailing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// More than one use in twenty that takes longer opens the breaker: the 95th percentile.
    pub latency: Duration,
    /// So many percent of failed uses open it.
    pub failed_percent: u32,
    /// What is looked at: the uses of the last so long.
    pub window: Duration,
    /// How long it stays open before a use is let through to try.
    pub open: Duration,
}

/// Counts what became of the uses of one database. Cheap to clone; without thresholds it never opens.
#[derive(Clone, Debug)]
pub struct Breaker(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    name: &'static str,
    thresholds: Thresholds,
    /// What `State` counts its times from.
    start: Instant,
    state: Mutex<State>,
}

impl Breaker {
    /// A breaker that never opens.
    pub const fn off() -> Self {
        Self(None)
    }

    /// A closed breaker; `name` is what the log calls the database.
    pub fn new(name: &'static str, thresholds: Thresholds) -> Self {
        Self(Some(Arc::new(Inner {
            name,
            thresholds,
            start: Instant::now(),
            state: Mutex::new(State::default()),
        })))
    }

    /// Asks whether the database may be used now.
    ///
    /// # Errors
    /// At once, while the breaker is open.
    pub fn enter(&self) -> Result<Use, Fault> {
        let Some(inner) = &self.0 else {
            return Ok(Use(None));
        };
        let allowed = inner.state().enter(inner.start.elapsed(), &inner.thresholds);
        if !allowed {
            return Err(Fault::unavailable(format!(
                "{} failed or was too slow and is left alone for {} s (breaker.open_s)",
                inner.name,
                inner.thresholds.open.as_secs(),
            )));
        }
        Ok(Use(Some(Entered {
            inner: Arc::clone(inner),
            since: Instant::now(),
            failed: false,
        })))
    }

    /// Whether uses are refused, or one is just trying.
    pub fn is_open(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|inner| inner.state().phase != Phase::Closed)
    }
}

impl Inner {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, took: Duration, failed: bool) {
        let outcome = if failed {
            Outcome::Failed
        } else if took > self.thresholds.latency {
            Outcome::Slow
        } else {
            Outcome::Good
        };
        let change = self
            .state()
            .leave(self.start.elapsed(), outcome, &self.thresholds);
        match change {
            Some(Change::Opened(seen)) => tracing::warn!(
                uses = seen.uses,
                slow = seen.slow,
                failed = seen.failed,
                "{}: of {} uses in {} s, {} failed and {} took over {} ms; it is left alone for {} s. Requests that need it \
                 are answered with 503 meanwhile",
                self.name,
                seen.uses,
                self.thresholds.window.as_secs(),
                seen.failed,
                seen.slow,
                self.thresholds.latency.as_millis(),
                self.thresholds.open.as_secs(),
            ),
            Some(Change::Closed) => tracing::info!("{} answers again", self.name),
            None => {}
        }
    }
}

/// One use of the database, from the moment that its connection is there until it is given back.
#[derive(Debug)]
pub struct Use(Option<Entered>);

#[derive(Debug)]
struct Entered {
    inner: Arc<Inner>,
    since: Instant,
    failed: bool,
}

impl Use {
    /// The connection is there: what was waited for until now is not the database's slowness but a queue.
    pub fn begins(&mut self) {
        if let Some(entered) = &mut self.0 {
            entered.since = Instant::now();
        }
    }

    /// There was no connection to use it by, since others had them all: nothing is known of the database.
    pub fn never_began(&mut self) {
        self.0 = None;
    }

    /// The database did not give what was asked of it.
    pub fn failed(&mut self) {
        if let Some(entered) = &mut self.0 {
            entered.failed = true;
        }
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        if let Some(entered) = self.0.take() {
            let took = entered.since.elapsed();
            // A statement is given up after this time.
            let failed = entered.failed || took >= super::PATIENCE;
            entered.inner.leave(took, failed);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Good,
    Slow,
    Failed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Closed,
    /// Refuses until then.
    Open(Duration),
    /// One use that was let through at that time has not come back.
    Trying(Duration),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    uses: u32,
    slow: u32,
    failed: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Change {
    Opened(Counts),
    Closed,
}

/// The breaker without clock and lock: times are counted from its start.
#[derive(Debug, Default)]
struct State {
    phase: Phase,
    /// The part that was counted in last, numbered from the start.
    newest: u128,
    parts: [Counts; PARTS],
}

impl State {
    /// Whether a use may begin.
    fn enter(&mut self, now: Duration, thresholds: &Thresholds) -> bool {
        match self.phase {
            Phase::Closed => true,
            // A use that tries and never comes back does not keep the breaker open for ever.
            Phase::Open(until) | Phase::Trying(until) if now < until => false,
            Phase::Open(_) | Phase::Trying(_) => {
                self.phase = Phase::Trying(now + thresholds.open);
                true
            }
        }
    }

    fn leave(&mut self, now: Duration, outcome: Outcome, thresholds: &Thresholds) -> Option<Change> {
        match (self.phase, outcome) {
            (Phase::Closed, _) => {
                let seen = self.count(now, outcome, thresholds);
                thresholds.exceeded_by(seen).then(|| {
                    self.phase = Phase::Open(now + thresholds.open);
                    Change::Opened(seen)
                })
            }
            // Began before it opened: says nothing about now.
            (Phase::Open(_), _) => None,
            (Phase::Trying(_), Outcome::Good) => {
                *self = Self::default();
                Some(Change::Closed)
            }
            (Phase::Trying(_), Outcome::Slow | Outcome::Failed) => {
                self.phase = Phase::Open(now + thresholds.open);
                None
            }
        }
    }

    fn count(&mut self, now: Duration, outcome: Outcome, thresholds: &Thresholds) -> Counts {
        let part = (thresholds.window / PARTS as u32).as_micros().max(1);
        let newest = now.as_micros() / part;
        let passed = newest.saturating_sub(self.newest).min(PARTS as u128);
        for older in 0..passed {
            if let Some(slot) = self.slot(newest - older) {
                *slot = Counts::default();
            }
        }
        self.newest = self.newest.max(newest);
        if let Some(slot) = self.slot(self.newest) {
            slot.uses += 1;
            slot.slow += u32::from(outcome == Outcome::Slow);
            slot.failed += u32::from(outcome == Outcome::Failed);
        }
        self.parts.iter().fold(Counts::default(), |sum, part| Counts {
            uses: sum.uses.saturating_add(part.uses),
            slow: sum.slow.saturating_add(part.slow),
            failed: sum.failed.saturating_add(part.failed),
        })
    }

    fn slot(&mut self, part: u128) -> Option<&mut Counts> {
        let place = usize::try_from(part % PARTS as u128).unwrap_or_default();
        self.parts.get_mut(place)
    }
}

impl Thresholds {
    fn exceeded_by(&self, seen: Counts) -> bool {
        let (uses, slow, failed) = (u64::from(seen.uses), u64::from(seen.slow), u64::from(seen.failed));
        let failing =
            seen.uses >= FEWEST_FAILED && failed > 0 && failed * 100 >= uses * u64::from(self.failed_percent);
        // What failed was not fast either.
        let slow = seen.uses >= FEWEST_SLOW && (slow + failed) * 20 > uses;
        failing || slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const THRESHOLDS: Thresholds = Thresholds {
        latency: Duration::from_millis(500),
        failed_percent: 50,
        window: Duration::from_secs(10),
        open: Duration::from_secs(15),
    };

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Counts outcomes 10 ms apart; whether the breaker is open afterwards.
    fn opens(outcomes: impl IntoIterator<Item = Outcome>) -> bool {
        let mut state = State::default();
        for (n, outcome) in (0..).zip(outcomes) {
            state.leave(at(n * 10), outcome, &THRESHOLDS);
        }
        state.phase != Phase::Closed
    }

    fn mixed(good: usize, bad: Outcome, count: usize) -> impl Iterator<Item = Outcome> {
        std::iter::repeat_n(Outcome::Good, good).chain(std::iter::repeat_n(bad, count))
    }

    #[test]
    fn r_lim_28_half_of_the_uses_failing_opens_it() {
        assert!(!opens(mixed(5, Outcome::Failed, 4)));
        assert!(opens(mixed(5, Outcome::Failed, 5)));
        assert!(!opens(mixed(0, Outcome::Failed, 4)), "a few uses say nothing yet");
        assert!(opens(mixed(0, Outcome::Failed, 5)));
    }

    #[test]
    fn r_lim_28_more_than_a_twentieth_being_slow_opens_it() {
        assert!(!opens(mixed(95, Outcome::Slow, 5)));
        assert!(opens(mixed(95, Outcome::Slow, 6)));
        assert!(!opens(mixed(0, Outcome::Slow, 19)));
        assert!(opens(mixed(0, Outcome::Slow, 20)));
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let mut state = State::default();
        for n in 0..4 {
            state.leave(at(n), Outcome::Failed, &THRESHOLDS);
        }
        state.leave(at(10_000), Outcome::Failed, &THRESHOLDS);
        assert_eq!(state.phase, Phase::Closed);
    }

    #[test]
    fn an_open_breaker_refuses_then_lets_one_try_and_closes_when_that_is_good() {
        let mut state = State::default();
        for _ in 0..5 {
            assert!(state.enter(at(0), &THRESHOLDS));
            state.leave(at(0), Outcome::Failed, &THRESHOLDS);
        }
        assert!(!state.enter(at(14_999), &THRESHOLDS));
        assert!(state.enter(at(15_000), &THRESHOLDS));
        assert!(!state.enter(at(15_001), &THRESHOLDS), "one at a time");
        state.leave(at(15_100), Outcome::Slow, &THRESHOLDS);
        assert!(!state.enter(at(30_000), &THRESHOLDS));
        assert!(state.enter(at(30_100), &THRESHOLDS));
        assert_eq!(
            state.leave(at(30_200), Outcome::Good, &THRESHOLDS),
            Some(Change::Closed)
        );
        assert!(state.enter(at(30_200), &THRESHOLDS));
        state.leave(at(30_200), Outcome::Failed, &THRESHOLDS);
        assert_eq!(state.phase, Phase::Closed, "it begins to count anew");
    }

    #[test]
    fn a_try_that_never_comes_back_is_followed_by_another() {
        let mut state = State {
            phase: Phase::Trying(at(15_000)),
            ..State::default()
        };
        assert!(!state.enter(at(14_999), &THRESHOLDS));
        assert!(state.enter(at(15_000), &THRESHOLDS));
    }

    #[test]
    fn without_thresholds_it_never_opens() {
        let breaker = Breaker::off();
        for _ in 0..100 {
            breaker.enter().unwrap().failed();
        }
        assert!(!breaker.is_open() && breaker.enter().is_ok());
    }

    #[test]
    fn a_use_counts_when_it_is_dropped() {
        let breaker = Breaker::new("the database", THRESHOLDS);
        for _ in 0..5 {
            breaker.enter().unwrap().failed();
        }
        assert!(breaker.is_open());
        let fault = breaker.enter().unwrap_err();
        assert_eq!(fault.kind(), crate::fault::FaultKind::Unavailable);
    }

    #[test]
    fn waiting_in_vain_behind_others_says_nothing_about_the_database() {
        let breaker = Breaker::new("the database", THRESHOLDS);
        for _ in 0..100 {
            breaker.enter().unwrap().never_began();
        }
        assert!(!breaker.is_open());
    }

    proptest! {
        /// The ring of counts is a window: never fewer uses than those of the last nine parts, never more than those of
        /// the last ten.
        #[test]
        fn the_counts_are_those_of_the_window(gaps in proptest::collection::vec(0_u64..4_000, 1..200)) {
            let mut state = State::default();
            let mut times = Vec::new();
            let mut now = 0;
            for gap in gaps {
                now += gap;
                times.push(now);
                let seen = state.count(at(now), Outcome::Good, &THRESHOLDS).uses as usize;
                let since = |from: u64| times.iter().filter(|time| **time >= from).count();
                prop_assert!(seen <= since(now.saturating_sub(10_000)));
                prop_assert!(seen >= since(now.saturating_sub(8_999)));
            }
        }
    }
}
