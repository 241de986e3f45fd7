//! What the tests of the audit log share.

use crate::support::TestDb;
use grantor::audit::{Anchor, Audit, AuditSigner, CHECKPOINT_EVERY, Event, EventType, Outcome, Parts};
use grantor::clock::Clock;
use grantor::entropy::Entropy;
use grantor::storage::{Conn, Store, outbox};
use grantor::types::{TenantId, Timestamp};
use sqlx::AssertSqlSafe;
use std::sync::LazyLock;
use std::time::Duration;
use uuid::Uuid;

/// A log as a process has it, with connections of its own.
pub struct Process {
    pub audit: Audit,
    main: Store,
}

impl Process {
    /// Starts a process on the test's databases.
    pub async fn start(db: &TestDb) -> Self {
        Self::at(db, Clock::System).await
    }

    /// Starts a process with a clock.
    pub async fn at(db: &TestDb, clock: Clock) -> Self {
        Self::with(db, clock, None).await
    }

    /// Starts a process with a clock and an anchor.
    pub async fn with(db: &TestDb, clock: Clock, anchor: Option<Anchor>) -> Self {
        let (main, store) = db.stores().await;
        Self::on(main, store, clock, anchor)
    }

    /// Starts a process on these stores.
    pub fn on(main: Store, store: Store, clock: Clock, anchor: Option<Anchor>) -> Self {
        let audit = Audit::start(Parts {
            main: main.clone(),
            store,
            clock,
            entropy: Entropy::system(),
            signer: signer(),
            anchor,
            checkpoint_every: CHECKPOINT_EVERY,
        })
        .expect("the log starts");
        Self { audit, main }
    }

    /// Commits an event to the outbox, as a change that takes rights away does.
    pub async fn commit_to_outbox(&self, event: &Event) {
        let mut tx = self.main.begin().await.unwrap();
        outbox::insert(&mut tx, event).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// The key that all processes of the tests sign with.
pub fn signer() -> AuditSigner {
    static PKCS8: LazyLock<Vec<u8>> =
        LazyLock::new(|| AuditSigner::generate(&Entropy::system()).unwrap().to_vec());
    AuditSigner::from_pkcs8("audit-1", &PKCS8).unwrap()
}

/// A new event of the present.
pub fn event(event_type: EventType) -> Event {
    event_at(event_type, Clock::System.now())
}

/// A new event.
pub fn event_at(event_type: EventType, at: Timestamp) -> Event {
    let id = Entropy::system().uuid_v7(at).unwrap();
    Event::new(id, at, TenantId::FIRST, event_type, Outcome::Success)
}

/// A row as it is read back: stream, sequence, id, type, metadata.
pub type Row = (Uuid, i64, Uuid, String, String);

/// Everything in the store.
pub async fn rows(store: &Store) -> Vec<Row> {
    const SQL: &str =
        "SELECT stream, sequence, id, event_type, metadata FROM audit_events ORDER BY stream, sequence";
    match store.read().await.unwrap() {
        Conn::Postgres(mut conn, _) => sqlx::query_as(SQL).fetch_all(&mut *conn).await.unwrap(),
        Conn::Sqlite(mut conn, _) => sqlx::query_as(SQL).fetch_all(&mut *conn).await.unwrap(),
    }
}

/// The ids in the store.
pub async fn ids(store: &Store) -> Vec<Uuid> {
    rows(store).await.into_iter().map(|row| row.2).collect()
}

/// Runs SQL that the program itself does not have.
pub async fn execute(store: &Store, sql: &str) -> Result<u64, String> {
    let sql = AssertSqlSafe(sql.to_owned());
    let changed = match store.write().await.unwrap() {
        Conn::Postgres(mut conn, _) => sqlx::query(sql)
            .execute(&mut *conn)
            .await
            .map(|done| done.rows_affected()),
        Conn::Sqlite(mut conn, _) => sqlx::query(sql)
            .execute(&mut *conn)
            .await
            .map(|done| done.rows_affected()),
    };
    changed.map_err(|error| error.to_string())
}

/// The number that a query gives.
pub async fn number(store: &Store, sql: &str) -> i64 {
    let sql = sql.to_owned();
    match store.read().await.unwrap() {
        Conn::Postgres(mut conn, _) => sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut *conn)
            .await
            .unwrap(),
        Conn::Sqlite(mut conn, _) => sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut *conn)
            .await
            .unwrap(),
    }
}

/// Waits until it is so, at most 20 s.
pub async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..400 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it never became true that {what}");
}
