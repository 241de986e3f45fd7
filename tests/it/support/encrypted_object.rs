//! Tokens that a client encrypts to the server (RFC 7516), made with a JOSE library that is not the server's own code.

use super::app::TestApp;
use josekit::jwe::{self, JweEncrypter, JweHeader};
use josekit::jwk::Jwk;
use serde_json::{Value, json};

/// The published keys to which clients encrypt.
pub async fn encryption_keys(app: &TestApp) -> Vec<Value> {
    let set = app.http.get("/oauth2/jwks").send().await.expect(200).json();
    let keys = set["keys"].as_array().expect("keys").iter();
    keys.filter(|key| key["use"] == "enc").cloned().collect()
}

/// The published key for a way of encryption.
pub async fn encryption_key(app: &TestApp, alg: &str) -> Value {
    let kind = if alg.starts_with("RSA") { "RSA" } else { "EC" };
    let keys = encryption_keys(app).await;
    let fitting = keys.into_iter().find(|key| key["kty"] == kind);
    fitting.expect("a published key")
}

/// Encrypts to a key. `header` is added to `alg`, `enc`, `kid` and `cty`, or takes their place; `null` leaves one out.
pub fn encrypt(key: &Value, alg: &str, enc: &str, header: &Value, content: &[u8]) -> String {
    let mut members = json!({"enc": enc, "kid": key["kid"], "cty": "JWT"});
    for (name, value) in header.as_object().expect("an object") {
        members[name] = value.clone();
        if value.is_null() {
            members.as_object_mut().expect("an object").remove(name);
        }
    }
    let header = JweHeader::from_map(members.as_object().expect("an object").clone()).expect("a header");
    let mut members = key.as_object().expect("a key").clone();
    members.retain(|name, _| ["kty", "crv", "x", "y", "n", "e"].contains(&&**name));
    let key = Jwk::from_map(members).expect("a key");
    let encrypter: Box<dyn JweEncrypter> = match alg {
        "RSA1_5" => {
            #[expect(deprecated, reason = "the server must refuse it")]
            let alg = jwe::RSA1_5;
            Box::new(alg.encrypter_from_jwk(&key).expect("an encrypter"))
        }
        "RSA-OAEP" => Box::new(jwe::RSA_OAEP.encrypter_from_jwk(&key).expect("an encrypter")),
        "RSA-OAEP-256" => Box::new(jwe::RSA_OAEP_256.encrypter_from_jwk(&key).expect("an encrypter")),
        "ECDH-ES" => Box::new(jwe::ECDH_ES.encrypter_from_jwk(&key).expect("an encrypter")),
        "ECDH-ES+A128KW" => Box::new(
            jwe::ECDH_ES_A128KW
                .encrypter_from_jwk(&key)
                .expect("an encrypter"),
        ),
        "ECDH-ES+A192KW" => Box::new(
            jwe::ECDH_ES_A192KW
                .encrypter_from_jwk(&key)
                .expect("an encrypter"),
        ),
        "ECDH-ES+A256KW" => Box::new(
            jwe::ECDH_ES_A256KW
                .encrypter_from_jwk(&key)
                .expect("an encrypter"),
        ),
        other => panic!("{other}"),
    };
    jwe::serialize_compact(content, &header, &*encrypter).expect("a JWE")
}
