//! Forgetting deleted tenants, in bounded portions. What is theirs in the audit log stays.

use crate::app::App;
use crate::fault::Fault;
use crate::storage::tenant_rows;
use crate::storage::tenants;
use crate::types::Timestamp;

/// Tenants of one run.
const TENANTS: i64 = 20;
/// Rows that one statement removes.
const PORTION: i64 = 500;
/// Statements of one run; what is left waits for the next.
const STATEMENTS: usize = 400;
/// So many seconds after its deletion a tenant is removed itself. Until then its rows are looked for again: a request
/// that another replica had begun while it still knew the tenant may have written some.
const SETTLED_S: i64 = 120;

/// Removes what is left of deleted tenants, and at last the tenants.
pub async fn run(app: &App, now: Timestamp) -> Result<(), Fault> {
    let mut left = STATEMENTS;
    for (tenant, deleted_at) in tenants::in_deletion(&mut app.store.read().await?, TENANTS).await? {
        for table in tenant_rows::ALL {
            loop {
                if left == 0 {
                    return Ok(());
                }
                left -= 1;
                let removed = table
                    .remove(&mut app.store.write().await?, tenant, PORTION)
                    .await?;
                if removed < PORTION as u64 {
                    break;
                }
            }
        }
        if now < deleted_at.plus_seconds(SETTLED_S) {
            continue;
        }
        let mut tx = app.store.begin().await?;
        tenant_rows::remove_tenant(&mut tx, tenant).await?;
        tx.commit().await?;
        tracing::info!(%tenant, "a deleted tenant is forgotten");
    }
    Ok(())
}
