//! A client as its developer would write it: it sends people to the server, redeems what they come back with, and checks
//! ID tokens through discovery and a JOSE library that is not the server's own code.

use super::app::TestApp;
use super::http::{Answer, Call};
use super::people::Person;
use super::user_agent::{Browser, Page};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantor::clients;
use grantor::entropy::Entropy;
use grantor::storage::clients::ClientMetadata;
use grantor::types::{AuthMethod, GrantType, ScopeSet};
use josekit::jwk::Jwk;
use josekit::jws;
use serde_json::{Map, Value};
use std::time::{Duration, UNIX_EPOCH};

/// Where clients are sent back to unless they are registered otherwise.
pub const CALLBACK: &str = "https://rp.example/callback";
/// The scopes that clients are registered for unless they are registered otherwise.
pub const SCOPES: &str = "openid profile email address phone roles offline_access orders:read orders:write";

/// A registered client.
#[derive(Clone, Debug)]
pub struct RelyingParty {
    /// Its id.
    pub client_id: String,
    /// Its secret, if it has one.
    pub secret: Option<String>,
    /// The redirect URI that it names.
    pub redirect_uri: String,
    method: AuthMethod,
}

/// A PKCE pair (RFC 7636).
#[derive(Clone, Debug)]
pub struct Pkce {
    /// `code_verifier`.
    pub verifier: String,
    /// `code_challenge`.
    pub challenge: String,
}

impl Pkce {
    /// A new pair.
    pub fn new() -> Self {
        let bytes = Entropy::system().bytes::<32>().expect("randomness");
        Self::of(&URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The pair of a verifier.
    pub fn of(verifier: &str) -> Self {
        let hash = openssl::sha::sha256(verifier.as_bytes());
        Self {
            verifier: verifier.to_owned(),
            challenge: URL_SAFE_NO_PAD.encode(hash),
        }
    }
}

/// An authorization request and what the client remembers of it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The address to send the browser to.
    pub url: String,
    /// Its parameters.
    pub parameters: Vec<(String, String)>,
    /// What the code is redeemed with.
    pub pkce: Pkce,
    /// `state`.
    pub state: String,
    /// `nonce`.
    pub nonce: String,
}

/// What the token endpoint gave.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token; empty where there is none.
    pub refresh: String,
    /// The ID token; empty where there is none.
    pub id: String,
    /// The whole answer.
    pub json: Value,
}

impl Tokens {
    /// Reads a success.
    #[track_caller]
    pub fn of(answer: Answer) -> Self {
        let json = answer.expect(200).json();
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        Self {
            access: text("access_token"),
            refresh: text("refresh_token"),
            id: text("id_token"),
            json,
        }
    }

    /// The claims of the access token, unverified.
    pub fn access_claims(&self) -> Value {
        claims_of(&self.access)
    }

    /// The family that the access token belongs to.
    pub fn family(&self) -> String {
        self.access_claims()["gid"].as_str().expect("gid").to_owned()
    }
}

/// The claims of a JWT, unverified.
pub fn claims_of(jwt: &str) -> Value {
    part_of(jwt, 1)
}

/// The header of a JWT.
pub fn header_of(jwt: &str) -> Value {
    part_of(jwt, 0)
}

