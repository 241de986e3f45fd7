//! JSON Web Encryption (RFC 7516) in the compact form, for one reader: what a client registered to get encrypted.
//! josekit makes it, and draws content keys, nonces and ephemeral keys from OpenSSL itself. What others encrypt to this server
//! is read in `decrypt/`.

use crate::fault::Fault;
use crate::jose::jwk::{kid, material, public_members};
use crate::jose::verify::PublicKey;
use crate::types::{ContentEncryption, KeyManagement, Kid};
use josekit::JoseError;
use josekit::jwe::{self, JweEncrypter, JweHeader};
use josekit::jwk::Jwk;
use serde_json::{Map, Value};

/// A public key to which a client lets others encrypt: RSA or a point of P-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptionKey {
    kid: Option<Kid>,
    alg: Option<KeyManagement>,
    /// It says that it is for encryption.
    dedicated: bool,
    key: PublicKey,
}

/// What is encrypted.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// A signed JWT, which is nested (RFC 7519 §5.2: `cty` "MUST be JWT").
    Signed(&'a str),
    /// The claims themselves.
    Claims(&'a [u8]),
}

impl EncryptionKey {
    /// Reads a public key; `None` for one that is for something else or that this server cannot use.
    pub fn parse(value: &Value) -> Option<Self> {
        let members = public_members(value).ok()?;
        let text = |name| members.get(name).and_then(Value::as_str);
        let dedicated = match members.get("use").map(Value::as_str) {
            None => false,
            Some(Some("enc")) => true,
            Some(_) => return None,
        };
        if let Some(operations) = members.get("key_ops") {
            const FITTING: [&str; 4] = ["encrypt", "wrapKey", "deriveKey", "deriveBits"];
            let named = |operation: &Value| operation.as_str().is_some_and(|text| FITTING.contains(&text));
            if !operations.as_array()?.iter().any(named) {
                return None;
            }
        }
        let alg = match members.get("alg") {
            None => None,
            Some(_) => Some(KeyManagement::parse(text("alg")?).ok()?),
        };
        let found = Self {
            kid: kid(members).ok()?,
            alg,
            dedicated: dedicated || alg.is_some(),
            key: material(members).ok()?,
        };
        KeyManagement::ALL
            .iter()
            .any(|alg| found.fits(*alg))
            .then_some(found)
    }

    /// The id by which the client knows which key was used.
    pub fn kid(&self) -> Option<&Kid> {
        self.kid.as_ref()
    }

    /// Whether the key says that it is for encryption.
    pub fn is_dedicated(&self) -> bool {
        self.dedicated
    }

    /// Whether it can be encrypted to in this way.
    pub fn fits(&self, alg: KeyManagement) -> bool {
        let by_kind = match self.key {
            PublicKey::Rsa { .. } => matches!(alg, KeyManagement::RsaOaep | KeyManagement::RsaOaep256),
            PublicKey::P256(_) => matches!(
                alg,
                KeyManagement::EcdhEs | KeyManagement::EcdhEsA128Kw | KeyManagement::EcdhEsA256Kw
            ),
            PublicKey::Ed25519(_) => false,
        };
        by_kind && self.alg.is_none_or(|own| own == alg)
    }

    /// Encrypts to this key (RFC 7516 §5.1). `typ` names the kind of token where there is one of its own.
    ///
    /// # Errors
    /// When the key does not fit, or the library fails.
    pub fn encrypt(
        &self,
        alg: KeyManagement,
        enc: ContentEncryption,
        typ: Option<&str>,
        content: Content<'_>,
    ) -> Result<String, Fault> {
        let failed = |error| Fault::internal("a token could not be encrypted").caused_by(error);
        if !self.fits(alg) {
            return Err(Fault::internal(format!("a key does not fit {alg}")));
        }
        let mut header = JweHeader::new();
        header.set_content_encryption(enc.as_str());
        if let Some(kid) = &self.kid {
            header.set_key_id(kid.as_str());
        }
        if let Some(typ) = typ {
            header.set_token_type(typ);
        }
        let content = match content {
            Content::Signed(token) => {
                header.set_content_type("JWT");
                token.as_bytes()
            }
            Content::Claims(claims) => claims,
        };
        let encrypter = encrypter(alg, self.key.members()).map_err(failed)?;
        jwe::serialize_compact(content, &header, &*encrypter).map_err(failed)
    }
}

/// The library's part for a key of which only the material is told: what else the client wrote was looked at already.
fn encrypter(alg: KeyManagement, material: Map<String, Value>) -> Result<Box<dyn JweEncrypter>, JoseError> {
    let jwk = Jwk::from_map(material)?;
    Ok(match alg {
        KeyManagement::RsaOaep => Box::new(jwe::RSA_OAEP.encrypter_from_jwk(&jwk)?),
        KeyManagement::RsaOaep256 => Box::new(jwe::RSA_OAEP_256.encrypter_from_jwk(&jwk)?),
        KeyManagement::EcdhEs => Box::new(jwe::ECDH_ES.encrypter_from_jwk(&jwk)?),
        KeyManagement::EcdhEsA128Kw => Box::new(jwe::ECDH_ES_A128KW.encrypter_from_jwk(&jwk)?),
        KeyManagement::EcdhEsA256Kw => Box::new(jwe::ECDH_ES_A256KW.encrypter_from_jwk(&jwk)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::jwk::tests::{p256_jwk, rsa_jwk, with};
    use josekit::jwk::alg::ec::EcCurve;
    use serde_json::json;
    use std::collections::HashSet;

    #[test]
    fn only_keys_that_may_be_encrypted_to_are_read() {
        for good in [
            rsa_jwk(2048),
            p256_jwk(),
            with(p256_jwk(), "use", "enc"),
            with(p256_jwk(), "alg", "ECDH-ES+A128KW"),
            with(rsa_jwk(2048), "key_ops", json!(["wrapKey"])),
        ] {
            assert!(EncryptionKey::parse(&good).is_some(), "{good}");
        }
        for bad in [
            with(rsa_jwk(2048), "use", "sig"),
            with(rsa_jwk(2048), "use", json!(null)),
            with(rsa_jwk(2048), "alg", "RS256"),
            with(rsa_jwk(2048), "alg", "RSA1_5"),
            with(rsa_jwk(2048), "alg", "ECDH-ES"),
            with(rsa_jwk(2048), "key_ops", json!(["verify"])),
            with(rsa_jwk(2048), "d", "AQAB"),
            rsa_jwk(1024),
            json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }),
            json!({ "kty": "oct", "k": "AQAB" }),
            json!(7),
        ] {
            assert_eq!(EncryptionKey::parse(&bad), None, "{bad}");
        }
    }

    #[test]
    fn rfc7516_s5_1_each_content_has_a_key_and_nonce_of_its_own() {
        let pair = jwe::ECDH_ES_A256KW.generate_ec_key_pair(EcCurve::P256).unwrap();
        let public = serde_json::to_value(pair.to_jwk_public_key()).unwrap();
        let key = EncryptionKey::parse(&public).unwrap();
        let decrypter = jwe::ECDH_ES_A256KW
            .decrypter_from_jwk(&pair.to_jwk_key_pair())
            .unwrap();
        let mut seen = HashSet::new();
        for enc in ContentEncryption::ALL {
            let token = key
                .encrypt(
                    KeyManagement::EcdhEsA256Kw,
                    *enc,
                    Some("t"),
                    Content::Signed("a.b.c"),
                )
                .unwrap();
            let (content, header) = jwe::deserialize_compact(&token, &decrypter).unwrap();
            assert_eq!(content, b"a.b.c");
            assert_eq!(
                (header.content_type(), header.token_type()),
                (Some("JWT"), Some("t"))
            );
            let again = key
                .encrypt(
                    KeyManagement::EcdhEsA256Kw,
                    *enc,
                    Some("t"),
                    Content::Signed("a.b.c"),
                )
                .unwrap();
            for part in token.split('.').chain(again.split('.')) {
                assert!(seen.insert(part.to_owned()), "{enc}");
            }
        }
    }

    #[test]
    fn a_key_is_not_used_for_what_it_does_not_fit() {
        let key = EncryptionKey::parse(&p256_jwk()).unwrap();
        let refused = key.encrypt(
            KeyManagement::RsaOaep,
            ContentEncryption::A128Gcm,
            None,
            Content::Claims(b"{}"),
        );
        assert!(refused.is_err());
    }
}
