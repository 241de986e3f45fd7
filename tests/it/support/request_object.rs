//! Request objects (RFC 9101) as a client would make them, with a JOSE library that is not the server's own code.

use super::app::TestApp;
use super::relying_party::{Asked, RelyingParty};
use grantor::storage::clients::ClientMetadata;
use josekit::jwk::Jwk;
use josekit::jwk::alg::ec::EcCurve;
use josekit::jws::{self, JwsHeader, JwsSigner};
use serde_json::{Value, json};

/// A key of a client.
pub struct ClientKey {
    jwk: Jwk,
    alg: &'static str,
}

impl ClientKey {
    /// A new key for RS256, PS256 or ES256.
    pub fn new(kid: &str, alg: &'static str) -> Self {
        let mut jwk = match alg {
            "ES256" => Jwk::generate_ec_key(EcCurve::P256),
            _ => Jwk::generate_rsa_key(2048),
        }
        .expect("a key");
        jwk.set_key_id(kid);
        Self { jwk, alg }
    }

    /// The same key for another algorithm of its kind.
    pub fn for_alg(&self, alg: &'static str) -> Self {
        Self {
            jwk: self.jwk.clone(),
            alg,
        }
    }

    /// The set of its public half.
    pub fn jwks(&self) -> Value {
        let mut public = self.jwk.to_public_key().expect("a public half");
        public.set_key_id(self.jwk.key_id().expect("its id"));
        json!({"keys": [Value::from(public.as_ref().clone())]})
    }

    /// Signs a payload. `header` is added to `alg` and `kid`, or takes their place; `null` leaves one out.
    pub fn sign(&self, header: &Value, payload: &Value) -> String {
        let mut members = json!({"kid": self.jwk.key_id()});
        for (name, value) in header.as_object().expect("an object") {
            members[name] = value.clone();
            if value.is_null() {
                members.as_object_mut().expect("an object").remove(name);
            }
        }
        let members = members.as_object().expect("an object").clone();
        let header = JwsHeader::from_map(members).expect("a header");
        // josekit writes the id of the key that it signs with, if the key has one.
        let mut anonymous = self.jwk.clone();
        anonymous.set_parameter("kid", None).expect("no id");
        let signer: Box<dyn JwsSigner> = match self.alg {
            "ES256" => Box::new(jws::ES256.signer_from_jwk(&anonymous).expect("a signer")),
            "PS256" => Box::new(jws::PS256.signer_from_jwk(&anonymous).expect("a signer")),
            _ => Box::new(jws::RS256.signer_from_jwk(&anonymous).expect("a signer")),
        };
        jws::serialize_compact(payload.to_string().as_bytes(), &header, &*signer).expect("a JWS")
    }
}

impl RelyingParty {
    /// Registers a client that signs with a key.
    pub async fn signing(app: &TestApp, key: &ClientKey, change: impl FnOnce(&mut ClientMetadata)) -> Self {
        Self::with(app, |metadata| {
            metadata.jwks = Some(key.jwks());
            change(metadata);
        })
        .await
    }

    /// The claims of a request object for a request, with some of them changed; `null` leaves one out.
    pub fn claims(&self, app: &TestApp, asked: &Asked, changes: &Value) -> Value {
        let now = app.now().seconds();
        let mut claims =
            json!({"iss": self.client_id, "aud": app.issuer(), "iat": now, "nbf": now, "exp": now + 300});
        for (name, value) in &asked.parameters {
            claims[name] = Value::from(value.as_str());
        }
        for (name, value) in changes.as_object().expect("an object") {
            claims[name] = value.clone();
            if value.is_null() {
                claims.as_object_mut().expect("an object").remove(name);
            }
        }
        claims
    }

    /// A request object that is in order but for the changes.
    pub fn object(&self, app: &TestApp, key: &ClientKey, asked: &Asked, changes: &Value) -> String {
        let header = json!({"typ": "oauth-authz-req+jwt"});
        key.sign(&header, &self.claims(app, asked, changes))
    }

    /// The address with a request object and, beside it, the client and these parameters.
    pub fn with_object(&self, app: &TestApp, object: &str, beside: &[(&str, &str)]) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("client_id", &self.client_id);
        query.append_pair("request", object);
        query.extend_pairs(beside);
        format!("{}/oauth2/authorize?{}", app.base, query.finish())
    }
}
