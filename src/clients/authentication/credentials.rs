//! What a request brings to prove which client sends it.

use super::Reason;
use crate::types::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// `client_assertion_type` of RFC 7523 §2.2.
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The parts of a request in which credentials may stand. Each form parameter stands here once: a repeated one is
/// refused before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Presented<'a> {
    /// Every `Authorization` header.
    pub authorization: &'a [&'a [u8]],
    /// `client_id` of the form.
    pub client_id: Option<&'a str>,
    /// `client_secret` of the form.
    pub client_secret: Option<&'a str>,
    /// `client_assertion_type` of the form.
    pub client_assertion_type: Option<&'a str>,
    /// `client_assertion` of the form.
    pub client_assertion: Option<&'a str>,
}

/// Credentials of exactly one kind.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// From the `Authorization` header.
    Basic {
        /// Who it claims to be.
        client_id: String,
        /// The secret.
        secret: Secret,
    },
    /// From the form.
    Post {
        /// Who it claims to be.
        client_id: String,
        /// The secret.
        secret: Secret,
    },
    /// A signed assertion.
    Assertion {
        /// `client_id` of the form, where it is there.
        client_id: Option<String>,
        /// The assertion.
        assertion: Secret,
    },
    /// A name alone.
    Public {
        /// Who it claims to be.
        client_id: String,
    },
}

impl Credentials {
    /// Sorts out what was presented. RFC 6749 §2.3: "The client MUST NOT use more than one authentication method in
    /// each request."
    ///
    /// # Errors
    /// When nothing, too much or something malformed was presented.
    pub fn sort_out(presented: &Presented<'_>) -> Result<Self, Reason> {
        let client_id = presented.client_id.map(str::to_owned);
        let header = match presented.authorization {
            [] => None,
            [one] => Some(basic(one)?),
            _ => return Err(Reason::SeveralMethods),
        };
        let asserted = presented.client_assertion.is_some() || presented.client_assertion_type.is_some();
        let methods = [header.is_some(), presented.client_secret.is_some(), asserted];
        if methods.iter().filter(|used| **used).count() > 1 {
            return Err(Reason::SeveralMethods);
        }
        if let Some((named, secret)) = header {
            return if client_id.is_none_or(|other| other == named) {
                Ok(Self::Basic {
                    client_id: named,
                    secret,
                })
            } else {
                Err(Reason::ClientIdMismatch)
            };
        }
        if asserted {
            let (Some(JWT_BEARER), Some(assertion)) =
                (presented.client_assertion_type, presented.client_assertion)
            else {
                return Err(Reason::AssertionType);
            };
            return Ok(Self::Assertion {
                client_id,
                assertion: Secret::new(assertion.to_owned()),
            });
        }
        let client_id = client_id.ok_or(Reason::NoCredentials)?;
        Ok(match presented.client_secret {
            Some(secret) => Self::Post {
                client_id,
                secret: Secret::new(secret.to_owned()),
            },
            None => Self::Public { client_id },
        })
    }

    /// Who the credentials claim to be, as far as they say it in clear.
    pub fn claimed(&self) -> Option<&str> {
        match self {
            Self::Basic { client_id, .. } | Self::Post { client_id, .. } | Self::Public { client_id } => {
                Some(client_id)
            }
            Self::Assertion { client_id, .. } => client_id.as_deref(),
        }
    }
}

/// RFC 6749 §2.3.1: "The client identifier is encoded using the "application/x-www-form-urlencoded" encoding algorithm
/// […], and the encoded value is used as the username; the client secret is encoded using the same algorithm and used as
/// the password."
fn basic(header: &[u8]) -> Result<(String, Secret), Reason> {
    let header = std::str::from_utf8(header).map_err(|_| Reason::MalformedBasic)?;
    let (scheme, encoded) = header.split_once(' ').ok_or(Reason::MalformedBasic)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(Reason::OtherScheme);
    }
    let decoded = STANDARD
        .decode(encoded.trim_start_matches(' '))
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .map(Secret::new)
        .ok_or(Reason::MalformedBasic)?;
    let (client_id, secret) = decoded.expose().split_once(':').ok_or(Reason::MalformedBasic)?;
    match (form_decoded(client_id), form_decoded(secret)) {
        (Some(client_id), Some(secret)) => Ok((client_id, Secret::new(secret))),
        _ => Err(Reason::MalformedBasic),
    }
}

