//! What can be asked for by a registered name, but is not there.

use super::found::Found;
use crate::storage::clients::ClientMetadata;

/// Members that are registered with IANA, but ask for what this server does not do. Taking them would promise it.
pub(super) fn not_offered(metadata: &ClientMetadata, found: &mut Found) {
    const REQUEST_OBJECTS: &str =
        "is not offered: this server takes request objects that are signed, not encrypted; leave it out";
    let asked = [
        (
            "/request_object_encryption_alg",
            metadata.request_object_encryption_alg.is_some(),
        ),
        (
            "/request_object_encryption_enc",
            metadata.request_object_encryption_enc.is_some(),
        ),
    ];
    for (pointer, is_asked) in asked {
        found.when(is_asked, pointer, REQUEST_OBJECTS);
    }
}
