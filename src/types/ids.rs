//! Identifiers: each kind has a type of its own, so that one cannot stand for another.

use super::Malformed;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type)]
        #[sqlx(transparent)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = Malformed;

            fn from_str(text: &str) -> Result<Self, Malformed> {
                // Only the hyphenated form: an identifier has one spelling.
                let id = Uuid::try_parse(text).map_err(|_| Malformed("must be a UUID"))?;
                if id.hyphenated().to_string() == text {
                    Ok(Self(id))
                } else {
                    Err(Malformed("must be a UUID in lower-case hyphenated form"))
                }
            }
        }
    };
}

uuid_id! {
    /// An issuer with keys, clients and users of its own.
    TenantId
}
uuid_id! {
    /// A person's account; the `sub` of everything issued for that person (public subject type).
    UserId
}
uuid_id! {
    /// A browser session after sign-in. The id never changes; the cookie's secret does.
    SessionId
}
uuid_id! {
    /// A token family: what one authorization yielded.
    GrantId
}

uuid_id! {
    /// An initial access token (RFC 7591 §1.2), by which it is listed and deleted.
    RegistrationTokenId
}

impl TenantId {
    /// The tenant that exists from the first start and needs no naming.
    pub const FIRST: Self = Self(Uuid::from_u128(1));
}

/// The name of a tenant, which stands in its URLs (`/t/{name}`): 1 to 63 characters out of `a-z 0-9 -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, sqlx::Type)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct TenantName(String);

impl TenantName {
    /// Accepts what a tenant may be called. Nothing in it needs escaping, so that it has one spelling in a URL.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let fits = (1..=63).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(Malformed("must be 1 to 63 characters out of a-z 0-9 -"))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A client identifier (RFC 6749 §2.2): 1 to 64 characters out of `A-Z a-z 0-9 . _ ~ -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, sqlx::Type)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct ClientId(String);

impl ClientId {
    /// Accepts what a client may be called.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let fits = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-'));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(Malformed("must be 1 to 64 characters out of A-Z a-z 0-9 . _ ~ -"))
        }
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key identifier (RFC 7517 §4.5) of this server or of a client: 1 to 64 characters that are safe in a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type)]
#[sqlx(transparent)]
#[serde(try_from = "String", into = "String")]
pub struct Kid(String);

impl Kid {
    /// Accepts `A-Z a-z 0-9 . _ ~ - : + = @`, which covers thumbprints, UUIDs and dates as used for key ids.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(|b| {
                b.is_ascii_alphanumeric()
                    || matches!(b, b'.' | b'_' | b'~' | b'-' | b':' | b'+' | b'=' | b'@')
            });
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(Malformed("must be 1 to 64 characters of a key id"))
        }
    }

    /// The key id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Kid {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        Self::parse(&text)
    }
}

impl From<Kid> for String {
    fn from(kid: Kid) -> Self {
        kid.0
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_id_has_a_closed_alphabet_and_length() {
        assert!(ClientId::parse("a.B_9~-").is_ok());
        assert!(ClientId::parse(&"x".repeat(64)).is_ok());
        for bad in ["", "a b", "a/b", "ä", "a\0", &"x".repeat(65)] {
            assert!(ClientId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_tenant_name_has_one_spelling_in_a_url() {
        assert!(TenantName::parse("acme-1").is_ok());
        assert!(TenantName::parse(&"x".repeat(63)).is_ok());
        for bad in [
            "",
            "Acme",
            "a_b",
            "a.b",
            "a/b",
            "a%62",
            "ä",
            "..",
            &"x".repeat(64),
        ] {
            assert!(TenantName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_id_has_one_spelling() {
        let id = "0190a5a0-0000-7000-8000-000000000001";
        assert_eq!(id.parse::<UserId>().unwrap().to_string(), id);
        for bad in [
            id.to_uppercase(),
            id.replace('-', ""),
            format!("{{{id}}}"),
            String::new(),
        ] {
            assert!(bad.parse::<UserId>().is_err() || bad == id, "{bad}");
        }
    }
}
