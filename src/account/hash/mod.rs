//! The forms in which passwords are stored: argon2id, which is made here, and what other systems made before their users
//! came here, which is only checked and replaced at the next sign-in.
//!
//! A hash says itself what it costs to check. Whoever may import hashes must not be able to stop the server with one, so
//! each cost has an upper bound.

mod parse;

use self::parse::{BASE64, MAX_MEMORY_KIB};
use crate::config::Argon2Config;
use crate::entropy::Entropy;
use crate::fault::Fault;
use crate::storage::users::PasswordHash;
use crate::types::Malformed;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use ring::pbkdf2;
use std::num::NonZeroU32;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Bytes of salt and of output of what is made here.
const SALT_LENGTH: usize = 16;
const OUTPUT_LENGTH: usize = 32;

/// A stored hash, understood.
#[derive(Clone)]
pub(super) enum Hash {
    /// Made here, or by others with parameters of their own.
    Argon2 {
        algorithm: Algorithm,
        version: Version,
        params: Params,
        salt: Vec<u8>,
        output: Vec<u8>,
    },
    Bcrypt(String),
    Pbkdf2 {
        algorithm: pbkdf2::Algorithm,
        rounds: NonZeroU32,
        salt: Vec<u8>,
        output: Vec<u8>,
    },
    Scrypt {
        log_n: u32,
        r: u32,
        p: u32,
        salt: Vec<u8>,
        output: Vec<u8>,
    },
}

/// The parameters of what is made here.
pub(super) fn params(config: &Argon2Config) -> Result<Params, Fault> {
    Params::new(
        config.memory_kib,
        config.passes,
        config.lanes,
        Some(OUTPUT_LENGTH),
    )
    .map_err(|error| {
        Fault::internal("the settings argon2.* do not fit together").caused_by(error.to_string())
    })
}

impl Hash {
    /// Understands a stored hash.
    ///
    /// # Errors
    /// When the form is unknown.
    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        parse::hash(text)
    }

    /// A hash that no password has and that costs what one of these parameters costs.
    pub(super) fn of_nobody(params: &Params, entropy: &Entropy) -> Result<Self, Fault> {
        Ok(Self::Argon2 {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            params: params.clone(),
            salt: entropy.bytes::<SALT_LENGTH>()?.to_vec(),
            output: entropy.bytes::<OUTPUT_LENGTH>()?.to_vec(),
        })
    }

    /// Whether it has no other form and costs no less than what is made now.
    pub(super) fn is_current(&self, now: &Params) -> bool {
        matches!(self, Self::Argon2 { algorithm: Algorithm::Argon2id, version: Version::V0x13, params, salt, output }
            if params.m_cost() >= now.m_cost() && params.t_cost() >= now.t_cost() && params.p_cost() >= now.p_cost()
                && salt.len() >= SALT_LENGTH && output.len() >= OUTPUT_LENGTH)
    }

    /// Whether it was made here or could have been: of the password in its normal form. Others hashed what was typed.
    pub(super) fn is_of_normal_form(&self) -> bool {
        matches!(self, Self::Argon2 { .. })
    }

    /// Whether it is the password's. Blocks for as long as the hash takes. `memory` is a block store to work in.
    pub(super) fn verify(&self, password: &[u8], memory: &mut Vec<Block>) -> Result<bool, Fault> {
        let (expected, got) = match self {
            Self::Bcrypt(hash) => {
                return bcrypt::verify(password, hash)
                    .map_err(|error| Fault::internal("a bcrypt hash cannot be checked").caused_by(error));
            }
            Self::Pbkdf2 {
                algorithm,
                rounds,
                salt,
                output,
            } => {
                return Ok(pbkdf2::verify(*algorithm, *rounds, salt, password, output).is_ok());
            }
            Self::Argon2 {
                algorithm,
                version,
                params,
                salt,
                output,
            } => {
                let argon2 = Argon2::new(*algorithm, *version, params.clone());
                (
                    output,
                    argon2_output(&argon2, password, salt, output.len(), memory)?,
                )
            }
            Self::Scrypt {
                log_n,
                r,
                p,
                salt,
                output,
            } => {
                let mut got = Zeroizing::new(vec![0; output.len()]);
                // What OpenSSL needs besides the table is less than a megabyte.
                let memory = (u64::from(MAX_MEMORY_KIB) + 4096) * 1024;
                openssl::pkcs5::scrypt(
                    password,
                    salt,
                    1 << log_n,
                    u64::from(*r),
                    u64::from(*p),
                    memory,
                    &mut got,
                )
                .map_err(|error| Fault::internal("a scrypt hash cannot be checked").caused_by(error))?;
                (output, got)
            }
        };
        Ok(expected.ct_eq(&got).into())
    }
}

/// Whether a hash of another system can be taken over.
///
/// # Errors
/// When its form is unknown or its cost beyond the bound.
pub fn check_password_hash(text: &str) -> Result<(), Malformed> {
    parse::import(text).map(drop)
}

/// Hashes a password. Blocks for as long as that takes.
pub(super) fn make(
    password: &[u8],
    params: &Params,
    entropy: &Entropy,
    memory: &mut Vec<Block>,
) -> Result<PasswordHash, Fault> {
    let salt = entropy.bytes::<SALT_LENGTH>()?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let output = argon2_output(&argon2, password, &salt, OUTPUT_LENGTH, memory)?;
    Ok(PasswordHash::new(format!(
        "$argon2id$v=19$m={},t={},p={}${}${}",
        params.m_cost(),
        params.t_cost(),
        params.p_cost(),
        BASE64.encode(salt),
        BASE64.encode(&*output)
    )))
}

