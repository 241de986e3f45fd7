//! Failed sign-ins by account and place. Accounts are named by a keyed hash of what was typed, whether there is such an
//! account or not; a place is the hash of a network or a device.

use super::{Db, changed, on};
use crate::fault::Fault;
use crate::types::{TenantId, Timestamp};

/// An account that somebody tries, from a place.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// Whose account.
    pub tenant: TenantId,
    /// The account's hash.
    pub account: &'a [u8],
    /// The place's hash.
    pub place: &'a [u8],
}

/// What is known of a pair.
#[derive(Clone, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Standing {
    /// Failures without a success or a long rest in between.
    pub failures: i64,
    /// The last one.
    pub failed_at: Option<Timestamp>,
    /// Until when the account is known to be used from the place.
    pub known_until: Option<Timestamp>,
}

/// What a pair's row is to say after an attempt.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// Failures, with this one.
    pub failures: i64,
    /// When it was made.
    pub failed_at: Timestamp,
    /// Until when that is kept, at least.
    pub expires_at: Timestamp,
}

/// How often an account failed lately, and from how many places. Neither is counted beyond 200 places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Pressure {
    /// Failures.
    pub failures: i64,
    /// Places.
    pub places: i64,
}

/// What is known of a pair.
pub async fn find(db: impl Into<Db<'_>>, pair: Pair<'_>) -> Result<Option<Standing>, Fault> {
    const SQL: &str = "SELECT failures, failed_at, known_until FROM sign_in_watch
        WHERE tenant_id = $1 AND account = $2 AND place = $3";
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(pair.tenant)
        .bind(pair.account)
        .bind(pair.place)
        .fetch_optional(conn))
}

/// Counts an attempt, unless the pair has changed since `seen` was read. Gives whether it was done.
pub async fn count(
    db: impl Into<Db<'_>>,
    pair: Pair<'_>,
    seen: &Standing,
    counted: Counted,
) -> Result<bool, Fault> {
    const SQL: &str = "INSERT INTO sign_in_watch (tenant_id, account, place, failures, failed_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (tenant_id, account, place) DO UPDATE SET
            failures = excluded.failures,
            failed_at = excluded.failed_at,
            expires_at = CASE WHEN sign_in_watch.expires_at > excluded.expires_at
                THEN sign_in_watch.expires_at ELSE excluded.expires_at END
            WHERE sign_in_watch.failures = $7 AND sign_in_watch.failed_at IS NOT DISTINCT FROM $8";
    let counted = changed!(
        db,
        sqlx::query(SQL)
            .bind(pair.tenant)
            .bind(pair.account)
            .bind(pair.place)
            .bind(counted.failures)
            .bind(counted.failed_at)
            .bind(counted.expires_at)
            .bind(seen.failures)
            .bind(seen.failed_at)
    )?;
    Ok(counted == 1)
}

/// Takes back an attempt that was not made after all.
pub async fn take_back(db: impl Into<Db<'_>>, pair: Pair<'_>) -> Result<(), Fault> {
    const SQL: &str = "UPDATE sign_in_watch SET failures = failures - 1
        WHERE tenant_id = $1 AND account = $2 AND place = $3 AND failures > 0";
    changed!(
        db,
        sqlx::query(SQL)
            .bind(pair.tenant)
            .bind(pair.account)
            .bind(pair.place)
    )
    .map(drop)
}

/// Notes a success: the failures are forgotten, and the account is known at the place until `known_until`.
pub async fn succeeded(db: impl Into<Db<'_>>, pair: Pair<'_>, known_until: Timestamp) -> Result<(), Fault> {
    const SQL: &str = "INSERT INTO sign_in_watch (tenant_id, account, place, failures, known_until, expires_at)
        VALUES ($1, $2, $3, 0, $4, $4)
        ON CONFLICT (tenant_id, account, place) DO UPDATE SET
            failures = 0, failed_at = NULL, known_until = excluded.known_until, expires_at = excluded.expires_at";
    changed!(
        db,
        sqlx::query(SQL)
            .bind(pair.tenant)
            .bind(pair.account)
            .bind(pair.place)
            .bind(known_until)
    )
    .map(drop)
}

