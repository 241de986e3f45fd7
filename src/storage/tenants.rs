//! Tenants.

use super::{Db, Tx, changed, on};
use crate::config::{RegistrationConfig, RegistrationMode};
use crate::fault::Fault;
use crate::types::{GrantType, ScopeSet, TenantId, TenantName, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;

/// A tenant as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct TenantRow {
    /// Its id.
    pub id: TenantId,
    /// Its name, which stands in its URLs.
    pub name: TenantName,
    /// A disabled tenant serves nothing.
    pub enabled: bool,
    /// What its administrators may set.
    pub settings: Json<TenantSettings>,
    /// Raised by every change; the `ETag`.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a tenant may have otherwise than others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TenantSettings {
    /// What it is called on pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// A picture for its pages, https.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    /// The colour of buttons and links, `#rrggbb`; text on it is made legible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accent_color: Option<String>,
    /// The language of pages for those who state none (BCP 47).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_locale: Option<String>,
    /// What of the server's settings for clients that register themselves is otherwise in this tenant.
    #[serde(skip_serializing_if = "RegistrationSettings::is_empty")]
    pub registration: RegistrationSettings,
}

/// Members of [`RegistrationConfig`] that take the place of the server's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RegistrationSettings {
    /// Who may register clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<RegistrationMode>,
    /// Scopes that such a client may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<ScopeSet>,
    /// Grants that such a client may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_types: Option<Vec<GrantType>>,
    /// Whether it needs PKCE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_pkce: Option<bool>,
    /// Whether people are asked before it gets tokens for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_consent: Option<bool>,
    /// How many of them the tenant may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_clients: Option<i64>,
    /// After so many days without a token one is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unused_days: Option<i64>,
}

impl RegistrationSettings {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What holds in the tenant. `server` is what holds where it says nothing.
    pub fn over(&self, server: &RegistrationConfig) -> RegistrationConfig {
        RegistrationConfig {
            mode: self.mode.unwrap_or(server.mode),
            scopes: self.scope.as_ref().unwrap_or(&server.scopes).clone(),
            grant_types: self.grant_types.as_ref().unwrap_or(&server.grant_types).clone(),
            require_pkce: self.require_pkce.unwrap_or(server.require_pkce),
            require_consent: self.require_consent.unwrap_or(server.require_consent),
            max_clients: self.max_clients.unwrap_or(server.max_clients),
            unused_days: self.unused_days.unwrap_or(server.unused_days),
        }
    }
}

/// Makes the first tenant, once.
pub async fn ensure_first(db: impl Into<Db<'_>>, now: Timestamp) -> Result<(), Fault> {
    const SQL: &str = "INSERT INTO tenants (id, name, enabled, settings, version, created_at)
        VALUES ($1, 'default', TRUE, '{}', 1, $2)
        ON CONFLICT DO NOTHING";
    changed!(db, sqlx::query(SQL).bind(TenantId::FIRST).bind(now))?;
    Ok(())
}

/// Makes a tenant. `false` when the name is taken.
pub async fn insert(db: impl Into<Db<'_>>, tenant: &TenantRow) -> Result<bool, Fault> {
    const SQL: &str = "INSERT INTO tenants (id, name, enabled, settings, version, created_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT DO NOTHING";
    let inserted = changed!(
        db,
        sqlx::query(SQL)
            .bind(tenant.id)
            .bind(&tenant.name)
            .bind(tenant.enabled)
            .bind(&tenant.settings)
            .bind(tenant.version)
            .bind(tenant.created_at)
    )?;
    Ok(inserted > 0)
}

/// Lets what is counted in one tenant be made one after another until the end of the transaction, so that nothing that
/// comes at the same time goes uncounted. The tenant's row serves as the turnstile; it stays as it is.
pub async fn take_turn(tx: &mut Tx, tenant: TenantId) -> Result<(), Fault> {
    const SQL: &str = "UPDATE tenants SET version = version WHERE id = $1";
    changed!(tx, sqlx::query(SQL).bind(tenant))?;
    Ok(())
}

