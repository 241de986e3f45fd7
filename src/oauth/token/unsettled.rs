//! Codes and refresh tokens that come again while their first use is not settled.
//!
//! A use is one committed statement, then its durable record, then the answer; when the record cannot be written, the use
//! is put back ([`super::refresh_token::put_back`]). Whoever sends the same token again in between (a client that ran out
//! of patience, a proxy that retries) is no thief if the first use turns out to have yielded nothing. So a repetition is
//! judged when the first use is settled: by the row, which shows a use that was put back, and by the audit store, which
//! holds the record of one that stands. Nothing is written for this where nothing comes twice.
//!
//! Theft is found as before: a use that stands makes its repetition theft, at once where the record can be read, and
//! after a few seconds where it cannot.

use crate::app::App;
use crate::fault::Fault;
use crate::storage::audit_read::{self, Filter};
use crate::storage::grants::{self, Grant, GrantState, Presented};
use crate::types::{Outcome, Timestamp};
use serde_json::{Map, Value};
use std::time::Duration;

/// For so long after its statement a use may be unsettled: as long as the log is waited for, and one for the put-back.
const UNSETTLED_MICROS: i64 = 5_000_000;
/// How long a repetition waits for the first use to be settled: no longer than any answer may take.
const PATIENCE: Duration = Duration::from_millis(4_500);
/// The first pause between two looks; each is twice as long as the one before, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(160);
/// Records of one family that are looked through, newest first.
const MAX_RECORDS: i64 = 20;

/// Whether the use after which `presented` came again was put back. `found` is the row as the repetition found it. Waits
/// while that is open.
///
/// # Errors
/// When the main database does not answer.
pub async fn was_put_back(
    app: &App,
    found: &Grant,
    presented: &Presented<'_>,
    now: Timestamp,
) -> Result<bool, Fault> {
    let is_recent = found
        .rotated_at
        .is_some_and(|at| now.micros_since(at) < UNSETTLED_MICROS);
    let was_the_last = presented.generation + 1 == found.generation && found.state == GrantState::Active;
    if !is_recent || !was_the_last {
        return Ok(false);
    }
    let settled = async {
        let mut pause = FIRST_PAUSE;
        loop {
            let mut conn = app.store.read().await?;
            let row = grants::find(&mut conn, found.tenant_id, found.id).await?;
            drop(conn);
            if let Some(settled) = judged(found, row.as_ref()) {
                return Ok(settled);
            }
            if is_recorded(app, found).await {
                return Ok(false);
            }
            tokio::time::sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    };
    // Later than this it would have been put back: it stands, or its process was killed before it was recorded.
    tokio::time::timeout(PATIENCE, settled).await.unwrap_or(Ok(false))
}

/// What the row says by now: `Some(true)` for a use that was put back, `None` while it says nothing.
fn judged(found: &Grant, row: Option<&Grant>) -> Option<bool> {
    let Some(row) = row else { return Some(false) };
    // A successor that was used left the server; and what is revoked needs no judgement.
    if row.state == GrantState::Revoked || row.generation > found.generation {
        return Some(false);
    }
    (row.salt != found.salt).then_some(true)
}

/// Whether the use that the row shows is on record. A store that does not answer has not said so.
async fn is_recorded(app: &App, used: &Grant) -> bool {
    let filter = Filter {
        since: used.rotated_at,
        outcome: Some(Outcome::Success.as_str().to_owned()),
        token_family: Some(used.id.to_string()),
        ..Filter::default()
    };
    let records = async {
        let mut conn = app.audit_store.read().await?;
        audit_read::list(&mut conn, used.tenant_id, &filter, None, MAX_RECORDS).await
    };
    let of_this_use = |metadata: &str| {
        let metadata: Map<String, Value> = serde_json::from_str(metadata).unwrap_or_default();
        metadata.contains_key("jti") && metadata.get("generation") == Some(&Value::from(used.generation))
    };
    records
        .await
        .is_ok_and(|records| records.iter().any(|record| of_this_use(&record.metadata)))
}

/// What a repetition is told whose first use was put back.
pub fn try_again() -> Fault {
    Fault::unavailable("a code or refresh token came again while its first use was put back")
}
