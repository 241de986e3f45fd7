//! Encrypting for a client: which of its answers it wants encrypted, how, and to which of its keys.

use super::authentication::{ClientKeys, Reason};
use crate::fault::Fault;
use crate::jose::Content;
use crate::storage::clients::ClientMetadata;
use crate::types::{ContentEncryption, KeyManagement, Timestamp};

/// How an answer is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// How the key reaches the client.
    pub alg: KeyManagement,
    /// How the content is encrypted.
    pub enc: ContentEncryption,
}

/// Why an answer was not encrypted, and so must not be given.
#[derive(Debug)]
pub enum NotEncrypted {
    /// The client has no key that fits what it registered; it can mend that.
    NoKey,
    /// Its keys could not be fetched; they may be there later.
    KeysUnavailable,
    /// Its keys lie where the server must not go.
    KeysForbidden,
    /// Our own fault.
    Fault(Fault),
}

impl From<Fault> for NotEncrypted {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl NotEncrypted {
    /// What the developer of the client is told.
    pub const fn describe(&self) -> &'static str {
        match self {
            Self::NoKey => {
                "The answer has to be encrypted, but no key in the client's jwks or at its jwks_uri fits the registered \
                 algorithm"
            }
            Self::KeysUnavailable | Self::KeysForbidden => {
                "The answer has to be encrypted, but the client's jwks_uri gives no keys at present"
            }
            Self::Fault(_) => "The server made an error",
        }
    }
}

impl Encryption {
    fn of(alg: Option<KeyManagement>, enc: Option<ContentEncryption>) -> Option<Self> {
        Some(Self {
            alg: alg?,
            // OpenID Connect Dynamic Client Registration §2: "the default […] value is A128CBC-HS256".
            enc: enc.unwrap_or(ContentEncryption::A128CbcHs256),
        })
    }

    /// Encrypts for a client. `typ` names the kind of token where there is one of its own.
    ///
    /// # Errors
    /// When there is no key to encrypt to: there is no falling back to an answer in clear.
    pub async fn apply(
        self,
        keys: &ClientKeys,
        metadata: &ClientMetadata,
        typ: Option<&str>,
        content: Content<'_>,
        now: Timestamp,
    ) -> Result<String, NotEncrypted> {
        let key = match keys.encryption_key(metadata, self.alg, now).await {
            Ok(key) => key.ok_or(NotEncrypted::NoKey)?,
            Err(Reason::KeysForbidden) => return Err(NotEncrypted::KeysForbidden),
            Err(_) => return Err(NotEncrypted::KeysUnavailable),
        };
        Ok(key.encrypt(self.alg, self.enc, typ, content)?)
    }
}

impl ClientMetadata {
    /// How its ID tokens are encrypted, if they are.
    pub fn id_token_encryption(&self) -> Option<Encryption> {
        Encryption::of(
            self.id_token_encrypted_response_alg,
            self.id_token_encrypted_response_enc,
        )
    }

    /// How UserInfo answers are encrypted, if they are.
    pub fn userinfo_encryption(&self) -> Option<Encryption> {
        Encryption::of(
            self.userinfo_encrypted_response_alg,
            self.userinfo_encrypted_response_enc,
        )
    }

    /// How signed introspection answers are encrypted, if they are (RFC 9701 §6).
    pub fn introspection_encryption(&self) -> Option<Encryption> {
        Encryption::of(
            self.introspection_encrypted_response_alg,
            self.introspection_encrypted_response_enc,
        )
    }
}
