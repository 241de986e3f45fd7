//! Keys that sign tokens.

use super::{Db, changed, on};
use crate::fault::Fault;
use crate::sealed::Wrapped;
use crate::types::{Algorithm, Kid, TenantId, Timestamp};
use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;
use std::fmt;

/// What a key is used for at present. A key only ever moves down this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Known to everybody, not yet used.
    Next,
    /// In use.
    Active,
    /// No longer used, but what was made with it may still be valid.
    Retiring,
    /// Out of the published set; an `id_token_hint` may still have been signed with it.
    Retired,
    /// Compromised: nothing that it signed counts.
    Revoked,
}

/// A signing key. [`SigningKeyRow::wrapped`] is there while the key is `next` or `active`.
#[derive(Clone, PartialEq, sqlx::FromRow)]
pub struct SigningKeyRow {
    /// Its id, unique for all time.
    pub kid: Kid,
    /// The one algorithm that it is for.
    pub alg: Algorithm,
    /// What it is used for.
    pub state: KeyState,
    /// The public key as it is published.
    pub public_jwk: Json<Value>,
    wrapped: Option<Vec<u8>>,
    master_key_id: Option<String>,
    /// Since when it is published.
    pub created_at: Timestamp,
    /// When somebody asked that it become active.
    pub activates_at: Option<Timestamp>,
    /// When it became active.
    pub activated_at: Option<Timestamp>,
    /// When it stopped signing.
    pub retired_at: Option<Timestamp>,
    /// When it leaves its present state.
    pub expires_at: Option<Timestamp>,
}

impl SigningKeyRow {
    /// A key that was just made.
    pub fn new(
        kid: Kid,
        alg: Algorithm,
        state: KeyState,
        public_jwk: Value,
        wrapped: Wrapped,
        now: Timestamp,
    ) -> Self {
        Self {
            kid,
            alg,
            state,
            public_jwk: Json(public_jwk),
            wrapped: Some(wrapped.bytes),
            master_key_id: Some(wrapped.master_key_id),
            created_at: now,
            activates_at: None,
            activated_at: (state == KeyState::Active).then_some(now),
            retired_at: None,
            expires_at: None,
        }
    }

    /// The private key, where the key still has one.
    pub fn wrapped(&self) -> Option<Wrapped> {
        Some(Wrapped {
            master_key_id: self.master_key_id.clone()?,
            bytes: self.wrapped.clone()?,
        })
    }
}

impl fmt::Debug for SigningKeyRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKeyRow({} {} {:?})", self.alg, self.kid, self.state)
    }
}

/// All keys of a tenant, oldest first.
pub async fn list(db: impl Into<Db<'_>>, tenant: TenantId) -> Result<Vec<SigningKeyRow>, Fault> {
    const SQL: &str = "SELECT kid, alg, state, public_jwk, wrapped, master_key_id, created_at, activates_at,
            activated_at, retired_at, expires_at
        FROM signing_keys WHERE tenant_id = $1 ORDER BY created_at, kid";
    on!(db, |conn| sqlx::query_as(SQL).bind(tenant).fetch_all(conn))
}

/// Adds a key. `false` when there is one already for this algorithm in this state.
pub async fn insert(db: impl Into<Db<'_>>, tenant: TenantId, key: &SigningKeyRow) -> Result<bool, Fault> {
    const SQL: &str =
        "INSERT INTO signing_keys (tenant_id, kid, alg, state, public_jwk, wrapped, master_key_id,
            created_at, activates_at, activated_at, retired_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL, $9, NULL, NULL)
        ON CONFLICT DO NOTHING";
    let inserted = changed!(
        db,
        sqlx::query(SQL)
            .bind(tenant)
            .bind(&key.kid)
            .bind(key.alg)
            .bind(key.state)
            .bind(&key.public_jwk)
            .bind(&key.wrapped)
            .bind(&key.master_key_id)
            .bind(key.created_at)
            .bind(key.activated_at)
    )?;
    Ok(inserted == 1)
}

