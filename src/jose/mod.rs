//! JSON Web Signatures, encryption, keys and tokens (RFC 7515, 7516, 7517, 7518, 7519, 7638, 8037). Pure: no I/O, no storage.
//!
//! RSA signatures are made by OpenSSL, which is twice as fast at them as ring, and so is what encryption needs; all else,
//! and every verification, is ring's. A token is verified in one place, [`jwt`], and what it is signed with is decided by the key, never by the
//! token.

mod decrypt;
pub mod json;
mod jwe;
mod jwk;
mod jwk_set;
mod jwks;
pub mod jwt;
#[cfg(test)]
mod jwt_attacks;
mod sign;
mod verify;

pub use self::decrypt::{DecryptionKey, Encrypted};
pub use self::jwe::{Content, EncryptionKey};
pub use self::jwk::Jwk;
pub use self::jwk_set::JwkSet;
pub use self::jwks::PublishedJwks;
pub use self::jwt::{Claims, JwtError};
pub use self::sign::SigningKey;
pub use self::verify::{PublicKey, VerifyingKey};
