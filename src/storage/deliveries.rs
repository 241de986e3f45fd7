//! Messages on their way to receivers outside: a durable queue that survives the death of any replica.
//!
//! A message is inserted in the transaction of what it tells about. A replica *claims* it for a bounded time, sends it, and
//! then removes it, puts it off, or makes it a dead letter; each of these holds only for the claim under which it was sent.
//! A replica that dies leaves a claim that runs out, and the message goes out again: at least once, with the same id.

use super::{Db, Store, Tx, changed, on};
use crate::fault::Fault;
use crate::types::{TenantId, Timestamp};
use serde_json::{Map, Value};
use sqlx::types::Json;
use uuid::Uuid;

/// How long a claim lasts, in seconds: longer than any attempt takes (`outgoing` gives up after 10 s).
pub const LEASE_S: i64 = 60;
/// How long a dead letter is kept, in seconds: 30 days.
pub const KEEP_DEAD_S: i64 = 2_592_000;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Kind {
    /// A logout token (OpenID Connect Back-Channel Logout 1.0). The receiver is a client.
    BackchannelLogout,
}

impl Kind {
    /// The name in the table and in the admin API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BackchannelLogout => "backchannel_logout",
        }
    }
}

/// A message on its way, or a dead letter.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Delivery {
    /// Whose it is.
    pub tenant_id: TenantId,
    /// The same at every attempt.
    pub id: Uuid,
    /// What it is.
    pub kind: Kind,
    /// Who gets it.
    pub receiver: String,
    /// What it is made from: identifiers only.
    pub payload: Json<Map<String, Value>>,
    /// Attempts that were begun.
    pub attempts: i64,
    /// How many there may be.
    pub max_attempts: i64,
    /// When it may be taken; while an attempt is under way, the end of its claim.
    pub due_at: Timestamp,
    /// The attempt under way.
    pub claim: Option<Uuid>,
    /// It is of no use later.
    pub expires_at: Timestamp,
    /// What was in the way the last time, in fixed words.
    pub last_error: Option<String>,
    /// Since when it is a dead letter.
    pub dead_at: Option<Timestamp>,
    /// When it was written.
    pub created_at: Timestamp,
}

/// Whom messages go to. One receiver that does not answer holds up no other.
#[derive(Clone, Debug, PartialEq, Eq, Hash, sqlx::FromRow)]
pub struct Receiver {
    /// At which tenant.
    pub tenant_id: TenantId,
    /// Messages of this kind.
    pub kind: Kind,
    /// Who.
    pub receiver: String,
}

macro_rules! columns {
    () => {
        "tenant_id, id, kind, receiver, payload, attempts, max_attempts, due_at, claim, expires_at, last_error, \
         dead_at, created_at"
    };
}

/// Inserts a message, in the transaction of what it tells about.
pub async fn insert(tx: &mut Tx, delivery: &Delivery) -> Result<(), Fault> {
    const SQL: &str = concat!(
        "INSERT INTO deliveries (",
        columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
    );
    changed!(
        tx,
        sqlx::query(SQL)
            .bind(delivery.tenant_id)
            .bind(delivery.id)
            .bind(delivery.kind)
            .bind(&delivery.receiver)
            .bind(&delivery.payload)
            .bind(delivery.attempts)
            .bind(delivery.max_attempts)
            .bind(delivery.due_at)
            .bind(delivery.claim)
            .bind(delivery.expires_at)
            .bind(&delivery.last_error)
            .bind(delivery.dead_at)
            .bind(delivery.created_at)
    )?;
    Ok(())
}

/// Receivers for whom something is due.
pub async fn receivers(store: &Store, now: Timestamp) -> Result<Vec<Receiver>, Fault> {
    const SQL: &str = "SELECT DISTINCT tenant_id, kind, receiver FROM deliveries
        WHERE dead_at IS NULL AND due_at <= $1 AND expires_at > $1";
    on!(&mut store.read().await?, |conn| sqlx::query_as(SQL)
        .bind(now)
        .fetch_all(conn))
}

