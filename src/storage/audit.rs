//! Statements of the audit store: appending to a stream, and what a writer needs to know after it lost its connection.
//!
//! The tables are append-only in the database itself, so there is no statement here that changes or deletes.

use super::{Store, on, within};
use crate::fault::Fault;
use crate::types::{TenantId, Timestamp};
use std::collections::HashSet;
use uuid::Uuid;

/// SHA-256.
pub type Hash = [u8; 32];

/// An event in the form in which it is stored: bounded, without control characters, `metadata` as the JSON text that is
/// hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members of `types::Event`, explained there")]
pub struct Record {
    pub id: Uuid,
    pub time: Timestamp,
    pub event_type: &'static str,
    pub outcome: &'static str,
    pub tenant: TenantId,
    pub client_id: Option<String>,
    pub user_id: Option<String>,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
    pub token_family: Option<String>,
    pub metadata: String,
}

/// Where a record stands in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Place in the stream, from 1 without a gap.
    pub sequence: i64,
    /// The record's time as stored: never before its predecessor's.
    pub time: Timestamp,
    /// The predecessor's hash; zeros for the first.
    pub previous_hash: Hash,
    /// The hash over the record, its place and the predecessor's hash.
    pub hash: Hash,
}

/// How far a stream has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last record's place; 0 for an empty stream.
    pub sequence: i64,
    /// The last record's time.
    pub time: Timestamp,
    /// The last record's hash; zeros for an empty stream.
    pub hash: Hash,
}

/// How far one of all streams has come.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct StreamHead {
    /// The stream.
    pub stream: Uuid,
    /// The last record's place.
    pub sequence: i64,
    /// The last record's time.
    pub time: Timestamp,
    /// The last record's hash.
    pub hash: Vec<u8>,
}

/// Appends to a stream, all or nothing: one statement on PostgreSQL, one transaction on SQLite.
///
/// # Errors
/// [`crate::fault::FaultKind::Internal`]: the database refused, and nothing was stored. `Unavailable`: it is not known
/// whether everything or nothing was stored.
pub async fn append(store: &Store, stream: Uuid, batch: &[(Link, &Record)]) -> Result<(), Fault> {
    match store {
        Store::Postgres { .. } => append_postgres(store, stream, batch).await,
        Store::Sqlite { .. } => append_sqlite(store, stream, batch).await,
    }
}

/// One statement, one round trip: a column is an array.
async fn append_postgres(store: &Store, stream: Uuid, batch: &[(Link, &Record)]) -> Result<(), Fault> {
    const SQL_POSTGRES: &str = "INSERT INTO audit_events (stream, sequence, id, time, event_type, outcome, tenant_id,
            client_id, user_id, ip, user_agent, request_id, token_family, metadata, previous_hash, hash)
        SELECT $1, e.sequence, e.id, e.time, e.event_type, e.outcome, e.tenant_id,
            e.client_id, e.user_id, e.ip, e.user_agent, e.request_id, e.token_family, e.metadata, e.previous_hash, e.hash
        FROM UNNEST($2::bigint[], $3::uuid[], $4::timestamptz[], $5::text[], $6::text[], $7::uuid[],
            $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[],
            $15::bytea[], $16::bytea[])
        AS e (sequence, id, time, event_type, outcome, tenant_id,
            client_id, user_id, ip, user_agent, request_id, token_family, metadata, previous_hash, hash)";
    fn column<'a, T>(batch: &'a [(Link, &'a Record)], of: impl Fn(&'a Link, &'a Record) -> T) -> Vec<T> {
        batch.iter().map(|(link, record)| of(link, record)).collect()
    }
    let query = sqlx::query(SQL_POSTGRES)
        .bind(stream)
        .bind(column(batch, |link, _| link.sequence))
        .bind(column(batch, |_, record| record.id))
        .bind(column(batch, |link, _| link.time))
        .bind(column(batch, |_, record| record.event_type))
        .bind(column(batch, |_, record| record.outcome))
        .bind(column(batch, |_, record| record.tenant.0))
        .bind(column(batch, |_, record| record.client_id.as_deref()))
        .bind(column(batch, |_, record| record.user_id.as_deref()))
        .bind(column(batch, |_, record| record.ip.as_deref()))
        .bind(column(batch, |_, record| record.user_agent.as_deref()))
        .bind(column(batch, |_, record| record.request_id.as_deref()))
        .bind(column(batch, |_, record| record.token_family.as_deref()))
        .bind(column(batch, |_, record| record.metadata.as_str()))
        .bind(column(batch, |link, _| link.previous_hash))
        .bind(column(batch, |link, _| link.hash));
    if let super::Db::Postgres(conn) = (&mut store.write().await?).into() {
        within(query.execute(conn)).await?;
    }
    Ok(())
}

