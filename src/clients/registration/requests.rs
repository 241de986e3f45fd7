//! How the client asks for authorization.

use super::Rules;
use super::found::Found;
use crate::clients::uris;
use crate::jose::JwkSet;
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
