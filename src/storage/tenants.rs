//! Tenants.

use super::{Db, changed};
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
