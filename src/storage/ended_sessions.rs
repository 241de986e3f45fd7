//! Sessions that have ended and whose relying parties are still to be told.
//!
//! Whatever ends a session writes a row here in the same transaction (see `sessions.rs`), so that no relying party is
//! forgotten when the process stops right afterwards. A job turns each row into one delivery for every client: the work
//! of a logout does not grow with the number of clients while somebody waits for it.

use super::{Store, Tx, changed, on};
use crate::fault::Fault;
use crate::types::{SessionId, TenantId, Timestamp, UserId};

/// A session that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Ended {
    /// Whose it was.
    pub tenant_id: TenantId,
    /// The session.
    pub id: SessionId,
    /// Who was signed in.
    pub user_id: UserId,
}

/// Notes that sessions have ended, in the transaction that ends them.
pub(super) async fn note(tx: &mut Tx, ended: &[Ended], now: Timestamp) -> Result<(), Fault> {
    const SQL: &str = "INSERT INTO ended_sessions (tenant_id, session_id, user_id, ended_at)
        VALUES ($1, $2, $3, $4) ON CONFLICT (tenant_id, session_id) DO NOTHING";
    for session in ended {
        changed!(
            &mut *tx,
            sqlx::query(SQL)
                .bind(session.tenant_id)
                .bind(session.id)
                .bind(session.user_id)
                .bind(now)
        )?;
    }
    Ok(())
}

/// Up to `limit` of them, those first that have waited longest.
pub async fn list(store: &Store, limit: i64) -> Result<Vec<Ended>, Fault> {
    const SQL: &str = "SELECT tenant_id, session_id AS id, user_id FROM ended_sessions
        ORDER BY ended_at, session_id LIMIT $1";
    on!(&mut store.read().await?, |conn| sqlx::query_as(SQL)
        .bind(limit)
        .fetch_all(conn))
}

/// Takes one of them, in the transaction that writes its deliveries: of two replicas one gets `true`.
pub async fn take(tx: &mut Tx, ended: &Ended) -> Result<bool, Fault> {
    const SQL: &str = "DELETE FROM ended_sessions WHERE tenant_id = $1 AND session_id = $2";
    Ok(changed!(tx, sqlx::query(SQL).bind(ended.tenant_id).bind(ended.id))? == 1)
}
