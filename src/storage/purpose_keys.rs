//! Random keys of the server's own.

use super::signing_keys::KeyState;
use super::{Db, changed, on};
use crate::fault::Fault;
use crate::sealed::Wrapped;
use crate::types::{TenantId, Timestamp};
use std::fmt;

/// What a key is for. One key never serves two purposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Purpose {
    /// Authenticating codes and refresh tokens. Rotated.
    Mac,
    /// Sealing what travels through a browser: requests, cookies, cursors. Rotated.
    Seal,
    /// Sealing personal data in the database. Rotated; what an older key sealed is sealed anew.
    Data,
    /// Finding sealed personal data by its HMAC.
    BlindIndex,
    /// Identifiers that differ for every client: pairwise `sub`, `sid`.
    Pairwise,
    /// Signing checkpoints of the audit log (Ed25519). Of the first tenant only.
    Audit,
    /// Reading what clients encrypt to the server, by RSA. The public half of the key in use is published. Rotated.
    EncRsa,
    /// The same, by agreement on a key over P-256. Rotated.
    EncEc,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 8] = [
        Self::Mac,
        Self::Seal,
        Self::Data,
        Self::BlindIndex,
        Self::Pairwise,
        Self::Audit,
        Self::EncRsa,
        Self::EncEc,
    ];

    /// The name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mac => "mac",
            Self::Seal => "seal",
            Self::Data => "data",
            Self::BlindIndex => "blind_index",
            Self::Pairwise => "pairwise",
            Self::Audit => "audit",
            Self::EncRsa => "enc_rsa",
            Self::EncEc => "enc_ec",
        }
    }

    /// Whether its keys are replaced by schedule. What the others made has no end, so that their keys have none.
    pub const fn is_rotated(self) -> bool {
        matches!(self, Self::Mac | Self::Seal | Self::Data) || self.is_encryption()
    }

    /// Whether others encrypt to its keys: then they are key pairs, of which one half is published.
    pub const fn is_encryption(self) -> bool {
        matches!(self, Self::EncRsa | Self::EncEc)
    }
}

/// A purpose key.
#[derive(Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct PurposeKeyRow {
    /// Its id, which stands beside whatever was made with it.
    pub id: String,
    /// What it is for.
    pub purpose: Purpose,
    /// `next`, `active` or `retiring`.
    pub state: KeyState,
    wrapped: Vec<u8>,
    master_key_id: String,
    /// Since when every replica can know it.
    pub created_at: Timestamp,
    /// When it came into use.
    pub activated_at: Option<Timestamp>,
    /// When a `retiring` key is removed.
    pub expires_at: Option<Timestamp>,
}

impl PurposeKeyRow {
    /// A key that was just made.
    pub fn new(id: String, purpose: Purpose, state: KeyState, wrapped: Wrapped, now: Timestamp) -> Self {
        Self {
            id,
            purpose,
            state,
            wrapped: wrapped.bytes,
            master_key_id: wrapped.master_key_id,
            created_at: now,
            activated_at: (state == KeyState::Active).then_some(now),
            expires_at: None,
        }
    }

    /// The key as it lies in the database.
    pub fn wrapped(&self) -> Wrapped {
        Wrapped {
            master_key_id: self.master_key_id.clone(),
            bytes: self.wrapped.clone(),
        }
    }
}

impl fmt::Debug for PurposeKeyRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PurposeKeyRow({:?} {} {:?})",
            self.purpose, self.id, self.state
        )
    }
}

/// All keys of a tenant, oldest first.
pub async fn list(db: impl Into<Db<'_>>, tenant: TenantId) -> Result<Vec<PurposeKeyRow>, Fault> {
    const SQL: &str =
        "SELECT id, purpose, state, wrapped, master_key_id, created_at, activated_at, expires_at
        FROM purpose_keys WHERE tenant_id = $1 ORDER BY created_at, id";
    on!(db, |conn| sqlx::query_as(SQL).bind(tenant).fetch_all(conn))
}

/// Tenants that have no active key for this purpose, `limit` at most.
pub async fn tenants_without(
    db: impl Into<Db<'_>>,
    purpose: Purpose,
    limit: i64,
) -> Result<Vec<TenantId>, Fault> {
    const SQL: &str = "SELECT id FROM tenants WHERE deleted_at IS NULL AND NOT EXISTS (
            SELECT 1 FROM purpose_keys AS k WHERE k.tenant_id = tenants.id AND k.purpose = $1 AND k.state = 'active')
        LIMIT $2";
    on!(db, |conn| sqlx::query_scalar(SQL)
        .bind(purpose)
        .bind(limit)
        .fetch_all(conn))
}

