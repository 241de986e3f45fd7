//! Authorizations that devices asked for (RFC 8628): from the device code until a person has answered.
//!
//! What a person agrees to becomes a token family in the same transaction, in state `pending` like one whose code is out;
//! the device's next poll redeems it ([`super::grants::redeem_approved`]).

use super::{Db, Store, Tx, changed, on};
use crate::fault::Fault;
use crate::types::{ClientId, GrantId, Resource, ScopeSet, SessionId, TenantId, Timestamp, TokenHash};
use sqlx::types::Json;

/// RFC 8628 §3.5, slow_down: "the interval MUST be increased by 5 seconds for this and all subsequent requests".
const SLOWER_S: i64 = 5;
/// A poll that the network delivers a little early is not too early.
const JITTER_MICROS: i64 = 500_000;
/// For how long after its end a request is still recognised, so that the device hears what became of it.
const REMEMBERED_S: i64 = 3_600;

/// What a device asked for.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct DeviceRequest {
    /// Whose it is.
    pub tenant_id: TenantId,
    /// Hash of the device code.
    pub handle_hash: TokenHash,
    /// The client that runs on the device.
    pub client_id: ClientId,
    /// The scopes asked for.
    pub scope: ScopeSet,
    /// For which resources (RFC 8707); empty means the issuer.
    pub resources: Json<Vec<Resource>>,
    /// The address from which it was asked.
    pub ip: String,
    /// The device's `User-Agent`.
    pub user_agent: String,
    /// Where it stands.
    pub state: DeviceState,
    /// Seconds between polls.
    pub interval_s: i64,
    /// The family that it became.
    pub grant_id: Option<GrantId>,
    /// When it was asked.
    pub created_at: Timestamp,
    /// The end of both codes.
    pub expires_at: Timestamp,
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum DeviceState {
    /// Nobody has answered.
    Pending,
    /// A person agreed.
    Approved,
    /// A person refused, or the device code got into wrong hands.
    Denied,
}

/// How many requests may wait at once.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    /// Those of one client.
    pub per_client: i64,
    /// Those from one address (IPv6: /64).
    pub per_address: i64,
}

/// What came of keeping a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It waits for a person.
    Yes,
    /// Its user code is another request's: try another code.
    CodeTaken,
    /// Too many wait already.
    TooMany,
}

/// What a poll finds.
#[derive(Debug)]
pub enum Poll {
    /// Nobody has answered yet.
    Pending,
    /// The same, and the poll came too early: the interval, raised, in seconds.
    TooEarly(i64),
    /// A person agreed: this family is to be redeemed.
    Approved(GrantId),
    /// It was refused.
    Denied,
    /// Too late.
    Expired,
    /// The device code is another client's.
    Stolen(Box<DeviceRequest>),
    /// There is no such device code.
    Unknown,
}

macro_rules! columns {
    () => {
        "tenant_id, handle_hash, client_id, scope, resources, ip, user_agent, state, interval_s, grant_id, created_at, \
         expires_at"
    };
}

/// Keeps a new request, unless too many wait. `user_code` is the user code's HMAC, `network` what the address is counted
/// as.
pub async fn insert(
    store: &Store,
    request: &DeviceRequest,
    user_code: &[u8],
    network: &str,
    quota: Quota,
) -> Result<Kept, Fault> {
    // Counting stops where it has counted enough. Requests at the same moment may exceed the quota by their number.
    const SQL: &str =
        "INSERT INTO device_requests (tenant_id, handle_hash, user_code, client_id, scope, resources, ip, network,
            user_agent, state, interval_s, polls, next_poll, early, created_at, expires_at)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending', $10, 0, 0, $11, $12, $13
        WHERE (SELECT count(*) FROM (SELECT 1 FROM device_requests WHERE tenant_id = $1 AND client_id = $4
              AND expires_at > $12 AND state = 'pending' LIMIT $14) AS of_client) < $14
          AND (SELECT count(*) FROM (SELECT 1 FROM device_requests WHERE tenant_id = $1 AND network = $8
              AND expires_at > $12 AND state = 'pending' LIMIT $15) AS of_network) < $15
        ON CONFLICT DO NOTHING";
    const TAKEN: &str = "SELECT count(*) FROM device_requests WHERE tenant_id = $1 AND user_code = $2";
    let mut conn = store.write().await?;
    let inserted = changed!(
        &mut conn,
        sqlx::query(SQL)
            .bind(request.tenant_id)
            .bind(&request.handle_hash)
            .bind(user_code)
            .bind(&request.client_id)
            .bind(&request.scope)
            .bind(&request.resources)
            .bind(&request.ip)
            .bind(network)
            .bind(&request.user_agent)
            .bind(request.interval_s)
            .bind(false)
            .bind(request.created_at)
            .bind(request.expires_at)
            .bind(quota.per_client)
            .bind(quota.per_address)
    )?;
    if inserted == 1 {
        return Ok(Kept::Yes);
    }
    let taken: i64 = on!(&mut conn, |conn| sqlx::query_scalar(TAKEN)
        .bind(request.tenant_id)
        .bind(user_code)
        .fetch_one(conn))?;
    Ok(if taken > 0 { Kept::CodeTaken } else { Kept::TooMany })
}

