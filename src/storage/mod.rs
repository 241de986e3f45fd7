//! One SQL text on two databases.
//!
//! A statement is a `const` text with `$1`, `$2`, … and named columns, run through `on!`, which compiles it once for
//! each engine. Statements stand in one file per table group; a row struct is the domain struct. Which connection a
//! statement runs on is the caller's to say: [`Store::read`], [`Store::write`] (each statement commits by itself) or
//! [`Store::begin`].

pub mod attempts;
pub mod audit;
pub mod audit_checkpoints;
pub mod audit_heads;
pub mod audit_read;
pub mod authorization_requests;
mod breaker;
mod client_metadata;
pub mod clients;
mod codec;
pub mod consents;
pub mod counters;
pub mod deliveries;
pub mod device_requests;
pub mod ended_sessions;
mod grant;
pub mod grants;
pub mod health;
mod lease;
pub mod limits;
mod migrate;
pub mod outbox;
pub mod plans;
pub mod purpose_keys;
pub mod registered_clients;
pub mod registration_tokens;
pub mod revoked_tokens;
pub mod sessions;
pub mod sign_in_watch;
pub mod signing_keys;
pub mod tenant_rows;
pub mod tenants;
pub mod users;

pub use self::breaker::{Breaker, Thresholds};
pub use self::lease::Lease;
pub use self::migrate::{Schema, SchemaState};

use self::breaker::Use;
use crate::fault::Fault;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, PgPool, Postgres, Sqlite, SqliteConnection,
    SqlitePool, Transaction,
};
use std::future::Future;
use std::path::Path;
use std::time::Duration;

/// How long a statement, or waiting for a connection, may take. Every answer is to be there within 5 s, also when the
/// database is not.
const PATIENCE: Duration = Duration::from_secs(2);

/// A database: the main one or the audit store.
#[derive(Clone, Debug)]
pub enum Store {
    /// PostgreSQL, or an engine that speaks its protocol.
    Postgres {
        /// All connections.
        pool: PgPool,
        /// Refuses at once while the database is ailing.
        breaker: Breaker,
    },
    /// A SQLite file: one connection writes, so that writers queue in order instead of failing; several read.
    Sqlite {
        /// The only connection that writes.
        writer: SqlitePool,
        /// Connections that read a snapshot while the writer works.
        readers: SqlitePool,
        /// Refuses at once while the database is ailing.
        breaker: Breaker,
    },
}

/// A pooled connection: each statement commits by itself.
#[expect(missing_docs, reason = "one variant per engine")]
pub enum Conn {
    Postgres(PoolConnection<Postgres>, Use),
    Sqlite(PoolConnection<Sqlite>, Use),
}

/// A transaction; dropping it without [`Tx::commit`] rolls back.
#[expect(missing_docs, reason = "one variant per engine")]
pub enum Tx {
    Postgres(Transaction<'static, Postgres>, Use),
    Sqlite(Transaction<'static, Sqlite>, Use),
}

/// Where a statement runs: borrowed from a [`Conn`] or a [`Tx`].
#[expect(missing_docs, reason = "one variant per engine")]
pub enum Db<'c> {
    Postgres(&'c mut PgConnection),
    Sqlite(&'c mut SqliteConnection),
}

impl<'c> From<&'c mut Conn> for Db<'c> {
    fn from(conn: &'c mut Conn) -> Self {
        match conn {
            Conn::Postgres(conn, _) => Db::Postgres(conn),
            Conn::Sqlite(conn, _) => Db::Sqlite(conn),
        }
    }
}

impl<'c> From<&'c mut Tx> for Db<'c> {
    fn from(tx: &'c mut Tx) -> Self {
        match tx {
            Tx::Postgres(tx, _) => Db::Postgres(tx),
            Tx::Sqlite(tx, _) => Db::Sqlite(tx),
        }
    }
}

/// Runs one sqlx query future on whichever engine is behind `$db` and gives `Result<_, Fault>`. The expression is
/// compiled once per engine, so that a type which one of them lacks does not compile. Two texts where the dialects part.
macro_rules! on {
    ($db:expr, |$conn:ident| $query:expr) => {
        match $db.into() {
            $crate::storage::Db::Postgres($conn) => $crate::storage::within($query).await,
            $crate::storage::Db::Sqlite($conn) => $crate::storage::within($query).await,
        }
    };
    ($db:expr, |$conn:ident, $sql:ident = ($postgres:expr, $sqlite:expr)| $query:expr) => {
        match $db.into() {
            $crate::storage::Db::Postgres($conn) => {
                let $sql = $postgres;
                $crate::storage::within($query).await
            }
            $crate::storage::Db::Sqlite($conn) => {
                let $sql = $sqlite;
                $crate::storage::within($query).await
            }
        }
    };
}
pub(crate) use on;

/// Waits for a statement, but not longer than [`PATIENCE`]. A statement that was given up leaves its connection, which
/// the pool then closes.
pub(crate) async fn within<T>(query: impl Future<Output = sqlx::Result<T>>) -> Result<T, Fault> {
    counters::statement();
    match tokio::time::timeout(PATIENCE, query).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Fault::unavailable(
            "the database did not answer a statement within 2 s",
        )),
    }
}

