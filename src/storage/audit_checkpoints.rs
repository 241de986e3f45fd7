//! Statements of the chain of checkpoints, in the audit store.

use super::{Store, changed, on};
use crate::fault::Fault;
use crate::types::Timestamp;

/// A signed statement of how far the streams had come.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Checkpoint {
    /// From 1 without a gap.
    pub number: i64,
    /// When it was made.
    pub time: Timestamp,
    /// The heads as the JSON text that is hashed.
    pub heads: String,
    /// The previous checkpoint's hash.
    pub previous_hash: Vec<u8>,
    /// The hash over all of the above and the key.
    pub hash: Vec<u8>,
    /// Which key signed.
    pub key_id: String,
    /// Its public half.
    pub public_key: Vec<u8>,
    /// The signature over the hash.
    pub signature: Vec<u8>,
}

/// The newest checkpoint.
pub async fn last(store: &Store) -> Result<Option<Checkpoint>, Fault> {
    const SQL: &str = "SELECT number, time, heads, previous_hash, hash, key_id, public_key, signature
        FROM audit_checkpoints ORDER BY number DESC LIMIT 1";
    on!(&mut store.read().await?, |conn| sqlx::query_as(SQL)
        .fetch_optional(conn))
}

/// Up to `limit` checkpoints after a number, in order.
pub async fn after(store: &Store, number: i64, limit: i64) -> Result<Vec<Checkpoint>, Fault> {
    const SQL: &str = "SELECT number, time, heads, previous_hash, hash, key_id, public_key, signature
        FROM audit_checkpoints WHERE number > $1 ORDER BY number LIMIT $2";
    on!(&mut store.read().await?, |conn| sqlx::query_as(SQL)
        .bind(number)
        .bind(limit)
        .fetch_all(conn))
}

/// Adds a checkpoint. `false` when another replica has taken its number.
pub async fn insert(store: &Store, checkpoint: &Checkpoint) -> Result<bool, Fault> {
    const SQL: &str = "INSERT INTO audit_checkpoints
            (number, time, heads, previous_hash, hash, key_id, public_key, signature)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (number) DO NOTHING";
    let inserted = changed!(
        &mut store.write().await?,
        sqlx::query(SQL)
            .bind(checkpoint.number)
            .bind(checkpoint.time)
            .bind(&checkpoint.heads)
            .bind(&checkpoint.previous_hash)
            .bind(&checkpoint.hash)
            .bind(&checkpoint.key_id)
            .bind(&checkpoint.public_key)
            .bind(&checkpoint.signature)
    )?;
    Ok(inserted == 1)
}
