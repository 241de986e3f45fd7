//! Hosts that failed several times in a row are left alone for a while: whoever needs one is told so at once instead of
//! waiting, and no requests pile up behind it. After that one request tries whether it answers again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use url::Url;

/// Most hosts that are remembered. Only those that failed are, so that those who name hosts do not fill the memory.
const MOST: usize = 10_000;

/// What is known of hosts. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Hosts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// So many failures in a row.
    failures: u32,
    open: Duration,
    /// What `State` counts its times from.
    start: Instant,
    failing: Mutex<HashMap<String, State>>,
}

/// A host whose last request failed; times are counted from the start.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// How many failed in a row.
    failed: u32,
    /// When the last one did, or was let through to try.
    at: Duration,
}

/// One request to a host. Dropped without a word, as when whoever waited has gone, it counts as failed.
#[derive(Debug)]
pub(super) struct Try {
    hosts: Hosts,
    host: String,
    answered: bool,
}

impl Hosts {
    pub(super) fn new(failures: u32, open: Duration) -> Self {
        Self(Arc::new(Inner {
            failures,
            open,
            start: Instant::now(),
            failing: Mutex::default(),
        }))
    }

    /// Whether a request to the host of this URL may be made now.
    pub(super) fn enter(&self, url: &Url) -> Option<Try> {
        let port = url.port_or_known_default().unwrap_or_default();
        let host = format!("{}:{port}", url.host_str().unwrap_or_default());
        let may = self.may_try(&host, self.0.start.elapsed());
        may.then(|| Try {
            hosts: self.clone(),
            host,
            answered: false,
        })
    }

    /// How many hosts are left alone.
    pub(super) fn resting(&self) -> usize {
        let now = self.0.start.elapsed();
        let failing = self.failing();
        failing.values().filter(|state| self.rests(state, now)).count()
    }

    fn rests(&self, state: &State, now: Duration) -> bool {
        state.failed >= self.0.failures && now < state.at + self.0.open
    }

    fn may_try(&self, host: &str, now: Duration) -> bool {
        let mut failing = self.failing();
        let Some(state) = failing.get_mut(host) else {
            return true;
        };
        if self.rests(state, now) {
            return false;
        }
        if state.failed >= self.0.failures {
            // This one tries; the others wait as long again.
            state.at = now;
        }
        true
    }

    fn ended(&self, host: &str, answered: bool, now: Duration) {
        let mut failing = self.failing();
        if answered {
            failing.remove(host);
            return;
        }
        if failing.len() >= MOST && !failing.contains_key(host) {
            failing.retain(|_, state| now < state.at + self.0.open);
            if failing.len() >= MOST {
                return;
            }
        }
        let state = failing.entry(host.to_owned()).or_default();
        state.failed = state.failed.saturating_add(1);
        state.at = now;
        if state.failed == self.0.failures {
            tracing::warn!(
                "{host} failed {} times in a row and is left alone for {} s (outgoing.open_s)",
                state.failed,
                self.0.open.as_secs()
            );
        }
    }

    fn failing(&self) -> MutexGuard<'_, HashMap<String, State>> {
        self.0.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Try {
    /// The host answered, whatever it said.
    pub(super) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Try {
    fn drop(&mut self) {
        self.hosts
            .ended(&self.host, self.answered, self.hosts.0.start.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Duration = Duration::from_secs(15);

    fn at(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn a_host_that_fails_in_a_row_rests_and_one_request_tries_it() {
        let hosts = Hosts::new(3, OPEN);
        for _ in 0..3 {
            assert!(hosts.may_try("a:443", at(1)));
            hosts.ended("a:443", false, at(1));
        }
        assert!(!hosts.may_try("a:443", at(15)));
        assert!(hosts.may_try("b:443", at(15)), "other hosts are not touched");
        assert!(hosts.may_try("a:443", at(16)));
        assert!(!hosts.may_try("a:443", at(17)), "one at a time");
        hosts.ended("a:443", false, at(18));
        assert!(!hosts.may_try("a:443", at(32)));
        assert!(hosts.may_try("a:443", at(33)));
        hosts.ended("a:443", true, at(34));
        assert!(hosts.may_try("a:443", at(34)) && hosts.may_try("a:443", at(34)));
    }

    #[test]
    fn an_answer_in_between_begins_the_count_anew() {
        let hosts = Hosts::new(2, OPEN);
        for answered in [false, true, false, true, false] {
            hosts.ended("a:443", answered, at(0));
            assert!(hosts.may_try("a:443", at(0)));
        }
    }

    #[test]
    fn a_request_that_was_given_up_counts_as_failed() {
        let hosts = Hosts::new(1, OPEN);
        let url = Url::parse("https://rp.example/jwks").unwrap();
        drop(hosts.enter(&url).unwrap());
        assert!(hosts.enter(&url).is_none());
        assert_eq!(hosts.resting(), 1);
        assert!(
            hosts
                .enter(&Url::parse("https://rp.example:8443/").unwrap())
                .is_some()
        );
    }

    #[test]
    fn no_more_hosts_are_remembered_than_the_bound() {
        let hosts = Hosts::new(1, OPEN);
        for n in 0..MOST + 10 {
            hosts.ended(&format!("{n}:443"), false, at(1));
        }
        assert_eq!(hosts.failing().len(), MOST);
        hosts.ended("new:443", false, at(17));
        assert_eq!(
            hosts.failing().len(),
            1,
            "those that rested long enough make room"
        );
    }
}
