//! The sliding log of the authentication tier: one row per address, shared by all replicas and all tenants. A row is
//! changed by compare-and-set on its version, so that two replicas cannot both take the last attempt.

use super::{Db, changed, on};
use crate::fault::Fault;
use crate::types::Timestamp;
use sqlx::types::Json;

/// The attempts of one key.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct AttemptLog {
    /// Microseconds since 1970 and how many attempts were made then, oldest first.
    pub attempts: Json<Vec<(i64, u32)>>,
    /// Raised by every change; 0 for a log that is not stored yet.
    pub version: i64,
}

impl AttemptLog {
    /// A log that is not stored yet.
    pub fn empty() -> Self {
        Self {
            attempts: Json(Vec::new()),
            version: 0,
        }
    }
}

/// The log of a key.
pub async fn find(db: impl Into<Db<'_>>, key_hash: &[u8]) -> Result<Option<AttemptLog>, Fault> {
    const SQL: &str = "SELECT attempts, version FROM authentication_attempts WHERE key_hash = $1";
    on!(db, |conn| sqlx::query_as(SQL).bind(key_hash).fetch_optional(conn))
}

/// Stores a log, unless somebody else has changed it since it was read. `blocked_until` is set while the log is full,
/// `expires_at` is when it says nothing any more. Gives whether it was stored.
pub async fn store(
    db: impl Into<Db<'_>>,
    key_hash: &[u8],
    log: &AttemptLog,
    blocked_until: Option<Timestamp>,
    expires_at: Timestamp,
) -> Result<bool, Fault> {
    const SQL: &str =
        "INSERT INTO authentication_attempts (key_hash, attempts, version, blocked_until, expires_at)
        VALUES ($1, $2, $3 + 1, $4, $5)
        ON CONFLICT (key_hash) DO UPDATE SET attempts = excluded.attempts, version = excluded.version,
            blocked_until = excluded.blocked_until, expires_at = excluded.expires_at
        WHERE authentication_attempts.version = $3";
    let stored = changed!(
        db,
        sqlx::query(SQL)
            .bind(key_hash)
            .bind(&log.attempts)
            .bind(log.version)
            .bind(blocked_until)
            .bind(expires_at)
    )?;
    Ok(stored == 1)
}

/// The keys that are blocked now and until when, those blocked longest first, `limit` at most.
pub async fn blocked(
    db: impl Into<Db<'_>>,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<(Vec<u8>, Timestamp)>, Fault> {
    const SQL: &str = "SELECT key_hash, blocked_until FROM authentication_attempts
        WHERE blocked_until > $1 ORDER BY blocked_until DESC LIMIT $2";
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(now)
        .bind(limit)
        .fetch_all(conn))
}

/// Removes the log of a key. Gives whether there was one.
pub async fn delete(db: impl Into<Db<'_>>, key_hash: &[u8]) -> Result<bool, Fault> {
    const SQL: &str = "DELETE FROM authentication_attempts WHERE key_hash = $1";
    Ok(changed!(db, sqlx::query(SQL).bind(key_hash))? == 1)
}

/// Removes logs that say nothing any more, `limit` at most. Gives how many there were.
pub async fn purge(db: impl Into<Db<'_>>, now: Timestamp, limit: i64) -> Result<u64, Fault> {
    const SQL: &str = "DELETE FROM authentication_attempts WHERE key_hash IN
        (SELECT key_hash FROM authentication_attempts WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
    changed!(db, sqlx::query(SQL).bind(now).bind(limit))
}
