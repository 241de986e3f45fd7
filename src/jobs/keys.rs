//! Turning keys: what is old enough, or was asked to, gives way to its successor.

use crate::app::App;
use crate::fault::Fault;
use crate::types::Timestamp;

/// Tenants that are given missing keys in one run: making RSA keys is work.
const PORTION: i64 = 20;

/// Gives every tenant the keys that the settings ask for.
pub async fn fit(app: &App, now: Timestamp) -> Result<(), Fault> {
    app.keys.ensure_all(PORTION, now).await
}

/// Does what is due now.
pub async fn run(app: &App, now: Timestamp) -> Result<(), Fault> {
    for event in app.keys.tick(now).await? {
        app.audit.deliver(event).await;
    }
    Ok(())
}
