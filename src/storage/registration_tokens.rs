//! Initial access tokens (RFC 7591 §1.2): who may register clients, how many, and which.

use super::{Db, Tx, changed, on};
use crate::fault::Fault;
use crate::types::{GrantType, RegistrationTokenId, ScopeSet, TenantId, Timestamp, TokenHash};
use serde::{Deserialize, Serialize};
use sqlx::types::{Json, Uuid};

/// What clients that are registered with a token may have at most, below what the settings say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RegistrationBounds {
    /// Scopes; no bound where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<ScopeSet>,
    /// Grants; no bound where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_types: Option<Vec<GrantType>>,
    /// Hosts of redirect URIs, each exactly; no bound where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_hosts: Option<Vec<String>>,
}

/// An initial access token. The token itself is known to its holder alone.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct RegistrationToken {
    /// Whose it is.
    pub tenant_id: TenantId,
    /// By which it is listed and deleted.
    pub id: RegistrationTokenId,
    /// What it is for, in the operator's words.
    pub description: Option<String>,
    /// What clients that are registered with it may have at most.
    pub bounds: Json<RegistrationBounds>,
    /// How many clients it registers.
    pub max_uses: i64,
    /// How many it has registered.
    pub uses: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Stores a token by its hash.
pub async fn insert(db: impl Into<Db<'_>>, token: &RegistrationToken, hash: &TokenHash) -> Result<(), Fault> {
    const SQL: &str =
        "INSERT INTO registration_tokens (tenant_id, id, token_hash, description, bounds, max_uses,
            uses, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    changed!(
        db,
        sqlx::query(SQL)
            .bind(token.tenant_id)
            .bind(token.id)
            .bind(hash)
            .bind(&token.description)
            .bind(&token.bounds)
            .bind(token.max_uses)
            .bind(token.uses)
            .bind(token.created_at)
            .bind(token.expires_at)
    )?;
    Ok(())
}

/// The token with this hash, if it still registers clients.
pub async fn find_usable(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    hash: &TokenHash,
    now: Timestamp,
) -> Result<Option<RegistrationToken>, Fault> {
    const SQL: &str = "SELECT tenant_id, id, description, bounds, max_uses, uses, created_at, expires_at
        FROM registration_tokens
        WHERE tenant_id = $1 AND token_hash = $2 AND uses < max_uses AND expires_at > $3";
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(hash)
        .bind(now)
        .fetch_optional(conn))
}

/// Counts a use, in the transaction that registers the client. `false` when the token was used up, deleted or over
/// meanwhile: of two that come at once for the last use, one gets it.
pub async fn count_use(
    tx: &mut Tx,
    tenant: TenantId,
    id: RegistrationTokenId,
    now: Timestamp,
) -> Result<bool, Fault> {
    const SQL: &str = "UPDATE registration_tokens SET uses = uses + 1
        WHERE tenant_id = $1 AND id = $2 AND uses < max_uses AND expires_at > $3";
    Ok(changed!(tx, sqlx::query(SQL).bind(tenant).bind(id).bind(now))? == 1)
}

/// A token that has not expired.
pub async fn find(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    id: RegistrationTokenId,
    now: Timestamp,
) -> Result<Option<RegistrationToken>, Fault> {
    const SQL: &str = "SELECT tenant_id, id, description, bounds, max_uses, uses, created_at, expires_at
        FROM registration_tokens WHERE tenant_id = $1 AND id = $2 AND expires_at > $3";
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(id)
        .bind(now)
        .fetch_optional(conn))
}

/// A page of tokens that have not expired, newest first; `before` is the last one of the page before. Ids sort by time.
pub async fn list(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    before: Option<RegistrationTokenId>,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<RegistrationToken>, Fault> {
    const SQL: &str = "SELECT tenant_id, id, description, bounds, max_uses, uses, created_at, expires_at
        FROM registration_tokens
        WHERE tenant_id = $1 AND expires_at > $2 AND id < $3
        ORDER BY id DESC LIMIT $4";
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(now)
        .bind(before.unwrap_or(RegistrationTokenId(Uuid::max())))
        .bind(limit)
        .fetch_all(conn))
}

/// Deletes a token; clients that were registered with it stay. `false` when there is none.
pub async fn delete(tx: &mut Tx, tenant: TenantId, id: RegistrationTokenId) -> Result<bool, Fault> {
    const SQL: &str = "DELETE FROM registration_tokens WHERE tenant_id = $1 AND id = $2";
    Ok(changed!(tx, sqlx::query(SQL).bind(tenant).bind(id))? == 1)
}

/// Removes what has expired, at most `limit` rows.
pub async fn purge(db: impl Into<Db<'_>>, now: Timestamp, limit: i64) -> Result<u64, Fault> {
    const SQL: &str = "DELETE FROM registration_tokens WHERE (tenant_id, id) IN
        (SELECT tenant_id, id FROM registration_tokens WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
    changed!(db, sqlx::query(SQL).bind(now).bind(limit))
}
