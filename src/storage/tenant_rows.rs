//! Everything that belongs to a tenant, table by table, for when the tenant is deleted. A table that is missing here and
//! does not go with one of these fails a test.

use super::{Db, Tx, changed};
use crate::fault::Fault;
use crate::types::TenantId;

/// A table with rows of tenants.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    sql: &'static str,
}

const GRANTS: &str = "DELETE FROM grants WHERE tenant_id = $1
    AND id IN (SELECT id FROM grants WHERE tenant_id = $1 LIMIT $2)";
const AUTHORIZATION_REQUESTS: &str = "DELETE FROM authorization_requests WHERE tenant_id = $1
    AND handle_hash IN (SELECT handle_hash FROM authorization_requests WHERE tenant_id = $1 LIMIT $2)";
const DEVICE_REQUESTS: &str = "DELETE FROM device_requests WHERE tenant_id = $1
    AND handle_hash IN (SELECT handle_hash FROM device_requests WHERE tenant_id = $1 LIMIT $2)";
const USED_JTIS: &str = "DELETE FROM used_jtis WHERE tenant_id = $1
    AND jti_hash IN (SELECT jti_hash FROM used_jtis WHERE tenant_id = $1 LIMIT $2)";
const REVOKED_TOKENS: &str = "DELETE FROM revoked_tokens WHERE tenant_id = $1
    AND jti IN (SELECT jti FROM revoked_tokens WHERE tenant_id = $1 LIMIT $2)";
const REGISTRATION_TOKENS: &str = "DELETE FROM registration_tokens WHERE tenant_id = $1
    AND id IN (SELECT id FROM registration_tokens WHERE tenant_id = $1 LIMIT $2)";
const DELETED_CLIENTS: &str = "DELETE FROM deleted_clients WHERE tenant_id = $1
    AND client_id IN (SELECT client_id FROM deleted_clients WHERE tenant_id = $1 LIMIT $2)";
const ENDED_SESSIONS: &str = "DELETE FROM ended_sessions WHERE tenant_id = $1
    AND session_id IN (SELECT session_id FROM ended_sessions WHERE tenant_id = $1 LIMIT $2)";
const DELIVERIES: &str = "DELETE FROM deliveries WHERE tenant_id = $1
    AND id IN (SELECT id FROM deliveries WHERE tenant_id = $1 LIMIT $2)";
const PLANS: &str = "DELETE FROM plans WHERE tenant_id = $1
    AND name IN (SELECT name FROM plans WHERE tenant_id = $1 LIMIT $2)";
const QUOTA_USE: &str = "DELETE FROM quota_use WHERE tenant_id = $1
    AND (client_id, month) IN (SELECT client_id, month FROM quota_use WHERE tenant_id = $1 LIMIT $2)";
const SIGN_IN_WATCH: &str = "DELETE FROM sign_in_watch WHERE tenant_id = $1
    AND (account, place) IN (SELECT account, place FROM sign_in_watch WHERE tenant_id = $1 LIMIT $2)";
// Identifiers, sessions and consents go with them.
const USERS: &str = "DELETE FROM users WHERE tenant_id = $1
    AND id IN (SELECT id FROM users WHERE tenant_id = $1 LIMIT $2)";
const CLIENTS: &str = "DELETE FROM clients WHERE tenant_id = $1
    AND client_id IN (SELECT client_id FROM clients WHERE tenant_id = $1 LIMIT $2)";

/// In the order in which they can be emptied. Keys go last, with the tenant itself.
pub const ALL: [Table; 14] = [
    table("grants", GRANTS),
    table("authorization_requests", AUTHORIZATION_REQUESTS),
    table("device_requests", DEVICE_REQUESTS),
    table("used_jtis", USED_JTIS),
    table("revoked_tokens", REVOKED_TOKENS),
    table("registration_tokens", REGISTRATION_TOKENS),
    table("deleted_clients", DELETED_CLIENTS),
    table("users", USERS),
    table("clients", CLIENTS),
    table("plans", PLANS),
    table("quota_use", QUOTA_USE),
    table("sign_in_watch", SIGN_IN_WATCH),
    // Ending a session writes these.
    table("ended_sessions", ENDED_SESSIONS),
    table("deliveries", DELIVERIES),
];

const fn table(name: &'static str, sql: &'static str) -> Table {
    Table { name, sql }
}

impl Table {
    /// Removes a portion of a tenant's rows; how many went.
    pub async fn remove(self, db: impl Into<Db<'_>>, tenant: TenantId, limit: i64) -> Result<u64, Fault> {
        changed!(db, sqlx::query(self.sql).bind(tenant).bind(limit))
    }
}

/// Removes a tenant that is being deleted, with its keys, once nothing else of it is left. A row that came meanwhile is
/// in the way of it, and the next attempt finds that row.
pub async fn remove_tenant(tx: &mut Tx, tenant: TenantId) -> Result<(), Fault> {
    const SIGNING_KEYS: &str = "DELETE FROM signing_keys WHERE tenant_id = $1";
    const PURPOSE_KEYS: &str = "DELETE FROM purpose_keys WHERE tenant_id = $1";
    const TENANT: &str = "DELETE FROM tenants WHERE id = $1 AND deleted_at IS NOT NULL";
    for sql in [SIGNING_KEYS, PURPOSE_KEYS, TENANT] {
        changed!(&mut *tx, sqlx::query(sql).bind(tenant))?;
    }
    Ok(())
}
