//! The audit record of what a command does.

use super::outcome::Failure;
use crate::app::App;
use crate::audit::{Event, EventType, Outcome};
use crate::types::{Caller, TenantId};

/// An event of the tenant, by nobody that the server knows: the machine's operator. `command` is what was typed.
pub(super) fn event(
    app: &App,
    tenant: TenantId,
    event_type: EventType,
    command: &str,
) -> Result<Event, Failure> {
    let event = app.event(app.clock.now(), event_type, Outcome::Success, tenant)?;
    let caller = Caller::system(app.entropy.uuid_v4()?);
    Ok(event.by(&caller).with("actor", format!("grantor {command}")))
}
