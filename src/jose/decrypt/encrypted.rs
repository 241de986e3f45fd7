//! A token as it came: taken apart, and held to what is read here.

use super::DecryptionKey;
use crate::jose::json;
use crate::jose::jwk::{kid, material};
use crate::jose::jwt::MAX_TOKEN;
use crate::jose::verify::PublicKey;
use crate::types::{ContentEncryption, KeyManagement, Kid};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// Header members that ask for more than a key and a cipher: compression, of which a few bytes can make a great many; rounds
/// of a password; extensions, of which none is known here; and keys, or addresses of keys, that are not ours.
pub(super) const REFUSED: [&str; 9] = ["zip", "crit", "p2c", "p2s", "jwk", "jku", "x5u", "x5c", "b64"];

/// A token that was taken apart and not opened.
#[derive(Debug)]
pub struct Encrypted<'t> {
    pub(super) alg: KeyManagement,
    pub(super) enc: ContentEncryption,
    pub(super) kid: Option<Kid>,
    /// The sender's ephemeral point, where there is one.
    pub(super) sender: Option<[u8; 65]>,
    pub(super) party_u: Vec<u8>,
    pub(super) party_v: Vec<u8>,
    /// The header as it came, which the tag covers.
    pub(super) header: &'t str,
    pub(super) encrypted_key: Vec<u8>,
    pub(super) iv: Vec<u8>,
    pub(super) ciphertext: Vec<u8>,
    pub(super) tag: Vec<u8>,
}

impl<'t> Encrypted<'t> {
    /// Whether a text has the form of a JWE rather than of a JWS (RFC 7516 §9).
    pub fn is_one(token: &str) -> bool {
        token.bytes().filter(|byte| *byte == b'.').count() == 4
    }

    /// Takes a compact serialisation apart (RFC 7516 §7.1). `None` for whatever no key of this server could open.
    pub fn parse(token: &'t str) -> Option<Self> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let mut parts = token.split('.');
        let header = parts.next()?;
        let mut binary = || URL_SAFE_NO_PAD.decode(parts.next()?).ok();
        let (encrypted_key, iv, ciphertext, tag) = (binary()?, binary()?, binary()?, binary()?);
        if parts.next().is_some() {
            return None;
        }
        let members = json::object(&URL_SAFE_NO_PAD.decode(header).ok()?)?;
        if REFUSED.iter().any(|name| members.contains_key(*name)) {
            return None;
        }
        let alg = KeyManagement::parse(text(&members, "alg")??).ok()?;
        let enc = ContentEncryption::parse(text(&members, "enc")??).ok()?;
        if !DecryptionKey::ALGORITHMS.contains(&alg) {
            return None;
        }
        // RFC 7519 §5.2: a JWT within says so. Whether it is one is seen when it is opened.
        if text(&members, "cty")?.is_some_and(|content| !content.eq_ignore_ascii_case("JWT")) {
            return None;
        }
        let party = |name| match text(&members, name)? {
            Some(encoded) => URL_SAFE_NO_PAD.decode(encoded).ok(),
            None => Some(Vec::new()),
        };
        Some(Self {
            alg,
            enc,
            kid: kid(&members).ok()?,
            sender: sender(&members, alg)?,
            party_u: party("apu")?,
            party_v: party("apv")?,
            header,
            encrypted_key,
            iv,
            ciphertext,
            tag,
        })
    }

    /// The key that the header names.
    pub fn kid(&self) -> Option<&Kid> {
        self.kid.as_ref()
    }

    /// How the key of the content reaches the server.
    pub fn alg(&self) -> KeyManagement {
        self.alg
    }
}

/// A member of the header that is a text, if it is there; `None` when it is something else.
fn text<'m>(members: &'m Map<String, Value>, name: &str) -> Option<Option<&'m str>> {
    match members.get(name) {
        None => Some(None),
        Some(Value::String(text)) => Some(Some(text)),
        Some(_) => None,
    }
}

/// `epk` (RFC 7518 §4.6.1.1): there where keys are agreed on, a public point of P-256.
fn sender(members: &Map<String, Value>, alg: KeyManagement) -> Option<Option<[u8; 65]>> {
    if alg == KeyManagement::RsaOaep256 {
        return Some(None);
    }
    match material(members.get("epk")?.as_object()?).ok()? {
        PublicKey::P256(point) => Some(Some(point)),
        _ => None,
    }
}
