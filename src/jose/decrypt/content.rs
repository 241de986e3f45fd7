//! The key of the content, and the content.

use super::Encrypted;
use crate::sealed::KeyBytes;
use crate::types::ContentEncryption;
use openssl::symm::{self, Cipher};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::{digest, hmac};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Bytes of the key for the content (RFC 7518 §5.2, §5.3).
pub(super) const fn key_length(enc: ContentEncryption) -> usize {
    match enc {
        ContentEncryption::A128Gcm => 16,
        ContentEncryption::A128CbcHs256 | ContentEncryption::A256Gcm => 32,
        ContentEncryption::A256CbcHs512 => 64,
    }
}

/// The Concat KDF with SHA-256 (RFC 7518 §4.6.2, NIST SP 800-56A §5.8.1).
pub(super) fn concat_kdf(
    secret: &[u8],
    name: &str,
    length: usize,
    party_u: &[u8],
    party_v: &[u8],
) -> KeyBytes {
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes();
    let mut key = Zeroizing::new(Vec::with_capacity(length + 32));
    for round in 1_u32.. {
        if key.len() >= length {
            break;
        }
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(&round.to_be_bytes());
        hash.update(secret);
        for part in [name.as_bytes(), party_u, party_v] {
            hash.update(&number(part.len()));
            hash.update(part);
        }
        hash.update(&number(length * 8));
        key.extend_from_slice(hash.finish().as_ref());
    }
    key.truncate(length);
    key
}

/// Opens the content with its key. `None` whatever is wrong.
pub(super) fn open_content(token: &Encrypted<'_>, key: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    match token.enc {
        ContentEncryption::A128Gcm => open_gcm(token, UnboundKey::new(&AES_128_GCM, key).ok()?),
        ContentEncryption::A256Gcm => open_gcm(token, UnboundKey::new(&AES_256_GCM, key).ok()?),
        ContentEncryption::A128CbcHs256 => open_cbc(token, key, hmac::HMAC_SHA256, Cipher::aes_128_cbc()),
        ContentEncryption::A256CbcHs512 => open_cbc(token, key, hmac::HMAC_SHA512, Cipher::aes_256_cbc()),
    }
}

/// AES GCM with a nonce of 96 bits and a whole tag of 128 (RFC 7518 §5.3).
fn open_gcm(token: &Encrypted<'_>, key: UnboundKey) -> Option<Zeroizing<Vec<u8>>> {
    const TAG: usize = 16;
    let nonce = Nonce::try_assume_unique_for_key(&token.iv).ok()?;
    if token.tag.len() != TAG {
        return None;
    }
    let mut content = Zeroizing::new(token.ciphertext.clone());
    content.extend_from_slice(&token.tag);
    let length = LessSafeKey::new(key)
        .open_in_place(nonce, Aad::from(token.header.as_bytes()), &mut content)
        .ok()?
        .len();
    content.truncate(length);
    Some(content)
}

/// AES CBC with HMAC (RFC 7518 §5.2.2.2): the first half of the key is HMAC's, the tag is the first half of its value, and
/// nothing is deciphered before the tag was found right.
fn open_cbc(
    token: &Encrypted<'_>,
    key: &[u8],
    mac: hmac::Algorithm,
    cipher: Cipher,
) -> Option<Zeroizing<Vec<u8>>> {
    const BLOCK: usize = 16;
    let (mac_key, cipher_key) = key.split_at(key.len() / 2);
    let mut context = hmac::Context::with_key(&hmac::Key::new(mac, mac_key));
    context.update(token.header.as_bytes());
    context.update(&token.iv);
    context.update(&token.ciphertext);
    context.update(&(token.header.len() as u64 * 8).to_be_bytes());
    let expected = context.sign();
    let (expected, _) = expected.as_ref().split_at(mac_key.len());
    let is_right = token.iv.len() == BLOCK && bool::from(expected.ct_eq(&token.tag));
    is_right
        .then(|| symm::decrypt(cipher, cipher_key, Some(&token.iv), &token.ciphertext).ok())?
        .map(Zeroizing::new)
}