fn argon2_output(
    argon2: &Argon2<'_>,
    password: &[u8],
    salt: &[u8],
    length: usize,
    memory: &mut Vec<Block>,
) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let blocks = argon2.params().block_count();
    if memory.len() < blocks {
        memory.resize(blocks, Block::new());
    }
    let mut output = Zeroizing::new(vec![0; length]);
    argon2
        .hash_password_into_with_memory(password, salt, &mut output, memory.as_mut_slice())
        .map_err(|error| Fault::internal("argon2 failed").caused_by(error.to_string()))?;
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with other implementations: libxcrypt, Python's hashlib, the reference implementation of argon2.
    const KNOWN: &[(&str, &str)] = &[
        (
            "pässword1",
            "$2b$05$abcdefghijklmnopqrstuumjF9vOtpiPtlBb5h9MIT6pklVMdOJoi",
        ),
        (
            "pässword1",
            "$2a$05$abcdefghijklmnopqrstuumjF9vOtpiPtlBb5h9MIT6pklVMdOJoi",
        ),
        (
            "pässword1",
            "$2y$05$abcdefghijklmnopqrstuumjF9vOtpiPtlBb5h9MIT6pklVMdOJoi",
        ),
        (
            "pässword1",
            "$pbkdf2-sha256$29000$TmFDbCBhbmQgbW9yZSEhIQ$MotHmKdojxlbXzaoErdET1jIVREVmUpZw80oupOMJ2w",
        ),
        (
            "pässword1",
            "$pbkdf2-sha512$i=1000,l=64$TmFDbCBhbmQgbW9yZSEhIQ$T6rth+kPqGXDYRWcENTbybRHh84VD7QItiU/DlEH+kHwQlklJDhFpCcNYN7YxggLoD2EPQctgpLmh2axNnf3Bw",
        ),
        (
            "pässword1",
            "$pbkdf2$131000$TmFDbCBhbmQgbW9yZSEhIQ$P.JOcghSPDCGs.6qWlzJQbmZxkM",
        ),
        (
            "pässword1",
            "$scrypt$ln=14,r=8,p=1$TmFDbCBhbmQgbW9yZSEhIQ$o638z4jlzz+zCx+6qbtgDw6bAYQJMjbnRcRA61i8jVU",
        ),
        (
            "pässword1",
            "$scrypt$ln=17,r=8,p=1$TmFDbCBhbmQgbW9yZSEhIQ$uEqaP84qO8GifiCfVBa4VStxGRccmdAUP7fDTLlcq4Y=",
        ),
        (
            "password",
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        ),
    ];

    fn small() -> Params {
        Params::new(64, 1, 1, Some(OUTPUT_LENGTH)).unwrap()
    }

    #[test]
    fn known_hashes_are_of_their_password_and_no_other() {
        let mut memory = Vec::new();
        for (password, hash) in KNOWN {
            let parsed = Hash::parse(hash).unwrap();
            assert!(parsed.verify(password.as_bytes(), &mut memory).unwrap(), "{hash}");
            assert!(!parsed.verify(b"passwore", &mut memory).unwrap(), "{hash}");
            assert!(!parsed.verify(b"", &mut memory).unwrap(), "{hash}");
        }
    }

    #[test]
    fn what_is_made_is_understood_and_current() {
        let (mut memory, entropy) = (Vec::new(), Entropy::seeded(1));
        let made = make(b"secret", &small(), &entropy, &mut memory).unwrap();
        let hash = Hash::parse(made.as_str()).unwrap();
        assert!(made.as_str().starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
        assert!(hash.is_current(&small()) && hash.is_of_normal_form());
        assert!(hash.verify(b"secret", &mut memory).unwrap());
        assert!(!hash.verify(b"Secret", &mut memory).unwrap());
        let again = make(b"secret", &small(), &entropy, &mut memory).unwrap();
        assert!(again != made, "another salt each time");
    }

    #[test]
    fn weaker_and_foreign_hashes_are_not_current() {
        let entropy = Entropy::seeded(1);
        let made = make(b"secret", &small(), &entropy, &mut Vec::new()).unwrap();
        let hash = Hash::parse(made.as_str()).unwrap();
        for stronger in [(128, 1, 1), (64, 2, 1), (64, 1, 2)] {
            let params = Params::new(stronger.0, stronger.1, stronger.2, Some(OUTPUT_LENGTH)).unwrap();
            assert!(!hash.is_current(&params));
        }
        for (_, foreign) in KNOWN {
            // The reference vector's salt has 8 bytes.
            assert!(!Hash::parse(foreign).unwrap().is_current(&small()), "{foreign}");
        }
        let other_kind = made.as_str().replace("argon2id", "argon2i");
        assert!(!Hash::parse(&other_kind).unwrap().is_current(&small()));
    }

    #[test]
    fn nobodys_hash_is_nobodys() {
        let nobody = Hash::of_nobody(&small(), &Entropy::seeded(1)).unwrap();
        assert!(!nobody.verify(b"", &mut Vec::new()).unwrap());
    }
}
