//! Public keys and what they verify.

use crate::jose::jwk;
use crate::types::{Algorithm, Kid, Malformed, base64url};
use ring::digest;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::{Map, Value, json};

/// Key material that verifies signatures. A value of this type is a key that may be used: size and curve were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA, 2048 to 8192 bits.
    Rsa {
        /// Modulus, big-endian without leading zeros.
        n: Vec<u8>,
        /// Public exponent, likewise.
        e: Vec<u8>,
    },
    /// A point of P-256, uncompressed (SEC 1 §2.3.3).
    P256([u8; 65]),
    /// Ed25519 (RFC 8032 §5.1.5).
    Ed25519([u8; 32]),
}

impl PublicKey {
    /// Whether signatures of this algorithm are made with keys of this kind.
    pub fn fits(&self, alg: Algorithm) -> bool {
        match self {
            Self::Rsa { .. } => matches!(alg, Algorithm::RS256 | Algorithm::PS256),
            Self::P256(_) => alg == Algorithm::ES256,
            Self::Ed25519(_) => alg == Algorithm::EdDSA,
        }
    }

    /// Whether the signature over the message is right. False also when the algorithm is none of this key's.
    pub fn verify(&self, alg: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match (self, alg) {
            (Self::Rsa { n, e }, Algorithm::RS256) => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
            (Self::Rsa { n, e }, Algorithm::PS256) => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PSS_2048_8192_SHA256, message, signature)
                .is_ok(),
            (Self::P256(point), Algorithm::ES256) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(message, signature)
                .is_ok(),
            (Self::Ed25519(key), Algorithm::EdDSA) => UnparsedPublicKey::new(&ED25519, key)
                .verify(message, signature)
                .is_ok(),
            _ => false,
        }
    }

    /// The required members of the key's JWK (RFC 7518 §6, RFC 8037 §2) in the order of RFC 7638 §3.
    pub(super) fn members(&self) -> Map<String, Value> {
        let members = match self {
            Self::Rsa { n, e } => json!({ "e": base64url(e), "kty": "RSA", "n": base64url(n) }),
            Self::P256(point) => {
                let (x, y) = point.split_at(33);
                let x = x.get(1..).unwrap_or_default();
                json!({ "crv": "P-256", "kty": "EC", "x": base64url(x), "y": base64url(y) })
            }
            Self::Ed25519(key) => json!({ "crv": "Ed25519", "kty": "OKP", "x": base64url(key) }),
        };
        match members {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }

    /// The JWK thumbprint with SHA-256 (RFC 7638).
    pub fn thumbprint(&self) -> String {
        // "lexicographically by the Unicode code points of the member names": an ordered list, whatever order a map
        // of serde_json keeps.
        let members = self.members();
        let mut names: Vec<_> = members.iter().collect();
        names.sort_by_key(|(name, _)| *name);
        let members: Vec<_> = names
            .into_iter()
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        let text = format!("{{{}}}", members.join(","));
        base64url(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
    }
}

/// A public key with its id and the one algorithm that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    kid: Kid,
    alg: Algorithm,
    key: PublicKey,
}

impl VerifyingKey {
    pub(super) fn new(kid: Kid, alg: Algorithm, key: PublicKey) -> Self {
        Self { kid, alg, key }
    }

    /// Reads a public JWK that has `kid` and `alg`, as [`Self::to_jwk`] writes it.
    ///
    /// # Errors
    /// Says what a key must be like; see [`jwk::Jwk::parse`].
    pub fn from_jwk(value: &Value) -> Result<Self, Malformed> {
        let jwk = jwk::Jwk::parse(value)?;
        let kid = jwk.kid.ok_or(Malformed("must have a kid"))?;
        let alg = jwk.alg.ok_or(Malformed("must have an alg"))?;
        Ok(Self::new(kid, alg, jwk.key))
    }

    /// The public JWK: `kty`, the key's own members, `kid`, `alg` and `use`, and nothing private.
    pub fn to_jwk(&self) -> Value {
        let mut members = self.key.members();
        members.insert("kid".to_owned(), self.kid.as_str().into());
        members.insert("alg".to_owned(), self.alg.as_str().into());
        members.insert("use".to_owned(), "sig".into());
        Value::Object(members)
    }

    /// The key's id.
    pub fn kid(&self) -> &Kid {
        &self.kid
    }

    /// The algorithm that the key is for.
    pub fn alg(&self) -> Algorithm {
        self.alg
    }

    /// The key itself.
    pub fn public(&self) -> &PublicKey {
        &self.key
    }

    /// Whether the signature over the message was made with this key and its algorithm.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify(self.alg, message, signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    /// The signature of a specification's example over its own signing input.
    fn example(jwk: Value, alg: Algorithm, token: &str) -> bool {
        let (input, signature) = token.rsplit_once('.').unwrap();
        let key = jwk::Jwk::parse(&jwk).unwrap().key;
        key.verify(alg, input.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
    }

    #[test]
    fn rfc7515_appendix_a_2_rs256() {
        let jwk = json!({ "kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ" });
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
        assert!(example(jwk, Algorithm::RS256, token));
    }

    #[test]
    fn rfc7515_appendix_a_3_es256() {
        let jwk = json!({ "kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" });
        let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        assert!(example(jwk, Algorithm::ES256, token));
    }

    #[test]
    fn rfc8037_appendix_a_4_eddsa() {
        let jwk =
            json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert!(example(jwk, Algorithm::EdDSA, token));
    }
}
