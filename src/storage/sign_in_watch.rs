//! Failed sign-ins by account and network. Accounts are named by a keyed hash of what was typed, whether there is such an
//! account or not.

use super::{Db, changed, on};
use crate::fault::Fault;
use crate::types::{TenantId, Timestamp};

/// An account that somebody tries, from a network.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// Whose account.
    pub tenant: TenantId,
    /// The account's hash.
    pub account: &'a [u8],
    /// The network's hash.
    pub network: &'a [u8],
}

/// What is known of a pair.
#[derive(Clone, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Standing {
    /// Failures without a success or a day's rest in between.
    pub failures: i64,
    /// The last one.
    pub failed_at: Option<Timestamp>,
    /// Until when the network is one that the account is used from.
    pub known_until: Option<Timestamp>,
}

/// How often an account failed lately, and from how many networks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Pressure {
    /// Failures.
    pub failures: i64,
    /// Networks, up to a bound.
    pub networks: i64,
}

/// What is known of a pair.
pub async fn find(db: impl Into<Db<'_>>, pair: Pair<'_>) -> Result<Option<Standing>, Fault> {
    const SQL: &str = "SELECT failures, failed_at, known_until FROM sign_in_watch
        WHERE tenant_id = $1 AND account = $2 AND place = $3";
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(pair.tenant)
        .bind(pair.account)
        .bind(pair.network)
        .fetch_optional(conn))
}

/// How often an account failed since `since`.
pub async fn pressure(db: impl Into<Db<'_>>, pair: Pair<'_>, since: Timestamp) -> Result<Pressure, Fault> {
    const SQL: &str = "SELECT CAST(coalesce(sum(failures), 0) AS BIGINT) AS failures, count(*) AS networks
        FROM (SELECT failures FROM sign_in_watch
            WHERE tenant_id = $1 AND account = $2 AND failed_at > $3 ORDER BY failed_at DESC LIMIT 200) AS recent";
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(pair.tenant)
        .bind(pair.account)
        .bind(since)
        .fetch_one(conn))
}

/// Counts a failure; counting begins anew when the last one was before `rested`. Gives how many there are.
pub async fn failed(
    db: impl Into<Db<'_>>,
    pair: Pair<'_>,
    now: Timestamp,
    rested: Timestamp,
    expires_at: Timestamp,
) -> Result<i64, Fault> {
    const SQL: &str = "INSERT INTO sign_in_watch (tenant_id, account, place, failures, failed_at, expires_at)
        VALUES ($1, $2, $3, 1, $4, $6)
        ON CONFLICT (tenant_id, account, place) DO UPDATE SET
            failures = CASE WHEN sign_in_watch.failed_at < $5 THEN 1 ELSE sign_in_watch.failures + 1 END,
            failed_at = excluded.failed_at,
            expires_at = CASE WHEN sign_in_watch.expires_at > excluded.expires_at
                THEN sign_in_watch.expires_at ELSE excluded.expires_at END
        RETURNING failures";
    on!(db, |conn| sqlx::query_scalar(SQL)
        .bind(pair.tenant)
        .bind(pair.account)
        .bind(pair.network)
        .bind(now)
        .bind(rested)
        .bind(expires_at)
        .fetch_one(conn))
}

/// Notes a success: the failures are forgotten, and the network is known until `known_until`.
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
            .bind(pair.network)
            .bind(known_until)
    )
    .map(drop)
}

/// How many accounts failed from a network since `since`, `most` at most.
pub async fn accounts_of_network(
    db: impl Into<Db<'_>>,
    pair: Pair<'_>,
    since: Timestamp,
    most: i64,
) -> Result<i64, Fault> {
    const SQL: &str = "SELECT count(*) FROM (SELECT account FROM sign_in_watch
        WHERE place = $1 AND failed_at > $2 LIMIT $3) AS recent";
    on!(db, |conn| sqlx::query_scalar(SQL)
        .bind(pair.network)
        .bind(since)
        .bind(most)
        .fetch_one(conn))
}

/// How many accounts of a tenant failed since `since`, `most` at most.
pub async fn accounts_of_tenant(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    since: Timestamp,
    most: i64,
) -> Result<i64, Fault> {
    const SQL: &str = "SELECT count(*) FROM (SELECT DISTINCT account FROM sign_in_watch
        WHERE tenant_id = $1 AND failed_at > $2 LIMIT $3) AS recent";
    on!(db, |conn| sqlx::query_scalar(SQL)
        .bind(tenant)
        .bind(since)
        .bind(most)
        .fetch_one(conn))
}

/// Removes what says nothing any more, `limit` rows at most. Gives how many there were.
pub async fn purge(db: impl Into<Db<'_>>, now: Timestamp, limit: i64) -> Result<u64, Fault> {
    const SQL: &str = "DELETE FROM sign_in_watch WHERE (tenant_id, account, place) IN
        (SELECT tenant_id, account, place FROM sign_in_watch WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
    changed!(db, sqlx::query(SQL).bind(now).bind(limit))
}