/// Notes a poll, and what it finds. While nobody has answered this is one statement, which also raises the interval when
/// the poll came too early.
pub async fn poll(
    store: &Store,
    tenant: TenantId,
    handle: &TokenHash,
    client: &ClientId,
    now: Timestamp,
) -> Result<Poll, Fault> {
    const SQL: &str = "UPDATE device_requests SET polls = polls + 1, early = next_poll > $4,
          interval_s = interval_s + CASE WHEN next_poll > $4 THEN $5 ELSE 0 END,
          next_poll = $6 + 1000000 * (interval_s + CASE WHEN next_poll > $4 THEN $5 ELSE 0 END)
        WHERE tenant_id = $1 AND handle_hash = $2 AND client_id = $3 AND state = 'pending' AND expires_at > $7
        RETURNING early, interval_s";
    let mut conn = store.write().await?;
    let noted: Option<(bool, i64)> = on!(&mut conn, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(handle)
        .bind(client)
        .bind(now.micros().saturating_add(JITTER_MICROS))
        .bind(SLOWER_S)
        .bind(now.micros())
        .bind(now)
        .fetch_optional(conn))?;
    match noted {
        Some((true, interval_s)) => return Ok(Poll::TooEarly(interval_s)),
        Some((false, _)) => return Ok(Poll::Pending),
        None => {}
    }
    // The writer's connection also on SQLite: what is read here must not be older than the statement that found nothing.
    let Some(request) = find(&mut conn, tenant, handle).await? else {
        return Ok(Poll::Unknown);
    };
    Ok(if request.client_id != *client {
        Poll::Stolen(Box::new(request))
    } else if request.state == DeviceState::Denied {
        Poll::Denied
    } else if request.expires_at <= now {
        Poll::Expired
    } else {
        match request.grant_id {
            Some(grant) => Poll::Approved(grant),
            // Asked for between the two statements by a clock that is behind: the next poll tells.
            None => Poll::Pending,
        }
    })
}

async fn find(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    handle: &TokenHash,
) -> Result<Option<DeviceRequest>, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM device_requests WHERE tenant_id = $1 AND handle_hash = $2"
    );
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(handle)
        .fetch_optional(conn))
}

/// The request that waits under a user code.
pub async fn find_waiting(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    user_code: &[u8],
    now: Timestamp,
) -> Result<Option<DeviceRequest>, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM device_requests WHERE tenant_id = $1 AND user_code = $2 AND state = 'pending' AND expires_at > $3"
    );
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(user_code)
        .bind(now)
        .fetch_optional(conn))
}

/// Notes that a person agreed. `false` when the request has been answered already or is over, or when the session in
/// which it is answered has ended meanwhile: device families rest on no session, so that it is tested here.
pub async fn approve(
    tx: &mut Tx,
    request: &DeviceRequest,
    grant: GrantId,
    session: SessionId,
    now: Timestamp,
) -> Result<bool, Fault> {
    const SQL: &str = "UPDATE device_requests SET state = 'approved', grant_id = $3
        WHERE tenant_id = $1 AND handle_hash = $2 AND state = 'pending' AND expires_at > $4
          AND EXISTS (SELECT 1 FROM sessions JOIN users
              ON users.tenant_id = sessions.tenant_id AND users.id = sessions.user_id
            WHERE sessions.tenant_id = $1 AND sessions.id = $5 AND sessions.ended_at IS NULL
              AND sessions.expires_at > $4 AND users.enabled AND users.epoch = sessions.user_epoch)";
    Ok(changed!(
        tx,
        sqlx::query(SQL)
            .bind(request.tenant_id)
            .bind(&request.handle_hash)
            .bind(grant)
            .bind(now)
            .bind(session)
    )? == 1)
}

/// Notes that it was refused. `false` when it has been answered already or is over.
pub async fn deny(tx: &mut Tx, request: &DeviceRequest, now: Timestamp) -> Result<bool, Fault> {
    const SQL: &str = "UPDATE device_requests SET state = 'denied'
        WHERE tenant_id = $1 AND handle_hash = $2 AND state = 'pending' AND expires_at > $3";
    Ok(changed!(
        tx,
        sqlx::query(SQL)
            .bind(request.tenant_id)
            .bind(&request.handle_hash)
            .bind(now)
    )? == 1)
}

/// Removes requests that have been over for an hour, at most `limit` rows.
pub async fn purge(db: impl Into<Db<'_>>, now: Timestamp, limit: i64) -> Result<u64, Fault> {
    const SQL: &str = "DELETE FROM device_requests WHERE (tenant_id, handle_hash) IN
        (SELECT tenant_id, handle_hash FROM device_requests WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
    changed!(
        db,
        sqlx::query(SQL).bind(now.plus_seconds(-REMEMBERED_S)).bind(limit)
    )
}
