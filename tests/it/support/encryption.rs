//! A client that gets encrypted answers: its key pair, and how it reads them, with josekit.

use josekit::jwe::{self, JweDecrypter, JweHeader};
use josekit::jwk::Jwk;
use josekit::jwk::alg::ec::EcCurve;
use serde_json::{Value, json};

/// A key pair for one way of encryption.
pub struct DecryptionKey {
    alg: String,
    pair: Jwk,
}

impl DecryptionKey {
    /// A new pair of the kind that `alg` needs.
    pub fn new(alg: &str, kid: &str) -> Self {
        let mut pair = if alg.starts_with("RSA") {
            jwe::RSA_OAEP_256
                .generate_key_pair(2048)
                .expect("a pair")
                .to_jwk_key_pair()
        } else {
            jwe::ECDH_ES
                .generate_ec_key_pair(EcCurve::P256)
                .expect("a pair")
                .to_jwk_key_pair()
        };
        pair.set_key_use("enc");
        pair.set_key_id(kid);
        // The library writes into the key which of its constants made it.
        pair.set_algorithm(alg);
        Self {
            alg: alg.to_owned(),
            pair,
        }
    }

    /// The public half.
    pub fn public(&self) -> Value {
        let mut public =
            serde_json::to_value(self.pair.to_public_key().expect("a public half")).expect("JSON");
        public["use"] = "enc".into();
        public["alg"] = self.alg.clone().into();
        public["kid"] = self.pair.key_id().into();
        public
    }

    /// A set with the public half alone.
    pub fn jwks(&self) -> Value {
        json!({"keys": [self.public()]})
    }

    /// Reads what was encrypted to it.
    pub fn decrypt(&self, token: &str) -> (Vec<u8>, JweHeader) {
        assert_eq!(
            token.split('.').count(),
            5,
            "RFC 7516 section 7.1: five parts: {token}"
        );
        let (content, header) = jwe::deserialize_compact(token, &*self.decrypter()).expect("it opens");
        assert_eq!(header.algorithm(), Some(&*self.alg));
        assert_eq!(header.key_id(), self.pair.key_id());
        (content, header)
    }

    /// Whether it opens at all.
    pub fn opens(&self, token: &str) -> bool {
        jwe::deserialize_compact(token, &*self.decrypter()).is_ok()
    }

    /// Reads a nested JWT (RFC 7519 section 5.2) and gives the signed one in it.
    pub fn open_nested(&self, token: &str) -> String {
        let (content, header) = self.decrypt(token);
        assert_eq!(header.content_type(), Some("JWT"));
        String::from_utf8(content).expect("a JWT")
    }

    fn decrypter(&self) -> Box<dyn JweDecrypter> {
        let pair = &self.pair;
        match &*self.alg {
            "RSA-OAEP" => Box::new(jwe::RSA_OAEP.decrypter_from_jwk(pair).expect("a decrypter")),
            "RSA-OAEP-256" => Box::new(jwe::RSA_OAEP_256.decrypter_from_jwk(pair).expect("a decrypter")),
            "ECDH-ES" => Box::new(jwe::ECDH_ES.decrypter_from_jwk(pair).expect("a decrypter")),
            "ECDH-ES+A128KW" => Box::new(jwe::ECDH_ES_A128KW.decrypter_from_jwk(pair).expect("a decrypter")),
            "ECDH-ES+A256KW" => Box::new(jwe::ECDH_ES_A256KW.decrypter_from_jwk(pair).expect("a decrypter")),
            other => panic!("{other}"),
        }
    }
}
