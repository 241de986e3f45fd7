//! How much is being worked on at once. Past a bound further requests are refused at once: a queue that grows makes everybody
//! wait, until what is answered is of no use any more. Each surface may take half of the places, so that a flood of sign-ins
//! leaves room for tokens. Public documents (metadata, keys) are never refused for it, since others need them to verify what
//! was issued long ago.

use crate::protect::news::News;
use crate::surface::{Refusal, Surface};
use crate::types::Timestamp;
use actix_web::http::StatusCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// After how many seconds to come again: what is being worked on is done long before.
const RETRY_S: u32 = 1;
/// So long the log does not tell of it again: a line for each request would be more work than what was refused.
const QUIET_S: i64 = 10;

/// Counts requests that are being worked on. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Load(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    /// By surface.
    working: [AtomicUsize; 4],
    shed: AtomicU64,
    told: News<()>,
}

/// A place among the requests that are being worked on; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Inner>, Surface);

impl Load {
    /// `most` is how many may be worked on at once.
    pub(super) fn new(most: usize) -> Self {
        Self(Arc::new(Inner {
            most,
            working: Default::default(),
            shed: AtomicU64::new(0),
            told: News::new(QUIET_S, 1),
        }))
    }

    /// Takes a place.
    ///
    /// # Errors
    /// 503 when all are taken, or half of them by this surface.
    pub(super) fn enter(&self, surface: Surface, now: Timestamp) -> Result<Place, Refusal> {
        let inner = &self.0;
        let before = inner.of(surface).fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(inner), surface);
        if before < inner.most.div_ceil(2) && self.working() <= inner.most {
            return Ok(place);
        }
        let shed = inner.shed.fetch_add(1, Ordering::Relaxed) + 1;
        if inner.told.is_news((), now) {
            tracing::warn!(
                alert = "overload",
                most = inner.most,
                shed,
                "{} requests are being worked on, or half as many of one kind (http.max_in_flight); further ones are \
                 answered with 503",
                inner.most,
            );
        }
        Err(Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The server is overloaded. Try again in a moment.",
        )
        .retry_after(RETRY_S))
    }

    /// How many are being worked on.
    pub(super) fn working(&self) -> usize {
        let working = self.0.working.iter();
        working.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// How many were refused since the start.
    pub(super) fn shed(&self) -> u64 {
        self.0.shed.load(Ordering::Relaxed)
    }
}

impl Inner {
    fn of(&self, surface: Surface) -> &AtomicUsize {
        let [oauth, admin, page, document] = &self.working;
        match surface {
            Surface::Oauth => oauth,
            Surface::Admin => admin,
            Surface::Page => page,
            Surface::Document => document,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.of(self.1).fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    #[test]
    fn so_many_are_let_in_and_the_next_when_one_leaves() {
        let load = Load::new(3);
        let first = load.enter(Surface::Page, NOW).unwrap();
        let _second = load.enter(Surface::Page, NOW).unwrap();
        let refusal = load.enter(Surface::Page, NOW).unwrap_err();
        assert_eq!(refusal.status(), StatusCode::SERVICE_UNAVAILABLE);
        let _third = load.enter(Surface::Oauth, NOW).unwrap();
        assert!(load.enter(Surface::Oauth, NOW).is_err(), "all are taken");
        assert_eq!((load.working(), load.shed()), (3, 2));
        drop(first);
        assert!(load.enter(Surface::Admin, NOW).is_ok());
        assert_eq!(load.working(), 2);
    }
}
