//! Tenants as JSON: what comes in, and what goes out.

use crate::admin::merge::merge;
use crate::storage::tenants::{TenantRow, TenantSettings};
use crate::tenants::{issuer, violations};
use crate::types::{Issuer, Violation};
use serde_json::{Map, Value, json};

/// A tenant as it is answered. `first` is the issuer of the first one.
pub fn view(row: &TenantRow, first: &Issuer) -> Map<String, Value> {
    let mut view = json!(row.settings.0).as_object().cloned().unwrap_or_default();
    view.insert("id".to_owned(), json!(row.id));
    view.insert("name".to_owned(), json!(row.name));
    view.insert("issuer".to_owned(), issuer(row, first).as_str().into());
    view.insert("enabled".to_owned(), row.enabled.into());
    view.insert("created_at".to_owned(), json!(row.created_at));
    view
}

/// The settings in a document that fits its schema, once everything else was taken out of it.
///
/// # Errors
/// Everything that is wrong.
pub(super) fn settings(document: Map<String, Value>) -> Result<TenantSettings, Vec<Violation>> {
    let settings: TenantSettings = serde_json::from_value(Value::Object(document))
        .map_err(|_| vec![Violation::new("", "must be as the API's description says")])?;
    let found = violations(&settings);
    if found.is_empty() {
        Ok(settings)
    } else {
        Err(found)
    }
}

/// Settings and `enabled` with a merge patch applied that fits its schema.
///
/// # Errors
/// Everything that is wrong.
pub(super) fn patched(row: &TenantRow, patch: &Value) -> Result<(TenantSettings, bool), Vec<Violation>> {
    let mut document = json!(row.settings.0);
    document["enabled"] = row.enabled.into();
    merge(&mut document, patch);
    let mut members = document.as_object().cloned().unwrap_or_default();
    let enabled = members.remove("enabled").and_then(|enabled| enabled.as_bool());
    Ok((settings(members)?, enabled.unwrap_or(true)))
}
