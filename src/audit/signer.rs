//! The key that signs checkpoints (Ed25519, RFC 8032).

use crate::entropy::Entropy;
use crate::fault::Fault;
use crate::sealed::KeyBytes;
use ring::digest;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use std::fmt;
use zeroize::Zeroizing;

/// Signs checkpoints.
pub struct AuditSigner {
    id: String,
    key: Ed25519KeyPair,
}

impl AuditSigner {
    /// The signer with a stored private key.
    ///
    /// # Errors
    /// When the bytes are not an Ed25519 key in PKCS#8.
    pub fn from_pkcs8(id: impl Into<String>, pkcs8: &[u8]) -> Result<Self, Fault> {
        let id = id.into();
        let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8)
            .map_err(|_| Fault::internal(format!("the audit signing key {id} is no Ed25519 key")))?;
        Ok(Self { id, key })
    }

    /// Makes a private key, as PKCS#8.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn generate(entropy: &Entropy) -> Result<KeyBytes, Fault> {
        let document = Ed25519KeyPair::generate_pkcs8(&entropy.ring())
            .map_err(|_| Fault::internal("an audit signing key could not be made"))?;
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    /// The key's id, which stands beside its signatures.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The public key, 32 bytes.
    pub fn public_key(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }

    /// What the operator compares: see [`fingerprint`].
    pub fn fingerprint(&self) -> String {
        fingerprint(self.public_key())
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for AuditSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuditSigner({})", self.id)
    }
}

/// The fingerprint of a public key: SHA-256 of its bytes in hexadecimal, printed at first start.
pub fn fingerprint(public_key: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, public_key))
}

pub(super) fn is_signed(public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public_key)
        .verify(message, signature)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_verifies_for_its_message_and_key_only() {
        let entropy = Entropy::system();
        let signer = |id| AuditSigner::from_pkcs8(id, &AuditSigner::generate(&entropy).unwrap()).unwrap();
        let (one, other) = (signer("1"), signer("2"));
        let signature = one.sign(b"message");
        assert!(is_signed(one.public_key(), b"message", &signature));
        assert!(!is_signed(one.public_key(), b"massage", &signature));
        assert!(!is_signed(other.public_key(), b"message", &signature));
        assert!(!is_signed(&[], b"message", &signature));
        assert_ne!(one.fingerprint(), other.fingerprint());
        assert_eq!(one.fingerprint().len(), 64);
    }

    #[test]
    fn a_key_of_another_kind_is_refused_by_name() {
        let fault = AuditSigner::from_pkcs8("audit-7", b"no key").unwrap_err();
        assert!(fault.to_string().contains("audit-7"));
    }
}
