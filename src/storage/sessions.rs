//! Browser sessions after sign-in.
//!
//! A session lives while it was not ended, its 8 hours are not over, and its user is enabled and has the epoch that the
//! session copied: one statement tests all of it (`live!`), so that a revoked user's sessions are over at once.

use super::ended_sessions::{self, Ended};
use super::{Db, Store, Tx, changed, on};
use crate::fault::Fault;
use crate::types::{SessionId, TenantId, Timestamp, TokenHash, UserId};
use sqlx::types::Json;
use uuid::Uuid;

/// How long a session's row is kept after its end, so that a logout still finds every relying party.
const KEEP_SECONDS: i64 = 86_400;

/// A browser session.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Session {
    /// Whose it is.
    pub tenant_id: TenantId,
    /// Never changes.
    pub id: SessionId,
    /// Who signed in.
    pub user_id: UserId,
    /// The user's epoch when the session was made.
    pub user_epoch: i64,
    /// Hash of the cookie's secret, which is renewed at every sign-in.
    pub secret_hash: TokenHash,
    /// When the user last proved who it is.
    pub auth_time: Timestamp,
    /// How strongly.
    pub acr: String,
    /// By which methods (RFC 8176).
    pub amr: Json<Vec<String>>,
    /// From which address.
    pub ip: String,
    /// With which browser.
    pub user_agent: String,
    /// When the session was made.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_seen_at: Timestamp,
    /// Its absolute end, which nothing moves.
    pub expires_at: Timestamp,
    /// When it was ended.
    pub ended_at: Option<Timestamp>,
    /// Why.
    pub end_reason: Option<String>,
}

/// What an authorization request may ask of the user by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Interaction {
    /// A sign-in (`prompt=login`, `max_age`).
    SignIn,
    /// A consent (`prompt=consent`).
    Consent,
    /// A choice of account (`prompt=select_account`).
    SelectAccount,
}

macro_rules! columns {
    () => {
        "tenant_id, id, user_id, user_epoch, secret_hash, auth_time, acr, amr, ip, user_agent, created_at, \
         last_seen_at, expires_at, ended_at, end_reason"
    };
}

/// Whether a session stands. `$now` is the number of the statement's parameter with the present time.
macro_rules! live {
    ($now:literal) => {
        concat!(
            " AND ended_at IS NULL AND expires_at > ",
            $now,
            " AND EXISTS (SELECT 1 FROM users WHERE users.tenant_id = sessions.tenant_id \
                AND users.id = sessions.user_id AND users.enabled AND users.epoch = sessions.user_epoch) "
        )
    };
}

/// Inserts a session.
pub async fn insert(db: impl Into<Db<'_>>, session: &Session) -> Result<(), Fault> {
    const SQL: &str = concat!(
        "INSERT INTO sessions (",
        columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
    );
    changed!(
        db,
        sqlx::query(SQL)
            .bind(session.tenant_id)
            .bind(session.id)
            .bind(session.user_id)
            .bind(session.user_epoch)
            .bind(&session.secret_hash)
            .bind(session.auth_time)
            .bind(&session.acr)
            .bind(&session.amr)
            .bind(&session.ip)
            .bind(&session.user_agent)
            .bind(session.created_at)
            .bind(session.last_seen_at)
            .bind(session.expires_at)
            .bind(session.ended_at)
            .bind(&session.end_reason)
    )?;
    Ok(())
}

/// The living session whose cookie this is; whether it idled too long is the caller's to say.
pub async fn find_by_secret(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    secret: &TokenHash,
    now: Timestamp,
) -> Result<Option<Session>, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM sessions WHERE tenant_id = $1 AND secret_hash = $2",
        live!("$3")
    );
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(secret)
        .bind(now)
        .fetch_optional(conn))
}

/// A session by id, living or not.
pub async fn find(db: impl Into<Db<'_>>, tenant: TenantId, id: SessionId) -> Result<Option<Session>, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM sessions WHERE tenant_id = $1 AND id = $2"
    );
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(id)
        .fetch_optional(conn))
}

/// A living session by id.
pub async fn find_live(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    id: SessionId,
    now: Timestamp,
) -> Result<Option<Session>, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM sessions WHERE tenant_id = $1 AND id = $2",
        live!("$3")
    );
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(id)
        .bind(now)
        .fetch_optional(conn))
}

/// Which sessions to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    /// Only those of one user.
    pub user: Option<UserId>,
    /// Only those made before this one.
    pub after: Option<SessionId>,
}

