//! `ETag` and `If-Match` (RFC 9110 §8.8.3 and §13.1.1): a change is made to the version that its author has read.

use super::call::{Call, Stop};
use super::problem;
use crate::types::Violation;
use ring::digest;
use serde_json::Value;

/// The `ETag` of a version.
pub fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

/// The `ETag` of an object that has no version of its own.
pub fn etag_of(object: &Value) -> String {
    let digest = digest::digest(&digest::SHA256, object.to_string().as_bytes());
    format!("\"{}\"", hex::encode(digest.as_ref()))
}

/// How often a change that names no version is begun anew when another one came in between.
pub const ATTEMPTS: usize = 3;

/// Longest `If-Match`, in bytes.
pub const MAX_CONDITION: usize = 500;

/// Refuses a change to another version than the one that the caller names, if it names one.
///
/// # Errors
/// 412 when the versions differ, 400 for what is too long to name versions.
pub fn check(call: &Call, version: i64) -> Result<(), Stop> {
    match call.header("if-match")? {
        Some(condition) if condition.len() > MAX_CONDITION => {
            let detail = "may have at most 500 bytes";
            Err(problem::invalid(vec![Violation::new("If-Match", detail)]).into())
        }
        Some(condition) if !matches(condition, version) => Err(problem::precondition_failed().into()),
        _ => Ok(()),
    }
}

/// > A recipient MUST use the strong comparison function when comparing entity tags for If-Match (RFC 9110 §13.1.1)
///
/// Our tags hold digits only, so that a list can be taken apart at its commas.
fn matches(condition: &str, version: i64) -> bool {
    let own = etag(version);
    condition.trim() == "*" || condition.split(',').any(|tag| tag.trim() == own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9110_s13_1_1_tags_are_compared_strongly() {
        for good in ["\"7\"", "*", "\"6\", \"7\"", " \"7\" "] {
            assert!(matches(good, 7), "{good}");
        }
        for bad in ["\"8\"", "W/\"7\"", "7", "", "\"77\"", "'7'"] {
            assert!(!matches(bad, 7), "{bad}");
        }
    }
}
