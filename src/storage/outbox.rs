//! Audit events on their way: committed together with the change that they record, and removed once the audit store has
//! them. Delivered at least once; the audit store takes an event's id only once.

use super::{Db, Store, Tx, changed, on, within};
use crate::fault::Fault;
use crate::types::{Event, Timestamp};
use uuid::Uuid;

/// How long the process that made a change has to deliver its event itself, in seconds.
const OWN_DELIVERY_S: i64 = 15;
/// How long a process that claimed events has to deliver them before another one may, in seconds.
const LEASE_S: i64 = 30;

/// Adds an event to the transaction of the change that it records. After the commit, whoever made the change hands the
/// same event to `Audit::deliver`.
pub async fn insert(tx: &mut Tx, event: &Event) -> Result<(), Fault> {
    const SQL: &str = "INSERT INTO audit_outbox (id, tenant_id, event, created_at, claimed_until)
        VALUES ($1, $2, $3, $4, $5)";
    let text = serde_json::to_string(event)
        .map_err(|error| Fault::internal("an audit event is no JSON").caused_by(error))?;
    let own_delivery = event.time.plus_seconds(OWN_DELIVERY_S);
    changed!(
        tx,
        sqlx::query(SQL)
            .bind(event.id)
            .bind(event.tenant)
            .bind(text)
            .bind(event.time)
            .bind(own_delivery)
    )?;
    Ok(())
}

/// Takes up to `limit` events that nobody is delivering, oldest first, as their ids and JSON texts.
pub async fn claim(store: &Store, now: Timestamp, limit: i64) -> Result<Vec<(Uuid, String)>, Fault> {
    // Two replicas that choose the same rows take turns at each of them; the second finds it claimed.
    const SQL: &str = "UPDATE audit_outbox SET claimed_until = $1
        WHERE claimed_until <= $2
            AND id IN (SELECT id FROM audit_outbox WHERE claimed_until <= $2 ORDER BY id LIMIT $3)
        RETURNING id, event";
    let mut conn = store.write().await?;
    let mut claimed: Vec<(Uuid, String)> = on!(&mut conn, |conn| sqlx::query_as(SQL)
        .bind(now.plus_seconds(LEASE_S))
        .bind(now)
        .bind(limit)
        .fetch_all(conn))?;
    claimed.sort_by_key(|(id, _)| *id);
    Ok(claimed)
}

/// Removes events that the audit store has.
pub async fn delete(store: &Store, ids: &[Uuid]) -> Result<(), Fault> {
    const SQL_POSTGRES: &str = "DELETE FROM audit_outbox WHERE id = ANY($1)";
    const SQL_SQLITE: &str = "DELETE FROM audit_outbox WHERE id = $1";
    let mut tx = store.begin().await?;
    match (&mut tx).into() {
        Db::Postgres(conn) => {
            within(sqlx::query(SQL_POSTGRES).bind(ids).execute(conn)).await?;
        }
        Db::Sqlite(conn) => {
            for id in ids {
                within(sqlx::query(SQL_SQLITE).bind(*id).execute(&mut *conn)).await?;
            }
        }
    }
    tx.commit().await
}

/// How many events wait for delivery.
pub async fn count(store: &Store) -> Result<i64, Fault> {
    const SQL: &str = "SELECT count(*) FROM audit_outbox";
    on!(&mut store.read().await?, |conn| sqlx::query_scalar(SQL)
        .fetch_one(conn))
}
