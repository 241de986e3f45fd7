//! Sets of public keys from outside (RFC 7517 §5).

use crate::jose::json;
use crate::jose::jwe::EncryptionKey;
use crate::jose::jwk::{Jwk, for_signatures, kid, public_members};
use crate::types::{Algorithm, KeyManagement, Kid, Malformed};
use serde_json::Value;
use std::collections::HashSet;

/// Most keys in a set.
const MAX_KEYS: usize = 50;
/// Longest text of a set that is fetched, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// The keys with which a client signs, and those to which it lets others encrypt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JwkSet {
    keys: Vec<Jwk>,
    encryption: Vec<EncryptionKey>,
}

impl JwkSet {
    /// Reads a set that somebody registers. Keys for encryption that this server cannot use may stand in it and are left
    /// out.
    ///
    /// # Errors
    /// Where [`Jwk::parse`] has one, two keys have one id, or there are more than 50.
    pub fn parse(value: &Value) -> Result<Self, Malformed> {
        let mut set = Self::default();
        let mut kids = HashSet::new();
        for value in members_of_set(value)? {
            let members = public_members(value)?;
            if let Some(kid) = kid(members)?
                && !kids.insert(kid)
            {
                return Err(Malformed("must not have two keys with the same kid"));
            }
            if for_signatures(members)? {
                set.keys.push(Jwk::parse(value)?);
            }
            set.encryption.extend(EncryptionKey::parse(value));
        }
        Ok(set)
    }

    /// Reads a set that a client publishes. "Implementations SHOULD ignore JWKs within a JWK Set that use `kty` (key
    /// type) values that are not understood […], that are missing required members, or for which values are out of the
    /// supported ranges" (RFC 7517 §5): a client may publish keys for others than this server.
    ///
    /// # Errors
    /// When it is no set, is too large, or two usable keys have one id.
    pub fn parse_published(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_BYTES {
            return Err(Malformed("must have at most 256 KiB"));
        }
        let object = json::object(bytes).ok_or(Malformed("must be a JSON object without repeated names"))?;
        let set = Value::Object(object);
        let values = members_of_set(&set)?;
        let keys: Vec<_> = values.iter().filter_map(|value| Jwk::parse(value).ok()).collect();
        let encryption = values.iter().filter_map(EncryptionKey::parse).collect();
        let mut kids = HashSet::new();
        if !keys
            .iter()
            .filter_map(|key| key.kid.as_ref())
            .all(|kid| kids.insert(kid))
        {
            return Err(Malformed("must not have two keys with the same kid"));
        }
        Ok(Self { keys, encryption })
    }

    /// The keys for signatures.
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    /// The key that a signature names: by its id; without an id the only key that fits the algorithm.
    pub fn find(&self, kid: Option<&Kid>, alg: Algorithm) -> Option<&Jwk> {
        let mut fitting = self
            .keys
            .iter()
            .filter(|key| key.fits(alg) && (kid.is_none() || key.kid.as_ref() == kid));
        let key = fitting.next()?;
        fitting.next().is_none().then_some(key)
    }

    /// The key to encrypt to: one that says that it is for encryption before one that says nothing, and otherwise the
    /// first. The client knows by its id, or has to try those that it published.
    pub fn encryption_key(&self, alg: KeyManagement) -> Option<&EncryptionKey> {
        let fitting = || self.encryption.iter().filter(|key| key.fits(alg));
        fitting()
            .find(|key| key.is_dedicated())
            .or_else(|| fitting().next())
    }
}

fn members_of_set(value: &Value) -> Result<&[Value], Malformed> {
    let keys = value
        .get("keys")
        .and_then(Value::as_array)
        .ok_or(Malformed("must be an object with an array \"keys\""))?;
    if keys.len() > MAX_KEYS {
        return Err(Malformed("must have at most 50 keys"));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::jwk::tests::{p256_jwk, rsa_jwk, with};
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn shared_keys_are_refused_whatever_they_are_for() {
        assert!(JwkSet::parse(&json!({ "keys": [{ "kty": "oct", "use": "enc" }] })).is_err());
    }

    #[test]
    fn a_set_has_distinct_ids_and_may_hold_keys_for_encryption() {
        let set = |keys: Vec<Value>| json!({ "keys": keys });
        let a = with(rsa_jwk(2048), "kid", "a");
        let twice = set(vec![a.clone(), with(p256_jwk(), "kid", "a")]);
        assert!(JwkSet::parse(&twice).is_err());
        assert!(JwkSet::parse_published(twice.to_string().as_bytes()).is_err());
        let encryption = json!({ "kty": "EC", "crv": "P-384", "use": "enc", "kid": "e", "alg": "ECDH-ES" });
        let parsed = JwkSet::parse(&set(vec![a.clone(), encryption])).unwrap();
        assert_eq!(parsed.keys().len(), 1);
        assert!(JwkSet::parse(&set(vec![p256_jwk(); 51])).is_err());
        assert!(JwkSet::parse(&json!([a.clone()])).is_err());
        // RFC 7517 section 5: what is not understood in a published set is ignored.
        let published = set(vec![a, json!({ "kty": "new" }), rsa_jwk(1024)]);
        assert!(JwkSet::parse(&published).is_err());
        let published = JwkSet::parse_published(published.to_string().as_bytes()).unwrap();
        assert_eq!(published.keys().len(), 1);
    }

    #[test]
    fn a_signature_finds_its_key() {
        let set = JwkSet::parse(&json!({ "keys": [
            with(rsa_jwk(2048), "kid", "a"), with(rsa_jwk(3072), "kid", "b"), p256_jwk(),
        ]}))
        .unwrap();
        let (a, c) = (Kid::parse("a").unwrap(), Kid::parse("c").unwrap());
        assert_eq!(set.find(Some(&a), Algorithm::RS256), Some(&set.keys()[0]));
        assert_eq!(set.find(Some(&a), Algorithm::ES256), None);
        assert_eq!(set.find(Some(&c), Algorithm::RS256), None);
        assert_eq!(set.find(None, Algorithm::RS256), None, "two would do");
        assert_eq!(set.find(None, Algorithm::ES256), Some(&set.keys()[2]));
    }

    #[test]
    fn what_is_encrypted_finds_its_key() {
        let set = JwkSet::parse(&json!({ "keys": [
            with(p256_jwk(), "kid", "any"),
            with(with(rsa_jwk(2048), "kid", "sig"), "use", "sig"),
            with(with(rsa_jwk(3072), "kid", "rsa"), "alg", "RSA-OAEP-256"),
            with(with(p256_jwk(), "kid", "enc"), "use", "enc"),
        ]}))
        .unwrap();
        let found = |alg| {
            set.encryption_key(alg)
                .and_then(EncryptionKey::kid)
                .map(Kid::as_str)
        };
        assert_eq!(found(KeyManagement::RsaOaep256), Some("rsa"));
        assert_eq!(found(KeyManagement::RsaOaep), None, "the key names another alg");
        assert_eq!(
            found(KeyManagement::EcdhEs),
            Some("enc"),
            "before one that says nothing"
        );
        assert_eq!(set.keys().len(), 2, "any and sig");
    }

    proptest! {
        #[test]
        fn no_input_panics(text in "\\PC{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = JwkSet::parse_published(text.as_bytes());
            let _ = JwkSet::parse_published(&bytes);
        }
    }
}
