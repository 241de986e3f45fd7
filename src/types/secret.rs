//! Secrets in memory and the hashes that stand for them in a database.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use std::fmt;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Bytes as unpadded base64url (RFC 7515 §2), the form of every random text that this server makes.
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token, password or key in clear. It has no `Display` and no `Serialize`, its `Debug` hides it, and its memory
/// is wiped when it goes. [`Secret::expose`] is the one way out, and easy to look for.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text into keeping.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text in clear: for the answer that hands it out once, or for a comparison.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Compares in time that does not depend on where the two differ.
    pub fn matches(&self, other: &str) -> bool {
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

/// The SHA-256 of a token with 256 random bits: the only form in which one reaches a database. Such a token cannot be
/// guessed, so that a slow hash would protect nothing (see docs/adr/0003-fast-hash-for-random-secrets.md).
#[derive(Clone, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct TokenHash(Vec<u8>);

impl TokenHash {
    /// Hashes a token.
    pub fn of(token: &str) -> Self {
        Self(
            digest::digest(&digest::SHA256, token.as_bytes())
                .as_ref()
                .to_vec(),
        )
    }

    /// Compares in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_secret_nor_hash() {
        let secret = Secret::new("gcs_hidden".to_owned());
        assert_eq!(
            format!("{secret:?} {:?}", TokenHash::of("gcs_hidden")),
            "Secret TokenHash"
        );
        assert!(secret.matches("gcs_hidden"));
        assert!(!secret.matches("gcs_hiddeN"));
    }
}
