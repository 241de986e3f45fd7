//! The forms of password hashes, and the bounds of what checking one may cost.

use super::Hash;
use crate::types::Malformed;
use argon2::{Algorithm, Params};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ring::pbkdf2;
use std::num::NonZeroU32;

/// Most memory of argon2 and scrypt: 128 MiB.
pub(super) const MAX_MEMORY_KIB: u32 = 131_072;
/// Most work of argon2, in passes over a KiB.
const MAX_ARGON2_WORK: u64 = 1_048_576;
/// Most work of scrypt, in blocks of 128 bytes (N × r × p).
const MAX_SCRYPT_WORK: u64 = 4_194_304;
/// Most rounds of PBKDF2.
const MAX_PBKDF2_ROUNDS: u32 = 2_000_000;
/// Highest cost of bcrypt.
const MAX_BCRYPT_COST: u32 = 14;

const UNKNOWN: Malformed = Malformed(
    "must be a hash of argon2id, bcrypt ($2a$, $2b$, $2y$), PBKDF2 ($pbkdf2-sha256$ and the like) or scrypt ($scrypt$ln=…)",
);

/// Base64 as password hashes have it: without padding, though some software writes it.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Understands what somebody wants to import: argon2 within bounds of its own, for the settings may make stronger ones
/// here.
pub(super) fn import(text: &str) -> Result<Hash, Malformed> {
    let hash = hash(text)?;
    if let Hash::Argon2 { params, .. } = &hash {
        let (m, t, p) = (params.m_cost(), params.t_cost(), params.p_cost());
        if m > MAX_MEMORY_KIB || u64::from(m) * u64::from(t) > MAX_ARGON2_WORK || p > 16 {
            return Err(Malformed(
                "an argon2 hash must have at most 128 MiB of memory, 1 GiB of memory times passes, and 16 lanes",
            ));
        }
    }
    Ok(hash)
}

/// Understands what is stored. What was not made here is within its bounds.
pub(super) fn hash(text: &str) -> Result<Hash, Malformed> {
    if text.starts_with("$2") {
        return parse_bcrypt(text);
    }
    let parts = Parts::split(text).ok_or(UNKNOWN)?;
    match parts.name {
        "argon2id" | "argon2i" | "argon2d" => parse_argon2(parts),
        "pbkdf2" | "pbkdf2-sha1" | "pbkdf2-sha256" | "pbkdf2-sha512" => parse_pbkdf2(parts),
        "scrypt" => parse_scrypt(parts),
        _ => Err(UNKNOWN),
    }
}

/// `$name$v=19$a=1,b=2$salt$output`; the version may be missing, and instead of parameters some write only rounds.
struct Parts<'a> {
    name: &'a str,
    version: Option<u32>,
    params: &'a str,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Option<Self> {
        if text.len() > 512 {
            return None;
        }
        let mut fields = text.strip_prefix('$')?.split('$');
        let name = fields.next()?;
        let mut params = fields.next()?;
        let mut version = None;
        if let Some(number) = params.strip_prefix("v=") {
            version = Some(number.parse().ok()?);
            params = fields.next()?;
        }
        let salt = decoded(fields.next()?)?;
        let output = decoded(fields.next()?)?;
        let fits =
            fields.next().is_none() && (8..=64).contains(&salt.len()) && (16..=64).contains(&output.len());
        fits.then_some(Self {
            name,
            version,
            params,
            salt,
            output,
        })
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.params
            .split(',')
            .filter_map(|param| param.split_once('='))
            .find(|(key, _)| *key == name)
            .and_then(|(_, value)| value.parse().ok())
    }
}

/// Base64; passlib writes `.` for `+`.
fn decoded(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.replace('.', "+")).ok()
}

fn parse_bcrypt(text: &str) -> Result<Hash, Malformed> {
    let bytes = text.as_bytes();
    let known = text.is_ascii()
        && bytes.len() == 60
        && matches!(bytes.get(2), Some(b'a' | b'b' | b'y'))
        && text.parse::<bcrypt::HashParts>().is_ok();
    let cost = text
        .get(4..6)
        .and_then(|cost| cost.parse::<u32>().ok())
        .ok_or(UNKNOWN)?;
    if !known {
        return Err(UNKNOWN);
    }
    if !(4..=MAX_BCRYPT_COST).contains(&cost) {
        return Err(Malformed("a bcrypt hash must have a cost of 4 to 14"));
    }
    Ok(Hash::Bcrypt(text.to_owned()))
}

fn parse_argon2(parts: Parts<'_>) -> Result<Hash, Malformed> {
    let (Some(m), Some(t), Some(p)) = (parts.number("m"), parts.number("t"), parts.number("p")) else {
        return Err(UNKNOWN);
    };
    Ok(Hash::Argon2 {
        algorithm: Algorithm::new(parts.name).map_err(|_| UNKNOWN)?,
        version: parts.version.unwrap_or(0x10).try_into().map_err(|_| UNKNOWN)?,
        params: Params::new(m, t, p, Some(parts.output.len())).map_err(|_| UNKNOWN)?,
        salt: parts.salt,
        output: parts.output,
    })
}

