//! Forgetting what is over, in bounded portions: nothing grows for ever, and no purge holds a lock for long.

use crate::app::App;
use crate::fault::Fault;
use crate::protect::limits::quota::{KEPT_MONTHS, month_of};
use crate::storage::{
    attempts, authorization_requests, clients, deliveries, device_requests, grants, limits,
    registration_tokens, revoked_tokens, sessions, sign_in_watch,
};
use crate::types::Timestamp;

/// Rows that one statement removes.
const PORTION: i64 = 500;
/// Portions of one table in one run; what is left waits for the next.
const PORTIONS: usize = 40;

/// Removes expired rows of every table that has an end.
pub async fn run(app: &App, now: Timestamp) -> Result<(), Fault> {
    macro_rules! in_portions {
        ($purge:path) => {
            for _ in 0..PORTIONS {
                let removed = $purge(&mut app.store.write().await?, now, PORTION).await?;
                if removed < PORTION as u64 {
                    break;
                }
            }
        };
    }
    in_portions!(attempts::purge);
    in_portions!(grants::purge);
    in_portions!(sessions::purge);
    in_portions!(sign_in_watch::purge);
    in_portions!(clients::purge_jtis);
    in_portions!(clients::purge_deleted);
    in_portions!(revoked_tokens::purge);
    purge_quotas(app, now).await?;
    in_portions!(registration_tokens::purge);
    in_portions!(authorization_requests::purge);
    in_portions!(device_requests::purge);
    in_portions!(deliveries::purge);
    Ok(())
}

async fn purge_quotas(app: &App, now: Timestamp) -> Result<(), Fault> {
    let first_kept = month_of(now) - KEPT_MONTHS;
    for _ in 0..PORTIONS {
        let mut conn = app.store.write().await?;
        if limits::purge_quotas(&mut conn, first_kept, PORTION).await? < PORTION as u64 {
            break;
        }
    }
    Ok(())
}
