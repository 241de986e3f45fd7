//! What the main database knows of the audit store, so that neither can be cut or replaced without the other showing it.

use super::{Store, changed, on};
use crate::fault::Fault;
use crate::types::Timestamp;
use uuid::Uuid;

/// The "stream" under which the newest checkpoint is noted.
pub const CHECKPOINTS: Uuid = Uuid::nil();

/// How far a stream had come.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct NotedHead {
    /// The stream, or [`CHECKPOINTS`].
    pub stream: Uuid,
    /// The last record's place, or the last checkpoint's number.
    pub sequence: i64,
    /// Its hash.
    pub hash: Vec<u8>,
    /// When this was noted.
    pub noted_at: Timestamp,
}

/// A public key that has signed checkpoints.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct NotedSigner {
    /// The key's id.
    pub id: String,
    /// The key.
    pub public_key: Vec<u8>,
}

/// Notes how far a stream has come; what was noted never goes back.
pub async fn note(
    store: &Store,
    stream: Uuid,
    sequence: i64,
    hash: &[u8],
    now: Timestamp,
) -> Result<(), Fault> {
    const SQL: &str = "INSERT INTO audit_heads (stream, sequence, hash, noted_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (stream) DO UPDATE
            SET sequence = excluded.sequence, hash = excluded.hash, noted_at = excluded.noted_at
            WHERE audit_heads.sequence < excluded.sequence";
    changed!(
        &mut store.write().await?,
        sqlx::query(SQL).bind(stream).bind(sequence).bind(hash).bind(now)
    )?;
    Ok(())
}

/// Everything that was noted.
pub async fn all(store: &Store) -> Result<Vec<NotedHead>, Fault> {
    const SQL: &str = "SELECT stream, sequence, hash, noted_at FROM audit_heads ORDER BY stream";
    on!(&mut store.read().await?, |conn| sqlx::query_as(SQL)
        .fetch_all(conn))
}

/// Notes a public key at its first use; a noted key is never replaced.
pub async fn note_signer(store: &Store, id: &str, public_key: &[u8], now: Timestamp) -> Result<(), Fault> {
    const SQL: &str = "INSERT INTO audit_signers (id, public_key, noted_at) VALUES ($1, $2, $3)
        ON CONFLICT (id) DO NOTHING";
    changed!(
        &mut store.write().await?,
        sqlx::query(SQL).bind(id).bind(public_key).bind(now)
    )?;
    Ok(())
}

/// The public keys that were noted.
pub async fn signers(store: &Store) -> Result<Vec<NotedSigner>, Fault> {
    const SQL: &str = "SELECT id, public_key FROM audit_signers ORDER BY noted_at, id";
    on!(&mut store.read().await?, |conn| sqlx::query_as(SQL)
        .fetch_all(conn))
}
