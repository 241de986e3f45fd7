//! Proof Key for Code Exchange (RFC 7636), method S256 only.

use crate::types::{Malformed, base64url};
use ring::digest;

/// A code challenge of method S256: the base64url SHA-256 of a verifier (RFC 7636 §4.2), 43 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge(String);

impl Challenge {
    /// Accepts the form that an S256 challenge has.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let fits = text.len() == 43
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(Malformed(
                "code_challenge must be the 43 characters of a base64url SHA-256 (RFC 7636 section 4.2)",
            ))
        }
    }

    /// The challenge as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A code verifier (RFC 7636 §4.1): 43 to 128 unreserved characters.
#[derive(Clone, Debug)]
pub struct Verifier(String);

impl Verifier {
    /// Accepts a verifier.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let fits = (43..=128).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(Malformed(
                "code_verifier must be 43 to 128 characters out of A-Z a-z 0-9 - . _ ~ (RFC 7636 section 4.1)",
            ))
        }
    }

    /// `BASE64URL-ENCODE(SHA256(ASCII(code_verifier)))` (RFC 7636 §4.6).
    pub fn challenge(&self) -> Challenge {
        Challenge(base64url(
            digest::digest(&digest::SHA256, self.0.as_bytes()).as_ref(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appendix_b_example() {
        let verifier = Verifier::parse("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
        assert_eq!(
            verifier.challenge().as_str(),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn s4_1_length_and_alphabet() {
        for bad in [
            "x".repeat(42),
            "x".repeat(129),
            format!("{}+", "x".repeat(43)),
            "ä".repeat(43),
        ] {
            assert!(Verifier::parse(&bad).is_err());
        }
        assert!(Verifier::parse(&"~".repeat(128)).is_ok());
        assert!(Challenge::parse(&"=".repeat(43)).is_err());
    }
}
