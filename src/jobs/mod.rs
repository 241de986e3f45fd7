//! What happens by itself: forgetting what is over, and turning keys. Every replica runs the jobs; each step is a guarded
//! statement, so that it does no harm when several do it at once.

mod purge;

use crate::app::App;
use std::sync::Arc;
use std::time::Duration;

/// How often the jobs run.
const INTERVAL: Duration = Duration::from_secs(30);
/// Starts the jobs. They end with the runtime.
pub fn start(app: Arc<App>) {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(INTERVAL).await;
            run(&app).await;
        }
    });
}

/// Runs every job once. A job that fails is tried again the next time, and holds up no other.
pub async fn run(app: &App) {
    let now = app.clock.now();
    if let Err(fault) = purge::run(app, now).await {
        tracing::error!("forgetting what is over failed and will be tried again: {fault}");
    }
}
