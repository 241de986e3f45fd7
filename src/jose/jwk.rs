//! Public keys from outside: RFC 7517, RFC 7518 §6 and RFC 8037, strictly.

use crate::jose::verify::PublicKey;
use crate::types::{Algorithm, KeyManagement, Kid, Malformed};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use serde_json::{Map, Value};

/// Members that only a private or a shared key has (RFC 7518 §6.2.2, §6.3.2, §6.4.1).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A public key for signatures, as a client gives it: with or without an id, for one algorithm or for all that its kind
/// has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    /// The id by which tokens name the key.
    pub kid: Option<Kid>,
    /// The one algorithm that the key is for, where it says so.
    pub alg: Option<Algorithm>,
    /// The key.
    pub key: PublicKey,
}

impl Jwk {
    /// Reads a public key for signatures. Members that are not known are ignored (RFC 7517 §4).
    ///
    /// # Errors
    /// Says what would be right: no private members, no shared keys, RSA of 2048 to 8192 bits, a point on P-256 or
    /// Ed25519, `use` and `key_ops` that allow verifying, an `alg` of this server that fits the key.
    pub fn parse(value: &Value) -> Result<Self, Malformed> {
        let members = public_members(value)?;
        if !for_signatures(members)? {
            return Err(Malformed(
                "must be for signatures: use \"sig\", or key_ops with \"verify\"",
            ));
        }
        let key = material(members)?;
        let alg = match members.get("alg") {
            None => None,
            Some(alg) => Some(Algorithm::parse(alg.as_str().unwrap_or_default())?),
        };
        if alg.is_some_and(|alg| !key.fits(alg)) {
            return Err(Malformed("must have an alg that fits its kty"));
        }
        Ok(Self {
            kid: kid(members)?,
            alg,
            key,
        })
    }

    /// Whether the key may verify signatures of this algorithm.
    pub fn fits(&self, alg: Algorithm) -> bool {
        self.alg.is_none_or(|own| own == alg) && self.key.fits(alg)
    }
}

/// The members of a key that holds nothing secret.
pub(super) fn public_members(value: &Value) -> Result<&Map<String, Value>, Malformed> {
    let members = value.as_object().ok_or(Malformed("must be an object"))?;
    if members.get("kty").and_then(Value::as_str) == Some("oct") {
        return Err(Malformed("must be a public key, not a shared one"));
    }
    if PRIVATE.iter().any(|name| members.contains_key(*name)) {
        return Err(Malformed(
            "must hold public members only: this key is no longer secret, replace it",
        ));
    }
    Ok(members)
}

pub(super) fn kid(members: &Map<String, Value>) -> Result<Option<Kid>, Malformed> {
    members
        .get("kid")
        .map(|kid| Kid::parse(kid.as_str().unwrap_or_default()))
        .transpose()
}

/// RFC 7517 §4.2 to §4.4: what the key is for, where it says so.
pub(super) fn for_signatures(members: &Map<String, Value>) -> Result<bool, Malformed> {
    let by_use = match members.get("use").map(|value| value.as_str()) {
        None | Some(Some("sig")) => true,
        Some(Some("enc")) => false,
        Some(_) => return Err(Malformed("must have use \"sig\" or \"enc\"")),
    };
    let by_operations = match members.get("key_ops") {
        None => true,
        Some(Value::Array(operations)) => operations.iter().any(|operation| operation == "verify"),
        Some(_) => return Err(Malformed("must have an array of key_ops")),
    };
    Ok(by_use && by_operations && !is_for_key_management(members))
}

fn is_for_key_management(members: &Map<String, Value>) -> bool {
    let alg = members.get("alg").and_then(Value::as_str);
    alg.is_some_and(|alg| KeyManagement::parse(alg).is_ok())
}

pub(super) fn material(members: &Map<String, Value>) -> Result<PublicKey, Malformed> {
    let text = |name| members.get(name).and_then(Value::as_str);
    match (text("kty"), text("crv")) {
        (Some("RSA"), _) => rsa(bytes(members, "n")?, bytes(members, "e")?),
        (Some("EC"), Some("P-256")) => p256(&bytes(members, "x")?, &bytes(members, "y")?),
        (Some("OKP"), Some("Ed25519")) => ed25519(&bytes(members, "x")?),
        (Some("EC" | "OKP"), _) => Err(Malformed("must be on the curve P-256 or Ed25519")),
        _ => Err(Malformed("must have kty RSA, EC or OKP")),
    }
}

fn bytes(members: &Map<String, Value>, name: &str) -> Result<Vec<u8>, Malformed> {
    members
        .get(name)
        .and_then(Value::as_str)
        .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
        .ok_or(Malformed(
            "must have its n and e, or x and y, as base64url without padding",
        ))
}

