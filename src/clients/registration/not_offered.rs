//! What can be asked for by a registered name, but is not there.

use super::found::Found;
use crate::storage::clients::ClientMetadata;

/// Members that are registered with IANA, but ask for what this server does not do. Taking them would promise it.
pub(super) fn not_offered(metadata: &ClientMetadata, found: &mut Found) {
    const REQUEST_OBJECTS: &str = "is not offered: this server takes no request objects; leave it out";
    let asked = [
        (
            "/request_object_encryption_alg",
            metadata.request_object_encryption_alg.is_some(),
            REQUEST_OBJECTS,
        ),
        (
            "/request_object_encryption_enc",
            metadata.request_object_encryption_enc.is_some(),
            REQUEST_OBJECTS,
        ),
        (
            "/request_object_signing_alg",
            metadata.request_object_signing_alg.is_some(),
            REQUEST_OBJECTS,
        ),
        (
            "/require_signed_request_object",
            metadata.require_signed_request_object,
            REQUEST_OBJECTS,
        ),
        (
            "/request_uris",
            !metadata.request_uris.is_empty(),
            REQUEST_OBJECTS,
        ),
        (
            "/require_pushed_authorization_requests",
            metadata.require_pushed_authorization_requests,
            "must be false: this server takes no pushed authorization requests",
        ),
    ];
    for (pointer, is_asked, detail) in asked {
        found.when(is_asked, pointer, detail);
    }
}
