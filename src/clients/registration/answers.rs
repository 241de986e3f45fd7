//! How what the client gets is protected.

use super::Rules;
use super::found::Found;
use crate::clients::uris;
use crate::storage::clients::ClientMetadata;

pub(super) fn algorithms(metadata: &ClientMetadata, rules: &Rules<'_>, found: &mut Found) {
    for (pointer, alg) in [
        (
            "/access_token_signed_response_alg",
            metadata.access_token_signed_response_alg,
        ),
        (
            "/id_token_signed_response_alg",
            metadata.id_token_signed_response_alg,
        ),
    ] {
        found.when(
            alg.is_some_and(|alg| !rules.tokens.algorithms.contains(&alg)),
            pointer,
            "must be one of the algorithms with which this server signs",
        );
    }
}

/// OpenID Connect Core §8.1: "If there are multiple hostnames in the registered redirect_uris, the Client MUST register a
/// sector_identifier_uri."
pub(super) fn subjects(metadata: &ClientMetadata, rules: &Rules<'_>, found: &mut Found) {
    found.member("/sector_identifier_uri", &metadata.sector_identifier_uri, |uri| {
        uris::fetched(uri, rules.http_to_allowed)
    });
    found.when(
        metadata.is_pairwise() && metadata.sector().is_none(),
        "/sector_identifier_uri",
        "is needed for pairwise subjects, unless all redirect URIs have one host (OpenID Connect Core section 8.1)",
    );
}
