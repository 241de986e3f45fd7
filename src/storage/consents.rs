//! What users agreed to, per client.

use super::{Db, Tx, on};
use crate::fault::Fault;
use crate::types::{ClientId, ScopeSet, TenantId, Timestamp, UserId};
use uuid::Uuid;

/// A user's agreement with a client. One row for each pair; withdrawing it raises the epoch that grants copied, so that
/// everything granted on it ends.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Consent {
    /// Whose it is.
    pub tenant_id: TenantId,
    /// The row's id in the admin API.
    pub id: Uuid,
    /// Who agreed.
    pub user_id: UserId,
    /// With which client.
    pub client_id: ClientId,
    /// To which scopes.
    pub scope: ScopeSet,
    /// Copied by grants.
    pub epoch: i64,
    /// When it was last given or widened.
    pub granted_at: Timestamp,
    /// When it was withdrawn.
    pub withdrawn_at: Option<Timestamp>,
}

macro_rules! columns {
    () => {
        "tenant_id, id, user_id, client_id, scope, epoch, granted_at, withdrawn_at"
    };
}

/// The agreement that stands, if any.
pub async fn find(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    user: UserId,
    client: &ClientId,
) -> Result<Option<Consent>, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM consents WHERE tenant_id = $1 AND user_id = $2 AND client_id = $3 AND withdrawn_at IS NULL"
    );
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(user)
        .bind(client)
        .fetch_optional(conn))
}

/// Notes an agreement. `scope` is all that stands agreed afterwards; an agreement that had been withdrawn begins anew, and
/// its epoch stays raised, so that what had ended stays so.
pub async fn give(
    tx: &mut Tx,
    tenant: TenantId,
    user: UserId,
    client: &ClientId,
    id: Uuid,
    scope: &ScopeSet,
    now: Timestamp,
) -> Result<Consent, Fault> {
    const SQL: &str = concat!(
        "INSERT INTO consents (tenant_id, user_id, client_id, id, scope, epoch, granted_at) \
         VALUES ($1, $2, $3, $4, $5, 1, $6) \
         ON CONFLICT (tenant_id, user_id, client_id) DO UPDATE \
           SET scope = excluded.scope, granted_at = excluded.granted_at, withdrawn_at = NULL \
         RETURNING ",
        columns!()
    );
    on!(tx, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(user)
        .bind(client)
        .bind(id)
        .bind(scope)
        .bind(now)
        .fetch_one(conn))
}

/// Withdraws an agreement, and with it every grant that rests on it. Gives it if it stood.
pub async fn withdraw(
    tx: &mut Tx,
    tenant: TenantId,
    user: UserId,
    client: &ClientId,
    now: Timestamp,
) -> Result<Option<Consent>, Fault> {
    const SQL: &str = concat!(
        "UPDATE consents SET withdrawn_at = $4, epoch = epoch + 1 \
         WHERE tenant_id = $1 AND user_id = $2 AND client_id = $3 AND withdrawn_at IS NULL RETURNING ",
        columns!()
    );
    on!(tx, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(user)
        .bind(client)
        .bind(now)
        .fetch_optional(conn))
}

/// An agreement by its id, if it stands.
pub async fn find_by_id(db: impl Into<Db<'_>>, tenant: TenantId, id: Uuid) -> Result<Option<Consent>, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM consents WHERE tenant_id = $1 AND id = $2 AND withdrawn_at IS NULL"
    );
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(id)
        .fetch_optional(conn))
}

/// Agreements that stand, newest first, of a user or a client or all. Ids sort by the time of the first agreement.
pub async fn list(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    user: Option<UserId>,
    client: Option<&ClientId>,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Consent>, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM consents WHERE tenant_id = $1 AND (user_id = $2 OR $2 IS NULL) AND (client_id = $3 OR $3 IS NULL) \
           AND id < $4 AND withdrawn_at IS NULL ORDER BY id DESC LIMIT $5"
    );
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(user)
        .bind(client)
        .bind(before.unwrap_or(Uuid::max()))
        .bind(limit)
        .fetch_all(conn))
}
