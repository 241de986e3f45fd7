//! The end of clients that registered themselves and are not used.

use crate::app::App;
use crate::audit::{EventType, Outcome};
use crate::fault::Fault;
use crate::storage::registered_clients::{self, NOTED_AFTER_S, Unused};
use crate::types::Timestamp;

/// Clients that are deleted in one run; what is left waits for the next.
const PORTION: i64 = 500;

/// Deletes clients that registered themselves and got no token for `registration.unused_days`, or for as long as their
/// tenant says.
pub async fn run(app: &App, now: Timestamp) -> Result<(), Fault> {
    let default_days = app.config.registration.unused_days;
    let mut all = registered_clients::unused_days(&mut app.store.read().await?).await?;
    if !all.contains(&default_days) {
        all.push(default_days);
    }
    for days in all {
        delete(app, days, default_days, now).await?;
    }
    Ok(())
}

/// Deletes those of the tenants in which it is after so many days. A use may be a day later than the last one that was
/// noted.
async fn delete(app: &App, days: i64, default_days: i64, now: Timestamp) -> Result<(), Fault> {
    let before = now.plus_seconds(-(days * 86_400 + NOTED_AFTER_S));
    let which = Unused {
        days,
        default_days,
        before,
    };
    let due = registered_clients::unused(&mut app.store.read().await?, which, PORTION).await?;
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
