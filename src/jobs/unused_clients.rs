//! The end of clients that registered themselves and are not used.

use crate::app::App;
use crate::audit::{EventType, Outcome};
use crate::fault::Fault;
use crate::storage::registered_clients::{self, NOTED_AFTER_S};
use crate::types::Timestamp;

/// Clients that are deleted in one run; what is left waits for the next.
const PORTION: i64 = 500;

/// Deletes clients that registered themselves and got no token for `registration.unused_days`. A use may be a day later
/// than the last one that was noted.
pub async fn run(app: &App, now: Timestamp) -> Result<(), Fault> {
    let days = app.config.registration.unused_days;
    let before = now.plus_seconds(-(days * 86_400 + NOTED_AFTER_S));
    let due = registered_clients::unused(&mut app.store.read().await?, before, PORTION).await?;
    for (tenant, client_id) in due {
        let event = app
            .event(now, EventType::ClientDeleted, Outcome::Success, tenant)?
            .with("actor", "server")
            .with("method", "unused")
            .with("unused_days", days);
        app.registrar
            .remove_unused(tenant, &client_id, before, event, now)
            .await?;
    }
    Ok(())
}
