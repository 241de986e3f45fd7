//! Users as JSON: what comes in, and what the audit log says of a change.

use crate::account::Credential;
use crate::account::profile::{CheckedProfile, Profile, UserView};
use crate::admin::merge::merge;
use crate::admin::problem;
use crate::audit::differences;
use crate::fault::Fault;
use crate::surface::Refusal;
use crate::types::{Attributes, Audience, Secret, Violation};
use serde_json::{Map, Value, json};

/// Members whose values the audit log may hold. The others are personal data.
const TOLD: [&str; 5] = [
    "enabled",
    "roles",
    "email_verified",
    "phone_number_verified",
    "password_temporary",
];

/// A document that fits its schema, read.
pub(super) struct Document {
    /// Who the person is and what it may do.
    pub(super) checked: CheckedProfile,
    /// What the user shall sign in with, where that is said.
    pub(super) credential: Option<Credential>,
    /// Whether the password has to be changed.
    pub(super) password_temporary: bool,
}

/// Reads a document that fits its schema. `kept` are the attributes that the user has, of which it holds those that
/// administrators see.
///
/// # Errors
/// 400 with everything that is wrong.
pub(super) fn read(
    mut document: Map<String, Value>,
    declared: &Attributes,
    kept: &Map<String, Value>,
) -> Result<Document, Refusal> {
    let password = taken_text(&mut document, "password");
    let hash = taken_text(&mut document, "password_hash");
    let temporary = document
        .remove("password_temporary")
        .and_then(|value| value.as_bool());
    let temporary = temporary.unwrap_or(false);
    document.entry("enabled").or_insert(true.into());
    let proposed = match document.remove("attributes") {
        Some(Value::Object(proposed)) => proposed,
        _ => Map::new(),
    };
    let mut wrong_attributes = Vec::new();
    match declared.changed_by(Audience::Admin, kept, proposed) {
        Ok(attributes) => {
            document.insert("attributes".to_owned(), attributes.into());
        }
        Err(wrong) => wrong_attributes.extend(wrong.into_iter().map(|(name, why)| {
            Violation::new(
                format!("/attributes/{}", name.replace('~', "~0").replace('/', "~1")),
                why,
            )
        })),
    }
    let profile: Profile = serde_json::from_value(Value::Object(document))
        .map_err(|_| problem::invalid(vec![Violation::new("", "must be as the API's description says")]))?;
    let checked = profile.check();
    let credential = match (password, hash) {
        (None, None) => Ok(None),
        (Some(password), None) => Ok(Some(Credential::Password {
            password: Secret::new(password),
            temporary,
        })),
        (None, Some(text)) => Ok(Some(Credential::Hash { text, temporary })),
        (Some(_), Some(_)) => Err(Violation::new("/password_hash", "must not stand beside password")),
    };
    match (checked, credential) {
        (Ok(checked), Ok(credential)) if wrong_attributes.is_empty() => Ok(Document {
            checked,
            credential,
            password_temporary: temporary,
        }),
        (checked, credential) => {
            let mut wrong = checked.err().unwrap_or_default();
            wrong.extend(credential.err());
            wrong.extend(wrong_attributes);
            Err(problem::invalid(wrong))
        }
    }
}

/// The document of a user with a merge patch applied. A changed address or number is not verified any more, unless the
/// patch says so.
///
/// # Errors
/// When the user is no JSON object, which is a defect.
pub(super) fn patched(view: &UserView, patch: &Value) -> Result<Map<String, Value>, Fault> {
    let before = members(&view.profile)?;
    let mut merged = Value::Object(before.clone());
    merged["password_temporary"] = view.password_temporary.into();
    merge(&mut merged, patch);
    let Value::Object(mut merged) = merged else {
        return Err(Fault::internal("a patched user is no object"));
    };
    for (member, verified) in [
        ("email", "email_verified"),
        ("phone_number", "phone_number_verified"),
    ] {
        if merged.get(member) != before.get(member) && patch.get(verified).is_none() {
            merged.remove(verified);
        }
    }
    // An address without a line is none.
    if merged.get("address").is_some_and(|address| *address == json!({})) {
        merged.remove("address");
    }
    Ok(merged)
}

/// What a change changes, for the audit log.
///
/// # Errors
/// When a user is no JSON object, which is a defect.
pub(super) fn changes(
    view: &UserView,
    kept: &Map<String, Value>,
    document: &Document,
) -> Result<Map<String, Value>, Fault> {
    let (mut old, mut new) = (members(&view.profile)?, members(document.checked.profile())?);
    // Those that administrators do not see are in both, or in none.
    old.insert("attributes".to_owned(), kept.clone().into());
    new.entry("attributes").or_insert(json!({}));
    old.insert("password_temporary".to_owned(), view.password_temporary.into());
    new.insert(
        "password_temporary".to_owned(),
        document.password_temporary.into(),
    );
    let mut changes = differences(&old, &new, |name| TOLD.contains(&name));
    if document.credential.is_some() {
        changes.insert("password".to_owned(), "changed".into());
    }
    Ok(changes)
}

fn members(profile: &Profile) -> Result<Map<String, Value>, Fault> {
    match serde_json::to_value(profile) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(Fault::internal("a profile is no JSON object")),
    }
}

fn taken_text(document: &mut Map<String, Value>, name: &str) -> Option<String> {
    match document.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}
