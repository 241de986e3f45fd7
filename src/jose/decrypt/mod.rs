//! The reading side of JSON Web Encryption (RFC 7516 §5.2), for what anybody may send: encrypted request objects.
//!
//! Written out here, with OpenSSL's and ring's primitives, since a library that reads JWE is made for tokens from friends:
//! it inflates `zip`, takes tags of any length, and looks at padding before it looks at the tag. Here the sender chooses
//! between a few ways and decides nothing else, and learns nothing but that the token does not open.

mod content;
mod encrypted;

#[cfg(test)]
mod attacks;

pub use self::encrypted::Encrypted;

use self::content::{concat_kdf, key_length, open_content};
use crate::entropy::Entropy;
use crate::fault::Fault;
use crate::jose::SigningKey;
use crate::jose::verify::PublicKey;
use crate::sealed::KeyBytes;
use crate::types::{Algorithm, KeyManagement, Kid};
use openssl::aes::{AesKey, unwrap_key};
use openssl::bn::{BigNum, BigNumContext};
use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcKey, PointConversionForm};
use openssl::encrypt::Decrypter;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::rsa::Padding;
use serde_json::Value;
use std::fmt;
use zeroize::Zeroizing;

/// A private key to which others encrypt. The private part does not leave it.
pub struct DecryptionKey {
    kid: Kid,
    private: PKey<Private>,
    public: PublicKey,
}

impl DecryptionKey {
    /// How others may encrypt to this server's keys. RSA-OAEP with SHA-1 is not among them: it is there for clients that can
    /// read nothing better.
    pub const ALGORITHMS: [KeyManagement; 4] = [
        KeyManagement::RsaOaep256,
        KeyManagement::EcdhEs,
        KeyManagement::EcdhEsA128Kw,
        KeyManagement::EcdhEsA256Kw,
    ];

    /// Makes a new RSA key, as PKCS#8. It takes a tenth of a second and more: call it on a thread that may block.
    ///
    /// # Errors
    /// When the library fails.
    pub fn generate_rsa(bits: u32, entropy: &Entropy) -> Result<KeyBytes, Fault> {
        SigningKey::generate(Algorithm::RS256, bits, entropy)
    }

    /// Makes a new key of P-256, as PKCS#8.
    ///
    /// # Errors
    /// When the library fails.
    pub fn generate_p256(entropy: &Entropy) -> Result<KeyBytes, Fault> {
        SigningKey::generate(Algorithm::ES256, 0, entropy)
    }

    /// The key that a PKCS#8 document holds.
    ///
    /// # Errors
    /// When it is neither RSA of 2048 bits or more nor of P-256.
    pub fn from_pkcs8(kid: Kid, pkcs8: &[u8]) -> Result<Self, Fault> {
        let read = || -> Result<Option<(PKey<Private>, PublicKey)>, ErrorStack> {
            let private = PKey::private_key_from_pkcs8(pkcs8)?;
            let public = match private.id() {
                Id::RSA if private.bits() >= 2048 => {
                    let rsa = private.rsa()?;
                    PublicKey::Rsa {
                        n: rsa.n().to_vec(),
                        e: rsa.e().to_vec(),
                    }
                }
                Id::EC => {
                    let key = private.ec_key()?;
                    let mut context = BigNumContext::new()?;
                    let form = PointConversionForm::UNCOMPRESSED;
                    let point = key.public_key().to_bytes(key.group(), form, &mut context)?;
                    match (key.group().curve_name(), point.try_into()) {
                        (Some(Nid::X9_62_PRIME256V1), Ok(point)) => PublicKey::P256(point),
                        _ => return Ok(None),
                    }
                }
                _ => return Ok(None),
            };
            Ok(Some((private, public)))
        };
        match read() {
            Ok(Some((private, public))) => Ok(Self { kid, private, public }),
            _ => Err(Fault::internal(format!(
                "the stored key {kid} is none to which anybody could encrypt"
            ))),
        }
    }

    /// The key's id.
    pub fn kid(&self) -> &Kid {
        &self.kid
    }

    /// The public JWK with `use` `enc` (RFC 7517 §4.2) and the `alg` that is best; a key of P-256 opens the two other forms
    /// of ECDH-ES as well.
    pub fn to_jwk(&self) -> Value {
        let mut members = self.public.members();
        let alg = match self.public {
            PublicKey::Rsa { .. } => KeyManagement::RsaOaep256,
            _ => KeyManagement::EcdhEsA256Kw,
        };
        members.insert("kid".to_owned(), self.kid.as_str().into());
        members.insert("use".to_owned(), "enc".into());
        members.insert("alg".to_owned(), alg.as_str().into());
        Value::Object(members)
    }

