//! Tenants.

use super::{Db, changed, on};
use crate::fault::Fault;
use crate::types::{TenantId, Timestamp};

/// Makes the first tenant, once.
pub async fn ensure_first(db: impl Into<Db<'_>>, now: Timestamp) -> Result<(), Fault> {
    const SQL: &str = "INSERT INTO tenants (id, name, enabled, settings, version, created_at)
        VALUES ($1, 'default', TRUE, '{}', 1, $2)
        ON CONFLICT DO NOTHING";
    changed!(db, sqlx::query(SQL).bind(TenantId::FIRST).bind(now))?;
    Ok(())
}

/// Tenants with users whose personal data is sealed with a key that is no longer the active one, `limit` at most.
pub async fn sealed_with_old_keys(db: impl Into<Db<'_>>, limit: i64) -> Result<Vec<TenantId>, Fault> {
    const SQL: &str = "SELECT DISTINCT tenant_id FROM purpose_keys
        WHERE purpose = 'data' AND state = 'retiring'
            AND EXISTS (SELECT 1 FROM users
                WHERE users.tenant_id = purpose_keys.tenant_id AND users.sealed_with = purpose_keys.id)
        LIMIT $1";
    on!(db, |conn| sqlx::query_scalar(SQL).bind(limit).fetch_all(conn))
}
