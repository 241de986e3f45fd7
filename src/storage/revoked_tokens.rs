//! Single access tokens that were revoked (RFC 7009), until they would have expired.

use super::{Db, Tx, changed, on};
use crate::fault::Fault;
use crate::types::{TenantId, Timestamp};

/// Notes that a token is revoked. `false` when it was already.
pub async fn insert(tx: &mut Tx, tenant: TenantId, jti: &str, expires_at: Timestamp) -> Result<bool, Fault> {
    const SQL: &str = "INSERT INTO revoked_tokens (tenant_id, jti, expires_at) VALUES ($1, $2, $3)
        ON CONFLICT (tenant_id, jti) DO NOTHING";
    Ok(changed!(tx, sqlx::query(SQL).bind(tenant).bind(jti).bind(expires_at))? == 1)
}

/// Whether a token was revoked.
pub async fn contains(db: impl Into<Db<'_>>, tenant: TenantId, jti: &str) -> Result<bool, Fault> {
    const SQL: &str = "SELECT COUNT(*) FROM revoked_tokens WHERE tenant_id = $1 AND jti = $2";
    let count: i64 = on!(db, |conn| sqlx::query_scalar(SQL)
        .bind(tenant)
        .bind(jti)
        .fetch_one(conn))?;
    Ok(count > 0)
}

/// Forgets tokens that have expired, at most `limit` rows.
pub async fn purge(db: impl Into<Db<'_>>, now: Timestamp, limit: i64) -> Result<u64, Fault> {
    const SQL: &str = "DELETE FROM revoked_tokens WHERE (tenant_id, jti) IN
        (SELECT tenant_id, jti FROM revoked_tokens WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
    changed!(db, sqlx::query(SQL).bind(now).bind(limit))
}
