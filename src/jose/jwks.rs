//! The key set as it is published.

use crate::jose::VerifyingKey;
use crate::types::base64url;
use bytes::Bytes;
use ring::digest;
use serde_json::json;

/// A JWK set (RFC 7517 §5) made ready once and sent without copying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedJwks {
    /// The JSON text.
    pub body: Bytes,
    /// A strong entity tag (RFC 9110 §8.8.3), quotes included: it is the text's digest, the same on every replica.
    pub etag: String,
}

impl PublishedJwks {
    /// The set of these keys, in this order.
    pub fn of<'k>(keys: impl IntoIterator<Item = &'k VerifyingKey>) -> Self {
        let keys: Vec<_> = keys.into_iter().map(VerifyingKey::to_jwk).collect();
        let body = json!({ "keys": keys }).to_string();
        let digest = digest::digest(&digest::SHA256, body.as_bytes());
        Self {
            etag: format!("\"{}\"", base64url(digest.as_ref())),
            body: body.into(),
        }
    }
}