fn part_of(jwt: &str, index: usize) -> Value {
    let part = jwt
        .split('.')
        .nth(index)
        .unwrap_or_else(|| panic!("no JWT: {jwt}"));
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

impl RelyingParty {
    /// Registers a confidential first-party client that authenticates with Basic.
    pub async fn new(app: &TestApp) -> Self {
        Self::with(app, |_| {}).await
    }

    /// Registers a public client.
    pub async fn public(app: &TestApp) -> Self {
        Self::with(app, |metadata| {
            metadata.token_endpoint_auth_method = AuthMethod::None
        })
        .await
    }

    /// Registers a client with some members changed.
    pub async fn with(app: &TestApp, change: impl FnOnce(&mut ClientMetadata)) -> Self {
        let mut metadata = ClientMetadata {
            client_name: Some("Example Shop".to_owned()),
            redirect_uris: vec![CALLBACK.to_owned()],
            grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            token_endpoint_auth_method: AuthMethod::ClientSecretBasic,
            scope: ScopeSet::parse(SCOPES).expect("scopes"),
            require_consent: false,
            ..ClientMetadata::default()
        };
        change(&mut metadata);
        clients::complete(&mut metadata);
        let method = metadata.token_endpoint_auth_method;
        let redirect_uri = metadata.redirect_uris.first().cloned().unwrap_or_default();
        let client = app.insert_client(metadata).await;
        Self {
            client_id: client.id,
            secret: Some(client.secret).filter(|secret| !secret.is_empty()),
            redirect_uri,
            method,
        }
    }

    /// A client that has registered itself, out of what it was answered.
    pub fn of_registration(registered: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let method = AuthMethod::parse(&text(&registered["token_endpoint_auth_method"])).expect("a method");
        Self {
            client_id: text(&registered["client_id"]),
            secret: registered["client_secret"].as_str().map(str::to_owned),
            redirect_uri: text(&registered["redirect_uris"][0]),
            method,
        }
    }

    /// An authorization request for `openid`, with PKCE, `state` and `nonce`.
    pub fn ask(&self, app: &TestApp) -> Asked {
        self.ask_for(app, &[])
    }

    /// The same with parameters added or changed; an empty value leaves one out.
    pub fn ask_for(&self, app: &TestApp, changes: &[(&str, &str)]) -> Asked {
        let pkce = Pkce::new();
        let (state, nonce) = (Pkce::new().verifier, Pkce::new().verifier);
        let mut parameters: Vec<(String, String)> = [
            ("response_type", "code"),
            ("client_id", &self.client_id),
            ("redirect_uri", &self.redirect_uri),
            ("scope", "openid"),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &pkce.challenge),
            ("code_challenge_method", "S256"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        for (name, _) in changes {
            parameters.retain(|(own, _)| own != name);
        }
        let added = changes.iter().filter(|(_, value)| !value.is_empty());
        parameters.extend(added.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&parameters);
        let url = format!("{}/oauth2/authorize?{}", app.base, query.finish());
        Asked {
            url,
            parameters,
            pkce,
            state,
            nonce,
        }
    }

    /// Pushes a request (RFC 9126).
    pub async fn push(&self, app: &TestApp, asked: &Asked) -> Answer {
        let fields: Vec<_> = asked
            .parameters
            .iter()
            .filter(|(name, _)| name != "client_id")
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        self.post(app, "/oauth2/par", &fields).await
    }

    /// Pushes a request and gives the address to send the browser to.
    pub async fn pushed(&self, app: &TestApp, asked: &Asked) -> String {
        let answer = self.push(app, asked).await.expect(201).json();
        self.refer(app, answer["request_uri"].as_str().expect("request_uri"))
    }

    /// The address of a request that lies elsewhere.
    pub fn refer(&self, app: &TestApp, request_uri: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("client_id", &self.client_id);
        query.append_pair("request_uri", request_uri);
        format!("{}/oauth2/authorize?{}", app.base, query.finish())
    }

    /// The whole code flow for some scopes, in this browser.
    pub async fn sign_in(
        &self,
        app: &TestApp,
        browser: &mut Browser,
        person: &Person,
        scope: &str,
    ) -> Tokens {
        let asked = self.ask_for(app, &[("scope", scope)]);
        let page = browser.authorize(&asked.url, person).await;
        assert_eq!(page.parameter("state").as_deref(), Some(&*asked.state));
        Tokens::of(self.redeem(app, &asked, &page).await)
    }

    /// Redeems the code that a browser came back with.
    pub async fn redeem(&self, app: &TestApp, asked: &Asked, page: &Page) -> Answer {
        self.redeem_code(app, &page.code(), &asked.pkce.verifier).await
    }

    /// Redeems a code.
    pub async fn redeem_code(&self, app: &TestApp, code: &str, verifier: &str) -> Answer {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", verifier),
        ];
        self.post(app, "/oauth2/token", &fields).await
    }

    /// Uses a refresh token.
    pub async fn refresh(&self, app: &TestApp, token: &str) -> Answer {
        self.refresh_with(app, token, &[]).await
    }

    /// Uses a refresh token with further parameters.
    pub async fn refresh_with(&self, app: &TestApp, token: &str, more: &[(&str, &str)]) -> Answer {
        let mut fields = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
        fields.extend(more);
        self.post(app, "/oauth2/token", &fields).await
    }

    /// Asks about a token.
    pub async fn introspect(&self, app: &TestApp, token: &str) -> Value {
        self.post(app, "/oauth2/introspect", &[("token", token)])
            .await
            .expect(200)
            .json()
    }

    /// Whether a token is active, as introspection says.
    pub async fn is_active(&self, app: &TestApp, token: &str) -> bool {
        let answer = self.introspect(app, token).await;
        let active = answer["active"].as_bool().expect("active is a boolean");
        assert!(
            active || answer.as_object().is_some_and(|map| map.len() == 1),
            "nothing else is said: {answer}"
        );
        active
    }

    /// Revokes a token.
    pub async fn revoke(&self, app: &TestApp, token: &str) -> Answer {
        self.post(app, "/oauth2/revoke", &[("token", token)]).await
    }

    /// Posts a form to an endpoint, authenticated as the client is registered.
    pub async fn post(&self, app: &TestApp, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.call(app, path, fields).send().await
    }

    /// The same, not sent yet.
    pub fn call<'a>(&self, app: &'a TestApp, path: &str, fields: &[(&str, &str)]) -> Call<'a> {
        let call = app.http.post(path);
        let mut fields = fields.to_vec();
        match (self.method, &self.secret) {
            (AuthMethod::ClientSecretBasic, Some(secret)) => {
                call.basic(&self.client_id, secret).form(&fields)
            }
            (AuthMethod::ClientSecretPost, Some(secret)) => {
                fields.extend([("client_id", &*self.client_id), ("client_secret", secret)]);
                call.form(&fields)
            }
            _ => {
                fields.push(("client_id", &self.client_id));
                call.form(&fields)
            }
        }
    }

    /// Verifies an ID token as OIDC Core §3.1.3.7 tells clients to, through discovery and JWKS, with josekit.
    pub async fn verify_id_token(&self, app: &TestApp, id_token: &str) -> Map<String, Value> {
        let claims = verify_jwt(app, id_token).await;
        assert_eq!(claims["aud"], Value::from(self.client_id.as_str()));
        claims
    }
}