/// Living sessions, newest first (their ids sort by time).
pub async fn list(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    filter: Filter,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<Session>, Fault> {
    const ALL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM sessions WHERE tenant_id = $1 AND id < $3",
        live!("$2"),
        "ORDER BY id DESC LIMIT $4"
    );
    const OF_USER: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM sessions WHERE tenant_id = $1 AND user_id = $5 AND id < $3",
        live!("$2"),
        "ORDER BY id DESC LIMIT $4"
    );
    let after = filter.after.map_or(Uuid::max(), |id| id.0);
    match filter.user {
        None => on!(db, |conn| sqlx::query_as(ALL)
            .bind(tenant)
            .bind(now)
            .bind(after)
            .bind(limit)
            .fetch_all(conn)),
        Some(user) => on!(db, |conn| sqlx::query_as(OF_USER)
            .bind(tenant)
            .bind(now)
            .bind(after)
            .bind(limit)
            .bind(user)
            .fetch_all(conn)),
    }
}

/// Notes that a session was used: at most once a minute, and never one that has idled since before `idle_since`.
pub async fn touch(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    id: SessionId,
    idle_since: Timestamp,
    now: Timestamp,
) -> Result<bool, Fault> {
    const SQL: &str = "UPDATE sessions SET last_seen_at = $3
        WHERE tenant_id = $1 AND id = $2 AND last_seen_at <= $4 AND last_seen_at > $5 AND ended_at IS NULL";
    Ok(changed!(
        db,
        sqlx::query(SQL)
            .bind(tenant)
            .bind(id)
            .bind(now)
            .bind(now.plus_seconds(-60))
            .bind(idle_since)
    )? == 1)
}

/// Renews a session after its user has proved again who it is: the new cookie's hash in place of the old one's, and what
/// the proof says. `session` holds the new values; `false` when it is no longer what it was.
pub async fn renew(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    session: &Session,
    old: &TokenHash,
    now: Timestamp,
) -> Result<bool, Fault> {
    const SQL: &str = concat!(
        "UPDATE sessions SET secret_hash = $4, auth_time = $5, acr = $6, amr = $7, ip = $8, user_agent = $9, \
           last_seen_at = $10 \
         WHERE tenant_id = $1 AND id = $2 AND secret_hash = $3 AND user_id = $11 AND user_epoch = $12",
        live!("$10")
    );
    Ok(changed!(
        db,
        sqlx::query(SQL)
            .bind(tenant)
            .bind(session.id)
            .bind(old)
            .bind(&session.secret_hash)
            .bind(session.auth_time)
            .bind(&session.acr)
            .bind(&session.amr)
            .bind(&session.ip)
            .bind(&session.user_agent)
            .bind(now)
            .bind(session.user_id)
            .bind(session.user_epoch)
    )? == 1)
}

/// Lets one session outlive a change of its user's epoch: the one in which the user changed the password. In the
/// transaction that raised it, and with a new cookie.
pub async fn carry_over(
    tx: &mut Tx,
    tenant: TenantId,
    id: SessionId,
    epoch: i64,
    secret: &TokenHash,
) -> Result<bool, Fault> {
    const SQL: &str = "UPDATE sessions SET user_epoch = $3, secret_hash = $4
        WHERE tenant_id = $1 AND id = $2 AND user_epoch = $3 - 1 AND ended_at IS NULL";
    Ok(changed!(
        tx,
        sqlx::query(SQL).bind(tenant).bind(id).bind(epoch).bind(secret)
    )? == 1)
}

/// Ends a session; grants without `offline_access` end with it, and its relying parties are to be told. `false` when it
/// had ended already or never was.
pub async fn end(
    tx: &mut Tx,
    tenant: TenantId,
    id: SessionId,
    reason: &str,
    now: Timestamp,
) -> Result<bool, Fault> {
    const SQL: &str = "UPDATE sessions SET ended_at = $3, end_reason = $4
        WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL RETURNING tenant_id, id, user_id";
    let ended: Vec<Ended> = on!(&mut *tx, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(id)
        .bind(now)
        .bind(reason)
        .fetch_all(conn))?;
    ended_sessions::note(tx, &ended, now).await?;
    Ok(!ended.is_empty())
}

