//! Ending token families: what takes rights away happens whatever the audit store does. The change and its records are
//! one transaction (the records go by the outbox), and it is never undone.

use crate::app::App;
use crate::audit::{Event, EventType, Outcome};
use crate::fault::Fault;
use crate::storage::grants::{self, Grant};
use crate::storage::{outbox, sessions};
use crate::types::{Caller, Timestamp};

/// Why a family ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A refresh token came again after it had been rotated, or from another client: the family, its access tokens and
    /// the login session behind it end (RFC 9700 §4.14.2, R-REF-05).
    RefreshReuse,
    /// A code came again (RFC 6749 §4.1.2: "SHOULD revoke (when possible) all tokens previously issued based on that
    /// authorization code").
    CodeReuse,
    /// A code came with a wrong verifier or redirect URI.
    CodeMismatch,
    /// A code or refresh token came from another client.
    StolenCode,
    /// A device code came from another client.
    StolenDeviceCode,
    /// Somebody who may asked for it.
    Revoked,
}

impl End {
    /// The reason in the row and in the audit log.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::RefreshReuse => "refresh_reuse",
            Self::CodeReuse => "code_reuse",
            Self::CodeMismatch => "code_mismatch",
            Self::StolenCode => "code_of_another_client",
            Self::StolenDeviceCode => "device_code_of_another_client",
            Self::Revoked => "revoked",
        }
    }

    /// The record of the attack itself, besides that of the family's end.
    const fn detection(self) -> Option<EventType> {
        match self {
            Self::RefreshReuse => Some(EventType::RefreshReuseDetected),
            Self::CodeReuse | Self::StolenCode => Some(EventType::CodeReuseDetected),
            Self::StolenDeviceCode => Some(EventType::DeviceCodeMisused),
            Self::CodeMismatch | Self::Revoked => None,
        }
    }
}

/// Ends a family and records why. `presented_by` is the client that presented the token, which may be another one.
pub async fn end(
    app: &App,
    grant: &Grant,
    why: End,
    caller: &Caller,
    presented_by: &str,
    generation: Option<i64>,
    now: Timestamp,
) -> Result<(), Fault> {
    let record = |event_type, outcome| -> Result<Event, Fault> {
        let event = app
            .event(now, event_type, outcome, grant.tenant_id)?
            .by(caller)
            .client(&grant.client_id)
            .user(grant.user_id)
            .family(grant.id)
            .with("presented_by", presented_by);
        Ok(match generation {
            Some(generation) => event.with("generation", generation),
            None => event,
        })
    };
    let mut events = Vec::new();
    if let Some(detection) = why.detection() {
        events.push(record(detection, Outcome::Failure)?.because(why.reason()));
    }
    let mut tx = app.store.begin().await?;
    if grants::revoke(&mut tx, grant.tenant_id, grant.id, why.reason(), now).await? {
        events.push(record(EventType::FamilyRevoked, Outcome::Success)?.with("reason", why.reason()));
    }
    if let (End::RefreshReuse, Some(session)) = (why, grant.session_id)
        && sessions::end(&mut tx, grant.tenant_id, session, why.reason(), now).await?
    {
        events.push(
            record(EventType::SessionEnded, Outcome::Success)?
                .with("reason", why.reason())
                .with("session_id", session.to_string()),
        );
    }
    for event in &events {
        outbox::insert(&mut tx, event).await?;
    }
    tx.commit().await?;
    for event in events {
        app.audit.deliver(event).await;
    }
    Ok(())
}