/// Finds the tenant with this id.
pub async fn find(db: impl Into<Db<'_>>, id: TenantId) -> Result<Option<TenantRow>, Fault> {
    const SQL: &str = "SELECT id, name, enabled, settings, version, created_at FROM tenants
        WHERE id = $1 AND deleted_at IS NULL";
    on!(db, |conn| sqlx::query_as(SQL).bind(id).fetch_optional(conn))
}

/// Finds the tenant of this name.
pub async fn find_by_name(db: impl Into<Db<'_>>, name: &TenantName) -> Result<Option<TenantRow>, Fault> {
    const SQL: &str = "SELECT id, name, enabled, settings, version, created_at FROM tenants
        WHERE name = $1 AND deleted_at IS NULL";
    on!(db, |conn| sqlx::query_as(SQL).bind(name).fetch_optional(conn))
}

/// Where a page of tenants starts: after this one.
#[derive(Clone, Copy, Debug)]
pub struct After {
    /// When it was made.
    pub created_at: Timestamp,
    /// Its id.
    pub id: TenantId,
}

/// Lists tenants, newest first.
pub async fn list(db: impl Into<Db<'_>>, after: Option<After>, limit: i64) -> Result<Vec<TenantRow>, Fault> {
    const SQL: &str = "SELECT id, name, enabled, settings, version, created_at FROM tenants
        WHERE deleted_at IS NULL AND ($1 OR (created_at, id) < ($2, $3))
        ORDER BY created_at DESC, id DESC LIMIT $4";
    let place = after.unwrap_or(After {
        created_at: Timestamp::from_micros(0),
        id: TenantId::FIRST,
    });
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(after.is_none())
        .bind(place.created_at)
        .bind(place.id)
        .bind(limit)
        .fetch_all(conn))
}

/// Changes a tenant in the version that was read. `false` when it was changed meanwhile.
pub async fn update(db: impl Into<Db<'_>>, tenant: &TenantRow) -> Result<bool, Fault> {
    const SQL: &str = "UPDATE tenants SET enabled = $3, settings = $4, version = version + 1
        WHERE id = $1 AND version = $2 AND deleted_at IS NULL";
    let updated = changed!(
        db,
        sqlx::query(SQL)
            .bind(tenant.id)
            .bind(tenant.version)
            .bind(tenant.enabled)
            .bind(&tenant.settings)
    )?;
    Ok(updated > 0)
}

/// Begins to delete a tenant, in the version that was read: from here on nobody finds it, and its name is free. `false`
/// when it was changed meanwhile. The first tenant cannot be deleted.
pub async fn begin_deletion(
    db: impl Into<Db<'_>>,
    tenant: &TenantRow,
    now: Timestamp,
) -> Result<bool, Fault> {
    const SQL: &str = "UPDATE tenants SET deleted_at = $3, enabled = FALSE, name = $4, version = version + 1
        WHERE id = $1 AND version = $2 AND id <> $5 AND deleted_at IS NULL";
    let begun = changed!(
        db,
        sqlx::query(SQL)
            .bind(tenant.id)
            .bind(tenant.version)
            .bind(now)
            // No tenant can be called so.
            .bind(format!("deleted:{}", tenant.id))
            .bind(TenantId::FIRST)
    )?;
    Ok(begun > 0)
}

/// Tenants that are being deleted and since when, `limit` at most.
pub async fn in_deletion(db: impl Into<Db<'_>>, limit: i64) -> Result<Vec<(TenantId, Timestamp)>, Fault> {
    const SQL: &str =
        "SELECT id, deleted_at FROM tenants WHERE deleted_at IS NOT NULL ORDER BY deleted_at LIMIT $1";
    on!(db, |conn| sqlx::query_as(SQL).bind(limit).fetch_all(conn))
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
