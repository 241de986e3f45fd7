//! Envelope encryption: the master key wraps the server's own random keys, and those seal everything else.
//!
//! AES-256-GCM with a fresh random 96-bit nonce for each sealing (NIST SP 800-38D §8.2.2). What a sealed value belongs
//! to (tenant, table, column, row; or the key's purpose and id) is associated data, so that a value moved elsewhere does
//! not open.

use crate::entropy::Entropy;
use crate::fault::Fault;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::fmt;
use zeroize::Zeroizing;

/// Bytes of key material that are wiped when they go.
pub type KeyBytes = Zeroizing<Vec<u8>>;

/// A key for sealing and opening.
pub struct SealingKey {
    id: String,
    key: LessSafeKey,
}

impl SealingKey {
    /// A key from 32 bytes.
    ///
    /// # Errors
    /// When there are not 32.
    pub fn new(id: impl Into<String>, bytes: &[u8]) -> Result<Self, Fault> {
        let key = UnboundKey::new(&AES_256_GCM, bytes)
            .map_err(|_| Fault::internal("a sealing key has 32 bytes"))?;
        Ok(Self {
            id: id.into(),
            key: LessSafeKey::new(key),
        })
    }

    /// The key's id, which stands beside what it sealed.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Seals: nonce, then ciphertext with tag.
    pub fn seal(&self, entropy: &Entropy, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, Fault> {
        let nonce: [u8; NONCE_LEN] = entropy.bytes()?;
        let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(&nonce);
        let mut body = plain.to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut body)
            .map_err(|_| Fault::internal("sealing failed"))?;
        sealed.append(&mut body);
        Ok(sealed)
    }

    /// Opens what [`Self::seal`] made with the same associated data; `None` for anything else.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Option<KeyBytes> {
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = Zeroizing::new(body.to_vec());
        let length = self
            .key
            .open_in_place(nonce, Aad::from(aad), &mut body)
            .ok()?
            .len();
        body.truncate(length);
        Some(body)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({})", self.id)
    }
}

/// The master keys: the first one wraps, all of them unwrap. They seal nothing but keys, so that a key store that
/// never gives its key away could stand in their place.
#[derive(Debug)]
pub struct MasterKeys(Vec<SealingKey>);

/// A key as it lies in the database.
#[derive(Clone, PartialEq, Eq)]
pub struct Wrapped {
    /// Which master key opens it.
    pub master_key_id: String,
    /// Nonce and ciphertext.
    pub bytes: Vec<u8>,
}

impl MasterKeys {
    /// Reads the setting's form: `id:base64(32 bytes)`, comma separated.
    ///
    /// # Errors
    /// A sentence that names the entry by its position, never by its content.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut keys: Vec<SealingKey> = Vec::new();
        for (position, entry) in text.trim().split(',').enumerate() {
            let place = position + 1;
            let (id, encoded) = entry
                .trim()
                .split_once(':')
                .ok_or_else(|| format!("entry {place} must have the form id:base64 of 32 bytes"))?;
            let id_fits = (1..=32).contains(&id.len())
                && id
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
            if !id_fits {
                return Err(format!(
                    "the id of entry {place} must be 1 to 32 characters out of A-Z a-z 0-9 - _ ."
                ));
            }
            if keys.iter().any(|key| key.id == id) {
                return Err(format!("entry {place} has the same id as an earlier one"));
            }
            let bytes = STANDARD
                .decode(encoded)
                .map(Zeroizing::new)
                .map_err(|_| format!("entry {place} is not valid base64 after its id"))?;
            if bytes.len() != 32 {
                return Err(format!(
                    "entry {place} holds {} bytes; a master key has 32",
                    bytes.len()
                ));
            }
            if bytes.windows(2).all(|pair| pair[0] == pair[1]) {
                return Err(format!(
                    "entry {place} is a placeholder: all its bytes are equal; make one with `openssl rand -base64 32`"
                ));
            }
            keys.push(SealingKey::new(id, &bytes).map_err(|fault| fault.to_string())?);
        }
        Ok(Self(keys))
    }

    /// Makes the text of a new master key.
    pub fn generate(entropy: &Entropy, id: &str) -> Result<Zeroizing<String>, Fault> {
        let bytes = Zeroizing::new(entropy.bytes::<32>()?);
        Ok(Zeroizing::new(format!("{id}:{}", STANDARD.encode(*bytes))))
    }

    /// The ids, the wrapping one first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(SealingKey::id)
    }

    /// The id of the key that wraps.
    pub fn wrapping_id(&self) -> &str {
        self.0.first().map_or("", SealingKey::id)
    }

    /// Wraps a key. `aad` says what it is for: see [`aad`].
    pub fn wrap(&self, entropy: &Entropy, aad: &[u8], plain: &[u8]) -> Result<Wrapped, Fault> {
        let key = self
            .0
            .first()
            .ok_or_else(|| Fault::internal("there is no master key"))?;
        Ok(Wrapped {
            master_key_id: key.id.clone(),
            bytes: key.seal(entropy, aad, plain)?,
        })
    }

    /// Unwraps a key.
    ///
    /// # Errors
    /// Names the stored key and the master key that is missing or wrong: the operator has to find it.
    pub fn unwrap(&self, what: &str, aad: &[u8], wrapped: &Wrapped) -> Result<KeyBytes, Fault> {
        let id = &wrapped.master_key_id;
        let key = self.0.iter().find(|key| key.id == *id).ok_or_else(|| {
            let known: Vec<_> = self.ids().collect();
            Fault::internal(format!(
                "{what} was wrapped with the master key \"{id}\", but GRANTOR_MASTER_KEY holds only: {}. Add \"{id}\" to it",
                known.join(", ")
            ))
        })?;
        key.open(aad, &wrapped.bytes).ok_or_else(|| {
            Fault::internal(format!(
                "the master key \"{id}\" does not open {what}: it has the right id but other bytes. Restore the key under which this database was written"
            ))
        })
    }
}