/// Says when a `next` key becomes active. An earlier time that was said before stays. `false` when it is `next` no more.
pub async fn schedule(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    kid: &Kid,
    activates_at: Timestamp,
) -> Result<bool, Fault> {
    const SQL: &str = "UPDATE signing_keys SET activates_at =
            CASE WHEN activates_at < $1 THEN activates_at ELSE $1 END
        WHERE tenant_id = $2 AND kid = $3 AND state = 'next'";
    let changed = changed!(db, sqlx::query(SQL).bind(activates_at).bind(tenant).bind(kid))?;
    Ok(changed == 1)
}

/// Makes a `next` key active. `false` when it is `next` no more.
pub async fn activate(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    kid: &Kid,
    now: Timestamp,
) -> Result<bool, Fault> {
    const SQL: &str = "UPDATE signing_keys SET state = 'active', activated_at = $1
        WHERE tenant_id = $2 AND kid = $3 AND state = 'next'";
    let changed = changed!(db, sqlx::query(SQL).bind(now).bind(tenant).bind(kid))?;
    Ok(changed == 1)
}

/// A move of a key to where it does not sign any more.
#[derive(Clone, Copy, Debug)]
pub struct Stop<'a> {
    /// Which key.
    pub kid: &'a Kid,
    /// The state that it must be in.
    pub from: KeyState,
    /// The state that it comes to.
    pub to: KeyState,
    /// When it leaves that one.
    pub expires_at: Timestamp,
}

/// Moves a key to where it does not sign any more, and forgets its private part. `false` when it is in another state.
pub async fn stop(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    stop: Stop<'_>,
    now: Timestamp,
) -> Result<bool, Fault> {
    const SQL: &str = "UPDATE signing_keys SET state = $1, expires_at = $2, activates_at = NULL,
            retired_at = COALESCE(retired_at, $3), wrapped = NULL, master_key_id = NULL
        WHERE tenant_id = $4 AND kid = $5 AND state = $6";
    let changed = changed!(
        db,
        sqlx::query(SQL)
            .bind(stop.to)
            .bind(stop.expires_at)
            .bind(now)
            .bind(tenant)
            .bind(stop.kid)
            .bind(stop.from)
    )?;
    Ok(changed == 1)
}

/// Removes the keys of a tenant that nothing can name any more.
pub async fn purge(db: impl Into<Db<'_>>, tenant: TenantId, now: Timestamp) -> Result<u64, Fault> {
    const SQL: &str = "DELETE FROM signing_keys
        WHERE tenant_id = $1 AND state IN ('retired', 'revoked') AND expires_at <= $2";
    changed!(db, sqlx::query(SQL).bind(tenant).bind(now))
}

/// Up to `limit` tenants with signing or purpose keys that have something due: an asked-for activation, a key that came
/// into use at `active_since` or before (the key of personal data: `data_active_since`), the end of a state, a missing
/// successor.
pub async fn tenants_due(
    db: impl Into<Db<'_>>,
    now: Timestamp,
    active_since: Timestamp,
    data_active_since: Timestamp,
    limit: i64,
) -> Result<Vec<TenantId>, Fault> {
    // Each part has an index that it alone reads, so that no key is. Of 'active' and 'next', 'next' is the greater.
    const SQL: &str = "SELECT tenant_id FROM signing_keys WHERE expires_at <= $1
        UNION SELECT tenant_id FROM signing_keys WHERE activates_at <= $1
        UNION SELECT tenant_id FROM signing_keys WHERE state = 'active' AND activated_at <= $2
        UNION SELECT tenant_id FROM signing_keys WHERE state IN ('active', 'next')
            GROUP BY tenant_id, alg HAVING max(state) = 'active'
        UNION SELECT tenant_id FROM purpose_keys WHERE expires_at <= $1
        UNION SELECT tenant_id FROM purpose_keys
            WHERE state = 'active' AND activated_at <= $2 AND purpose IN ('mac', 'seal', 'enc_rsa', 'enc_ec')
        UNION SELECT tenant_id FROM purpose_keys
            WHERE state = 'active' AND activated_at <= $3 AND purpose = 'data'
        LIMIT $4";
    on!(db, |conn| sqlx::query_scalar(SQL)
        .bind(now)
        .bind(active_since)
        .bind(data_active_since)
        .bind(limit)
        .fetch_all(conn))
}

