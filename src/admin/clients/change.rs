//! A change of a client: the merge patch.

use crate::admin::merge::merge;
use crate::clients::document;
use crate::fault::Fault;
use crate::storage::clients::Client;
use serde_json::{Map, Value};

/// The registration document with the patch applied, and whether the client is then enabled.
///
/// # Errors
/// When the stored registration is no JSON, which is a defect.
pub(super) fn patched(client: &Client, patch: &Value) -> Result<(Map<String, Value>, bool), Fault> {
    let mut members = document::members(&client.metadata)?;
    // It follows from the grant types, unless the patch says something else, which is then checked.
    members.remove("response_types");
    members.insert("enabled".to_owned(), client.enabled.into());
    let mut merged = Value::Object(members);
    merge(&mut merged, patch);
    let Value::Object(mut merged) = merged else {
        return Err(Fault::internal("a patched client is no object"));
    };
    let enabled = merged.remove("enabled").and_then(|enabled| enabled.as_bool());
    Ok((merged, enabled.unwrap_or(true)))
}
