//! The key set as it is published.

use crate::types::base64url;
use bytes::Bytes;
use ring::digest;
use serde_json::{Value, json};

/// A JWK set (RFC 7517 §5) made ready once and sent without copying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedJwks {
    /// The JSON text.
    pub body: Bytes,
    /// A strong entity tag (RFC 9110 §8.8.3), quotes included: it is the text's digest, the same on every replica.
    pub etag: String,
}

impl PublishedJwks {
    /// The set of these public keys, in this order.
    pub fn of(keys: &[Value]) -> Self {
        let body = json!({ "keys": keys }).to_string();
        let digest = digest::digest(&digest::SHA256, body.as_bytes());
        Self {
            etag: format!("\"{}\"", base64url(digest.as_ref())),
            body: body.into(),
        }
    }
}
