//! Limits changed while running, and how much of a month's quota was used.

use super::{Db, changed, on};
use crate::config::Limit;
use crate::fault::Fault;
use crate::types::{ClientId, TenantId};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use std::collections::BTreeMap;

/// What of a limit is changed; what is absent stays as it is below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitChange {
    /// Requests per period, 1 to 10⁹.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// The period, 1 to 86400 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_seconds: Option<u32>,
    /// Requests at once, 1 to 10⁹; follows a changed rate where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
}

/// By tier, under its name in the configuration.
pub type Overrides = BTreeMap<String, LimitChange>;

/// What was changed over the configuration.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ChangedLimits {
    /// By tier.
    pub overrides: Json<Overrides>,
    /// Raised by every change of them.
    pub version: i64,
    /// Raised by every change of a plan.
    pub plans_version: i64,
}

impl LimitChange {
    /// The limit after the change.
    #[must_use]
    pub fn over(self, limit: Limit) -> Limit {
        let burst = self.burst.or(self.rate).unwrap_or(limit.burst);
        Limit {
            rate: self.rate.unwrap_or(limit.rate).max(1),
            period_s: self.period_seconds.unwrap_or(limit.period_s).max(1),
            burst: burst.max(1),
        }
    }
}

/// What is changed now.
pub async fn changes(db: impl Into<Db<'_>>) -> Result<ChangedLimits, Fault> {
    const SQL: &str = "SELECT overrides, version, plans_version FROM limit_changes WHERE id = 1";
    on!(db, |conn| sqlx::query_as(SQL).fetch_one(conn))
}

/// Changes limits, unless somebody else has since `version` was read. Gives whether it was done.
pub async fn change(db: impl Into<Db<'_>>, version: i64, overrides: &Overrides) -> Result<bool, Fault> {
    const SQL: &str =
        "UPDATE limit_changes SET overrides = $2, version = version + 1 WHERE id = 1 AND version = $1";
    let changed = changed!(db, sqlx::query(SQL).bind(version).bind(Json(overrides)))?;
    Ok(changed == 1)
}

/// Adds requests to a client's use of a month. Gives the use after it, of all replicas.
pub async fn use_quota(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    client: &ClientId,
    month: i64,
    count: i64,
) -> Result<i64, Fault> {
    const SQL: &str = "INSERT INTO quota_use (tenant_id, client_id, month, used) VALUES ($1, $2, $3, $4)
        ON CONFLICT (tenant_id, client_id, month) DO UPDATE SET used = quota_use.used + excluded.used
        RETURNING used";
    on!(db, |conn| sqlx::query_scalar(SQL)
        .bind(tenant)
        .bind(client)
        .bind(month)
        .bind(count)
        .fetch_one(conn))
}

/// A client's use of a month.
pub async fn quota_used(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    client: &ClientId,
    month: i64,
) -> Result<i64, Fault> {
    const SQL: &str = "SELECT used FROM quota_use WHERE tenant_id = $1 AND client_id = $2 AND month = $3";
    let found: Option<i64> = on!(db, |conn| sqlx::query_scalar(SQL)
        .bind(tenant)
        .bind(client)
        .bind(month)
        .fetch_optional(conn))?;
    Ok(found.unwrap_or(0))
}

/// Removes the use of months before `month`, `limit` rows at most. Gives how many there were.
pub async fn purge_quotas(db: impl Into<Db<'_>>, month: i64, limit: i64) -> Result<u64, Fault> {
    const SQL: &str = "DELETE FROM quota_use WHERE (tenant_id, client_id, month) IN
        (SELECT tenant_id, client_id, month FROM quota_use WHERE month < $1 ORDER BY month LIMIT $2)";
    changed!(db, sqlx::query(SQL).bind(month).bind(limit))
}
