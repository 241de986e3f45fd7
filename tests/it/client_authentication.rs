//! How clients prove who they are: RFC 6749 §2.3 and RFC 7523, with the database behind it.

use crate::support::{Engine, TestDb};
use grantor::clients::authentication::{
    AuthenticationError, Authenticator, ClientKeys, JWT_BEARER, Occasion, Presented, Reason,
};
use grantor::clients::{ClientCache, NewSecret};
use grantor::config::OutgoingConfig;
use grantor::entropy::Entropy;
use grantor::jose::{JwtError, SigningKey};
use grantor::outgoing::Outgoing;
use grantor::storage::Store;
use grantor::storage::clients::{self, Client, ClientMetadata};
use grantor::types::{
    Algorithm, AssertionAudience, AuthMethod, ClientId, Issuer, Kid, Secret, TenantId, Timestamp,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const ISSUER: &str = "https://id.example.com";
const ENDPOINT: &str = "https://id.example.com/oauth2/token";

/// An authenticator over a database of its own.
struct Bench {
    _db: TestDb,
    store: Store,
    cache: ClientCache,
    authenticator: Authenticator,
    secret: Secret,
}

impl Bench {
    async fn new(engine: Engine) -> Self {
        let db = TestDb::new(engine).await;
        crate::storage::users::tenant(&db.main).await;
        let store = db.main.clone();
        let cache = ClientCache::new(store.clone());
        let outgoing = Outgoing::new(&OutgoingConfig {
            allow: vec!["127.0.0.0/8".parse().unwrap()],
            ..OutgoingConfig::default()
        });
        let keys = ClientKeys::new(outgoing.unwrap());
        Self {
            authenticator: Authenticator::new(store.clone(), cache.clone(), keys),
            secret: Secret::new(String::new()),
            _db: db,
            store,
            cache,
        }
    }

    /// Registers client `a`.
    async fn with(mut self, metadata: ClientMetadata, enabled: bool) -> Self {
        let new = NewSecret::make(&Entropy::system()).unwrap();
        let client = Client {
            enabled,
            ..Client::new(
                TenantId::FIRST,
                ClientId::parse("a").unwrap(),
                metadata,
                Some(new.hash),
                NOW,
            )
        };
        assert!(
            clients::insert(&mut self.store.write().await.unwrap(), &client)
                .await
                .unwrap()
        );
        self.cache.invalidate();
        self.secret = new.secret;
        self
    }

    async fn try_at(&self, presented: &Presented<'_>, now: Timestamp) -> Result<AuthMethod, Reason> {
        let issuer = Issuer::parse(ISSUER).unwrap();
        let occasion = Occasion {
            tenant: TenantId::FIRST,
            issuer: &issuer,
            endpoint: ENDPOINT,
            now,
        };
        match self.authenticator.authenticate(&occasion, presented).await {
            Ok(authenticated) => {
                assert_eq!(authenticated.client.client_id.as_str(), "a");
                Ok(authenticated.method)
            }
            Err(AuthenticationError::Refused(failure)) => Err(failure.reason),
            Err(AuthenticationError::Fault(fault)) => panic!("{fault}"),
        }
    }

    async fn try_post(&self, client_id: &str, secret: &str) -> Result<AuthMethod, Reason> {
        let presented = Presented {
            client_id: Some(client_id),
            client_secret: Some(secret),
            ..Presented::default()
        };
        self.try_at(&presented, NOW).await
    }

    async fn try_assertion(&self, assertion: &str, now: Timestamp) -> Result<AuthMethod, Reason> {
        let presented = Presented {
            client_assertion: Some(assertion),
            client_assertion_type: Some(JWT_BEARER),
            ..Presented::default()
        };
        self.try_at(&presented, now).await
    }
}

fn method(method: AuthMethod) -> ClientMetadata {
    ClientMetadata {
        token_endpoint_auth_method: method,
        ..ClientMetadata::default()
    }
}

fn key(kid: &str, alg: Algorithm) -> SigningKey {
    let entropy = Entropy::system();
    let pkcs8 = SigningKey::generate(alg, 2048, &entropy).unwrap();
    SigningKey::from_pkcs8(Kid::parse(kid).unwrap(), alg, &pkcs8, &entropy).unwrap()
}

fn jwks(keys: &[&SigningKey]) -> Value {
    json!({"keys": keys.iter().map(|key| key.verifying().to_jwk()).collect::<Vec<_>>()})
}

fn signing_client(key: &SigningKey) -> ClientMetadata {
    ClientMetadata {
        jwks: Some(jwks(&[key])),
        ..method(AuthMethod::PrivateKeyJwt)
    }
}

/// Claims that are in order, changed by `changes`; `null` takes a claim away.
fn claims(jti: &str, changes: Value) -> Value {
    let now = NOW.seconds();
    let mut claims = json!({
        "iss": "a", "sub": "a", "aud": ISSUER, "jti": jti, "iat": now, "exp": now + 60,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        }
    }
    claims
}

on_both_engines! {
    /// RFC 6749 §2.3.1, and what must not tell one failure from another.
    async fn s2_3_1_a_secret_is_taken_by_the_registered_method_alone(engine: Engine) {
        let bench = Bench::new(engine).await.with(method(AuthMethod::ClientSecretPost), true).await;
        let secret = bench.secret.expose().to_owned();
        assert_eq!(bench.try_post("a", &secret).await, Ok(AuthMethod::ClientSecretPost));
        assert_eq!(bench.try_post("a", "gcs_wrong").await, Err(Reason::WrongSecret));
        assert_eq!(bench.try_post("a", "").await, Err(Reason::WrongSecret));
        assert_eq!(bench.try_post("b", &secret).await, Err(Reason::UnknownClient));
        assert_eq!(bench.try_post("not an id", &secret).await, Err(Reason::UnknownClient));
        let header = format!("Basic {}", openssl::base64::encode_block(format!("a:{secret}").as_bytes()));
        let basic = Presented {
            authorization: &[header.as_bytes()],
            ..Presented::default()
        };
        assert_eq!(bench.try_at(&basic, NOW).await, Err(Reason::OtherMethod));
        let named = Presented { client_id: Some("a"), ..Presented::default() };
        assert_eq!(bench.try_at(&named, NOW).await, Err(Reason::OtherMethod));
    }

    async fn a_disabled_client_is_refused_with_its_right_secret(engine: Engine) {
        let bench = Bench::new(engine).await.with(method(AuthMethod::ClientSecretPost), false).await;
        let secret = bench.secret.expose().to_owned();
        assert_eq!(bench.try_post("a", &secret).await, Err(Reason::DisabledClient));
    }

    async fn a_public_client_names_itself(engine: Engine) {
        let bench = Bench::new(engine).await.with(method(AuthMethod::None), true).await;
        let named = Presented { client_id: Some("a"), ..Presented::default() };
        assert_eq!(bench.try_at(&named, NOW).await, Ok(AuthMethod::None));
        let secret = bench.secret.expose().to_owned();
        assert_eq!(bench.try_post("a", &secret).await, Err(Reason::OtherMethod));
    }

    /// RFC 7523 §3, item 7: "the JWT MAY contain a "jti" […]; the authorization server MAY ensure that JWTs are not
    /// replayed". Here it does: also of many at once, one passes.
    async fn s3_7_an_assertion_is_used_once(engine: Engine) {
        let key = key("k", Algorithm::ES256);
        let bench = Bench::new(engine).await.with(signing_client(&key), true).await;
        let assertion = key.sign_jwt("JWT", &claims("once", json!({}))).unwrap();
        let tries = (0..10).map(|_| bench.try_assertion(&assertion, NOW));
        let results = futures_util::future::join_all(tries).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
        let refused = results.iter().filter(|result| **result == Err(Reason::AssertionReplayed));
        assert_eq!(refused.count(), 9);
        // Another replica, or this one after a restart, knows it too.
        let cache = ClientCache::new(bench.store.clone());
        let keys = ClientKeys::new(Outgoing::new(&OutgoingConfig::default()).unwrap());
        let restarted = Bench {
            authenticator: Authenticator::new(bench.store.clone(), cache, keys),
            ..bench
        };
        let last = NOW.plus_seconds(59);
        assert_eq!(restarted.try_assertion(&assertion, last).await, Err(Reason::AssertionReplayed));
        let other = key.sign_jwt("JWT", &claims("other", json!({}))).unwrap();
        assert_eq!(restarted.try_assertion(&other, last).await, Ok(AuthMethod::PrivateKeyJwt));
    }
}

#[tokio::test]
async fn every_algorithm_of_the_contract_authenticates() {
    for alg in Algorithm::ALL {
        let key = key("k", alg);
        let bench = Bench::new(Engine::Sqlite)
            .await
            .with(signing_client(&key), true)
            .await;
        let assertion = key.sign_jwt("JWT", &claims("1", json!({}))).unwrap();
        assert_eq!(
            bench.try_assertion(&assertion, NOW).await,
            Ok(AuthMethod::PrivateKeyJwt),
            "{alg}"
        );
    }
}

#[tokio::test]
async fn s3_assertions_that_are_not_in_order_are_refused() {
    let key = key("k", Algorithm::ES256);
    let bench = Bench::new(Engine::Sqlite)
        .await
        .with(signing_client(&key), true)
        .await;
    let at = |seconds: i64| NOW.seconds() + seconds;
    let token = Reason::Assertion;
    let cases = [
        // Item 1: "The JWT MUST contain an "iss" (issuer) claim".
        (json!({"iss": null}), Reason::AssertionSubject),
        (json!({"iss": "other"}), Reason::AssertionSubject),
        // Item 2: "the subject MUST be the "client_id" of the OAuth client".
        (json!({"sub": null}), Reason::UnknownClient),
        (json!({"sub": "other"}), Reason::UnknownClient),
        // Item 3: "The JWT MUST contain an "aud" (audience) claim"; here the issuer as one string.
        (json!({"aud": null}), token(JwtError::Audience)),
        (json!({"aud": "https://other.example"}), Reason::AssertionAudience),
        (json!({"aud": [ISSUER]}), Reason::AssertionAudience),
        (
            json!({"aud": [ISSUER, "https://other.example"]}),
            Reason::AssertionAudience,
        ),
        (json!({"aud": ENDPOINT}), Reason::AssertionAudience),
        (json!({"aud": format!("{ISSUER}/")}), Reason::AssertionAudience),
        // Item 4: "The JWT MUST contain an "exp" (expiration time) claim".
        (json!({"exp": null}), token(JwtError::NoExpiry)),
        (json!({"exp": at(0)}), Reason::Assertion(JwtError::Expired)),
        (json!({"exp": at(-60)}), token(JwtError::Expired)),
        (json!({"exp": at(301)}), Reason::AssertionTooLong),
        (json!({"exp": "soon"}), token(JwtError::NoExpiry)),
        // Item 5: "nbf".
        (json!({"nbf": at(60)}), token(JwtError::NotYetValid)),
        // Item 6: "iat".
        (json!({"iat": at(60)}), token(JwtError::NotYetValid)),
        // Item 7: "jti", which is required here.
        (json!({"jti": null}), Reason::AssertionWithoutJti),
        (json!({"jti": ""}), Reason::AssertionWithoutJti),
        (json!({"jti": 7}), Reason::AssertionWithoutJti),
        (json!({"jti": "x".repeat(256)}), Reason::AssertionWithoutJti),
    ];
    for (changes, reason) in cases {
        let assertion = key.sign_jwt("JWT", &claims("bad", changes.clone())).unwrap();
        assert_eq!(
            bench.try_assertion(&assertion, NOW).await,
            Err(reason),
            "{changes}"
        );
    }
    // A clock that is a little fast, and the longest life.
    for (jti, changes) in [
        ("nbf", json!({"nbf": at(8), "iat": at(8)})),
        ("exp", json!({"exp": at(300)})),
    ] {
        let assertion = key.sign_jwt("JWT", &claims(jti, changes)).unwrap();
        assert_eq!(
            bench.try_assertion(&assertion, NOW).await,
            Ok(AuthMethod::PrivateKeyJwt),
            "{jti}"
        );
    }
    // None of the refused ones used its identifier up.
    let assertion = key.sign_jwt("JWT", &claims("bad", json!({}))).unwrap();
    assert_eq!(
        bench.try_assertion(&assertion, NOW).await,
        Ok(AuthMethod::PrivateKeyJwt)
    );
}

#[tokio::test]
async fn s3_9_assertions_that_are_not_signed_by_the_client_are_refused() {
    let (own, other) = (key("k", Algorithm::ES256), key("k", Algorithm::ES256));
    let (unknown, rsa) = (key("u", Algorithm::ES256), key("k", Algorithm::RS256));
    let metadata = ClientMetadata {
        token_endpoint_auth_signing_alg: Some(Algorithm::ES256),
        ..signing_client(&own)
    };
    let bench = Bench::new(Engine::Sqlite).await.with(metadata, true).await;
    let sign = |key: &SigningKey, typ: &str| key.sign_jwt(typ, &claims("s", json!({}))).unwrap();
    let good = sign(&own, "JWT");
    let (head, signature) = good.rsplit_once('.').unwrap();
    let part = |value: &Value| openssl::base64::encode_block(value.to_string().as_bytes()).replace('=', "");
    let hmac = format!(
        "{}.{}.AAAA",
        part(&json!({"alg": "HS256"})),
        head.split_once('.').unwrap().1
    );
    let none = format!(
        "{}.{}.",
        part(&json!({"alg": "none"})),
        head.split_once('.').unwrap().1
    );
    for (assertion, reason) in [
        (sign(&other, "JWT"), Reason::Assertion(JwtError::Signature)),
        (sign(&unknown, "JWT"), Reason::Assertion(JwtError::UnknownKey)),
        (sign(&rsa, "JWT"), Reason::AssertionAlgorithm),
        (sign(&own, "at+jwt"), Reason::Assertion(JwtError::Type)),
        (format!("{head}."), Reason::Assertion(JwtError::Signature)),
        (
            format!("{head}.{}", signature.replace(&signature[..4], "AAAA")),
            Reason::Assertion(JwtError::Signature),
        ),
        (hmac, Reason::Assertion(JwtError::Algorithm)),
        (none, Reason::Assertion(JwtError::Algorithm)),
        ("no.jwt".to_owned(), Reason::Assertion(JwtError::Malformed)),
    ] {
        assert_eq!(
            bench.try_assertion(&assertion, NOW).await,
            Err(reason),
            "{assertion}"
        );
    }
    let named = Presented {
        client_id: Some("b"),
        client_assertion: Some(&good),
        client_assertion_type: Some(JWT_BEARER),
        ..Presented::default()
    };
    assert_eq!(bench.try_at(&named, NOW).await, Err(Reason::ClientIdMismatch));
    assert_eq!(
        bench.try_assertion(&good, NOW).await,
        Ok(AuthMethod::PrivateKeyJwt)
    );
}

#[tokio::test]
async fn the_weak_mode_takes_the_endpoint_as_audience_too() {
    let key = key("k", Algorithm::ES256);
    let metadata = ClientMetadata {
        client_assertion_audience: AssertionAudience::Endpoint,
        ..signing_client(&key)
    };
    let bench = Bench::new(Engine::Sqlite).await.with(metadata, true).await;
    for (jti, aud) in [
        ("1", json!(ENDPOINT)),
        ("2", json!([ENDPOINT])),
        ("3", json!(ISSUER)),
    ] {
        let assertion = key.sign_jwt("JWT", &claims(jti, json!({"aud": aud}))).unwrap();
        assert_eq!(
            bench.try_assertion(&assertion, NOW).await,
            Ok(AuthMethod::PrivateKeyJwt),
            "{aud}"
        );
    }
    let other = json!({"aud": "https://id.example.com/oauth2/par"});
    let assertion = key.sign_jwt("JWT", &claims("4", other)).unwrap();
    assert_eq!(
        bench.try_assertion(&assertion, NOW).await,
        Err(Reason::AssertionAudience)
    );
}

/// A client's key server, which counts how often it is asked.
struct KeyServer {
    uri: String,
    keys: Arc<std::sync::Mutex<String>>,
    asked: Arc<AtomicUsize>,
}

impl KeyServer {
    async fn start(keys: &Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            uri: format!("http://{}/jwks", listener.local_addr().unwrap()),
            keys: Arc::new(std::sync::Mutex::new(keys.to_string())),
            asked: Arc::default(),
        };
        let (keys, asked) = (server.keys.clone(), server.asked.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                asked.fetch_add(1, Ordering::SeqCst);
                let body = keys.lock().unwrap().clone();
                let _ = stream.read(&mut [0; 4096]).await;
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all((head + &body).as_bytes()).await;
            }
        });
        server
    }

    fn serve(&self, keys: &Value) {
        *self.keys.lock().unwrap() = keys.to_string();
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn keys_behind_a_jwks_uri_are_followed_without_asking_too_often() {
    let (old, new) = (key("old", Algorithm::ES256), key("new", Algorithm::ES256));
    let server = KeyServer::start(&jwks(&[&old])).await;
    let metadata = ClientMetadata {
        jwks_uri: Some(server.uri.clone()),
        ..method(AuthMethod::PrivateKeyJwt)
    };
    let bench = Bench::new(Engine::Sqlite).await.with(metadata, true).await;
    let attempt = async |key: &SigningKey, seconds: i64| {
        let jti = format!("{}{seconds}", key.kid());
        let changes = json!({"exp": NOW.seconds() + seconds + 60});
        let assertion = key.sign_jwt("JWT", &claims(&jti, changes)).unwrap();
        bench.try_assertion(&assertion, NOW.plus_seconds(seconds)).await
    };
    let ok = Ok(AuthMethod::PrivateKeyJwt);
    let unknown = Err(Reason::Assertion(JwtError::UnknownKey));
    assert_eq!((attempt(&old, 0).await, attempt(&old, 1).await), (ok, ok));
    assert_eq!(server.asked(), 1, "kept");
    server.serve(&jwks(&[&new]));
    assert_eq!(attempt(&new, 2).await, unknown);
    assert_eq!(server.asked(), 1, "within the cooldown nothing is fetched");
    assert_eq!(attempt(&new, 6).await, ok, "an unknown kid fetches anew");
    assert_eq!(server.asked(), 2);
    assert_eq!(attempt(&old, 7).await, unknown, "a key that was taken away");
    server.serve(&jwks(&[&old]));
    assert_eq!(attempt(&new, 60).await, ok);
    assert_eq!(server.asked(), 2);
    assert_eq!(
        attempt(&new, 66).await,
        unknown,
        "after a minute the copy is not used any more"
    );
    assert_eq!(server.asked(), 3);
}

#[tokio::test]
async fn a_jwks_uri_within_is_not_fetched_and_a_broken_one_gives_no_keys() {
    let key = key("k", Algorithm::ES256);
    for (uri, reason) in [
        ("https://10.0.0.1/jwks", Reason::KeysForbidden),
        ("https://169.254.169.254/jwks", Reason::KeysForbidden),
        ("http://[::1]:1/jwks", Reason::KeysForbidden),
        ("http://127.0.0.1:1/jwks", Reason::KeysUnavailable),
    ] {
        let metadata = ClientMetadata {
            jwks_uri: Some(uri.to_owned()),
            ..method(AuthMethod::PrivateKeyJwt)
        };
        let bench = Bench::new(Engine::Sqlite).await.with(metadata, true).await;
        let assertion = key.sign_jwt("JWT", &claims("1", json!({}))).unwrap();
        assert_eq!(bench.try_assertion(&assertion, NOW).await, Err(reason), "{uri}");
    }
}
