//! Tenants: each is an issuer of its own, and nothing of one is anything in another.

mod admin;
mod command;
mod crossing;
mod life;
mod registration;
mod routing;
mod thousand;

use crate::support::TestApp;
use grantor::storage::Conn;
use grantor::storage::tenants::{self, TenantRow};
use grantor::types::{TenantId, TenantName};
use sqlx::AssertSqlSafe;

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

/// So many tenants with nothing at all, not even keys, called `{prefix}-{number}`.
pub async fn add_empty_tenants(app: &TestApp, prefix: &str, many: usize) -> Vec<TenantId> {
    let (parts, now) = (&app.app, app.now());
    let mut made = Vec::new();
    let mut tx = parts.store.begin().await.unwrap();
    for number in 0..many {
        let row = TenantRow {
            id: TenantId(parts.entropy.uuid_v7(now).unwrap()),
            name: TenantName::parse(&format!("{prefix}-{number}")).unwrap(),
            enabled: true,
            settings: Default::default(),
            version: 1,
            created_at: now,
        };
        assert!(tenants::insert(&mut tx, &row).await.unwrap(), "the name is taken");
        made.push(row.id);
    }
    tx.commit().await.unwrap();
    parts.tenants.invalidate();
    made
}

/// Rows of a table that belong to a tenant.
async fn count(app: &TestApp, table: &str, tenant: &str) -> i64 {
    let tenant: TenantId = tenant.parse().unwrap();
    let sql = AssertSqlSafe(format!("SELECT count(*) FROM {table} WHERE tenant_id = $1"));
    match app.app.store.read().await.unwrap() {
        Conn::Postgres(mut conn, _) => sqlx::query_scalar(sql).bind(tenant).fetch_one(&mut *conn).await,
        Conn::Sqlite(mut conn, _) => sqlx::query_scalar(sql).bind(tenant).fetch_one(&mut *conn).await,
    }
    .unwrap()
}

/// Every row of a table that belongs to a tenant, as text and in a fixed order.
async fn rows_of(app: &TestApp, table: &str, tenant: TenantId) -> Vec<String> {
    match app.app.store.read().await.unwrap() {
        Conn::Postgres(mut conn, _) => {
            let sql = format!("SELECT t::text FROM {table} AS t WHERE tenant_id = $1 ORDER BY 1");
            sqlx::query_scalar(AssertSqlSafe(sql))
                .bind(tenant)
                .fetch_all(&mut *conn)
                .await
        }
        Conn::Sqlite(mut conn, _) => {
            let columns = AssertSqlSafe(format!("SELECT name FROM pragma_table_info('{table}')"));
            let columns: Vec<String> = sqlx::query_scalar(columns).fetch_all(&mut *conn).await.unwrap();
            let columns: Vec<_> = columns.iter().map(|column| format!("quote({column})")).collect();
            let row = columns.join(" || ',' || ");
            let sql = format!("SELECT {row} FROM {table} WHERE tenant_id = $1 ORDER BY 1");
            sqlx::query_scalar(AssertSqlSafe(sql))
                .bind(tenant)
                .fetch_all(&mut *conn)
                .await
        }
    }
    .unwrap()
}

/// Tables of the main database that have a column `tenant_id`.
async fn tables_with_tenant(app: &TestApp) -> Vec<String> {
    match app.app.store.read().await.unwrap() {
        Conn::Postgres(mut conn, _) => {
            let sql = "SELECT table_name::text FROM information_schema.columns
                WHERE column_name = 'tenant_id' AND table_schema = 'public' ORDER BY 1";
            sqlx::query_scalar(sql).fetch_all(&mut *conn).await
        }
        Conn::Sqlite(mut conn, _) => {
            let sql = "SELECT m.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c
                WHERE m.type = 'table' AND c.name = 'tenant_id' ORDER BY 1";
            sqlx::query_scalar(sql).fetch_all(&mut *conn).await
        }
    }
    .unwrap()
}
