//! Authorization codes and refresh tokens: opaque texts that this server can check without a database.
//!
//! In order: 128 random bits (the salt), an HMAC-SHA-256, the id of the key that made it, the grant's id and the token's
//! generation. The MAC covers tenant, kind and all of these, so that a guessed, cut or altered token, or one of another
//! kind or tenant, is refused before a statement is sent. A leaked database alone yields no token (it has no MAC key in
//! clear), nor does a leaked MAC key alone (it has no salts).

use crate::fault::Fault;
use crate::keys::PurposeKey;
use crate::storage::grants::SALT_LENGTH;
use crate::types::{GrantId, Secret, TenantId, base64url};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const MAC_LENGTH: usize = 32;
/// More than any token of this server has; longer texts are not even decoded.
const MAX_TEXT: usize = 256;

/// What a token stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Authorization code.
    Code,
    /// Refresh token.
    Refresh,
}

impl Kind {
    /// What the token's text starts with, so that scanners find leaked ones.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Code => "gac_",
            Self::Refresh => "grt_",
        }
    }
}

/// A code or refresh token, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle {
    /// The family.
    pub grant: GrantId,
    /// 0 for the code, from 1 on for refresh tokens.
    pub generation: i64,
    /// The random part.
    pub salt: [u8; SALT_LENGTH],
}

impl Handle {
    /// The token's text. The same handle and key give the same text, which is how a repeated answer is made.
    pub fn seal(&self, kind: Kind, tenant: TenantId, key: &PurposeKey) -> Result<Secret, Fault> {
        let key_id = key.id().as_bytes();
        let key_length = u8::try_from(key_id.len())
            .map_err(|_| Fault::internal("a MAC key's id has at most 255 bytes"))?;
        let mac = key.mac(&self.covered(kind, tenant, key_id));
        let mut bytes = Vec::with_capacity(SALT_LENGTH + MAC_LENGTH + 1 + key_id.len() + 16 + 8);
        bytes.extend_from_slice(&self.salt);
        bytes.extend_from_slice(&mac);
        bytes.push(key_length);
        bytes.extend_from_slice(key_id);
        bytes.extend_from_slice(self.grant.0.as_bytes());
        bytes.extend_from_slice(&self.generation.to_be_bytes());
        Ok(Secret::new(format!("{}{}", kind.prefix(), base64url(&bytes))))
    }

    /// Takes a token apart and checks its MAC in constant time. `None` for whatever this server did not make for this
    /// tenant and kind.
    pub fn open<'k>(
        text: &str,
        kind: Kind,
        tenant: TenantId,
        key_by_id: impl FnOnce(&str) -> Option<&'k PurposeKey>,
    ) -> Option<Self> {
        let encoded = text
            .strip_prefix(kind.prefix())
            .filter(|encoded| encoded.len() <= MAX_TEXT)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        let (salt, rest) = bytes.split_first_chunk::<SALT_LENGTH>()?;
        let (mac, rest) = rest.split_first_chunk::<MAC_LENGTH>()?;
        let (key_length, rest) = rest.split_first()?;
        let (key_id, rest) = rest.split_at_checked(usize::from(*key_length))?;
        let (grant, rest) = rest.split_first_chunk::<16>()?;
        let generation = i64::from_be_bytes(rest.try_into().ok()?);
        let handle = Self {
            grant: GrantId(uuid::Uuid::from_bytes(*grant)),
            generation,
            salt: *salt,
        };
        let key = key_by_id(std::str::from_utf8(key_id).ok()?)?;
        key.verify_mac(&handle.covered(kind, tenant, key_id), mac)
            .then_some(handle)
    }

    fn covered(&self, kind: Kind, tenant: TenantId, key_id: &[u8]) -> Vec<u8> {
        let mut covered = Vec::with_capacity(4 + 16 + SALT_LENGTH + key_id.len() + 16 + 8);
        covered.extend_from_slice(kind.prefix().as_bytes());
        covered.extend_from_slice(tenant.0.as_bytes());
        covered.extend_from_slice(&self.salt);
        covered.extend_from_slice(self.grant.0.as_bytes());
        covered.extend_from_slice(&self.generation.to_be_bytes());
        covered.extend_from_slice(key_id);
        covered
    }
}
