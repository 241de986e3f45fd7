//! Authorization requests that are kept here: too long for a URL, or pushed by their client (RFC 9126). Sealed, and found
//! by the hash of a random handle.

use super::{Db, changed, on};
use crate::fault::Fault;
use crate::types::{ClientId, TenantId, Timestamp, TokenHash};

/// A request as its client pushed it.
#[derive(Debug)]
pub struct Pushed<'a> {
    /// Hash of its `request_uri`.
    pub handle: &'a TokenHash,
    /// Whose it is.
    pub client_id: &'a ClientId,
    /// The request, sealed.
    pub sealed: &'a [u8],
    /// Whose quota it counts in.
    pub counted_for: &'a str,
    /// Until when it may be opened for the first time.
    pub open_until: Timestamp,
}

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

/// Keeps a pushed request until it has to be opened, unless `quota` requests that are still good count for the same caller.
/// Pushes that race may exceed the quota by their number.
pub async fn push(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    pushed: &Pushed<'_>,
    quota: i64,
    now: Timestamp,
) -> Result<bool, Fault> {
    const SQL: &str = "INSERT INTO authorization_requests
            (tenant_id, handle_hash, sealed, client_id, counted_for, created_at, open_until, expires_at)
        SELECT $1, $2, $3, $4, $5, $6, $7, $7
        WHERE (SELECT count(*) FROM (SELECT 1 FROM authorization_requests
            WHERE tenant_id = $1 AND counted_for = $5 AND used_at IS NULL AND expires_at > $6 LIMIT $8) AS good) < $8";
    Ok(changed!(
        db,
        sqlx::query(SQL)
            .bind(tenant)
            .bind(pushed.handle)
            .bind(pushed.sealed)
            .bind(pushed.client_id)
            .bind(pushed.counted_for)
            .bind(now)
            .bind(pushed.open_until)
            .bind(quota)
    )? == 1)
}

/// Opens a pushed request in a browser: in time, and then again in the browser that was first, as long as no code was
/// issued for it. From its first opening it lives until `until`.
pub async fn open(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    handle: &TokenHash,
    client_id: &ClientId,
    browser: &TokenHash,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<Vec<u8>>, Fault> {
    const SQL: &str = "UPDATE authorization_requests
        SET opened_by = COALESCE(opened_by, $4),
            expires_at = CASE WHEN opened_by IS NULL THEN $6 ELSE expires_at END
        WHERE tenant_id = $1 AND handle_hash = $2 AND client_id = $3 AND used_at IS NULL AND expires_at > $5
            AND (open_until > $5 OR opened_by = $4)
        RETURNING sealed";
    on!(db, |conn| sqlx::query_scalar(SQL)
        .bind(tenant)
        .bind(handle)
        .bind(client_id)
        .bind(browser)
        .bind(now)
        .bind(until)
        .fetch_optional(conn))
}

/// A pushed request that was opened and whose code was not issued.
pub async fn find_opened(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    handle: &TokenHash,
    now: Timestamp,
) -> Result<Option<Vec<u8>>, Fault> {
    const SQL: &str = "SELECT sealed FROM authorization_requests
        WHERE tenant_id = $1 AND handle_hash = $2 AND opened_by IS NOT NULL AND used_at IS NULL AND expires_at > $3";
    on!(db, |conn| sqlx::query_scalar(SQL)
        .bind(tenant)
        .bind(handle)
        .bind(now)
        .fetch_optional(conn))
}

/// Uses a pushed request up, as its code is issued. Of any number of racing browsers one gets `true`.
pub async fn use_up(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    handle: &TokenHash,
    now: Timestamp,
) -> Result<bool, Fault> {
    const SQL: &str = "UPDATE authorization_requests SET used_at = $3
        WHERE tenant_id = $1 AND handle_hash = $2 AND client_id IS NOT NULL AND used_at IS NULL AND expires_at > $3";
    Ok(changed!(db, sqlx::query(SQL).bind(tenant).bind(handle).bind(now))? == 1)
}

/// Takes the use of `used_at` back, whose code could not be issued.
pub async fn give_back(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    handle: &TokenHash,
    used_at: Timestamp,
) -> Result<(), Fault> {
    const SQL: &str = "UPDATE authorization_requests SET used_at = NULL
        WHERE tenant_id = $1 AND handle_hash = $2 AND used_at = $3";
    changed!(db, sqlx::query(SQL).bind(tenant).bind(handle).bind(used_at))?;
    Ok(())
}

/// Removes what has expired, at most `limit` rows.
pub async fn purge(db: impl Into<Db<'_>>, now: Timestamp, limit: i64) -> Result<u64, Fault> {
    const SQL: &str = "DELETE FROM authorization_requests WHERE (tenant_id, handle_hash) IN
        (SELECT tenant_id, handle_hash FROM authorization_requests WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
    changed!(db, sqlx::query(SQL).bind(now).bind(limit))
}
