//! What was said lately, so that the same is not said again and again.

use crate::types::Timestamp;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// Things that were said, each with its time.
#[derive(Debug)]
pub struct News<K> {
    quiet_s: i64,
    most: usize,
    said: Mutex<HashMap<K, Timestamp>>,
}

impl<K: Eq + Hash> News<K> {
    /// Nothing was said yet. Once something is, it is no news for `quiet_s` seconds; beyond `most` things at once nothing
    /// is.
    pub fn new(quiet_s: i64, most: usize) -> Self {
        Self {
            quiet_s,
            most,
            said: Mutex::default(),
        }
    }

    /// Whether something is news, and so is to be said now.
    pub fn is_news(&self, what: K, now: Timestamp) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.get(&what).is_some_and(|&at| self.is_quiet(at, now)) {
            return false;
        }
        if said.len() >= self.most {
            said.retain(|_, at| self.is_quiet(*at, now));
        }
        if said.len() >= self.most {
            return false;
        }
        said.insert(what, now);
        true
    }

    /// Whether something would be news, if it were so.
    pub fn would_be_news(&self, what: &K, now: Timestamp) -> bool {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        !said.get(what).is_some_and(|&at| self.is_quiet(at, now))
    }

    fn is_quiet(&self, at: Timestamp, now: Timestamp) -> bool {
        at <= now && now.micros_since(at) < self.quiet_s.saturating_mul(1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_news_once_in_a_while_and_their_number_is_bounded() {
        let news = News::new(60, 4_096);
        let now = Timestamp::from_seconds(1_000);
        assert!(news.would_be_news(&1, now));
        assert!(news.is_news(1, now));
        assert!(!news.would_be_news(&1, now.plus_seconds(59)));
        assert!(!news.is_news(1, now.plus_seconds(59)));
        assert!(news.is_news(2, now));
        assert!(news.is_news(1, now.plus_seconds(60)));
        let later = now.plus_seconds(200);
        assert_eq!((0..10_000).filter(|&n| news.is_news(n, later)).count(), 4_096);
        assert!(news.is_news(9_999, later.plus_seconds(60)));
    }
}
