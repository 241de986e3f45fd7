//! Turning keys: what is old enough, or was asked to, gives way to its successor.

use crate::app::App;
use crate::fault::Fault;
use crate::types::Timestamp;

/// Does what is due now.
pub async fn run(app: &App, now: Timestamp) -> Result<(), Fault> {
    for event in app.keys.tick(now).await? {
        app.audit.deliver(event).await;
    }
    Ok(())
}