/// Verifies a JWT through discovery and JWKS, with josekit: signature, issuer and times.
pub async fn verify_jwt(app: &TestApp, token: &str) -> Map<String, Value> {
    let metadata = app.metadata().await;
    // A replica is reached at its own address; what it publishes is the same.
    let jwks_path = metadata["jwks_uri"]
        .as_str()
        .and_then(|uri| uri.strip_prefix(app.issuer()))
        .expect("jwks_uri");
    let jwks = app.http.get(jwks_path).send().await.expect(200).json();
    let header = header_of(token);
    let keys = jwks["keys"].as_array().expect("keys");
    let key = keys
        .iter()
        .find(|key| key["kid"] == header["kid"])
        .expect("the key is published");
    assert_eq!(key["alg"], header["alg"], "the algorithm is the key's");
    let jwk = Jwk::from_map(key.as_object().expect("a key").clone()).expect("a JWK");
    let verifier: Box<dyn jws::JwsVerifier> = match header["alg"].as_str() {
        Some("RS256") => Box::new(jws::RS256.verifier_from_jwk(&jwk).expect("a verifier")),
        Some("PS256") => Box::new(jws::PS256.verifier_from_jwk(&jwk).expect("a verifier")),
        Some("ES256") => Box::new(jws::ES256.verifier_from_jwk(&jwk).expect("a verifier")),
        Some("EdDSA") => Box::new(jws::EdDSA.verifier_from_jwk(&jwk).expect("a verifier")),
        other => panic!("{other:?}"),
    };
    let (payload, _) = josekit::jwt::decode_with_verifier(token, &*verifier).expect("the signature is right");
    let mut validator = josekit::jwt::JwtPayloadValidator::new();
    let seconds = u64::try_from(app.now().seconds()).expect("after 1970");
    validator.set_base_time(UNIX_EPOCH + Duration::from_secs(seconds));
    validator.set_issuer(metadata["issuer"].as_str().expect("issuer"));
    validator.validate(&payload).expect("issuer and times are right");
    payload.claims_set().clone()
}
