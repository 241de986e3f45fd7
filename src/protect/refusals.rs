//! Tells the audit log whom a limit refuses: once a minute for each limit and caller, however often they come. The
//! request log and the metrics have every single refusal.

use crate::audit::Audit;
use crate::protect::Exchange;
use crate::protect::address::limit_key;
use crate::protect::limits::Tier;
use crate::protect::news::News;
use crate::types::{Event, EventType, Outcome};
use std::sync::OnceLock;

/// So long nothing more is said of a caller at a limit.
const QUIET_S: i64 = 60;
/// Of more callers at once nothing is said.
const MOST_TOLD: usize = 4_096;

/// Whom the audit log was told of lately.
#[derive(Debug)]
pub(super) struct Refusals {
    audit: OnceLock<Audit>,
    told: News<(Tier, String)>,
}

impl Refusals {
    /// Nobody was refused yet.
    pub(super) fn new() -> Self {
        Self {
            audit: OnceLock::new(),
            told: News::new(QUIET_S, MOST_TOLD),
        }
    }

    /// Where refusals are told. Only the first call has an effect.
    pub(super) fn tell_to(&self, audit: Audit) {
        // A second one would be the same.
        let _ = self.audit.set(audit);
    }

    /// Tells of a refused request. `key` is whom the limit counts, as it stands in the log.
    pub(super) fn tell(&self, exchange: &Exchange, tier: Tier, key: String) {
        if self.audit.get().is_none() || !self.told.is_news((tier, key.clone()), exchange.now()) {
            return;
        }
        tracing::warn!(
            alert = "rate_limited",
            limit = tier.as_str(),
            key,
            "a caller has used up a limit"
        );
        self.note(exchange, EventType::RateLimited, Outcome::Failure, |mut event| {
            let state = exchange.state();
            event = event.because("limit_used_up").with("limit", tier.as_str());
            if let Some(route) = &state.route {
                event = event.with("route", route.path.as_str());
            }
            if let Some(client) = &state.client {
                event = event.client(client);
            }
            match state.user {
                Some(user) => event.user(user),
                None => event,
            }
        });
    }

    /// Tells that an address gets less of its limits from now on.
    pub(super) fn tightened(&self, exchange: &Exchange) {
        tracing::warn!(
            alert = "limit_tightened",
            address = %limit_key(exchange.caller().address),
            "an address gets less of its limits after a burst of refused credentials"
        );
        let config = &exchange.edge().config().limits;
        self.note(exchange, EventType::LimitTightened, Outcome::Success, |event| {
            event
                .because("burst_of_refused_credentials")
                .with("percent_left", config.tighten_percent)
                .with("cooldown_seconds", config.cooldown_s)
        });
    }

    fn note(
        &self,
        exchange: &Exchange,
        event_type: EventType,
        outcome: Outcome,
        about: impl FnOnce(Event) -> Event,
    ) {
        let now = exchange.now();
        // Without randomness for an id there is no event; the request itself has failed and said so then.
        if let (Some(audit), Ok(id)) = (self.audit.get(), exchange.edge().entropy().uuid_v7(now)) {
            let event = Event::new(id, now, exchange.tenant().id, event_type, outcome);
            audit.note(about(event.by(exchange.caller())));
        }
    }
}