/// Ends all sessions of a user, except perhaps one, in the transaction that takes the user's rights away; gives how many
/// they were. It has the user's row locked, so that no session of the present epoch can begin meanwhile.
pub async fn end_all(
    tx: &mut Tx,
    tenant: TenantId,
    user: UserId,
    except: Option<SessionId>,
    reason: &str,
    now: Timestamp,
) -> Result<usize, Fault> {
    const SQL: &str = "UPDATE sessions SET ended_at = $3, end_reason = $4
        WHERE tenant_id = $1 AND user_id = $2 AND ended_at IS NULL AND id <> $5 RETURNING tenant_id, id, user_id";
    let except = except.map_or(Uuid::nil(), |id| id.0);
    let ended: Vec<Ended> = on!(&mut *tx, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(user)
        .bind(now)
        .bind(reason)
        .bind(except)
        .fetch_all(conn))?;
    ended_sessions::note(tx, &ended, now).await?;
    Ok(ended.len())
}

/// Whether [`end_expired`] would find something: most of the time there is nothing to write.
pub async fn any_expired(store: &Store, now: Timestamp) -> Result<bool, Fault> {
    const SQL: &str = "SELECT EXISTS (SELECT 1 FROM sessions WHERE ended_at IS NULL AND expires_at <= $1)";
    on!(&mut store.read().await?, |conn| sqlx::query_scalar(SQL)
        .bind(now)
        .fetch_one(conn))
}

/// Ends up to `limit` sessions of all tenants whose time is over; gives how many they were.
pub async fn end_expired(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<usize, Fault> {
    const SQL: &str = "UPDATE sessions SET ended_at = expires_at, end_reason = 'expired'
        WHERE ended_at IS NULL AND (tenant_id, id) IN
            (SELECT tenant_id, id FROM sessions WHERE ended_at IS NULL AND expires_at <= $1
             ORDER BY expires_at LIMIT $2)
        RETURNING tenant_id, id, user_id";
    let ended: Vec<Ended> = on!(&mut *tx, |conn| sqlx::query_as(SQL)
        .bind(now)
        .bind(limit)
        .fetch_all(conn))?;
    ended_sessions::note(tx, &ended, now).await?;
    Ok(ended.len())
}

/// Ends every session of all tenants: after a restore.
pub async fn end_every(tx: &mut Tx, reason: &str, now: Timestamp) -> Result<(), Fault> {
    const NOTE: &str = "INSERT INTO ended_sessions (tenant_id, session_id, user_id, ended_at)
        SELECT tenant_id, id, user_id, CAST($1 AS TIMESTAMPTZ) FROM sessions WHERE ended_at IS NULL
        ON CONFLICT (tenant_id, session_id) DO NOTHING";
    const END: &str = "UPDATE sessions SET ended_at = $1, end_reason = $2 WHERE ended_at IS NULL";
    changed!(&mut *tx, sqlx::query(NOTE).bind(now))?;
    changed!(tx, sqlx::query(END).bind(now).bind(reason))?;
    Ok(())
}

/// Notes that an authorization request got from the user what it asked for.
pub async fn note_interaction(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    id: SessionId,
    request: Uuid,
    kind: Interaction,
) -> Result<(), Fault> {
    const SQL: &str = "INSERT INTO session_interactions (tenant_id, session_id, request_id, kind)
        VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    changed!(
        db,
        sqlx::query(SQL).bind(tenant).bind(id).bind(request).bind(kind)
    )?;
    Ok(())
}

/// What this authorization request has got and not yet used.
pub async fn interactions(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    id: SessionId,
    request: Uuid,
) -> Result<Vec<Interaction>, Fault> {
    const SQL: &str = "SELECT kind FROM session_interactions
        WHERE tenant_id = $1 AND session_id = $2 AND request_id = $3";
    on!(db, |conn| sqlx::query_scalar(SQL)
        .bind(tenant)
        .bind(id)
        .bind(request)
        .fetch_all(conn))
}

/// Uses up what this authorization request has got, and gives it. Of two racing requests one gets nothing.
pub async fn use_interactions(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    id: SessionId,
    request: Uuid,
) -> Result<Vec<Interaction>, Fault> {
    const SQL: &str = "DELETE FROM session_interactions
        WHERE tenant_id = $1 AND session_id = $2 AND request_id = $3 RETURNING kind";
    on!(db, |conn| sqlx::query_scalar(SQL)
        .bind(tenant)
        .bind(id)
        .bind(request)
        .fetch_all(conn))
}

/// Removes up to `limit` sessions of all tenants whose time was over a day ago.
pub async fn purge(db: impl Into<Db<'_>>, now: Timestamp, limit: i64) -> Result<u64, Fault> {
    const SQL: &str = "DELETE FROM sessions WHERE (tenant_id, id) IN
        (SELECT tenant_id, id FROM sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    changed!(
        db,
        sqlx::query(SQL).bind(now.plus_seconds(-KEEP_SECONDS)).bind(limit)
    )
}
