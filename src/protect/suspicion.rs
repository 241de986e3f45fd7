//! Adaptive throttling (R-LIM-26): an address from which much is refused for want of proof (401) gets less of the limits
//! that count by address, until it has been calm for a while. What is normal is learnt for each address: the threshold
//! is a multiple of its own average, and never below a floor.

use crate::config::{Limit, LimitConfig};
use crate::protect::address::limit_key;
use crate::types::Timestamp;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Refusals are counted in windows of so many seconds.
const WINDOW_S: i64 = 60;
/// Fewer refusals in a window are never suspicious.
const FLOOR: f64 = 20.0;
/// More than so many times an address's average are.
const FACTOR: f64 = 3.0;
/// How much of the average the newest window makes.
const WEIGHT: f64 = 0.2;
/// So many addresses are watched; the ones seen longest ago are dropped.
const MAX_ADDRESSES: usize = 4_096;

/// Addresses from which something was refused lately.
#[derive(Debug)]
pub(super) struct Suspicion {
    /// What is left of a limit, in percent.
    percent: u32,
    cooldown_s: i64,
    watched: Mutex<HashMap<IpAddr, Watched>>,
    /// Until when any address has less, in microseconds: mostly none has, and then nobody waits for the lock.
    tightened_until: AtomicI64,
}

#[derive(Clone, Copy, Debug)]
struct Watched {
    window: i64,
    refused: f64,
    average: f64,
    tightened_until: Option<Timestamp>,
    seen: Timestamp,
}

impl Suspicion {
    pub(super) fn new(config: &LimitConfig) -> Self {
        Self {
            percent: config.tighten_percent,
            cooldown_s: config.cooldown_s,
            watched: Mutex::default(),
            tightened_until: AtomicI64::new(i64::MIN),
        }
    }

    /// Counts a refusal. Gives whether it is the one from which on the address gets less.
    pub(super) fn refused(&self, address: IpAddr, now: Timestamp) -> bool {
        let address = limit_key(address);
        let window = now.seconds().div_euclid(WINDOW_S);
        let mut all = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_ADDRESSES && !all.contains_key(&address) {
            let recent = now.plus_seconds(-WINDOW_S);
            all.retain(|_, watched| watched.seen > recent || watched.is_tightened(now));
            if all.len() >= MAX_ADDRESSES {
                return false;
            }
        }
        let watched = all.entry(address).or_insert(Watched {
            window,
            refused: 0.0,
            average: 0.0,
            tightened_until: None,
            seen: now,
        });
        watched.turn(window);
        watched.refused += 1.0;
        watched.seen = now;
        if watched.refused < FLOOR.max(watched.average * FACTOR) {
            return false;
        }
        let was = watched.is_tightened(now);
        let until = now.plus_seconds(self.cooldown_s);
        watched.tightened_until = Some(until);
        self.tightened_until.fetch_max(until.micros(), Ordering::Relaxed);
        !was
    }

    /// The limit of an address: less of it while the address is suspicious.
    pub(super) fn limit(&self, limit: Limit, address: IpAddr, now: Timestamp) -> Limit {
        if self.tightened_until.load(Ordering::Relaxed) <= now.micros() {
            return limit;
        }
        let all = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let tightened = all
            .get(&limit_key(address))
            .is_some_and(|watched| watched.is_tightened(now));
        if !tightened {
            return limit;
        }
        let part = |number: u32| {
            let part = u64::from(number) * u64::from(self.percent) / 100;
            u32::try_from(part).unwrap_or(number).max(1)
        };
        Limit {
            rate: part(limit.rate),
            period_s: limit.period_s,
            burst: part(limit.burst),
        }
    }
}

impl Watched {
    fn is_tightened(&self, now: Timestamp) -> bool {
        self.tightened_until.is_some_and(|until| until > now)
    }

    /// Closes the windows up to this one. Those in between were empty.
    fn turn(&mut self, window: i64) {
        let passed = window.saturating_sub(self.window);
        if passed <= 0 {
            return;
        }
        self.average += (self.refused - self.average) * WEIGHT;
        let empty = i32::try_from(passed - 1).unwrap_or(i32::MAX);
        self.average *= (1.0 - WEIGHT).powi(empty);
        self.refused = 0.0;
        self.window = window;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_seconds(6_000_000);
    const LIMIT: Limit = Limit {
        rate: 100,
        period_s: 60,
        burst: 100,
    };

    fn suspicion() -> Suspicion {
        Suspicion {
            percent: 50,
            cooldown_s: 900,
            watched: Mutex::default(),
            tightened_until: AtomicI64::new(i64::MIN),
        }
    }

    #[test]
    fn a_burst_of_refusals_halves_the_limit_until_it_is_calm() {
        let suspicion = suspicion();
        let (bad, good) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let tightened: Vec<bool> = (0..25).map(|_| suspicion.refused(bad, START)).collect();
        assert_eq!(tightened.iter().filter(|told| **told).count(), 1, "told once");
        assert!(tightened[19]);
        assert_eq!(suspicion.limit(LIMIT, bad, START).burst, 50);
        assert_eq!(suspicion.limit(LIMIT, good, START), LIMIT);
        assert_eq!(suspicion.limit(LIMIT, bad, START.plus_seconds(899)).rate, 50);
        assert_eq!(suspicion.limit(LIMIT, bad, START.plus_seconds(900)), LIMIT);
    }

    #[test]
    fn what_is_usual_for_an_address_is_not_suspicious() {
        let suspicion = suspicion();
        let address = IpAddr::from([10, 0, 0, 1]);
        let mut told = 0;
        for minute in 0..30 {
            for _ in 0..15 {
                told += u32::from(suspicion.refused(address, START.plus_seconds(60 * minute)));
            }
        }
        assert_eq!(told, 0);
        let later = START.plus_seconds(60 * 30);
        let first = (0..60).position(|_| suspicion.refused(address, later));
        assert!(first.is_some_and(|first| (40..50).contains(&first)), "{first:?}");
    }

    #[test]
    fn their_number_is_bounded() {
        let suspicion = suspicion();
        for n in 0..10_000_u32 {
            suspicion.refused(IpAddr::from(n.to_be_bytes()), START);
        }
        assert!(suspicion.watched.lock().unwrap().len() <= MAX_ADDRESSES);
    }
}