/// Decodes one form-encoded value; `None` when an escape is broken or the result is no text.
fn form_decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(decoded)
        .ok()
        .filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(client_id: &str, secret: &str) -> Vec<u8> {
        format!("Basic {}", STANDARD.encode(format!("{client_id}:{secret}"))).into_bytes()
    }

    #[test]
    fn rfc6749_s2_3_1_id_and_secret_are_form_encoded() {
        let (client_id, secret) = basic(&header("a%2Fb+c", "p%3Aw%25%2B")).unwrap();
        assert_eq!((client_id.as_str(), secret.expose()), ("a/b c", "p:w%+"));
        let (client_id, secret) = basic(&header("a", "b:c")).unwrap();
        assert_eq!((client_id.as_str(), secret.expose()), ("a", "b:c"));
        assert!(
            basic(b"basic YTpi").is_ok(),
            "RFC 9110 section 11.1: a scheme is case-insensitive"
        );
    }

    #[test]
    fn malformed_headers_are_refused() {
        for bad in [
            "Basic",
            "Basic !",
            "Basic YQ==",
            "Basic YTolWlo=",
            "Basic YTpi=",
            "Basic  ",
        ] {
            assert_eq!(
                basic(bad.as_bytes()).unwrap_err(),
                Reason::MalformedBasic,
                "{bad}"
            );
        }
        assert_eq!(basic(b"Bearer abc").unwrap_err(), Reason::OtherScheme);
        assert_eq!(basic(&header("a", "%00")).unwrap_err(), Reason::MalformedBasic);
    }

    #[test]
    fn rfc6749_s2_3_more_than_one_method_is_refused() {
        let both: [&[u8]; 1] = [b"Basic YTpi"];
        let twice: [&[u8]; 2] = [b"Basic YTpi", b"Basic YTpi"];
        let cases = [
            Presented {
                authorization: &both,
                client_secret: Some("b"),
                ..Presented::default()
            },
            Presented {
                authorization: &both,
                client_assertion: Some("x"),
                client_assertion_type: Some(JWT_BEARER),
                ..Presented::default()
            },
            Presented {
                client_id: Some("a"),
                client_secret: Some("b"),
                client_assertion: Some("x"),
                client_assertion_type: Some(JWT_BEARER),
                ..Presented::default()
            },
            Presented {
                authorization: &twice,
                ..Presented::default()
            },
        ];
        for presented in cases {
            assert_eq!(
                Credentials::sort_out(&presented).unwrap_err(),
                Reason::SeveralMethods
            );
        }
        let mismatch = Presented {
            authorization: &both,
            client_id: Some("other"),
            ..Presented::default()
        };
        assert_eq!(
            Credentials::sort_out(&mismatch).unwrap_err(),
            Reason::ClientIdMismatch
        );
        let agreeing = Presented {
            authorization: &both,
            client_id: Some("a"),
            ..Presented::default()
        };
        assert!(matches!(
            Credentials::sort_out(&agreeing),
            Ok(Credentials::Basic { .. })
        ));
    }

    #[test]
    fn rfc7521_s4_2_an_assertion_has_its_type() {
        for (kind, assertion) in [
            (None, Some("x")),
            (Some(JWT_BEARER), None),
            (
                Some("urn:ietf:params:oauth:client-assertion-type:saml2-bearer"),
                Some("x"),
            ),
        ] {
            let presented = Presented {
                client_id: Some("a"),
                client_assertion_type: kind,
                client_assertion: assertion,
                ..Presented::default()
            };
            assert_eq!(
                Credentials::sort_out(&presented).unwrap_err(),
                Reason::AssertionType
            );
        }
        assert_eq!(
            Credentials::sort_out(&Presented::default()).unwrap_err(),
            Reason::NoCredentials
        );
    }

    proptest! {
        #[test]
        fn no_header_panics(header in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = basic(&header);
        }

        #[test]
        fn what_was_encoded_is_decoded(id in "[ -9;-~é]{1,20}", secret in "[ -~ü]{1,20}") {
            let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let (id_read, secret_read) = basic(&header(&encode(&id), &encode(&secret))).unwrap();
            prop_assert_eq!((id_read.as_str(), secret_read.expose()), (id.as_str(), secret.as_str()));
        }
    }
}