/// Forgets what failed at an account, from wherever. Gives whether anything had.
pub async fn forget_failures(db: impl Into<Db<'_>>, tenant: TenantId, account: &[u8]) -> Result<bool, Fault> {
    const SQL: &str = "UPDATE sign_in_watch SET failures = 0, failed_at = NULL
        WHERE tenant_id = $1 AND account = $2 AND failed_at IS NOT NULL";
    let forgotten = changed!(db, sqlx::query(SQL).bind(tenant).bind(account))?;
    Ok(forgotten > 0)
}

/// Forgets all places where the account is known but the `most` that it was used from last.
pub async fn forget_known(db: impl Into<Db<'_>>, pair: Pair<'_>, most: i64) -> Result<(), Fault> {
    const SQL: &str =
        "DELETE FROM sign_in_watch WHERE tenant_id = $1 AND account = $2 AND known_until IS NOT NULL
        AND known_until < (SELECT known_until FROM sign_in_watch
            WHERE tenant_id = $1 AND account = $2 AND known_until IS NOT NULL
            ORDER BY known_until DESC LIMIT 1 OFFSET $3)";
    changed!(
        db,
        sqlx::query(SQL)
            .bind(pair.tenant)
            .bind(pair.account)
            .bind(most.saturating_sub(1))
    )
    .map(drop)
}

/// How often an account failed since `since`.
pub async fn pressure(db: impl Into<Db<'_>>, pair: Pair<'_>, since: Timestamp) -> Result<Pressure, Fault> {
    const SQL: &str = "SELECT CAST(coalesce(sum(failures), 0) AS BIGINT) AS failures, count(*) AS places
        FROM (SELECT failures FROM sign_in_watch
            WHERE tenant_id = $1 AND account = $2 AND failed_at > $3 ORDER BY failed_at DESC LIMIT 200) AS recent";
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(pair.tenant)
        .bind(pair.account)
        .bind(since)
        .fetch_one(conn))
}

/// How many accounts failed from a place since `since`, over all tenants; `most` at most.
pub async fn accounts_of_place(
    db: impl Into<Db<'_>>,
    place: &[u8],
    since: Timestamp,
    most: i64,
) -> Result<i64, Fault> {
    const SQL: &str = "SELECT count(*) FROM (SELECT account FROM sign_in_watch
        WHERE place = $1 AND failed_at > $2 LIMIT $3) AS recent";
    on!(db, |conn| sqlx::query_scalar(SQL)
        .bind(place)
        .bind(since)
        .bind(most)
        .fetch_one(conn))
}

/// How many accounts of a tenant are among the last 1000 pairs that failed since `since`.
pub async fn accounts_of_tenant(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    since: Timestamp,
) -> Result<i64, Fault> {
    const SQL: &str = "SELECT count(DISTINCT account) FROM (SELECT account FROM sign_in_watch
        WHERE tenant_id = $1 AND failed_at > $2 ORDER BY failed_at DESC LIMIT 1000) AS recent";
    on!(db, |conn| sqlx::query_scalar(SQL)
        .bind(tenant)
        .bind(since)
        .fetch_one(conn))
}

/// Removes what says nothing any more, `limit` rows at most. Gives how many there were.
pub async fn purge(db: impl Into<Db<'_>>, now: Timestamp, limit: i64) -> Result<u64, Fault> {
    const SQL: &str = "DELETE FROM sign_in_watch WHERE (tenant_id, account, place) IN
        (SELECT tenant_id, account, place FROM sign_in_watch WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
    changed!(db, sqlx::query(SQL).bind(now).bind(limit))
}