/// Tenants that have no active key of this algorithm, `limit` at most.
pub async fn tenants_without(
    db: impl Into<Db<'_>>,
    alg: Algorithm,
    limit: i64,
) -> Result<Vec<TenantId>, Fault> {
    const SQL: &str = "SELECT id FROM tenants WHERE deleted_at IS NULL AND NOT EXISTS (
            SELECT 1 FROM signing_keys AS k WHERE k.tenant_id = tenants.id AND k.alg = $1 AND k.state = 'active')
        LIMIT $2";
    on!(db, |conn| sqlx::query_scalar(SQL)
        .bind(alg)
        .bind(limit)
        .fetch_all(conn))
}

/// Tenants that have a key of this algorithm which signs or is going to, `limit` at most.
pub async fn tenants_with(db: impl Into<Db<'_>>, alg: Algorithm, limit: i64) -> Result<Vec<TenantId>, Fault> {
    const SQL: &str = "SELECT DISTINCT tenant_id FROM signing_keys
        WHERE alg = $1 AND state IN ('active', 'next') LIMIT $2";
    on!(db, |conn| sqlx::query_scalar(SQL)
        .bind(alg)
        .bind(limit)
        .fetch_all(conn))
}

/// The master keys under which signing and purpose keys of any tenant are wrapped. However many keys there are, one place
/// of the index is looked at for each master key.
pub async fn master_key_ids(db: impl Into<Db<'_>>) -> Result<Vec<String>, Fault> {
    const SQL: &str = "WITH RECURSIVE signing (id) AS (
            SELECT min(master_key_id) FROM signing_keys
            UNION ALL SELECT (SELECT min(master_key_id) FROM signing_keys WHERE master_key_id > signing.id)
                FROM signing WHERE signing.id IS NOT NULL
        ), purpose (id) AS (
            SELECT min(master_key_id) FROM purpose_keys
            UNION ALL SELECT (SELECT min(master_key_id) FROM purpose_keys WHERE master_key_id > purpose.id)
                FROM purpose WHERE purpose.id IS NOT NULL
        )
        SELECT id FROM signing WHERE id IS NOT NULL UNION SELECT id FROM purpose WHERE id IS NOT NULL ORDER BY 1";
    on!(db, |conn| sqlx::query_scalar(SQL).fetch_all(conn))
}

/// Up to `limit` keys of any tenant that are wrapped under another master key than this one.
pub async fn wrapped_otherwise(
    db: impl Into<Db<'_>>,
    master_key_id: &str,
    limit: i64,
) -> Result<Vec<(TenantId, Kid, Algorithm, Vec<u8>, String)>, Fault> {
    const SQL: &str = "SELECT tenant_id, kid, alg, wrapped, master_key_id FROM signing_keys
        WHERE wrapped IS NOT NULL AND master_key_id <> $1 ORDER BY tenant_id, kid LIMIT $2";
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(master_key_id)
        .bind(limit)
        .fetch_all(conn))
}

/// Puts a private key under another master key. `false` when it was changed meanwhile.
pub async fn rewrap(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    kid: &Kid,
    old: &Wrapped,
    new: &Wrapped,
) -> Result<bool, Fault> {
    const SQL: &str = "UPDATE signing_keys SET wrapped = $1, master_key_id = $2
        WHERE tenant_id = $3 AND kid = $4 AND wrapped = $5";
    let changed = changed!(
        db,
        sqlx::query(SQL)
            .bind(&new.bytes)
            .bind(&new.master_key_id)
            .bind(tenant)
            .bind(kid)
            .bind(&old.bytes)
    )?;
    Ok(changed == 1)
}
