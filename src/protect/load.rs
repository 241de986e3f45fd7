//! How much is being worked on at once. Past a bound further requests are refused at once: a queue that grows makes everybody
//! wait, until what is answered is of no use any more. Public documents (metadata, keys) are never refused for it, since
//! others need them to verify what was issued long ago.

use crate::surface::Refusal;
use actix_web::http::StatusCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// After how many seconds to come again: what is being worked on is done long before.
const RETRY_S: u32 = 1;
/// How often the log tells of it at most.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// Counts requests that are being worked on. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Load(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    working: AtomicUsize,
    shed: AtomicU64,
    /// What `told_ms` counts from.
    start: Instant,
    /// When the log told of it last, in milliseconds; 0 for never.
    told_ms: AtomicU64,
}

/// A place among the requests that are being worked on; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Inner>);

impl Load {
    /// `most` is how many may be worked on at once.
    pub(super) fn new(most: usize) -> Self {
        Self(Arc::new(Inner {
            most,
            working: AtomicUsize::new(0),
            shed: AtomicU64::new(0),
            start: Instant::now(),
            told_ms: AtomicU64::new(0),
        }))
    }

    /// Takes a place.
    ///
    /// # Errors
    /// 503 when all are taken.
    pub(super) fn enter(&self) -> Result<Place, Refusal> {
        let inner = &self.0;
        let before = inner.working.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(inner));
        if before < inner.most {
            return Ok(place);
        }
        inner.shed.fetch_add(1, Ordering::Relaxed);
        inner.tell();
        Err(Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The server is overloaded. Try again in a moment.",
        )
        .retry_after(RETRY_S))
    }

    /// How many are being worked on.
    pub(super) fn working(&self) -> usize {
        self.0.working.load(Ordering::Relaxed)
    }

    /// How many were refused since the start.
    pub(super) fn shed(&self) -> u64 {
        self.0.shed.load(Ordering::Relaxed)
    }
}

impl Inner {
    /// A line at most every few seconds: one for each request would be more work than what was refused.
    fn tell(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis())
            .unwrap_or(u64::MAX)
            .max(1);
        let told = self.told_ms.load(Ordering::Relaxed);
        let is_due = told == 0 || now - told.min(now) >= TOLD_EVERY.as_millis() as u64;
        if is_due
            && self
                .told_ms
                .compare_exchange(told, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            tracing::warn!(
                alert = "overload",
                most = self.most,
                shed = self.shed.load(Ordering::Relaxed),
                "{} requests are being worked on (http.max_in_flight); further ones are answered with 503",
                self.most,
            );
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.working.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_let_in_and_the_next_when_one_leaves() {
        let load = Load::new(2);
        let first = load.enter().unwrap();
        let _second = load.enter().unwrap();
        let refusal = load.enter().unwrap_err();
        assert_eq!(refusal.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!((load.working(), load.shed()), (2, 1));
        drop(first);
        assert!(load.enter().is_ok());
        assert_eq!(load.working(), 1);
    }
}