/// Claims up to `limit` due messages to a receiver, and counts the attempt: also a message that kills whoever sends it is
/// tried only so often. No two replicas get the same one while the claim lasts.
pub async fn claim(
    store: &Store,
    to: &Receiver,
    claim: Uuid,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<Delivery>, Fault> {
    // The engines part in how concurrent claims keep out of each other's way: PostgreSQL passes over rows that another
    // one is taking (chosen once, into an array: a plan may run a plain subquery again), SQLite has one writer.
    const POSTGRES: &str = concat!(
        "UPDATE deliveries SET attempts = attempts + 1, claim = $4, due_at = $5 \
         WHERE tenant_id = $1 AND id = ANY(ARRAY(SELECT id FROM deliveries WHERE tenant_id = $1 AND kind = $2 \
           AND receiver = $3 AND dead_at IS NULL AND due_at <= $6 AND expires_at > $6 AND attempts < max_attempts \
           ORDER BY due_at, id LIMIT $7 FOR UPDATE SKIP LOCKED)) \
           AND dead_at IS NULL AND due_at <= $6 RETURNING ",
        columns!()
    );
    const SQLITE: &str = concat!(
        "UPDATE deliveries SET attempts = attempts + 1, claim = $4, due_at = $5 \
         WHERE tenant_id = $1 AND id IN (SELECT id FROM deliveries WHERE tenant_id = $1 AND kind = $2 \
           AND receiver = $3 AND dead_at IS NULL AND due_at <= $6 AND expires_at > $6 AND attempts < max_attempts \
           ORDER BY due_at, id LIMIT $7) \
           AND dead_at IS NULL AND due_at <= $6 RETURNING ",
        columns!()
    );
    let mut conn = store.write().await?;
    let mut claimed: Vec<Delivery> = on!(&mut conn, |conn, sql = (POSTGRES, SQLITE)| sqlx::query_as(sql)
        .bind(to.tenant_id)
        .bind(to.kind)
        .bind(&to.receiver)
        .bind(claim)
        .bind(now.plus_seconds(LEASE_S))
        .bind(now)
        .bind(limit)
        .fetch_all(conn))?;
    claimed.sort_by_key(|delivery| delivery.id);
    Ok(claimed)
}

/// Removes a message that its receiver has got, or that nobody wants any more. `false` when the claim had run out and
/// another replica has it.
pub async fn done(db: impl Into<Db<'_>>, sent: &Delivery) -> Result<bool, Fault> {
    const SQL: &str = "DELETE FROM deliveries WHERE tenant_id = $1 AND id = $2 AND claim = $3";
    Ok(changed!(
        db,
        sqlx::query(SQL)
            .bind(sent.tenant_id)
            .bind(sent.id)
            .bind(sent.claim)
    )? == 1)
}

/// Gives a message back for another attempt at `due_at`.
pub async fn put_off(
    db: impl Into<Db<'_>>,
    sent: &Delivery,
    error: &str,
    due_at: Timestamp,
) -> Result<bool, Fault> {
    const SQL: &str = "UPDATE deliveries SET claim = NULL, due_at = $4, last_error = $5
        WHERE tenant_id = $1 AND id = $2 AND claim = $3 AND dead_at IS NULL";
    Ok(changed!(
        db,
        sqlx::query(SQL)
            .bind(sent.tenant_id)
            .bind(sent.id)
            .bind(sent.claim)
            .bind(due_at)
            .bind(error)
    )? == 1)
}

/// Makes a message a dead letter: its receiver refuses it, or may not be reached.
pub async fn bury(tx: &mut Tx, sent: &Delivery, error: &str, now: Timestamp) -> Result<bool, Fault> {
    const SQL: &str = "UPDATE deliveries SET claim = NULL, dead_at = $4, last_error = $5
        WHERE tenant_id = $1 AND id = $2 AND claim = $3 AND dead_at IS NULL";
    Ok(changed!(
        tx,
        sqlx::query(SQL)
            .bind(sent.tenant_id)
            .bind(sent.id)
            .bind(sent.claim)
            .bind(now)
            .bind(error)
    )? == 1)
}

/// Whether [`bury_overdue`] would find something: most of the time there is nothing to write.
pub async fn any_overdue(store: &Store, now: Timestamp) -> Result<bool, Fault> {
    const SQL: &str = "SELECT EXISTS (SELECT 1 FROM deliveries
        WHERE dead_at IS NULL AND due_at <= $1 AND (expires_at <= $1 OR attempts >= max_attempts))";
    on!(&mut store.read().await?, |conn| sqlx::query_scalar(SQL)
        .bind(now)
        .fetch_one(conn))
}