async fn append_sqlite(store: &Store, stream: Uuid, batch: &[(Link, &Record)]) -> Result<(), Fault> {
    const SQL: &str = "INSERT INTO audit_events (stream, sequence, id, time, event_type, outcome, tenant_id,
            client_id, user_id, ip, user_agent, request_id, token_family, metadata, previous_hash, hash)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
    let mut tx = store.begin().await?;
    for (link, record) in batch {
        let query = sqlx::query(SQL)
            .bind(stream)
            .bind(link.sequence)
            .bind(record.id)
            .bind(link.time)
            .bind(record.event_type)
            .bind(record.outcome)
            .bind(record.tenant)
            .bind(record.client_id.as_deref())
            .bind(record.user_id.as_deref())
            .bind(record.ip.as_deref())
            .bind(record.user_agent.as_deref())
            .bind(record.request_id.as_deref())
            .bind(record.token_family.as_deref())
            .bind(record.metadata.as_str())
            .bind(link.previous_hash.as_slice())
            .bind(link.hash.as_slice());
        if let super::Db::Sqlite(conn) = (&mut tx).into() {
            within(query.execute(conn)).await?;
        }
    }
    tx.commit().await
}

/// How far a stream has come; `None` when it has no record.
pub async fn head(store: &Store, stream: Uuid) -> Result<Option<Head>, Fault> {
    const SQL: &str = "SELECT sequence, time, hash FROM audit_events WHERE stream = $1
        ORDER BY sequence DESC LIMIT 1";
    let mut conn = store.read().await?;
    let row: Option<(i64, Timestamp, Vec<u8>)> = on!(&mut conn, |conn| sqlx::query_as(SQL)
        .bind(stream)
        .fetch_optional(conn))?;
    row.map(|(sequence, time, hash)| {
        let hash = hash
            .try_into()
            .map_err(|_| Fault::internal("a hash in the audit store does not have 32 bytes"))?;
        Ok(Head { sequence, time, hash })
    })
    .transpose()
}

/// The head of every stream. Costs two index look-ups for each, however long they are.
macro_rules! heads {
    ($where:literal) => {
        concat!(
            "WITH RECURSIVE streams (stream) AS (
                SELECT (SELECT e.stream FROM audit_events e ORDER BY e.stream LIMIT 1)
                UNION ALL
                SELECT (SELECT e.stream FROM audit_events e WHERE e.stream > s.stream ORDER BY e.stream LIMIT 1)
                FROM streams s WHERE s.stream IS NOT NULL
            ), heads (stream, sequence) AS (
                SELECT s.stream, (SELECT max(e.sequence) FROM audit_events e WHERE e.stream = s.stream)
                FROM streams s WHERE s.stream IS NOT NULL
            )
            SELECT e.stream, e.sequence, e.time, e.hash
            FROM heads h JOIN audit_events e ON e.stream = h.stream AND e.sequence = h.sequence ",
            $where,
            " ORDER BY e.stream"
        )
    };
}

/// The heads of all streams.
pub async fn heads(store: &Store) -> Result<Vec<StreamHead>, Fault> {
    const SQL: &str = heads!("");
    on!(&mut store.read().await?, |conn| sqlx::query_as(SQL)
        .fetch_all(conn))
}

/// The heads of the streams whose last record is not before `since`.
pub async fn heads_since(store: &Store, since: Timestamp) -> Result<Vec<StreamHead>, Fault> {
    const SQL: &str = heads!("WHERE e.time >= $1");
    on!(&mut store.read().await?, |conn| sqlx::query_as(SQL)
        .bind(since)
        .fetch_all(conn))
}

/// Which of these events are stored, whichever stream they are in.
pub async fn stored(store: &Store, ids: &[Uuid]) -> Result<HashSet<Uuid>, Fault> {
    const SQL_POSTGRES: &str = "SELECT id FROM audit_events WHERE id = ANY($1)";
    const SQL_SQLITE: &str = "SELECT id FROM audit_events WHERE id = $1";
    let mut found = HashSet::new();
    let mut conn = store.read().await?;
    match (&mut conn).into() {
        super::Db::Postgres(conn) => {
            let query = sqlx::query_scalar::<_, Uuid>(SQL_POSTGRES).bind(ids);
            found.extend(within(query.fetch_all(conn)).await?);
        }
        super::Db::Sqlite(conn) => {
            for id in ids {
                let query = sqlx::query_scalar::<_, Uuid>(SQL_SQLITE).bind(*id);
                found.extend(within(query.fetch_optional(&mut *conn)).await?);
            }
        }
    }
    Ok(found)
}