/// Runs one statement that returns no rows on whichever engine is behind `$db` and gives the number of rows that it
/// inserted, updated or deleted.
macro_rules! changed {
    ($db:expr, $query:expr) => {
        match $db.into() {
            $crate::storage::Db::Postgres(conn) => $crate::storage::within($query.execute(conn))
                .await
                .map(|done| done.rows_affected()),
            $crate::storage::Db::Sqlite(conn) => $crate::storage::within($query.execute(conn))
                .await
                .map(|done| done.rows_affected()),
        }
    };
}
pub(crate) use changed;

impl Store {
    /// Opens a database by its URL: `sqlite://PATH` or `postgres://…`. `schema` is the PostgreSQL schema to work in,
    /// where it is not the role's default one; it is created by [`Store::migrate`].
    ///
    /// Connections are made when they are needed, so that a server can start while its database does not answer yet.
    ///
    /// # Errors
    /// When the URL is not understood or the folder of a SQLite file cannot be made.
    pub async fn open(url: &str, schema: Option<&str>, max_connections: u32) -> Result<Self, Fault> {
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let mut options: PgConnectOptions = url.parse().map_err(|error: sqlx::Error| {
                Fault::internal("the database URL is not valid").caused_by(error)
            })?;
            options = options
                .application_name("grantor")
                .options([
                    ("statement_timeout", "4000"),
                    ("lock_timeout", "2000"),
                    ("idle_in_transaction_session_timeout", "10000"),
                    // What the design reckons with, whatever the database's default is.
                    ("default_transaction_isolation", "read committed"),
                ])
                .log_statements(tracing::log::LevelFilter::Off)
                .log_slow_statements(tracing::log::LevelFilter::Warn, Duration::from_secs(1));
            if let Some(schema) = schema {
                options = options.options([("search_path", schema)]);
            }
            let pool = PgPoolOptions::new()
                .max_connections(max_connections)
                .acquire_timeout(PATIENCE)
                // sqlx's own test is a round trip before each use, as costly as most statements.
                .test_before_acquire(false)
                .before_acquire(|conn, meta| Box::pin(is_alive(conn, meta.idle_for)))
                .idle_timeout(Duration::from_secs(300))
                .max_lifetime(Duration::from_secs(1800))
                .after_connect(|conn, _| Box::pin(async move { pin_durability(conn).await }))
                .connect_lazy_with(options);
            return Ok(Self::Postgres {
                pool,
                breaker: Breaker::off(),
            });
        }
        if url.starts_with("sqlite:") {
            return Self::open_sqlite(url, max_connections).await;
        }
        Err(Fault::internal(
            "the database URL must start with sqlite: or postgres:",
        ))
    }

    async fn open_sqlite(url: &str, max_connections: u32) -> Result<Self, Fault> {
        let options: SqliteConnectOptions = url.parse().map_err(|error: sqlx::Error| {
            Fault::internal("the database URL is not valid").caused_by(error)
        })?;
        if let Some(folder) = options
            .get_filename()
            .parent()
            .filter(|folder| *folder != Path::new(""))
        {
            let mut builder = tokio::fs::DirBuilder::new();
            #[cfg(unix)]
            builder.mode(0o700);
            builder
                .recursive(true)
                .create(folder)
                .await
                .map_err(|error| Fault::internal("the database's folder cannot be made").caused_by(error))?;
        }
        let options = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(PATIENCE)
            .log_statements(tracing::log::LevelFilter::Off)
            .log_slow_statements(tracing::log::LevelFilter::Warn, Duration::from_secs(1));
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(PATIENCE)
                // A file does not go away.
                .test_before_acquire(false)
        };
        Ok(Self::Sqlite {
            writer: pool(1).connect_lazy_with(options.clone()),
            readers: pool(max_connections.min(4)).connect_lazy_with(options.read_only(false)),
            breaker: Breaker::off(),
        })
    }

    /// The same store behind a circuit breaker.
    #[must_use]
    pub fn guarded(mut self, by: Breaker) -> Self {
        match &mut self {
            Self::Postgres { breaker, .. } | Self::Sqlite { breaker, .. } => *breaker = by,
        }
        self
    }

    /// The circuit breaker.
    pub fn breaker(&self) -> &Breaker {
        match self {
            Self::Postgres { breaker, .. } | Self::Sqlite { breaker, .. } => breaker,
        }
    }

    /// A connection for statements that only read.
    pub async fn read(&self) -> Result<Conn, Fault> {
        let begun = self.breaker().enter()?;
        Ok(match self {
            Self::Postgres { pool, .. } => {
                let (conn, begun) = connected(begun, || is_full(pool), pool.acquire()).await?;
                Conn::Postgres(conn, begun)
            }
            Self::Sqlite { readers, .. } => {
                let (conn, begun) = connected(begun, || is_full(readers), readers.acquire()).await?;
                Conn::Sqlite(conn, begun)
            }
        })
    }

    /// A connection for single statements that write, each a transaction of its own.
    pub async fn write(&self) -> Result<Conn, Fault> {
        let begun = self.breaker().enter()?;
        Ok(match self {
            Self::Postgres { pool, .. } => {
                let (conn, begun) = connected(begun, || is_full(pool), pool.acquire()).await?;
                Conn::Postgres(conn, begun)
            }
            Self::Sqlite { writer, .. } => {
                let (conn, begun) = connected(begun, || is_full(writer), writer.acquire()).await?;
                Conn::Sqlite(conn, begun)
            }
        })
    }

    /// A transaction that writes. SQLite takes its write lock here, not at the first write: a deferred transaction that
    /// reads and then writes fails at once when another one wrote in between.
    pub async fn begin(&self) -> Result<Tx, Fault> {
        let begun = self.breaker().enter()?;
        Ok(match self {
            Self::Postgres { pool, .. } => {
                let (tx, begun) = connected(begun, || is_full(pool), pool.begin()).await?;
                Tx::Postgres(tx, begun)
            }
            Self::Sqlite { writer, .. } => {
                let (tx, begun) =
                    connected(begun, || is_full(writer), writer.begin_with("BEGIN IMMEDIATE")).await?;
                Tx::Sqlite(tx, begun)
            }
        })
    }

    /// Closes all connections; SQLite then folds its write-ahead log into the file.
    pub async fn close(&self) {
        match self {
            Self::Postgres { pool, .. } => pool.close().await,
            Self::Sqlite { writer, readers, .. } => {
                readers.close().await;
                writer.close().await;
            }
        }
    }

    /// The engine's name, for messages.
    pub fn engine(&self) -> &'static str {
        match self {
            Self::Postgres { .. } => "PostgreSQL",
            Self::Sqlite { .. } => "SQLite",
        }
    }
}

