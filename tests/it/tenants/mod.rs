//! Tenants: each is an issuer of its own, and nothing of one is anything in another.

mod routing;

use crate::support::TestApp;
use grantor::storage::tenants::{self, TenantRow};
use grantor::types::{TenantId, TenantName};

/// A tenant with keys and nothing else.
pub async fn bare_tenant(app: &TestApp, name: &str, enabled: bool) -> TenantId {
    let (parts, now) = (&app.app, app.now());
    let row = TenantRow {
        id: TenantId(parts.entropy.uuid_v7(now).unwrap()),
        name: TenantName::parse(name).unwrap(),
        enabled,
        settings: Default::default(),
        version: 1,
        created_at: now,
    };
    let inserted = tenants::insert(&mut parts.store.write().await.unwrap(), &row).await;
    assert!(inserted.unwrap(), "the name is taken");
    parts.keys.ensure(row.id, now).await.unwrap();
    parts.tenants.invalidate();
    row.id
}
