//! The one place where a JSON Web Token is verified (RFC 7515 §5.2, RFC 7519 §7.2, RFC 8725).
//!
//! The key decides the algorithm; the token's header is only compared with it. Keys are never taken from a token or from
//! an address in one. Whatever is wrong, the outside hears the same; the reason is for the audit log.

use crate::jose::{JwkSet, VerifyingKey, json};
use crate::types::{Algorithm, Kid, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use std::fmt;

/// Longest token that is looked at, in bytes.
pub const MAX_TOKEN: usize = 16 * 1024;

/// Members of a header that bring a key or an address of one (RFC 7515 §4.1.2 to §4.1.6).
const KEY_BEARING: [&str; 4] = ["jwk", "jku", "x5u", "x5c"];

/// The latest time in a claim: the end of the year 9999.
const LATEST: i64 = 253_402_300_799;

/// What a token must say to be accepted.
#[derive(Clone, Copy, Debug)]
pub struct Expect<'a> {
    /// Acceptable types, without `application/` (RFC 8725 §3.11). Compared without regard to case.
    pub typ: &'a [&'a str],
    /// `iss`, exactly.
    pub issuer: &'a str,
    /// What `aud` must be or contain; any audience where absent, but `aud` must be there.
    pub audience: Option<&'a str>,
    /// Difference of clocks that is tolerated, in seconds.
    pub leeway_s: i64,
    /// Whether a token that has expired is accepted all the same, as an `id_token_hint` is.
    pub allow_expired: bool,
}

/// Why a token was refused. The names are for the audit log; the display is the same for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JwtError {
    /// Longer than [`MAX_TOKEN`].
    TooLong,
    /// Not three parts of base64url, or not JSON objects with distinct names.
    Malformed,
    /// A header member has the wrong type or a forbidden value.
    Header,
    /// An algorithm that is none of this server's: `none`, HMAC and the like.
    Algorithm,
    /// The algorithm is not the one of the key.
    AlgorithmMismatch,
    /// No `kid`, or one that no key can have.
    Kid,
    /// No key has this `kid`; or none is named and several, or none, would do.
    UnknownKey,
    /// The header brings a key or an address of one.
    KeyInHeader,
    /// `crit` names extensions, of which none is known here (RFC 7515 §4.1.11).
    Critical,
    /// A token of another type.
    Type,
    /// The signature does not match.
    Signature,
    /// `exp` is missing or no time.
    NoExpiry,
    /// `exp` has passed.
    Expired,
    /// `nbf` or `iat` is in the future, or no time.
    NotYetValid,
    /// `iss` is missing or another.
    Issuer,
    /// `aud` is missing, malformed or another.
    Audience,
}

impl JwtError {
    /// The reason for the audit log.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TooLong => "token_too_long",
            Self::Malformed => "token_malformed",
            Self::Header => "token_header",
            Self::Algorithm => "token_algorithm",
            Self::AlgorithmMismatch => "token_algorithm_mismatch",
            Self::Kid => "token_kid",
            Self::UnknownKey => "token_unknown_key",
            Self::KeyInHeader => "token_key_in_header",
            Self::Critical => "token_critical",
            Self::Type => "token_type",
            Self::Signature => "token_signature",
            Self::NoExpiry => "token_no_expiry",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::Issuer => "token_issuer",
            Self::Audience => "token_audience",
        }
    }
}

/// What the outside may hear: nothing that tells one reason from another.
impl fmt::Display for JwtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the token is not valid")
    }
}

impl std::error::Error for JwtError {}

/// Verifies a token of this server: `kid` is required and names one of `keys`.
///
/// # Errors
/// With the first thing that is wrong.
pub fn verify<'k>(
    token: &str,
    expect: &Expect<'_>,
    keys: impl FnOnce(&Kid) -> Option<&'k VerifyingKey>,
    now: Timestamp,
) -> Result<Claims, JwtError> {
    let token = Unverified::parse(token)?;
    let kid = token.kid.as_ref().ok_or(JwtError::Kid)?;
    let key = keys(kid).ok_or(JwtError::UnknownKey)?;
    if key.alg() != token.alg {
        return Err(JwtError::AlgorithmMismatch);
    }
    if token.typ.is_none() {
        return Err(JwtError::Type);
    }
    if !key.verify(token.signing_input.as_bytes(), &token.signature) {
        return Err(JwtError::Signature);
    }
    token.check(expect, now)
}