    /// Whether what is encrypted in this way can be meant for this key.
    pub fn fits(&self, alg: KeyManagement) -> bool {
        match self.public {
            PublicKey::Rsa { .. } => alg == KeyManagement::RsaOaep256,
            PublicKey::P256(_) => matches!(
                alg,
                KeyManagement::EcdhEs | KeyManagement::EcdhEsA128Kw | KeyManagement::EcdhEsA256Kw
            ),
            PublicKey::Ed25519(_) => false,
        }
    }

    /// Opens what was encrypted to this key. `None` whatever is wrong. What is wrong with the encrypted key is found out only
    /// together with the content: "the recipient MUST NOT distinguish between format, padding, and length errors of encrypted
    /// keys" (RFC 7516 §11.5).
    pub fn open(&self, token: &Encrypted<'_>) -> Option<Zeroizing<Vec<u8>>> {
        if !self.fits(token.alg) {
            return None;
        }
        let length = key_length(token.enc);
        let unwrapped = match token.alg {
            KeyManagement::RsaOaep256 => self.unwrap_rsa(&token.encrypted_key),
            _ => self.agree(token),
        };
        let unwrapped = unwrapped.filter(|key| key.len() == length);
        let is_unwrapped = unwrapped.is_some();
        let key = unwrapped.unwrap_or_else(|| Zeroizing::new(vec![0; length]));
        open_content(token, &key).filter(|_| is_unwrapped)
    }

    /// RSAES-OAEP with SHA-256 and MGF1 with SHA-256 (RFC 7518 §4.3).
    fn unwrap_rsa(&self, encrypted: &[u8]) -> Option<KeyBytes> {
        if encrypted.len() != self.private.size() {
            return None;
        }
        let decrypt = || -> Result<KeyBytes, ErrorStack> {
            let mut decrypter = Decrypter::new(&self.private)?;
            decrypter.set_rsa_padding(Padding::PKCS1_OAEP)?;
            decrypter.set_rsa_oaep_md(MessageDigest::sha256())?;
            decrypter.set_rsa_mgf1_md(MessageDigest::sha256())?;
            let mut key = Zeroizing::new(vec![0; decrypter.decrypt_len(encrypted)?]);
            let length = decrypter.decrypt(encrypted, &mut key)?;
            key.truncate(length);
            Ok(key)
        };
        decrypt().ok()
    }

    /// ECDH-ES (RFC 7518 §4.6). The sender's point was found to be on the curve (RFC 8725 §3.5) when the header was read.
    fn agree(&self, token: &Encrypted<'_>) -> Option<KeyBytes> {
        let secret = self.shared_secret(token.sender.as_ref()?).ok()?;
        let (name, length) = match token.alg {
            KeyManagement::EcdhEs => (token.enc.as_str(), key_length(token.enc)),
            KeyManagement::EcdhEsA128Kw => (token.alg.as_str(), 16),
            KeyManagement::EcdhEsA256Kw => (token.alg.as_str(), 32),
            KeyManagement::RsaOaep | KeyManagement::RsaOaep256 => return None,
        };
        let derived = concat_kdf(&secret, name, length, &token.party_u, &token.party_v);
        if token.alg == KeyManagement::EcdhEs {
            // RFC 7516 §5.2, step 10: "verify that the JWE Encrypted Key value is an empty octet sequence".
            return token.encrypted_key.is_empty().then_some(derived);
        }
        if token.encrypted_key.len() != key_length(token.enc) + 8 {
            return None;
        }
        let wrapping = AesKey::new_decrypt(&derived).ok()?;
        let mut key = Zeroizing::new(vec![0; key_length(token.enc)]);
        unwrap_key(&wrapping, None, &mut key, &token.encrypted_key).ok()?;
        Some(key)
    }

    fn shared_secret(&self, sender: &[u8; 65]) -> Result<KeyBytes, ErrorStack> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let (_, coordinates) = sender.split_at(1);
        let (x, y) = coordinates.split_at(32);
        let (x, y) = (BigNum::from_slice(x)?, BigNum::from_slice(y)?);
        let peer = PKey::from_ec_key(EcKey::from_public_key_affine_coordinates(&group, &x, &y)?)?;
        let mut deriver = Deriver::new(&self.private)?;
        deriver.set_peer(&peer)?;
        deriver.derive_to_vec().map(Zeroizing::new)
    }
}

impl fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecryptionKey({})", self.kid)
    }
}
