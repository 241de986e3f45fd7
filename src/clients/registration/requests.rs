//! How the client asks for authorization.

use super::Rules;
use super::found::Found;
use crate::clients::uris;
use crate::jose::{DecryptionKey, JwkSet};
use crate::storage::clients::ClientMetadata;

pub(super) fn requests(metadata: &ClientMetadata, rules: &Rules<'_>, found: &mut Found) {
    found.list("/request_uris", &metadata.request_uris, |uri| {
        uris::request_object(uri, rules.http_to_allowed)
    });
    found.when(
        metadata.require_signed_request_object && metadata.jwks.is_none() && metadata.jwks_uri.is_none(),
        "/require_signed_request_object",
        "needs jwks or jwks_uri: there is no key that could have signed",
    );
    encryption(metadata, found);
    let Some(alg) = metadata.request_object_signing_alg else {
        return;
    };
    // Keys behind a URI, and what is wrong with a set, are not this rule's.
    let keys = metadata.jwks.as_ref().and_then(|jwks| JwkSet::parse(jwks).ok());
    found.when(
        keys.is_some_and(|set| !set.keys().iter().any(|key| key.fits(alg))),
        "/request_object_signing_alg",
        "must be an algorithm for which jwks holds a key",
    );
}

/// OpenID Connect Dynamic Client Registration §2. What the client declares here binds it to nothing: "The RP MAY still use
/// other supported encryption algorithms or send unencrypted Request Objects, even when this parameter is present."
fn encryption(metadata: &ClientMetadata, found: &mut Found) {
    const POINTER: &str = "/request_object_encryption_alg";
    let Some(alg) = metadata.request_object_encryption_alg else {
        // "When request_object_encryption_enc is included, request_object_encryption_alg MUST also be provided."
        found.when(
            metadata.request_object_encryption_enc.is_some(),
            "/request_object_encryption_enc",
            "needs request_object_encryption_alg beside it",
        );
        return;
    };
    found.when(
        !DecryptionKey::ALGORITHMS.contains(&alg),
        POINTER,
        "must be one of RSA-OAEP-256, ECDH-ES, ECDH-ES+A128KW, ECDH-ES+A256KW",
    );
    found.when(
        metadata.jwks.is_none() && metadata.jwks_uri.is_none(),
        POINTER,
        "needs jwks or jwks_uri: what is encrypted has to be signed first",
    );
}