/// A token that was taken apart and not verified. For callers that find the keys by what the token claims, as those of a
/// client assertion are found by its issuer (RFC 7523 §3).
#[derive(Clone, Debug)]
pub struct Unverified<'t> {
    alg: Algorithm,
    kid: Option<Kid>,
    typ: Option<String>,
    signing_input: &'t str,
    signature: Vec<u8>,
    claims: Claims,
}

impl<'t> Unverified<'t> {
    /// Takes a compact serialisation apart (RFC 7515 §7.1).
    ///
    /// # Errors
    /// For everything that can be wrong without knowing the key.
    pub fn parse(token: &'t str) -> Result<Self, JwtError> {
        if token.len() > MAX_TOKEN {
            return Err(JwtError::TooLong);
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(JwtError::Malformed)?;
        let (header, claims) = signing_input.split_once('.').ok_or(JwtError::Malformed)?;
        let object = |part: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
            json::object(&bytes)
        };
        // A point within `claims` is none of base64url's characters: three parts, never more.
        let header = object(header).ok_or(JwtError::Malformed)?;
        let claims = object(claims).ok_or(JwtError::Malformed)?;
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| JwtError::Malformed)?;
        let (alg, kid, typ) = read_header(&header)?;
        Ok(Self {
            alg,
            kid,
            typ,
            signing_input,
            signature,
            claims: Claims(claims),
        })
    }

    /// The algorithm that the header names.
    pub fn alg(&self) -> Algorithm {
        self.alg
    }

    /// The key that the header names.
    pub fn kid(&self) -> Option<&Kid> {
        self.kid.as_ref()
    }

    /// What the token claims. Nothing of it is known to be true.
    pub fn peek_claims(&self) -> &Claims {
        &self.claims
    }

    /// Verifies with the keys of whoever the token claims to be from. `kid` may be absent where one key alone fits;
    /// a header without `typ` counts as type `JWT` (RFC 7519 §5.1).
    ///
    /// # Errors
    /// With the first thing that is wrong.
    pub fn verify(self, expect: &Expect<'_>, keys: &JwkSet, now: Timestamp) -> Result<Claims, JwtError> {
        self.check_signature(keys)?;
        self.check(expect, now)
    }

    /// Verifies signature and type alone, for a kind of token whose claims have rules of their own, such as request
    /// objects, which need not expire (RFC 9101 §4).
    ///
    /// # Errors
    /// With the first thing that is wrong.
    pub fn verify_signature(self, typ: &[&str], keys: &JwkSet) -> Result<Claims, JwtError> {
        self.check_signature(keys)?;
        self.check_type(typ)?;
        Ok(self.claims)
    }

    fn check_signature(&self, keys: &JwkSet) -> Result<(), JwtError> {
        let Some(key) = keys.find(self.kid.as_ref(), self.alg) else {
            let named = |key: &&crate::jose::Jwk| self.kid.is_some() && key.kid == self.kid;
            return Err(match keys.keys().iter().find(named) {
                Some(_) => JwtError::AlgorithmMismatch,
                None => JwtError::UnknownKey,
            });
        };
        if key
            .key
            .verify(self.alg, self.signing_input.as_bytes(), &self.signature)
        {
            Ok(())
        } else {
            Err(JwtError::Signature)
        }
    }

    fn check_type(&self, accepted: &[&str]) -> Result<(), JwtError> {
        let typ = self.typ.as_deref().unwrap_or("JWT");
        if accepted.iter().any(|accepted| is_type(typ, accepted)) {
            Ok(())
        } else {
            Err(JwtError::Type)
        }
    }

    /// RFC 7519 §4.1: the claims of a token whose signature is right.
    fn check(self, expect: &Expect<'_>, now: Timestamp) -> Result<Claims, JwtError> {
        self.check_type(expect.typ)?;
        let claims = self.claims;
        let expires = claims.time("exp").ok_or(JwtError::NoExpiry)?;
        if !expect.allow_expired && now >= expires.plus_seconds(expect.leeway_s) {
            return Err(JwtError::Expired);
        }
        for name in ["nbf", "iat"] {
            if claims.get(name).is_some() {
                let from = claims.time(name).ok_or(JwtError::NotYetValid)?;
                if from > now.plus_seconds(expect.leeway_s) {
                    return Err(JwtError::NotYetValid);
                }
            }
        }
        if claims.str("iss") != Some(expect.issuer) {
            return Err(JwtError::Issuer);
        }
        let audiences = claims.audiences().ok_or(JwtError::Audience)?;
        match expect.audience {
            Some(audience) if !audiences.contains(&audience) => Err(JwtError::Audience),
            _ => Ok(claims),
        }
    }
}