/// Associated data from parts; each part's length stands before it, so that no two lists of parts look the same.
pub fn aad(parts: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn keys(text: &str) -> MasterKeys {
        MasterKeys::parse(text).unwrap()
    }

    #[test]
    fn a_wrapped_key_opens_only_with_its_master_key_and_purpose() {
        let entropy = Entropy::seeded(1);
        let (a, b) = (
            MasterKeys::generate(&entropy, "a").unwrap(),
            MasterKeys::generate(&entropy, "b").unwrap(),
        );
        let wrapped = keys(&a).wrap(&entropy, &aad(&["mac", "1"]), b"key").unwrap();
        let both = keys(&format!("{},{}", *b, *a));
        assert_eq!(
            &**both.unwrap("x", &aad(&["mac", "1"]), &wrapped).unwrap(),
            b"key"
        );
        assert!(both.unwrap("x", &aad(&["mac", "2"]), &wrapped).is_err());
        assert!(both.unwrap("x", &aad(&["ma", "c1"]), &wrapped).is_err());
        let missing = keys(&b)
            .unwrap("the MAC key 1", &aad(&["mac", "1"]), &wrapped)
            .unwrap_err()
            .to_string();
        assert!(
            missing.contains("\"a\"") && missing.contains("the MAC key 1"),
            "{missing}"
        );
        let other = MasterKeys::generate(&entropy, "a").unwrap();
        assert!(keys(&other).unwrap("x", &aad(&["mac", "1"]), &wrapped).is_err());
    }

    #[test]
    fn every_sealing_has_its_own_nonce() {
        let entropy = Entropy::system();
        let key = SealingKey::new("k", &[7; 32]).unwrap();
        let sealed: HashSet<_> = (0..1000)
            .map(|_| key.seal(&entropy, b"", b"same").unwrap())
            .collect();
        assert_eq!(sealed.len(), 1000);
    }

    #[test]
    fn a_changed_byte_does_not_open() {
        let key = SealingKey::new("k", &[7; 32]).unwrap();
        let sealed = key.seal(&Entropy::seeded(2), b"aad", b"text").unwrap();
        for i in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[i] ^= 1;
            assert!(key.open(b"aad", &changed).is_none());
        }
        assert!(key.open(b"aad", &sealed[..5]).is_none());
    }

    #[test]
    fn the_setting_is_checked_without_being_repeated() {
        for (bad, says) in [
            ("", "form id:base64"),
            ("x", "form id:base64"),
            ("a:AAAA", "32"),
            ("a:!!!", "base64"),
            ("a b:AAAA", "characters"),
            ("a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "placeholder"),
        ] {
            let why = MasterKeys::parse(bad).unwrap_err();
            assert!(why.contains(says), "{bad}: {why}");
        }
    }
}
