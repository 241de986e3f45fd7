//! ID tokens (OIDC Core §2).

use crate::fault::Fault;
use crate::keys::TenantKeys;
use crate::types::{Algorithm, Secret, Timestamp, base64url};
use ring::digest;
use serde::Serialize;
use serde_json::{Map, Value};

/// Life of an ID token in seconds: it is read once, at sign-in.
const LIFETIME_S: i64 = 900;

/// What an ID token is made from.
pub struct IdToken<'a> {
    /// `iss`.
    pub issuer: &'a str,
    /// `sub`.
    pub subject: &'a str,
    /// `aud`: the client.
    pub client_id: &'a str,
    /// When the user signed in.
    pub auth_time: Timestamp,
    /// `nonce` of the request; not repeated at refresh (§12.2).
    pub nonce: Option<&'a str>,
    /// `acr`.
    pub acr: &'a str,
    /// `amr`.
    pub amr: &'a [String],
    /// `sid`.
    pub sid: Option<&'a str>,
    /// The access token beside it.
    pub access_token: Option<&'a str>,
    /// Claims about the user that were asked for here.
    pub user_claims: Map<String, Value>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: i64,
    iat: i64,
    auth_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    acr: &'a str,
    amr: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    at_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    #[serde(flatten)]
    user: &'a Map<String, Value>,
}

impl IdToken<'_> {
    /// Signs with the client's algorithm.
    pub fn sign(&self, keys: &TenantKeys, alg: Algorithm, now: Timestamp) -> Result<Secret, Fault> {
        let claims = Claims {
            iss: self.issuer,
            sub: self.subject,
            aud: self.client_id,
            exp: now.seconds() + LIFETIME_S,
            iat: now.seconds(),
            auth_time: self.auth_time.seconds(),
            nonce: self.nonce,
            acr: self.acr,
            amr: self.amr,
            at_hash: self.access_token.map(|token| left_half_hash(alg, token)),
            sid: self.sid,
            user: &self.user_claims,
        };
        Ok(Secret::new(keys.signer(alg)?.sign_jwt("JWT", &claims)?))
    }
}

/// `at_hash` (§3.1.3.6): the left half of the hash that the signature algorithm uses; Ed25519 uses SHA-512.
pub fn left_half_hash(alg: Algorithm, text: &str) -> String {
    let hash = match alg {
        Algorithm::EdDSA => digest::digest(&digest::SHA512, text.as_bytes()),
        Algorithm::RS256 | Algorithm::PS256 | Algorithm::ES256 => {
            digest::digest(&digest::SHA256, text.as_bytes())
        }
    };
    let bytes = hash.as_ref();
    base64url(bytes.get(..bytes.len() / 2).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_1_3_6_at_hash_is_the_left_half() {
        // SHA-256("abc") begins ba7816bf 8f01cfea 414140de 5dae2223.
        assert_eq!(left_half_hash(Algorithm::RS256, "abc"), "ungWv48Bz-pBQUDeXa4iIw");
        assert_eq!(left_half_hash(Algorithm::EdDSA, "abc").len(), 43);
    }
}