/// "The `application/` prefix is omitted" where no other slash is there (RFC 7515 §4.1.9); media types are compared
/// without regard to case.
fn is_type(typ: &str, accepted: &str) -> bool {
    let short = match typ.split_at_checked(12) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => rest,
        _ => typ,
    };
    short.eq_ignore_ascii_case(accepted)
}

/// `alg`, `kid` and `typ` of a header that has nothing dangerous.
fn read_header(header: &Map<String, Value>) -> Result<(Algorithm, Option<Kid>, Option<String>), JwtError> {
    if KEY_BEARING.iter().any(|name| header.contains_key(*name)) {
        return Err(JwtError::KeyInHeader);
    }
    if header.contains_key("crit") {
        return Err(JwtError::Critical);
    }
    let text = |name: &str| match header.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(JwtError::Header),
    };
    let alg = text("alg")?.ok_or(JwtError::Algorithm)?;
    let alg = Algorithm::parse(alg).map_err(|_| JwtError::Algorithm)?;
    let kid = text("kid")?
        .map(Kid::parse)
        .transpose()
        .map_err(|_| JwtError::Kid)?;
    Ok((alg, kid, text("typ")?.map(str::to_owned)))
}

/// The claims of a token: a JSON object.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// A claim.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A claim that is a text.
    pub fn str(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// A claim that is a whole number.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.get(name)?.as_i64()
    }

    /// A claim that is a `NumericDate` (RFC 7519 §2) between 1970 and 9999; fractions are cut off.
    pub fn time(&self, name: &str) -> Option<Timestamp> {
        let value = self.get(name)?;
        let seconds = match value.as_i64() {
            Some(seconds) => seconds,
            // Casting a float saturates; the range is checked below.
            None => value.as_f64()?.floor() as i64,
        };
        (0..=LATEST)
            .contains(&seconds)
            .then(|| Timestamp::from_seconds(seconds))
    }

    /// A claim that is a list of texts.
    pub fn strings(&self, name: &str) -> Option<Vec<&str>> {
        self.get(name)?.as_array()?.iter().map(Value::as_str).collect()
    }

    /// `iss`.
    pub fn issuer(&self) -> Option<&str> {
        self.str("iss")
    }

    /// `sub`.
    pub fn subject(&self) -> Option<&str> {
        self.str("sub")
    }

    /// `jti`.
    pub fn id(&self) -> Option<&str> {
        self.str("jti")
    }

    /// `exp`.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.time("exp")
    }

    /// `iat`.
    pub fn issued_at(&self) -> Option<Timestamp> {
        self.time("iat")
    }

    /// `aud`, "an array of case-sensitive strings […] In the special case when the JWT has one audience, […] a single
    /// case-sensitive string" (RFC 7519 §4.1.3). `None` when it is anything else or empty.
    pub fn audiences(&self) -> Option<Vec<&str>> {
        let audiences = match self.get("aud")? {
            Value::String(one) => vec![one.as_str()],
            _ => self.strings("aud")?,
        };
        (!audiences.is_empty()).then_some(audiences)
    }

    /// All claims.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// All claims, taken out.
    pub fn into_map(self) -> Map<String, Value> {
        self.0
    }
}