/// Adds a key. `false` when there is one already for this purpose in this state.
pub async fn insert(db: impl Into<Db<'_>>, tenant: TenantId, key: &PurposeKeyRow) -> Result<bool, Fault> {
    const SQL: &str =
        "INSERT INTO purpose_keys (tenant_id, id, purpose, state, wrapped, master_key_id, created_at,
            activated_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL)
        ON CONFLICT DO NOTHING";
    let inserted = changed!(
        db,
        sqlx::query(SQL)
            .bind(tenant)
            .bind(&key.id)
            .bind(key.purpose)
            .bind(key.state)
            .bind(&key.wrapped)
            .bind(&key.master_key_id)
            .bind(key.created_at)
            .bind(key.activated_at)
    )?;
    Ok(inserted == 1)
}

/// Takes an active key out of use until it is removed at `expires_at`. `false` when it is active no more.
pub async fn retire(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    id: &str,
    expires_at: Timestamp,
) -> Result<bool, Fault> {
    const SQL: &str = "UPDATE purpose_keys SET state = 'retiring', expires_at = $1
        WHERE tenant_id = $2 AND id = $3 AND state = 'active'";
    let changed = changed!(db, sqlx::query(SQL).bind(expires_at).bind(tenant).bind(id))?;
    Ok(changed == 1)
}

/// Brings a `next` key into use. `false` when it is `next` no more.
pub async fn activate(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    id: &str,
    now: Timestamp,
) -> Result<bool, Fault> {
    const SQL: &str = "UPDATE purpose_keys SET state = 'active', activated_at = $1
        WHERE tenant_id = $2 AND id = $3 AND state = 'next'";
    let changed = changed!(db, sqlx::query(SQL).bind(now).bind(tenant).bind(id))?;
    Ok(changed == 1)
}

/// Removes the keys of a tenant with which nothing that is still valid was made. A key that still seals somebody's
/// personal data stays, however long that takes.
pub async fn purge(db: impl Into<Db<'_>>, tenant: TenantId, now: Timestamp) -> Result<u64, Fault> {
    const SQL: &str =
        "DELETE FROM purpose_keys WHERE tenant_id = $1 AND state = 'retiring' AND expires_at <= $2
            AND NOT EXISTS (SELECT 1 FROM users
                WHERE users.tenant_id = purpose_keys.tenant_id AND users.sealed_with = purpose_keys.id)";
    changed!(db, sqlx::query(SQL).bind(tenant).bind(now))
}

/// Ends every key of a purpose that only checks what it made earlier.
pub async fn end_retiring(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    purpose: Purpose,
    now: Timestamp,
) -> Result<u64, Fault> {
    const SQL: &str = "UPDATE purpose_keys SET expires_at = $1
        WHERE tenant_id = $2 AND purpose = $3 AND state = 'retiring'";
    changed!(db, sqlx::query(SQL).bind(now).bind(tenant).bind(purpose))
}

/// Up to `limit` keys of any tenant that are wrapped under another master key than this one.
pub async fn wrapped_otherwise(
    db: impl Into<Db<'_>>,
    master_key_id: &str,
    limit: i64,
) -> Result<Vec<(TenantId, String, Purpose, Vec<u8>, String)>, Fault> {
    const SQL: &str = "SELECT tenant_id, id, purpose, wrapped, master_key_id FROM purpose_keys
        WHERE master_key_id <> $1 ORDER BY tenant_id, id LIMIT $2";
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(master_key_id)
        .bind(limit)
        .fetch_all(conn))
}

/// Puts a key under another master key. `false` when it was changed meanwhile.
pub async fn rewrap(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    id: &str,
    old: &Wrapped,
    new: &Wrapped,
) -> Result<bool, Fault> {
    const SQL: &str = "UPDATE purpose_keys SET wrapped = $1, master_key_id = $2
        WHERE tenant_id = $3 AND id = $4 AND wrapped = $5";
    let changed = changed!(
        db,
        sqlx::query(SQL)
            .bind(&new.bytes)
            .bind(&new.master_key_id)
            .bind(tenant)
            .bind(id)
            .bind(&old.bytes)
    )?;
    Ok(changed == 1)
}