fn rsa(n: Vec<u8>, e: Vec<u8>) -> Result<PublicKey, Malformed> {
    // RFC 7518 §2: "the octet sequence MUST utilize the minimum number of octets needed to represent the value".
    let (Some(&first), Some(&last)) = (n.first(), n.last()) else {
        return Err(Malformed("must have a modulus"));
    };
    if first == 0 || e.first().is_none_or(|byte| *byte == 0) {
        return Err(Malformed("must have n and e without leading zeros"));
    }
    let bits = n.len() * 8 - first.leading_zeros() as usize;
    if !(2048..=8192).contains(&bits) {
        return Err(Malformed("must be an RSA key of 2048 to 8192 bits"));
    }
    let exponent = e.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    if e.len() > 4 || exponent < 3 || exponent % 2 == 0 || last % 2 == 0 {
        return Err(Malformed(
            "must be an RSA key: n odd, e odd and between 3 and 2^32",
        ));
    }
    Ok(PublicKey::Rsa { n, e })
}

fn p256(x: &[u8], y: &[u8]) -> Result<PublicKey, Malformed> {
    let mut point = [4; 65];
    // RFC 7518 §6.2.1.2: the length is that of the field.
    if x.len() != 32 || y.len() != 32 {
        return Err(Malformed("must have x and y of 32 bytes"));
    }
    for (to, from) in point.iter_mut().skip(1).zip(x.iter().chain(y)) {
        *to = *from;
    }
    let on_curve = || -> Result<(), ErrorStack> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let (x, y) = (BigNum::from_slice(x)?, BigNum::from_slice(y)?);
        EcKey::from_public_key_affine_coordinates(&group, &x, &y)?.check_key()
    };
    on_curve()
        .map(|()| PublicKey::P256(point))
        .map_err(|_| Malformed("must be a point of the curve P-256"))
}

fn ed25519(x: &[u8]) -> Result<PublicKey, Malformed> {
    let key: [u8; 32] = x
        .try_into()
        .map_err(|_| Malformed("must have x of 32 bytes for Ed25519"))?;
    match is_ed25519_point(key) {
        Ok(true) => Ok(PublicKey::Ed25519(key)),
        _ => Err(Malformed(
            "must be a point of the curve Ed25519, and none of small order",
        )),
    }
}