fn parse_pbkdf2(parts: Parts<'_>) -> Result<Hash, Malformed> {
    let rounds = parts.number("i").or_else(|| parts.params.parse().ok());
    let rounds = rounds.and_then(NonZeroU32::new).ok_or(UNKNOWN)?;
    if rounds.get() > MAX_PBKDF2_ROUNDS {
        return Err(Malformed("a PBKDF2 hash must have at most 2000000 rounds"));
    }
    let (algorithm, digest_length) = match parts.name {
        "pbkdf2-sha256" => (pbkdf2::PBKDF2_HMAC_SHA256, 32),
        "pbkdf2-sha512" => (pbkdf2::PBKDF2_HMAC_SHA512, 64),
        _ => (pbkdf2::PBKDF2_HMAC_SHA1, 20),
    };
    // Longer output costs the owner more rounds, not the attacker.
    if parts.output.len() > digest_length {
        return Err(UNKNOWN);
    }
    Ok(Hash::Pbkdf2 {
        algorithm,
        rounds,
        salt: parts.salt,
        output: parts.output,
    })
}

fn parse_scrypt(parts: Parts<'_>) -> Result<Hash, Malformed> {
    let (Some(log_n), Some(r), Some(p)) = (parts.number("ln"), parts.number("r"), parts.number("p")) else {
        return Err(UNKNOWN);
    };
    let bounded = (1..=20).contains(&log_n)
        && (1..=64).contains(&r)
        && (1..=64).contains(&p)
        && (u64::from(r) << log_n) * 128 <= u64::from(MAX_MEMORY_KIB) * 1024
        && (u64::from(r * p) << log_n) <= MAX_SCRYPT_WORK;
    if !bounded {
        return Err(Malformed(
            "a scrypt hash must have at most 128 MiB of memory and 4194304 for N × r × p",
        ));
    }
    Ok(Hash::Scrypt {
        log_n,
        r,
        p,
        salt: parts.salt,
        output: parts.output,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_that_costs_too_much_or_is_not_understood_is_refused() {
        let (salt, output) = (
            "TmFDbCBhbmQgbW9yZSEhIQ",
            "o638z4jlzz+zCx+6qbtgDw6bAYQJMjbnRcRA61i8jVU",
        );
        for (bad, says) in [
            (
                "$2b$15$abcdefghijklmnopqrstuumjF9vOtpiPtlBb5h9MIT6pklVMdOJoi".to_owned(),
                "4 to 14",
            ),
            (
                format!("$argon2id$v=19$m=1048576,t=1,p=1${salt}${output}"),
                "128 MiB",
            ),
            (
                format!("$argon2id$v=19$m=65536,t=17,p=1${salt}${output}"),
                "passes",
            ),
            (
                format!("$argon2id$v=19$m=65536,t=1,p=17${salt}${output}"),
                "lanes",
            ),
            (format!("$scrypt$ln=18,r=8,p=1${salt}${output}"), "128 MiB"),
            (format!("$scrypt$ln=63,r=8,p=1${salt}${output}"), "128 MiB"),
            (format!("$scrypt$ln=16,r=8,p=64${salt}${output}"), "128 MiB"),
            (format!("$pbkdf2-sha256$2000001${salt}${output}"), "2000000"),
            (
                "$2x$05$abcdefghijklmnopqrstuumjF9vOtpiPtlBb5h9MIT6pklVMdOJoi".to_owned(),
                "must be a hash",
            ),
            ("$2b$05$short".to_owned(), "must be a hash"),
            (format!("$2b$é5${}", "x".repeat(60)), "must be a hash"),
            (
                format!("$argon2id$v=20$m=65536,t=1,p=1${salt}${output}"),
                "must be a hash",
            ),
            (
                format!("$argon2id$v=19$m=65536,t=1${salt}${output}"),
                "must be a hash",
            ),
            (format!("$pbkdf2-sha256$0${salt}${output}"), "must be a hash"),
            (format!("$pbkdf2-md5$1000${salt}${output}"), "must be a hash"),
            (
                format!("$scrypt$ln=14,r=8,p=1${salt}${output}$"),
                "must be a hash",
            ),
            (format!("$scrypt$ln=14,r=8,p=1${salt}$AAAA"), "must be a hash"),
            ("$scrypt$ln=14,r=8,p=1$$".to_owned(), "must be a hash"),
            ("$6$salt$hash".to_owned(), "must be a hash"),
            ("5f4dcc3b5aa765d61d8327deb882cf99".to_owned(), "must be a hash"),
            (String::new(), "must be a hash"),
            (format!("${}", "$".repeat(1000)), "must be a hash"),
        ] {
            let why = import(&bad).err().map(|why| why.0);
            assert!(why.is_some_and(|why| why.contains(says)), "{bad}: {why:?}");
        }
    }

    #[test]
    fn what_the_settings_may_make_is_understood_however_strong() {
        let strong = "$argon2id$v=19$m=4194304,t=100,p=64$TmFDbCBhbmQgbW9yZSEhIQ$o638z4jlzz+zCx+6qbtgDw6bAYQJMjbnRcRA61i8jVU";
        assert!(hash(strong).is_ok());
        assert!(import(strong).is_err());
    }
}
