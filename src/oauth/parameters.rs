//! What the parameters of all OAuth requests have in common.

use super::error::OauthError;
use crate::protect::body::Form;

/// Parameters that a specification allows to come several times: `resource` (RFC 8707 §2).
pub const REPEATABLE: [&str; 1] = ["resource"];

/// The value of a parameter that has to be there.
///
/// # Errors
/// `invalid_request` that names it.
pub fn require<'f>(form: &'f Form, name: &str) -> Result<&'f str, OauthError> {
    form.get(name)
        .ok_or_else(|| OauthError::invalid_request(format!("The parameter {name} is missing")))
}