/// RFC 8032 §5.1.3: whether the encoding decodes to a point, that is, whether `x² = (y² - 1) / (d y² + 1)` has a root.
/// The eight points of small order are refused by their `y` (0, 1, -1 and two of order eight): signatures that hold for
/// any message can be made for them.
fn is_ed25519_point(mut key: [u8; 32]) -> Result<bool, ErrorStack> {
    let [.., last] = &mut key;
    *last &= 0x7f;
    key.reverse();
    let p = BigNum::from_hex_str("7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed")?;
    let d = BigNum::from_hex_str("52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3")?;
    let order_eight = [
        "05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826",
        "7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7",
    ];
    let y = BigNum::from_slice(&key)?;
    let one = BigNum::from_u32(1)?;
    let mut minus_one = BigNum::new()?;
    minus_one.checked_sub(&p, &one)?;
    if y >= p || y <= one || y == minus_one {
        return Ok(false);
    }
    for small in order_eight {
        if y == BigNum::from_hex_str(small)? {
            return Ok(false);
        }
    }
    let mut context = BigNumContext::new()?;
    let mut squared = BigNum::new()?;
    squared.mod_sqr(&y, &p, &mut context)?;
    let (mut u, mut v, mut product) = (BigNum::new()?, BigNum::new()?, BigNum::new()?);
    u.mod_sub(&squared, &one, &p, &mut context)?;
    product.mod_mul(&d, &squared, &p, &mut context)?;
    v.mod_add(&product, &one, &p, &mut context)?;
    // u / v is a square exactly when u v is one, and Euler's criterion tells.
    product.mod_mul(&u, &v, &p, &mut context)?;
    let (mut half, mut euler) = (BigNum::new()?, BigNum::new()?);
    half.rshift1(&minus_one)?;
    euler.mod_exp(&product, &half, &p, &mut context)?;
    Ok(euler == one)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::entropy::Entropy;
    use crate::jose::SigningKey;
    use crate::types::base64url;
    use proptest::prelude::*;
    use serde_json::json;

    pub(in crate::jose) fn rsa_jwk(bits: usize) -> Value {
        let mut n = vec![0xff; bits / 8];
        n[0] = 0x80;
        json!({ "kty": "RSA", "n": base64url(&n), "e": "AQAB" })
    }

    fn refusal(value: &Value) -> &'static str {
        Jwk::parse(value).unwrap_err().0
    }

    pub(in crate::jose) fn with(mut jwk: Value, name: &str, value: impl Into<Value>) -> Value {
        jwk[name] = value.into();
        jwk
    }

    /// RFC 8037 appendix A.2, RFC 7517 appendix A.1.
    fn ed25519_jwk() -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
    }

    pub(in crate::jose) fn p256_jwk() -> Value {
        json!({ "kty": "EC", "crv": "P-256",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM" })
    }

    #[test]
    fn rfc7638_s3_1_thumbprint() {
        let jwk = json!({ "kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw" });
        assert_eq!(
            Jwk::parse(&jwk).unwrap().key.thumbprint(),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
        assert_eq!(
            Jwk::parse(&ed25519_jwk()).unwrap().key.thumbprint(),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
    }

    #[test]
    fn private_and_shared_keys_are_refused() {
        for name in PRIVATE {
            for jwk in [rsa_jwk(2048), p256_jwk(), ed25519_jwk()] {
                assert!(refusal(&with(jwk, name, "AQAB")).contains("public members only"));
            }
        }
        assert!(refusal(&json!({ "kty": "oct", "k": "AQAB" })).contains("shared"));
    }

    #[test]
    fn an_rsa_key_has_2048_to_8192_bits_in_minimal_form() {
        for bits in [2048, 3072, 8192] {
            assert!(Jwk::parse(&rsa_jwk(bits)).is_ok(), "{bits}");
        }
        for bits in [1024, 2040, 8200] {
            assert!(refusal(&rsa_jwk(bits)).contains("2048 to 8192"), "{bits}");
        }
        for e in ["AQ", "AA", "AAEAAQ", "Ag", "AQAAAAAAAQ", ""] {
            assert!(Jwk::parse(&with(rsa_jwk(2048), "e", e)).is_err(), "{e}");
        }
        let mut even = vec![0xff; 256];
        even[255] = 0xfe;
        assert!(Jwk::parse(&with(rsa_jwk(2048), "n", base64url(&even))).is_err());
        assert!(Jwk::parse(&with(rsa_jwk(2048), "n", format!("{}=", base64url(&[0xff; 256])))).is_err());
    }

    #[test]
    fn a_point_is_on_its_curve() {
        assert!(Jwk::parse(&p256_jwk()).is_ok());
        let other = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
        assert!(refusal(&with(p256_jwk(), "x", other)).contains("point"));
        assert!(refusal(&with(p256_jwk(), "x", base64url(&[0; 32]))).contains("point"));
        assert!(refusal(&with(p256_jwk(), "x", "AQ")).contains("32 bytes"));
        for crv in ["P-384", "P-521", "secp256k1", "X25519", "Ed448"] {
            assert!(refusal(&with(p256_jwk(), "crv", crv)).contains("curve"), "{crv}");
        }
    }

    #[test]
    fn rfc8032_s5_1_3_an_ed25519_key_decodes_and_has_no_small_order() {
        let entropy = Entropy::system();
        for _ in 0..20 {
            let pkcs8 = SigningKey::generate(Algorithm::EdDSA, 0, &entropy).unwrap();
            let kid = Kid::parse("k").unwrap();
            let key = SigningKey::from_pkcs8(kid, Algorithm::EdDSA, &pkcs8, &entropy).unwrap();
            assert!(Jwk::parse(&key.verifying().to_jwk()).is_ok());
        }
        for small in [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000080",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        ] {
            let x = base64url(&hex::decode(small).unwrap());
            assert!(
                refusal(&with(ed25519_jwk(), "x", x)).contains("small order"),
                "{small}"
            );
        }
        // About half of all texts decode to no point.
        let points = (2..102_u8)
            .filter(|byte| {
                let mut key = [0; 32];
                key[0] = *byte;
                is_ed25519_point(key).unwrap()
            })
            .count();
        assert!((30..70).contains(&points), "{points}");
    }

    #[test]
    fn what_a_key_is_for_counts() {
        for (name, value) in [
            ("use", json!("enc")),
            ("use", json!("other")),
            ("use", json!(null)),
            ("key_ops", json!(["encrypt"])),
            ("key_ops", json!("verify")),
            ("alg", json!("ES256")),
            ("alg", json!("HS256")),
            ("alg", json!("none")),
            ("alg", json!(1)),
            ("kid", json!("")),
            ("kid", json!(7)),
            ("kid", json!("x".repeat(65))),
        ] {
            assert!(
                Jwk::parse(&with(rsa_jwk(2048), name, value.clone())).is_err(),
                "{name} {value}"
            );
        }
        let key = Jwk::parse(&with(rsa_jwk(2048), "alg", "PS256")).unwrap();
        assert!(key.fits(Algorithm::PS256) && !key.fits(Algorithm::RS256));
    }

    proptest! {
        #[test]
        fn no_input_panics(text in "\\PC{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            for kty in ["RSA", "EC", "OKP"] {
                for crv in ["P-256", "Ed25519"] {
                    let part = base64url(&bytes);
                    let _ = Jwk::parse(&json!({ "kty": kty, "crv": crv, "n": part, "e": text, "x": part, "y": part }));
                }
            }
        }
    }
}