/// Makes dead letters of up to `limit` messages that are of no use any more, or whose attempts are used up and whose last
/// one never came back. What is under way is left to whoever sends it.
pub async fn bury_overdue(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<Vec<Delivery>, Fault> {
    const SQL: &str = concat!(
        "UPDATE deliveries SET claim = NULL, dead_at = $1, \
           last_error = coalesce(last_error, 'no attempt came to an end') \
         WHERE dead_at IS NULL AND due_at <= $1 AND (tenant_id, id) IN (SELECT tenant_id, id FROM deliveries \
           WHERE dead_at IS NULL AND due_at <= $1 AND (expires_at <= $1 OR attempts >= max_attempts) LIMIT $2) \
         RETURNING ",
        columns!()
    );
    on!(tx, |conn| sqlx::query_as(SQL)
        .bind(now)
        .bind(limit)
        .fetch_all(conn))
}

/// Which messages to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// Only dead letters, or only those on their way.
    pub dead: Option<bool>,
    /// Only those to one receiver.
    pub receiver: Option<&'a str>,
    /// Only those written before this one.
    pub after: Option<Uuid>,
}

/// Messages, newest first (their ids sort by time).
pub async fn list(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    filter: Filter<'_>,
    limit: i64,
) -> Result<Vec<Delivery>, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM deliveries WHERE tenant_id = $1 AND id < $2 AND (receiver = $3 OR $3 IS NULL) \
           AND ((dead_at IS NOT NULL) = $4 OR $4 IS NULL) ORDER BY id DESC LIMIT $5"
    );
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(filter.after.unwrap_or(Uuid::max()))
        .bind(filter.receiver)
        .bind(filter.dead)
        .bind(limit)
        .fetch_all(conn))
}

/// A message by id.
pub async fn find(db: impl Into<Db<'_>>, tenant: TenantId, id: Uuid) -> Result<Option<Delivery>, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM deliveries WHERE tenant_id = $1 AND id = $2"
    );
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(id)
        .fetch_optional(conn))
}

/// Sends a dead letter on its way again, with all its attempts. `false` when it is none.
pub async fn revive(
    tx: &mut Tx,
    tenant: TenantId,
    id: Uuid,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<bool, Fault> {
    const SQL: &str =
        "UPDATE deliveries SET dead_at = NULL, claim = NULL, attempts = 0, due_at = $3, expires_at = $4
        WHERE tenant_id = $1 AND id = $2 AND dead_at IS NOT NULL";
    Ok(changed!(
        tx,
        sqlx::query(SQL).bind(tenant).bind(id).bind(now).bind(expires_at)
    )? == 1)
}

/// Removes a message, whatever its state. One that is being sent may still arrive.
pub async fn delete(tx: &mut Tx, tenant: TenantId, id: Uuid) -> Result<bool, Fault> {
    const SQL: &str = "DELETE FROM deliveries WHERE tenant_id = $1 AND id = $2";
    Ok(changed!(tx, sqlx::query(SQL).bind(tenant).bind(id))? == 1)
}

/// Removes up to `limit` dead letters that were kept long enough.
pub async fn purge(db: impl Into<Db<'_>>, now: Timestamp, limit: i64) -> Result<u64, Fault> {
    const SQL: &str = "DELETE FROM deliveries WHERE (tenant_id, id) IN
        (SELECT tenant_id, id FROM deliveries WHERE dead_at < $1 ORDER BY dead_at LIMIT $2)";
    changed!(
        db,
        sqlx::query(SQL).bind(now.plus_seconds(-KEEP_DEAD_S)).bind(limit)
    )
}
