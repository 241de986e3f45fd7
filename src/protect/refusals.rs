//! Tells the audit log whom a limit refuses: once a minute for each limit and caller, however often they come. The
//! request log and the metrics have every single refusal.

use crate::audit::Audit;
use crate::protect::Exchange;
use crate::protect::address::limit_key;
use crate::protect::limits::Tier;
use crate::types::{Event, EventType, Outcome, Timestamp};
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

/// So long nothing more is said of a caller at a limit.
const QUIET_S: i64 = 60;
/// Of more callers at once nothing is said.
const MAX_TOLD: usize = 4_096;

/// Whom the audit log was told of lately.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    audit: OnceLock<Audit>,
    told: Mutex<HashMap<(Tier, String), Timestamp>>,
}

impl Refusals {
    /// Where refusals are told. Only the first call has an effect.
    pub(super) fn tell_to(&self, audit: Audit) {
        // A second one would be the same.
        let _ = self.audit.set(audit);
    }

    /// Tells of a refused request. `key` is whom the limit counts, as it stands in the log.
    pub(super) fn tell(&self, exchange: &Exchange, tier: Tier, key: String) {
        let Some(audit) = self.audit.get() else { return };
        if !self.is_news((tier, key), exchange.now()) {
            return;
        }
        // Without randomness for an id there is no event; the request itself has failed and said so then.
        let Ok(id) = exchange.edge().entropy().uuid_v7(exchange.now()) else {
            return;
        };
        let state = exchange.state();
        let tenant = exchange.tenant().id;
        let mut event = Event::new(
            id,
            exchange.now(),
            tenant,
            EventType::RateLimited,
            Outcome::Failure,
        )
        .by(exchange.caller())
        .because("limit_used_up")
        .with("limit", tier.as_str());
        if let Some(route) = &state.route {
            event = event.with("route", route.path.as_str());
        }
        if let Some(client) = &state.client {
            event = event.client(client);
        }
        if let Some(user) = state.user {
            event = event.user(user);
        }
        audit.note(event);
    }

    /// Tells that an address gets less of its limits from now on.
    pub(super) fn tightened(&self, exchange: &Exchange) {
        tracing::warn!(
            alert = "limit_tightened",
            address = %limit_key(exchange.caller().address),
            "an address gets less of its limits after a burst of refused credentials"
        );
        let Some(audit) = self.audit.get() else { return };
        let Ok(id) = exchange.edge().entropy().uuid_v7(exchange.now()) else {
            return;
        };
        let tenant = exchange.tenant().id;
        let config = &exchange.edge().config().limits;
        let event = Event::new(
            id,
            exchange.now(),
            tenant,
            EventType::LimitTightened,
            Outcome::Success,
        )
        .by(exchange.caller())
        .because("burst_of_refused_credentials")
        .with("percent_left", config.tighten_percent)
        .with("cooldown_seconds", config.cooldown_s);
        audit.note(event);
    }

    fn is_news(&self, what: (Tier, String), now: Timestamp) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_quiet = |at: Timestamp| at <= now && now.micros_since(at) < QUIET_S * 1_000_000;
        if told.get(&what).is_some_and(|&at| is_quiet(at)) {
            return false;
        }
        if told.len() >= MAX_TOLD {
            told.retain(|_, at| is_quiet(*at));
        }
        if told.len() >= MAX_TOLD {
            return false;
        }
        told.insert(what, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_is_news_once_a_minute_and_their_number_is_bounded() {
        let refusals = Refusals::default();
        let now = Timestamp::from_seconds(1_000);
        let key = |n: usize| (Tier::Standard, n.to_string());
        assert!(refusals.is_news(key(1), now));
        assert!(!refusals.is_news(key(1), now.plus_seconds(59)));
        assert!(refusals.is_news((Tier::Public, "1".to_owned()), now));
        assert!(refusals.is_news(key(1), now.plus_seconds(60)));
        let later = now.plus_seconds(200);
        let news = (0..10_000).filter(|&n| refusals.is_news(key(n), later)).count();
        assert_eq!(news, MAX_TOLD);
        assert!(refusals.is_news(key(9_999), later.plus_seconds(60)));
    }
}
