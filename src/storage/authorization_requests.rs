//! Authorization requests that are too long for a URL: sealed, and found by the hash of a random handle.

use super::{Db, changed, on};
use crate::fault::Fault;
use crate::types::{TenantId, Timestamp, TokenHash};

/// Keeps a sealed request until it expires.
pub async fn insert(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    handle: &TokenHash,
    sealed: &[u8],
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), Fault> {
    const SQL: &str =
        "INSERT INTO authorization_requests (tenant_id, handle_hash, sealed, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5)";
    changed!(
        db,
        sqlx::query(SQL)
            .bind(tenant)
            .bind(handle)
            .bind(sealed)
            .bind(now)
            .bind(expires_at)
    )?;
    Ok(())
}

/// The sealed request, as long as it lives.
pub async fn find(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    handle: &TokenHash,
    now: Timestamp,
) -> Result<Option<Vec<u8>>, Fault> {
    const SQL: &str = "SELECT sealed FROM authorization_requests
        WHERE tenant_id = $1 AND handle_hash = $2 AND expires_at > $3";
    on!(db, |conn| sqlx::query_scalar(SQL)
        .bind(tenant)
        .bind(handle)
        .bind(now)
        .fetch_optional(conn))
}

/// Removes what has expired, at most `limit` rows.
pub async fn purge(db: impl Into<Db<'_>>, now: Timestamp, limit: i64) -> Result<u64, Fault> {
    const SQL: &str = "DELETE FROM authorization_requests WHERE (tenant_id, handle_hash) IN
        (SELECT tenant_id, handle_hash FROM authorization_requests WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
    changed!(db, sqlx::query(SQL).bind(now).bind(limit))
}