impl Tx {
    /// Makes everything that the transaction did durable.
    ///
    /// # Errors
    /// Also when the connection was lost meanwhile: then it is not known whether it was.
    pub async fn commit(self) -> Result<(), Fault> {
        counters::commit();
        let commit = async {
            match self {
                Self::Postgres(tx, _begun) => tx.commit().await,
                Self::Sqlite(tx, _begun) => tx.commit().await,
            }
        };
        match tokio::time::timeout(PATIENCE, commit).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(Fault::unavailable(
                "the database did not confirm a commit within 2 s",
            )),
        }
    }
}

/// Waits for a connection or transaction, whose use of the database then begins. Who gets none because others use them all
/// has learnt nothing about the database: a queue is no failure of it, or whoever makes one would have it left alone.
async fn connected<T>(
    mut begun: Use,
    is_full: impl FnOnce() -> bool,
    connection: impl Future<Output = sqlx::Result<T>>,
) -> Result<(T, Use), Fault> {
    match connection.await {
        Ok(connection) => {
            begun.begins();
            Ok((connection, begun))
        }
        Err(error) => {
            if matches!(error, sqlx::Error::PoolTimedOut) && is_full() {
                begun.never_began();
            } else {
                begun.failed();
            }
            Err(error.into())
        }
    }
}

/// Whether every connection that there may be is there, and in use.
fn is_full<DB: sqlx::Database>(pool: &sqlx::Pool<DB>) -> bool {
    pool.size() >= pool.options().get_max_connections() && pool.num_idle() == 0
}

/// Tests a connection that was not used for a second; one that has just worked most likely works.
async fn is_alive(conn: &mut PgConnection, idle_for: Duration) -> sqlx::Result<bool> {
    const TRUSTED: Duration = Duration::from_secs(1);
    if idle_for > TRUSTED {
        conn.ping().await?;
    }
    Ok(true)
}

/// A revoked token must stay revoked when the machine loses power: `synchronous_commit` is never off, whatever the
/// database or the role has set; stronger settings stay.
async fn pin_durability(conn: &mut PgConnection) -> sqlx::Result<()> {
    const POSTGRES: &str = "SELECT set_config('synchronous_commit', 'on', false)
        WHERE current_setting('synchronous_commit') = 'off'";
    sqlx::query(POSTGRES).execute(conn).await?;
    Ok(())
}
