//! Monthly quotas. Requests are counted in memory and added to the database about once a second, so that a request costs
//! no statement: a client can go beyond its quota by what other replicas let through within that second, and a replica
//! that is killed forgets what it counted within it.

use super::{Decision, Tier};
use crate::fault::Fault;
use crate::storage::Store;
use crate::storage::limits as table;
use crate::types::{ClientId, TenantId, Timestamp};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use time::{Date, Month, OffsetDateTime, Time};

/// Clients that are known in memory; more are looked up anew.
const MAX_CLIENTS: usize = 10_000;
/// So many clients' use is added in one transaction.
const PORTION: usize = 500;
/// Months of use that are kept.
pub const KEPT_MONTHS: i64 = 13;

/// What clients have used of this month. Cheap to share.
#[derive(Debug)]
pub struct Quotas {
    store: Store,
    used: Mutex<HashMap<(TenantId, ClientId), Used>>,
    /// What is pending is added by one at a time, so that it is added once.
    flushing: tokio::sync::Mutex<()>,
}

#[derive(Clone, Copy, Debug)]
struct Used {
    month: i64,
    /// By all replicas, as the database has it.
    known: i64,
    /// Here, and not in the database yet.
    pending: i64,
}

impl Quotas {
    pub(in crate::protect) fn new(store: Store) -> Self {
        Self {
            store,
            used: Mutex::default(),
            flushing: tokio::sync::Mutex::default(),
        }
    }

    /// Counts a request of a client that may make `quota` a month. While the database does not answer, what this replica
    /// knows counts.
    pub(in crate::protect) async fn take(
        &self,
        tenant: TenantId,
        client: &ClientId,
        quota: u32,
        now: Timestamp,
    ) -> Decision {
        let key = (tenant, client.clone());
        let month = month_of(now);
        let is_known = self.lock().get(&key).is_some_and(|used| used.month == month);
        if !is_known {
            let known = self.read(tenant, client, month).await.unwrap_or(0);
            let mut all = self.lock();
            if all.len() >= MAX_CLIENTS {
                all.retain(|_, used| used.pending > 0);
            }
            let used = all.entry(key.clone()).or_insert(Used {
                month,
                known,
                pending: 0,
            });
            if used.month != month {
                *used = Used {
                    month,
                    known,
                    pending: 0,
                };
            }
        }
        let mut all = self.lock();
        let Some(used) = all.get_mut(&key) else {
            return decision(quota, 0, true, now);
        };
        let passed = used.known + used.pending < i64::from(quota);
        if passed {
            used.pending += 1;
        }
        decision(quota, used.known + used.pending, passed, now)
    }

    /// Adds what was counted here to the database. Called about once a second, and at the end.
    ///
    /// # Errors
    /// When the database does not answer; what was counted stays to be added.
    pub async fn flush(&self) -> Result<(), Fault> {
        let _turn = self.flushing.lock().await;
        let pending: Vec<_> = {
            let all = self.lock();
            let pending = all.iter().filter(|(_, used)| used.pending > 0);
            let mut pending: Vec<_> = pending.map(|(key, used)| (key.clone(), *used)).collect();
            // All replicas lock rows in one order.
            pending.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            pending
        };
        if pending.is_empty() {
            return Ok(());
        }
        for portion in pending.chunks(PORTION) {
            let mut known = Vec::with_capacity(portion.len());
            let mut tx = self.store.begin().await?;
            for ((tenant, client), was) in portion {
                known.push(table::use_quota(&mut tx, *tenant, client, was.month, was.pending).await?);
            }
            tx.commit().await?;
            let mut all = self.lock();
            for ((key, was), known) in portion.iter().zip(known) {
                if let Some(used) = all.get_mut(key)
                    && used.month == was.month
                {
                    used.known = known;
                    used.pending -= was.pending;
                }
            }
        }
        Ok(())
    }

    /// What a client has used of the present month, over all replicas but for their last second.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn used(&self, tenant: TenantId, client: &ClientId, now: Timestamp) -> Result<i64, Fault> {
        self.flush().await?;
        self.read(tenant, client, month_of(now)).await
    }

    async fn read(&self, tenant: TenantId, client: &ClientId, month: i64) -> Result<i64, Fault> {
        table::quota_used(&mut self.store.read().await?, tenant, client, month).await
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(TenantId, ClientId), Used>> {
        // Numbers are whole after every operation.
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn decision(quota: u32, used: i64, passed: bool, now: Timestamp) -> Decision {
    let wait = end_of_month(now).seconds() - now.seconds();
    Decision {
        tier: Tier::Quota,
        passed,
        limit: quota,
        window_s: u32::try_from(days_of_month(now) * 86_400).unwrap_or(u32::MAX),
        remaining: u32::try_from((i64::from(quota) - used).max(0)).unwrap_or(0),
        reset_s: u32::try_from(wait).unwrap_or(1).max(1),
    }
}

/// The calendar month of an instant in UTC: year × 12 + month − 1.
pub fn month_of(now: Timestamp) -> i64 {
    let date = date(now);
    i64::from(date.year()) * 12 + i64::from(u8::from(date.month())) - 1
}

/// When the calendar month of an instant ends.
pub fn end_of_month(now: Timestamp) -> Timestamp {
    let date = date(now);
    let (year, month) = match date.month() {
        Month::December => (date.year() + 1, Month::January),
        month => (date.year(), month.next()),
    };
    match Date::from_calendar_date(year, month, 1) {
        Ok(first) => OffsetDateTime::new_utc(first, Time::MIDNIGHT).into(),
        Err(_) => now.plus_seconds(86_400),
    }
}

fn days_of_month(now: Timestamp) -> i64 {
    let date = date(now);
    i64::from(date.month().length(date.year()))
}

fn date(now: Timestamp) -> Date {
    OffsetDateTime::from_unix_timestamp(now.seconds()).map_or(Date::MIN, OffsetDateTime::date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_end_at_midnight_utc() {
        for (at, end, month) in [
            ("2026-01-31T23:59:59Z", "2026-02-01T00:00:00Z", 2026 * 12),
            ("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z", 2026 * 12 + 1),
            ("2028-02-29T12:00:00Z", "2028-03-01T00:00:00Z", 2028 * 12 + 1),
            ("2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z", 2026 * 12 + 11),
        ] {
            let at = Timestamp::parse(at).unwrap();
            assert_eq!(end_of_month(at), Timestamp::parse(end).unwrap());
            assert_eq!(month_of(at), month);
        }
    }
}
