//! The sector of a client (OpenID Connect Core §8.1): all clients of one sector know a person by the same pairwise
//! subject, and clients of different sectors by different ones.

use crate::outgoing::{Outgoing, OutgoingError};
use crate::storage::clients::ClientMetadata;
use crate::types::{SubjectType, Violation};
use std::collections::HashSet;
use url::Url;

/// Largest list that is fetched.
const MAX_BYTES: usize = 128 * 1024;
/// Most URIs in it.
const MAX_URIS: usize = 1_000;

const MEMBER: &str = "/sector_identifier_uri";

impl ClientMetadata {
    /// The sector: the host of `sector_identifier_uri`, or the one that all redirect URIs have. `None` where there is no
    /// such host, or several.
    pub fn sector(&self) -> Option<String> {
        if let Some(uri) = &self.sector_identifier_uri {
            return host(uri);
        }
        let mut hosts = self.redirect_uris.iter().map(|uri| host(uri));
        let first = hosts.next()??;
        hosts
            .all(|other| other.as_deref() == Some(&*first))
            .then_some(first)
    }

    /// Whether each sector knows people by other subjects.
    pub fn is_pairwise(&self) -> bool {
        self.subject_type == SubjectType::Pairwise
    }
}

/// The host of a URI, in the one spelling that the URL standard gives it.
fn host(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok()?;
    url.host_str().filter(|host| !host.is_empty()).map(str::to_owned)
}

/// Why a registration does not agree with its `sector_identifier_uri`.
#[derive(Debug)]
pub(super) struct SectorMismatch {
    /// Everything that is wrong.
    pub(super) violations: Vec<Violation>,
    /// The document lies where the server must not go; worth an audit record.
    pub(super) forbidden: bool,
}

/// Fetches the document at `sector_identifier_uri`, where one is named, and checks that it holds the redirect URIs. To be
/// asked when a client is registered and when [`is_touched`], after all other rules.
///
/// OpenID Connect Dynamic Client Registration §5: "The value of the sector_identifier_uri MUST be a URL using the https
/// scheme that points to a JSON file containing an array of redirect_uri values. The values of the registered
/// redirect_uris MUST be included in the elements of the array."
///
/// # Errors
/// When there is no such list, or it lacks a redirect URI.
pub(super) async fn check(outgoing: &Outgoing, metadata: &ClientMetadata) -> Result<(), SectorMismatch> {
    let Some(uri) = &metadata.sector_identifier_uri else {
        return Ok(());
    };
    let listed = listed(outgoing, uri).await?;
    let violations: Vec<_> = metadata
        .redirect_uris
        .iter()
        .enumerate()
        .filter(|(_, uri)| !listed.contains(*uri))
        .map(|(position, _)| {
            Violation::new(
                format!("/redirect_uris/{position}"),
                "must be in the list at sector_identifier_uri (OpenID Connect Dynamic Client Registration section 5)",
            )
        })
        .collect();
    if violations.is_empty() {
        Ok(())
    } else {
        Err(SectorMismatch {
            violations,
            forbidden: false,
        })
    }
}

/// Whether a change of a registration has to be held against the document again.
pub(super) fn is_touched(old: &ClientMetadata, new: &ClientMetadata) -> bool {
    old.sector_identifier_uri != new.sector_identifier_uri || old.redirect_uris != new.redirect_uris
}

async fn listed(outgoing: &Outgoing, uri: &str) -> Result<HashSet<String>, SectorMismatch> {
    let mismatch = |detail: String, forbidden| SectorMismatch {
        violations: vec![Violation::new(MEMBER, detail)],
        forbidden,
    };
    let answer = outgoing
        .get(uri, "application/json", MAX_BYTES)
        .await
        .map_err(|error| match error {
            OutgoingError::Forbidden(why) => mismatch(format!("cannot be fetched: {why}"), true),
            OutgoingError::Failed(why) => mismatch(format!("could not be fetched: {why}"), false),
        })?;
    if answer.status != 200 {
        let detail = "could not be fetched: the answer was no 200 (redirects are not followed)";
        return Err(mismatch(detail.to_owned(), false));
    }
    serde_json::from_slice::<Vec<String>>(&answer.body)
        .ok()
        .filter(|listed| listed.len() <= MAX_URIS)
        .map(|listed| listed.into_iter().collect())
        .ok_or_else(|| {
            mismatch(
                "must point to a JSON array of at most 1000 redirect URIs".to_owned(),
                false,
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(redirects: &[&str], sector: Option<&str>) -> Option<String> {
        let metadata = ClientMetadata {
            redirect_uris: redirects.iter().map(|uri| (*uri).to_owned()).collect(),
            sector_identifier_uri: sector.map(str::to_owned),
            ..ClientMetadata::default()
        };
        metadata.sector()
    }

    #[test]
    fn s8_1_the_sector_is_the_host_of_the_one_or_of_the_other() {
        let both = ["https://A.example/cb", "https://a.example:8443/other?x=1"];
        assert_eq!(of(&both, None).as_deref(), Some("a.example"));
        assert_eq!(
            of(&["https://b.example/cb"], Some("https://a.example/sector.json")).as_deref(),
            Some("a.example")
        );
        assert_eq!(of(&["https://a.example/", "https://b.example/"], None), None);
        assert_eq!(of(&["https://a.example/", "com.example.app:/cb"], None), None);
        assert_eq!(of(&["com.example.app:/cb"], None), None);
        assert_eq!(of(&[], None), None);
    }
}
