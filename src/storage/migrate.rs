//! Migrations: embedded, forward only, and such that the previous release goes on working beside them.

use super::{Lease, Store, changed, on};
use crate::clock::Clock;
use crate::fault::Fault;
use sqlx::migrate::Migrator;
use uuid::Uuid;

/// Which of the two schemas a database holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// Clients, keys, users, grants.
    Main,
    /// Audit events and checkpoints.
    Audit,
}

/// How a database's schema relates to this binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaState {
    /// Everything that this binary knows of has been applied.
    Current,
    /// So many migrations are still to be applied.
    Pending(usize),
}

impl Schema {
    fn migrator(self, store: &Store) -> Migrator {
        static MAIN: Migrator = sqlx::migrate!("./migrations");
        static MAIN_POSTGRES: Migrator = sqlx::migrate!("./migrations/postgres");
        static MAIN_SQLITE: Migrator = sqlx::migrate!("./migrations/sqlite");
        static AUDIT: Migrator = sqlx::migrate!("./migrations/audit");
        static AUDIT_POSTGRES: Migrator = sqlx::migrate!("./migrations/audit/postgres");
        static AUDIT_SQLITE: Migrator = sqlx::migrate!("./migrations/audit/sqlite");
        let (shared, own) = match (self, store) {
            (Self::Main, Store::Postgres { .. }) => (&MAIN, &MAIN_POSTGRES),
            (Self::Main, Store::Sqlite { .. }) => (&MAIN, &MAIN_SQLITE),
            (Self::Audit, Store::Postgres { .. }) => (&AUDIT, &AUDIT_POSTGRES),
            (Self::Audit, Store::Sqlite { .. }) => (&AUDIT, &AUDIT_SQLITE),
        };
        let mut all: Vec<_> = shared.iter().chain(own.iter()).cloned().collect();
        all.sort_by_key(|migration| migration.version);
        let mut migrator = Migrator::with_migrations(all);
        // No advisory locks: a lease serialises replicas. And a newer release may have been here: whether this one still
        // works is said by `schema_info`, not by which migrations it knows.
        migrator.set_locking(false);
        migrator.set_ignore_missing(true);
        migrator
    }
}

impl Store {
    /// Applies what is missing. Replicas that start together take turns; one that was stopped in the middle is resumed.
    ///
    /// # Errors
    /// When a migration fails, or was changed after it had been applied.
    pub async fn migrate(
        &self,
        schema: Schema,
        pg_schema: Option<&str>,
        clock: &Clock,
        holder: Uuid,
    ) -> Result<(), Fault> {
        if let Some(name) = pg_schema {
            self.create_schema(name).await?;
        }
        Lease::prepare(self).await?;
        let lease = Lease::take(self, "migrate", holder, clock).await?;
        let migrator = schema.migrator(self);
        let result = match self {
            Self::Postgres { pool, .. } => migrator.run(pool).await,
            Self::Sqlite { writer, .. } => migrator.run(writer).await,
        };
        lease.release(self).await?;
        result.map_err(|error| {
            Fault::internal(format!("migrating the {} database failed", self.engine())).caused_by(error)
        })
    }

    async fn create_schema(&self, name: &str) -> Result<(), Fault> {
        if matches!(self, Self::Sqlite { .. }) {
            return Ok(());
        }
        // The name is a constant of the program or of its configuration's alphabet (letters, digits, underscore).
        let sql = || sqlx::AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS {name}"));
        let mut attempts = 0;
        loop {
            match changed!(&mut self.write().await?, sqlx::query(sql())) {
                Ok(_) => return Ok(()),
                // Two at once may both find it missing; the second then trips over the first one's.
                Err(_) if attempts < 5 => attempts += 1,
                Err(fault) => return Err(fault),
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }

    /// Whether everything that this binary knows of has been applied.
    ///
    /// # Errors
    /// When the schema is from a release after which this one no longer works; the text says which release it wants.
    pub async fn schema_state(&self, schema: Schema) -> Result<SchemaState, Fault> {
        const APPLIED: &str = "SELECT version FROM _sqlx_migrations WHERE success";
        const POSTGRES: &str = "SELECT count(*) FROM information_schema.tables
            WHERE table_schema = current_schema() AND table_name = '_sqlx_migrations'";
        const SQLITE: &str =
            "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'";
        let mut conn = self.read().await?;
        let tables: i64 =
            on!(&mut conn, |conn, sql = (POSTGRES, SQLITE)| sqlx::query_scalar(sql).fetch_one(conn))?;
        let applied: Vec<i64> = if tables == 0 {
            Vec::new()
        } else {
            on!(&mut conn, |conn| sqlx::query_scalar(APPLIED).fetch_all(conn))?
        };
        if schema == Schema::Main && !applied.is_empty() {
            const OLDEST: &str = "SELECT oldest_release FROM schema_info WHERE id = 1";
            let oldest: Option<String> =
                on!(&mut conn, |conn| sqlx::query_scalar(OLDEST).fetch_optional(conn))?;
            let own = env!("CARGO_PKG_VERSION");
            if let Some(oldest) = oldest.filter(|oldest| release(oldest) > release(own)) {
                return Err(Fault::internal(format!(
                    "the database was migrated for grantor {oldest} or newer; this is grantor {own}: start a release from {oldest} on"
                )));
            }
        }
        let missing = schema
            .migrator(self)
            .iter()
            .filter(|migration| !applied.contains(&migration.version))
            .count();
        Ok(if missing == 0 {
            SchemaState::Current
        } else {
            SchemaState::Pending(missing)
        })
    }
}

/// A release number as something that can be compared.
fn release(text: &str) -> Vec<u64> {
    text.split(['.', '-', '+'])
        .take(3)
        .map(|part| part.parse().unwrap_or(0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::release;

    #[test]
    fn releases_compare_by_number() {
        assert!(release("0.10.0") > release("0.9.9"));
        assert!(release("1.0.0") > release("0.99.0"));
        assert_eq!(release("0.1.0"), release("0.1.0"));
    }
}
