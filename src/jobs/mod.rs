//! What happens by itself: forgetting what is over, and turning keys. Every replica runs the jobs; each step is a guarded
//! statement, so that it does no harm when several do it at once.

mod keys;
mod personal;
mod purge;
mod unused_clients;

use crate::app::App;
use std::sync::Arc;
use std::time::Duration;

/// How often the jobs run.
const INTERVAL: Duration = Duration::from_secs(30);
/// How often keys are looked at: what was asked for at a time happens soon after it.
const KEYS_INTERVAL: Duration = Duration::from_secs(5);

/// Starts the jobs. They end with the runtime.
pub fn start(app: Arc<App>) {
    let turning = app.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(KEYS_INTERVAL).await;
            turn_keys(&turning).await;
        }
    });
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(INTERVAL).await;
            run(&app).await;
        }
    });
}

/// Runs every job once. A job that fails is tried again the next time, and holds up no other.
pub async fn run(app: &App) {
    turn_keys(app).await;
    let now = app.clock.now();
    if let Err(fault) = purge::run(app, now).await {
        tracing::error!("forgetting what is over failed and will be tried again: {fault}");
    }
    if let Err(fault) = unused_clients::run(app, now).await {
        tracing::error!("deleting unused clients failed and will be tried again: {fault}");
    }
    if let Err(fault) = personal::run(app).await {
        tracing::error!("sealing personal data anew failed and will be tried again: {fault}");
    }
}

async fn turn_keys(app: &App) {
    if let Err(fault) = keys::run(app, app.clock.now()).await {
        tracing::warn!("keys could not be looked at and will be the next time: {fault}");
    }
}
