//! When failed sign-ins mean waiting, and when they show an attack.

use crate::storage::sign_in_watch::{Pressure, Standing};
use crate::types::Timestamp;

/// So many attempts at an account may fail from one place before the next has to wait; more where the limit by address
/// lets more through.
const LEAST_FAILURES: i64 = 10;
/// The first wait; each further failure doubles it.
const FIRST_WAIT_S: i64 = 60;
/// The longest.
const LONGEST_WAIT_S: i64 = 3_600;
/// After so long a rest failures are counted anew.
const REST_S: i64 = 86_400;
/// So long a place is known after a success.
pub(super) const KNOWN_S: i64 = 90 * 86_400;
/// So many places are known of an account; the ones signed in from longest ago go first.
pub(super) const MOST_KNOWN: i64 = 50;
/// What was lately.
pub(super) const LATELY_S: i64 = 3_600;
/// An account is attacked when it failed so often lately,
const ATTACKED_FAILURES: i64 = 20;
/// from so many places.
const ATTACKED_PLACES: i64 = 5;
/// A network stuffs credentials when so many accounts failed from it lately.
pub(super) const STUFFED_ACCOUNTS: i64 = 10;
/// Passwords are sprayed when so many accounts of a tenant failed
pub(super) const SPRAYED_ACCOUNTS: i64 = 100;
/// within this time.
pub(super) const SPRAYED_WITHIN_S: i64 = 600;

/// After how many failures an attempt has to wait, where the limit by address lets `usual` through.
pub(super) fn allowed(usual: u32) -> i64 {
    LEAST_FAILURES.max(i64::from(usual))
}

/// How long the next attempt has to wait, in whole seconds; `None` where it need not.
pub(super) fn wait(standing: &Standing, allowed: i64, now: Timestamp) -> Option<u32> {
    let beyond = standing.failures.saturating_sub(allowed);
    if beyond < 0 {
        return None;
    }
    let doublings = u32::try_from(beyond.min(16)).unwrap_or(16);
    let wait_s = FIRST_WAIT_S.saturating_mul(1 << doublings).min(LONGEST_WAIT_S);
    let left = standing.failed_at?.plus_seconds(wait_s).micros_since(now);
    (left > 0).then(|| u32::try_from(left.saturating_add(999_999) / 1_000_000).unwrap_or(1))
}

/// How many failures there are when the next attempt fails too.
pub(super) fn one_more(standing: &Standing, now: Timestamp) -> i64 {
    let has_rested = standing.failed_at.is_none_or(|at| at.plus_seconds(REST_S) < now);
    if has_rested {
        1
    } else {
        standing.failures.saturating_add(1)
    }
}

/// Until when a failure is remembered.
pub(super) fn remembered(now: Timestamp) -> Timestamp {
    now.plus_seconds(REST_S)
}

/// Whether an account's owner has signed in lately from the place.
pub(super) fn is_known(standing: &Standing, now: Timestamp) -> bool {
    standing.known_until.is_some_and(|until| until > now)
}

/// Whether so much fails at an account that somebody must be guessing from many places.
pub(super) fn is_attacked(pressure: Pressure) -> bool {
    pressure.failures >= ATTACKED_FAILURES && pressure.places >= ATTACKED_PLACES
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_seconds(1_000_000);

    fn failed(failures: i64) -> Standing {
        Standing {
            failures,
            failed_at: Some(AT),
            known_until: None,
        }
    }

    #[test]
    fn each_failure_beyond_doubles_the_wait_up_to_an_hour() {
        let waits = |failures: i64, later: i64| wait(&failed(failures), allowed(5), AT.plus_seconds(later));
        assert_eq!(waits(9, 0), None);
        assert_eq!(waits(10, 0), Some(60));
        assert_eq!(waits(10, 59), Some(1));
        assert_eq!(waits(10, 60), None);
        assert_eq!(waits(12, 0), Some(240));
        assert_eq!(waits(16, 0), Some(3_600));
        assert_eq!(waits(i64::MAX, 0), Some(3_600));
    }

    #[test]
    fn as_many_as_the_limit_by_address_lets_through_never_wait() {
        for (usual, failures, waits) in [(5, 9, false), (5, 10, true), (100, 99, false), (100, 100, true)] {
            assert_eq!(
                wait(&failed(failures), allowed(usual), AT).is_some(),
                waits,
                "{usual} {failures}"
            );
        }
    }

    #[test]
    fn a_days_rest_begins_anew() {
        assert_eq!(one_more(&Standing::default(), AT), 1);
        assert_eq!(one_more(&failed(30), AT.plus_seconds(REST_S)), 31);
        assert_eq!(one_more(&failed(30), AT.plus_seconds(REST_S + 1)), 1);
    }
}
