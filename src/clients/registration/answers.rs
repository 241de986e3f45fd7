//! How what the client gets is protected.

use super::Rules;
use super::found::Found;
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
