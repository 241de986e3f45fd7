//! Purpose keys in memory.

use crate::fault::Fault;
use crate::sealed::SealingKey;
use crate::storage::purpose_keys::Purpose;
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use ring::hmac;
use std::fmt;
use zeroize::Zeroizing;

/// A key for one purpose. What it authenticates and what it seals uses keys derived from it (RFC 5869), so that the two
/// never share one.
pub struct PurposeKey {
    id: String,
    purpose: Purpose,
    root: Prk,
    mac: hmac::Key,
    sealing: SealingKey,
}

impl PurposeKey {
    /// Bytes of a stored key.
    pub(super) const BYTES: usize = 32;

    pub(super) fn new(id: &str, purpose: Purpose, bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.len() != Self::BYTES {
            return Err(Fault::internal(format!("the stored key {id} has not 32 bytes")));
        }
        let root = Salt::new(HKDF_SHA256, b"grantor").extract(bytes);
        let mac = derive(&root, &[purpose.as_str(), "mac"])?;
        let sealing = derive(&root, &[purpose.as_str(), "seal"])?;
        Ok(Self {
            mac: hmac::Key::new(hmac::HMAC_SHA256, &*mac),
            sealing: SealingKey::new(id, &*sealing)?,
            id: id.to_owned(),
            purpose,
            root,
        })
    }

    /// The key's id: 11 characters of base64url (8 random bytes), unique within the tenant.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the key is for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// HMAC-SHA-256 (RFC 2104).
    pub fn mac(&self, message: &[u8]) -> [u8; 32] {
        let tag = hmac::sign(&self.mac, message);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(tag.as_ref());
        bytes
    }

    /// A key of its own for authenticating one further kind of message, for instance `limits`.
    pub fn mac_key(&self, kind: &str) -> Result<hmac::Key, Fault> {
        let bytes = derive(&self.root, &[self.purpose.as_str(), "mac", kind])?;
        Ok(hmac::Key::new(hmac::HMAC_SHA256, &*bytes))
    }

    /// Compares in constant time. A shortened MAC is refused.
    pub fn verify_mac(&self, message: &[u8], mac: &[u8]) -> bool {
        hmac::verify(&self.mac, message, mac).is_ok()
    }

    /// For sealing what signed-in people and the server itself cause to be sealed.
    pub fn sealing(&self) -> &SealingKey {
        &self.sealing
    }

    /// A key of its own for each hour (Unix seconds divided by 3600), for what anonymous callers can have sealed as often
    /// as they like: random nonces of one AES-GCM key must not run out (NIST SP 800-38D §8.3).
    pub fn sealing_of_hour(&self, hour: i64) -> Result<SealingKey, Fault> {
        let bytes = derive(&self.root, &[self.purpose.as_str(), "hour", &hour.to_string()])?;
        SealingKey::new(self.id.as_str(), &*bytes)
    }
}

impl fmt::Debug for PurposeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PurposeKey({:?} {})", self.purpose, self.id)
    }
}

struct Bytes32;

impl KeyType for Bytes32 {
    fn len(&self) -> usize {
        32
    }
}

fn derive(root: &Prk, path: &[&str]) -> Result<Zeroizing<[u8; 32]>, Fault> {
    let info: Vec<_> = path
        .iter()
        .flat_map(|part| [part.as_bytes(), b"/".as_slice()])
        .collect();
    let mut bytes = Zeroizing::new([0; 32]);
    root.expand(&info, Bytes32)
        .and_then(|key| key.fill(&mut *bytes))
        .map_err(|_| Fault::internal("a key could not be derived"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Entropy;

    fn key(purpose: Purpose) -> PurposeKey {
        PurposeKey::new("id", purpose, &[7; 32]).unwrap()
    }

    #[test]
    fn a_mac_is_checked_whole() {
        let key = key(Purpose::Mac);
        let mac = key.mac(b"message");
        assert!(key.verify_mac(b"message", &mac));
        assert!(!key.verify_mac(b"Message", &mac));
        assert!(!key.verify_mac(b"message", &mac[..16]));
        assert!(!key.verify_mac(b"message", b""));
    }

    #[test]
    fn purposes_and_hours_have_different_keys_from_the_same_bytes() {
        assert_ne!(key(Purpose::Mac).mac(b"m"), key(Purpose::Pairwise).mac(b"m"));
        let (key, entropy) = (key(Purpose::Seal), Entropy::seeded(1));
        let sealed = key
            .sealing_of_hour(5)
            .unwrap()
            .seal(&entropy, b"", b"text")
            .unwrap();
        assert!(key.sealing_of_hour(5).unwrap().open(b"", &sealed).is_some());
        assert!(key.sealing_of_hour(6).unwrap().open(b"", &sealed).is_none());
        assert!(key.sealing().open(b"", &sealed).is_none());
        assert!(PurposeKey::new("id", Purpose::Seal, &[7; 31]).is_err());
    }
}
