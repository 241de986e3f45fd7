//! Clients that registered themselves (RFC 7591): how many there are, whether they are used, and the end of those that
//! are not.

use super::{Db, Tx, changed, clients, on};
use crate::fault::Fault;
use crate::types::{ClientId, TenantId, Timestamp};

/// A use is noted when the last one that was noted is so many seconds ago: a day.
pub const NOTED_AFTER_S: i64 = 86_400;

/// How many such clients the tenant has: all, and of these the ones that were registered from `address` without a token.
pub async fn count(tx: &mut Tx, tenant: TenantId, address: &str) -> Result<(i64, i64), Fault> {
    const SQL: &str = "SELECT COUNT(*), COUNT(CASE WHEN registered_from = $2 THEN 1 END)
        FROM clients WHERE tenant_id = $1 AND registration_token_hash IS NOT NULL";
    on!(tx, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(address)
        .fetch_one(conn))
}

/// Notes that a client was used, unless that was noted within the last day. `false` when there was nothing to note.
pub async fn note_use(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    client_id: &ClientId,
    now: Timestamp,
) -> Result<bool, Fault> {
    const SQL: &str = "UPDATE clients SET last_used_at = $3
        WHERE tenant_id = $1 AND client_id = $2 AND registration_token_hash IS NOT NULL AND last_used_at <= $4";
    let noted = changed!(
        db,
        sqlx::query(SQL)
            .bind(tenant)
            .bind(client_id)
            .bind(now)
            .bind(now.plus_seconds(-NOTED_AFTER_S))
    )?;
    Ok(noted == 1)
}

/// After how many days clients are unused, as tenants have set it for themselves: each number once.
pub async fn unused_days(db: impl Into<Db<'_>>) -> Result<Vec<i64>, Fault> {
    const SQL: &str =
        "SELECT DISTINCT CAST(settings -> 'registration' ->> 'unused_days' AS BIGINT) FROM tenants
        WHERE deleted_at IS NULL AND settings -> 'registration' ->> 'unused_days' IS NOT NULL";
    on!(db, |conn| sqlx::query_scalar(SQL).fetch_all(conn))
}

/// Which clients are unused.
#[derive(Clone, Copy, Debug)]
pub struct Unused {
    /// Those of tenants in which it is after so many days,
    pub days: i64,
    /// where tenants that do not say are among those with so many.
    pub default_days: i64,
    /// Those that were last used before.
    pub before: Timestamp,
}

/// Unused clients, longest unused first, at most `limit`.
pub async fn unused(
    db: impl Into<Db<'_>>,
    which: Unused,
    limit: i64,
) -> Result<Vec<(TenantId, ClientId)>, Fault> {
    const SQL: &str =
        "SELECT c.tenant_id, c.client_id FROM clients AS c JOIN tenants AS t ON t.id = c.tenant_id
        WHERE c.registration_token_hash IS NOT NULL AND c.last_used_at < $1
            AND COALESCE(CAST(t.settings -> 'registration' ->> 'unused_days' AS BIGINT), $2) = $3
        ORDER BY c.last_used_at LIMIT $4";
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(which.before)
        .bind(which.default_days)
        .bind(which.days)
        .bind(limit)
        .fetch_all(conn))
}

/// Deletes a client, unless it was used meanwhile or somebody else has deleted it.
pub async fn delete_unused(
    tx: &mut Tx,
    tenant: TenantId,
    client_id: &ClientId,
    before: Timestamp,
    now: Timestamp,
) -> Result<bool, Fault> {
    const SQL: &str = "DELETE FROM clients
        WHERE tenant_id = $1 AND client_id = $2 AND registration_token_hash IS NOT NULL AND last_used_at < $3";
    let deleted = changed!(
        &mut *tx,
        sqlx::query(SQL).bind(tenant).bind(client_id).bind(before)
    )?;
    if deleted == 0 {
        return Ok(false);
    }
    clients::note_deleted(tx, tenant, client_id, now).await?;
    Ok(true)
}
