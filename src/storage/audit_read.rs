//! Statements that read the audit store: page by page for people, record by record for verification.

use super::{Db, Store, on};
use crate::fault::Fault;
use crate::types::{TenantId, Timestamp};
use sqlx::{FromRow, Row};
use uuid::Uuid;

/// A record as it lies in the store.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
#[expect(
    missing_docs,
    reason = "the members of `types::Event` and of `storage::audit::Link`, explained there"
)]
pub struct StoredEvent {
    pub stream: Uuid,
    pub sequence: i64,
    pub id: Uuid,
    pub time: Timestamp,
    pub event_type: String,
    pub outcome: String,
    pub tenant_id: TenantId,
    pub client_id: Option<String>,
    pub user_id: Option<String>,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
    pub token_family: Option<String>,
    pub metadata: String,
    pub previous_hash: Vec<u8>,
    pub hash: Vec<u8>,
}

/// Which records are wanted; an absent member wants all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// From this time on.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// `event_type`.
    pub event_type: Option<String>,
    /// `outcome`.
    pub outcome: Option<String>,
    /// `client_id`.
    pub client_id: Option<String>,
    /// `user_id`.
    pub user_id: Option<String>,
    /// `ip`.
    pub ip: Option<String>,
    /// `token_family`.
    pub token_family: Option<String>,
    /// `request_id`.
    pub request_id: Option<String>,
}

/// The last record of a page; the next page begins after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    /// Its time.
    pub time: Timestamp,
    /// Its id.
    pub id: Uuid,
}

/// The columns of a record. The place comes first: it is wanted also where the rest cannot be read.
macro_rules! columns {
    () => {
        "sequence, stream, id, time, event_type, outcome, tenant_id, client_id, user_id, ip, user_agent, request_id,
            token_family, metadata, previous_hash, hash"
    };
}

/// A page of records. The condition that an index serves stands by itself, since SQLite does not use an index for one
/// that begins with `IS NULL OR`.
macro_rules! page {
    ($by:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM audit_events
            WHERE tenant_id = $1 AND time >= $2 AND time < $3 AND (time, id) < ($4, $5) ",
            $by,
            " AND (CAST($6 AS TEXT) IS NULL OR event_type = $6)
            AND (CAST($7 AS TEXT) IS NULL OR outcome = $7)
            AND (CAST($8 AS TEXT) IS NULL OR client_id = $8)
            AND (CAST($9 AS TEXT) IS NULL OR user_id = $9)
            AND (CAST($10 AS TEXT) IS NULL OR ip = $10)
            AND (CAST($11 AS TEXT) IS NULL OR token_family = $11)
            AND (CAST($12 AS TEXT) IS NULL OR request_id = $12)
            ORDER BY time DESC, id DESC LIMIT $13"
        )
    };
}

/// A page of a tenant's records that the filter wants, newest first.
pub async fn list<'c>(
    db: impl Into<Db<'c>>,
    tenant: TenantId,
    filter: &Filter,
    after: Option<After>,
    limit: i64,
) -> Result<Vec<StoredEvent>, Fault> {
    const BY_TIME: &str = page!("");
    const BY_FAMILY: &str = page!("AND token_family = $11");
    const BY_USER: &str = page!("AND user_id = $9");
    const BY_CLIENT: &str = page!("AND client_id = $8");
    /// The end of the year 9999, after every time that can be written.
    const END: Timestamp = Timestamp::from_seconds(253_402_300_799);
    let sql = match filter {
        Filter {
            token_family: Some(_),
            ..
        } => BY_FAMILY,
        Filter { user_id: Some(_), .. } => BY_USER,
        Filter {
            client_id: Some(_), ..
        } => BY_CLIENT,
        _ => BY_TIME,
    };
    let after = after.unwrap_or(After {
        time: END,
        id: Uuid::max(),
    });
    on!(db, |conn| sqlx::query_as(sql)
        .bind(tenant)
        .bind(filter.since.unwrap_or(Timestamp::from_micros(0)))
        .bind(filter.until.unwrap_or(END))
        .bind(after.time)
        .bind(after.id)
        .bind(filter.event_type.as_deref())
        .bind(filter.outcome.as_deref())
        .bind(filter.client_id.as_deref())
        .bind(filter.user_id.as_deref())
        .bind(filter.ip.as_deref())
        .bind(filter.token_family.as_deref())
        .bind(filter.request_id.as_deref())
        .bind(limit)
        .fetch_all(conn))
}

/// A record of a tenant by its id.
pub async fn find<'c>(
    db: impl Into<Db<'c>>,
    tenant: TenantId,
    id: Uuid,
) -> Result<Option<StoredEvent>, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM audit_events WHERE id = $1 AND tenant_id = $2"
    );
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(id)
        .bind(tenant)
        .fetch_optional(conn))
}

/// What lies at a place of a stream.
#[derive(Debug)]
pub struct Place {
    /// The place; `None` when not even that can be read.
    pub sequence: Option<i64>,
    /// The record, or why it cannot be read.
    pub event: Result<StoredEvent, String>,
}

/// Up to `limit` records of a stream after a place, in order. One that was damaged does not hide the others.
pub async fn records<'c>(
    db: impl Into<Db<'c>>,
    stream: Uuid,
    after: i64,
    limit: i64,
) -> Result<Vec<Place>, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM audit_events WHERE stream = $1 AND sequence > $2 ORDER BY sequence LIMIT $3"
    );
    on!(db, |conn| async {
        let rows = sqlx::query(SQL)
            .bind(stream)
            .bind(after)
            .bind(limit)
            .fetch_all(conn)
            .await?;
        Ok(rows.iter().map(place).collect())
    })
}

fn place<'r, R: Row>(row: &'r R) -> Place
where
    (i64,): FromRow<'r, R>,
    StoredEvent: FromRow<'r, R>,
{
    Place {
        sequence: <(i64,)>::from_row(row).ok().map(|(sequence,)| sequence),
        event: StoredEvent::from_row(row).map_err(|error| error.to_string()),
    }
}

/// The hash at a place of a stream.
pub async fn hash_at<'c>(
    db: impl Into<Db<'c>>,
    stream: Uuid,
    sequence: i64,
) -> Result<Option<Vec<u8>>, Fault> {
    const SQL: &str = "SELECT hash FROM audit_events WHERE stream = $1 AND sequence = $2";
    on!(db, |conn| sqlx::query_scalar(SQL)
        .bind(stream)
        .bind(sequence)
        .fetch_optional(conn))
}

/// What the server's role may do to the records besides adding to them.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Rights {
    /// The role.
    pub role: String,
    /// It owns the table, so it may drop the triggers.
    pub is_owner: bool,
    /// It may UPDATE, DELETE or TRUNCATE, as far as triggers do not refuse.
    pub may_change: bool,
}

/// The rights of the role that the server connects with; `None` on SQLite, which has no roles.
pub async fn rights(store: &Store) -> Result<Option<Rights>, Fault> {
    const SQL_POSTGRES: &str = "SELECT CAST(current_user AS TEXT) AS role,
            pg_has_role(c.relowner, 'MEMBER') AS is_owner,
            has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE') AS may_change
        FROM pg_class c WHERE c.oid = CAST('audit_events' AS regclass)";
    let mut conn = store.read().await?;
    match (&mut conn).into() {
        Db::Postgres(conn) => super::within(sqlx::query_as(SQL_POSTGRES).fetch_optional(conn)).await,
        Db::Sqlite(_) => Ok(None),
    }
}
