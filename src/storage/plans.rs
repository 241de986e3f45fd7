//! Plans: what clients may be put on.

use super::limits::LimitChange;
use super::{Db, Tx, changed, on};
use crate::fault::Fault;
use crate::types::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;

/// What a plan says; what is absent is as for clients without a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanTerms {
    /// What the plan is, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Ordinary requests of a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard: Option<LimitChange>,
    /// Its exports and the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expensive: Option<LimitChange>,
    /// Each of its sensitive operations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensitive: Option<LimitChange>,
    /// Requests with one of its API keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_key: Option<LimitChange>,
    /// Requests in a calendar month, 1 to 10⁹.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly_quota: Option<u32>,
    /// Requests in one second, 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spike_rate: Option<u32>,
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Plan {
    /// Whose clients may be put on it.
    pub tenant_id: TenantId,
    /// Its name.
    pub name: String,
    /// What it says.
    pub terms: Json<PlanTerms>,
    /// Raised by every change.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// How many plans a tenant may have. Every replica keeps those of all tenants in memory, so that no tenant may make others
/// go without theirs.
pub const MAX_OF_TENANT: i64 = 100;

/// How many plans a tenant has.
pub async fn count(tx: &mut Tx, tenant: TenantId) -> Result<i64, Fault> {
    const SQL: &str = "SELECT count(*) FROM plans WHERE tenant_id = $1";
    on!(tx, |conn| sqlx::query_scalar(SQL).bind(tenant).fetch_one(conn))
}

/// Plans of all tenants, `limit` at most.
pub async fn all(db: impl Into<Db<'_>>, limit: i64) -> Result<Vec<Plan>, Fault> {
    const SQL: &str = "SELECT tenant_id, name, terms, version, created_at, updated_at FROM plans
        ORDER BY tenant_id, name LIMIT $1";
    on!(db, |conn| sqlx::query_as(SQL).bind(limit).fetch_all(conn))
}

/// Plans of a tenant, newest first, `limit` at most, older than the place `after`.
pub async fn list(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    after: Option<&(Timestamp, String)>,
    limit: i64,
) -> Result<Vec<Plan>, Fault> {
    const SQL: &str = "SELECT tenant_id, name, terms, version, created_at, updated_at FROM plans
        WHERE tenant_id = $1 AND (created_at < $2 OR created_at = $2 AND name < $3)
        ORDER BY created_at DESC, name DESC LIMIT $4";
    let end = (Timestamp::from_micros(253_402_300_799_000_000), String::new());
    let (created_at, name) = after.unwrap_or(&end);
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(*created_at)
        .bind(name)
        .bind(limit)
        .fetch_all(conn))
}

/// The plan of that name.
pub async fn find(db: impl Into<Db<'_>>, tenant: TenantId, name: &str) -> Result<Option<Plan>, Fault> {
    const SQL: &str = "SELECT tenant_id, name, terms, version, created_at, updated_at FROM plans
        WHERE tenant_id = $1 AND name = $2";
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(name)
        .fetch_optional(conn))
}

/// Writes a new plan. Gives whether the name was free.
pub async fn insert(db: impl Into<Db<'_>>, plan: &Plan) -> Result<bool, Fault> {
    const SQL: &str = "INSERT INTO plans (tenant_id, name, terms, version, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT DO NOTHING";
    let inserted = changed!(
        db,
        sqlx::query(SQL)
            .bind(plan.tenant_id)
            .bind(&plan.name)
            .bind(&plan.terms)
            .bind(plan.version)
            .bind(plan.created_at)
    )?;
    Ok(inserted == 1)
}

/// Writes changed terms, unless somebody else has changed the plan since it was read. Gives whether it was done.
pub async fn update(
    db: impl Into<Db<'_>>,
    plan: &Plan,
    terms: &PlanTerms,
    now: Timestamp,
) -> Result<bool, Fault> {
    const SQL: &str = "UPDATE plans SET terms = $4, version = version + 1, updated_at = $5
        WHERE tenant_id = $1 AND name = $2 AND version = $3";
    let updated = changed!(
        db,
        sqlx::query(SQL)
            .bind(plan.tenant_id)
            .bind(&plan.name)
            .bind(plan.version)
            .bind(Json(terms))
            .bind(now)
    )?;
    Ok(updated == 1)
}

/// Deletes a plan that no client is on. Gives whether it was done.
pub async fn delete(db: impl Into<Db<'_>>, plan: &Plan) -> Result<bool, Fault> {
    const SQL: &str = "DELETE FROM plans WHERE tenant_id = $1 AND name = $2 AND version = $3
            AND NOT EXISTS (SELECT 1 FROM clients
                WHERE clients.tenant_id = $1 AND clients.metadata ->> 'plan' = $2)";
    let deleted = changed!(
        db,
        sqlx::query(SQL)
            .bind(plan.tenant_id)
            .bind(&plan.name)
            .bind(plan.version)
    )?;
    Ok(deleted == 1)
}

/// Tells all replicas that plans have changed; in the transaction that changes them.
pub async fn announce(db: impl Into<Db<'_>>) -> Result<(), Fault> {
    const SQL: &str = "UPDATE limit_changes SET plans_version = plans_version + 1 WHERE id = 1";
    changed!(db, sqlx::query(SQL)).map(drop)
}
