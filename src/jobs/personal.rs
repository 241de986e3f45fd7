//! Sealing personal data anew, once its key was replaced.

use crate::app::App;
use crate::fault::Fault;
use crate::storage::tenants;

/// Users whose data is sealed anew at once, and portions of one run.
const PORTION: i64 = 100;
const PORTIONS: usize = 20;

/// Seals anew what older keys have sealed; what is left waits for the next run. A replaced key stays until nothing is
/// sealed with it.
pub async fn run(app: &App) -> Result<(), Fault> {
    let due = tenants::sealed_with_old_keys(&mut app.store.read().await?, PORTION).await?;
    for tenant in due {
        for _ in 0..PORTIONS {
            let resealed = app.accounts.reseal(tenant, PORTION).await?;
            if resealed < PORTION as usize {
                break;
            }
        }
    }
    Ok(())
}
