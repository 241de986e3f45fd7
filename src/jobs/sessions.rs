//! Ending sessions whose time is over, so that their relying parties hear of it.

use crate::app::App;
use crate::fault::Fault;
use crate::storage::sessions;
use crate::types::Timestamp;

/// Sessions that one transaction ends.
const PORTION: i64 = 200;

/// Ends all sessions that have reached their absolute end. Nothing depends on it but what others are told: every statement
/// that asks for a living session looks at the time itself.
pub async fn run(app: &App, now: Timestamp) -> Result<(), Fault> {
    while sessions::any_expired(&app.store, now).await? {
        let mut tx = app.store.begin().await?;
        sessions::end_expired(&mut tx, now, PORTION).await?;
        tx.commit().await?;
    }
    Ok(())
}
