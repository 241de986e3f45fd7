//! What happens by itself: telling relying parties, forgetting what is over, and turning keys. Every replica runs the jobs; each step is a guarded
//! statement, so that it does no harm when several do it at once.

mod deliveries;
mod keys;
mod personal;
mod purge;
mod sessions;
mod tenants;
mod unused_clients;

use self::deliveries::Couriers;
use crate::app::App;
use crate::fault::Fault;
use std::sync::Arc;
use std::time::Duration;

/// How often the jobs run.
const INTERVAL: Duration = Duration::from_secs(30);
/// How often keys are looked at: what was asked for at a time happens soon after it.
const KEYS_INTERVAL: Duration = Duration::from_secs(5);

/// How often messages to receivers outside are looked for.
const DELIVERIES_INTERVAL: Duration = Duration::from_secs(1);

/// Starts the jobs. They end with the runtime.
pub fn start(app: Arc<App>) {
    let turning = app.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(KEYS_INTERVAL).await;
            turn_keys(&turning).await;
        }
    });
    let couriers = Couriers::new(app.clone());
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(DELIVERIES_INTERVAL).await;
            match couriers.round().await {
                // They work on while the next round looks after other receivers.
                Ok(mut tasks) => tasks.detach_all(),
                Err(fault) => tracing::warn!("messages to others are looked for again in a moment: {fault}"),
            }
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
    // Before anything is forgotten that tells whom to tell.
    if let Err(fault) = sessions::run(app, now).await {
        tracing::error!("ending sessions whose time is over failed and will be tried again: {fault}");
    }
    if let Err(fault) = purge::run(app, now).await {
        tracing::error!("forgetting what is over failed and will be tried again: {fault}");
    }
    if let Err(fault) = unused_clients::run(app, now).await {
        tracing::error!("deleting unused clients failed and will be tried again: {fault}");
    }
    if let Err(fault) = keys::fit(app, now).await {
        tracing::error!("tenants without keys will be given theirs the next time: {fault}");
    }
    if let Err(fault) = tenants::run(app, now).await {
        tracing::error!("forgetting deleted tenants failed and will be tried again: {fault}");
    }
    if let Err(fault) = personal::run(app).await {
        tracing::error!("sealing personal data anew failed and will be tried again: {fault}");
    }
}

/// Sends everything that is due, once, and waits until it is settled.
///
/// # Errors
/// When the database does not answer.
pub async fn deliver(app: &Arc<App>) -> Result<(), Fault> {
    let mut tasks = Couriers::new(app.clone()).round().await?;
    while tasks.join_next().await.is_some() {}
    Ok(())
}

async fn turn_keys(app: &App) {
    if let Err(fault) = keys::run(app, app.clock.now()).await {
        tracing::warn!("keys could not be looked at and will be the next time: {fault}");
    }
}
