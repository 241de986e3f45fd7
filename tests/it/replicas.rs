//! Several servers on one PostgreSQL: what one does the others know within two seconds, and what must happen once
//! happens once.

use crate::support::client::TestClient;
use crate::support::process::{Installation, free_port};
use crate::support::{Engine, TestApp};
use grantor::jobs;
use grantor::jose::VerifyingKey;
use grantor::jose::jwt::{self, Expect};
use grantor::types::{Kid, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// R-KEY, contract: "A client … changed at one is seen by the others within two seconds."
const SEEN_WITHIN: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_client_is_seen_and_disabled_everywhere_within_two_seconds() {
    if !Engine::Postgres.is_available() {
        return;
    }
    let one = TestApp::spawn(Engine::Postgres).await;
    let other = one.replica().await;
    let admin = one.admin_token("clients:write").await;
    let made = one
        .http
        .post("/admin/v1/clients")
        .bearer(&admin)
        .json(&json!({"grant_types": ["client_credentials"], "scope": "orders:read"}))
        .send()
        .await
        .expect(201)
        .json();
    let client = TestClient {
        id: text(&made, "client_id"),
        secret: text(&made, "client_secret"),
    };
    within(SEEN_WITHIN, async || status(&other, &client).await == 200).await;
    // The other one has it in its cache now.
    let path = format!("/admin/v1/clients/{}", client.id);
    let disable = one
        .http
        .call(reqwest::Method::PATCH, &path)
        .bearer(&admin)
        .json(&json!({"enabled": false}));
    disable.send().await.expect(200);
    assert_eq!(
        status(&one, &client).await,
        401,
        "where it was changed it holds at once"
    );
    within(SEEN_WITHIN, async || status(&other, &client).await == 401).await;
}

/// "Two replicas started at once on an empty database: one key set, one admin client, its secret printed once."
#[tokio::test]
async fn two_first_starts_at_once_make_one_set_of_everything() {
    if !Engine::Postgres.is_available() {
        return;
    }
    let installation = Installation::new(
        Engine::Postgres,
        &[("GRANTOR_MASTER_KEY", crate::support::app::MASTER_KEY)],
    )
    .await;
    let start = || {
        let mut command = installation.command(&["serve"]);
        command.env_remove("GRANTOR_BOOTSTRAP_CLIENT_SECRET");
        installation.spawn(&free_port().to_string(), &mut command)
    };
    let (one, other) = (start(), start());
    let (one, other) = (one.ready().await, other.ready().await);
    let output = installation.output();
    for printed in ["client_id: ", "client_secret: ", "username: ", "password: "] {
        assert_eq!(output.matches(printed).count(), 1, "{printed} in\n{output}");
    }
    let keys = one.http.get("/oauth2/jwks").send().await.expect(200).json();
    assert_eq!(
        keys,
        other.http.get("/oauth2/jwks").send().await.expect(200).json()
    );
    // RS256, PS256 and ES256, each with an active key and the next one; and two to which clients encrypt.
    assert_eq!(kids(&keys).len(), 8, "{keys}");
    let secret = output
        .split("client_secret: ")
        .nth(1)
        .and_then(|rest| rest.lines().next())
        .expect("a secret");
    for server in [&one, &other] {
        let form = [("grant_type", "client_credentials"), ("scope", "keys:read")];
        server
            .http
            .post("/oauth2/token")
            .basic("admin", secret)
            .form(&form)
            .send()
            .await
            .expect(200);
    }
}

/// "A key rotated at one (JWKS cache and pre-publication set to 60 s) is published and used by both without one failed
/// verification under continuous load."
#[tokio::test]
async fn a_rotation_fails_no_verification_anywhere() {
    if !Engine::Postgres.is_available() {
        return;
    }
    let settings = [("jwks.cache_s", "60"), ("keys.prepublish_s", "60")];
    let one = TestApp::spawn_with(Engine::Postgres, &settings).await;
    let other = one.replica().await;
    let client = one.client("orders:read", |_| {}).await;
    let mut verifier = Verifier::new(&one).await;
    let admin = one.admin_token("keys:write").await;
    let mut signed_by = BTreeSet::new();
    for second in 0..400 {
        if second == 5 {
            let rotate = one.http.post("/admin/v1/keys/rotate").bearer(&admin);
            let answer = rotate.json(&json!({"alg": "RS256"})).send().await;
            assert!(answer.status.is_success(), "{}", answer.text());
        }
        for (server, replica) in [(&one, &other), (&other, &one)] {
            jobs::run(&server.app).await;
            let token = server.access_token(&client, "orders:read").await;
            signed_by.insert(verifier.verifies(&token, replica).await);
        }
        one.advance(1);
    }
    assert_eq!(signed_by.len(), 2, "the key did not change: {signed_by:?}");
}

/// A resource server that keeps the key set for as long as it may and asks for it no earlier.
struct Verifier {
    issuer: String,
    keys: Vec<VerifyingKey>,
    fetched_at: Timestamp,
}

impl Verifier {
    async fn new(app: &TestApp) -> Self {
        let mut verifier = Self {
            issuer: app.issuer().to_owned(),
            keys: Vec::new(),
            fetched_at: app.now(),
        };
        verifier.fetch(app).await;
        verifier
    }

    async fn fetch(&mut self, app: &TestApp) {
        let answer = app.http.get("/oauth2/jwks").send().await.expect(200);
        assert_eq!(answer.header("cache-control"), "public, max-age=60");
        let set = answer.json();
        let keys = set["keys"].as_array().expect("keys");
        self.keys = keys
            .iter()
            .filter(|key| key["use"] == "sig")
            .map(|key| VerifyingKey::from_jwk(key).expect("a key"))
            .collect();
        self.fetched_at = app.now();
    }

    /// Verifies with what it has; the key's id.
    async fn verifies(&mut self, token: &str, app: &TestApp) -> Kid {
        let now = app.now();
        if now >= self.fetched_at.plus_seconds(60) {
            self.fetch(app).await;
        }
        let expect = Expect {
            typ: &["at+jwt"],
            issuer: &self.issuer,
            audience: Some(&self.issuer),
            leeway_s: 0,
            allow_expired: false,
        };
        let find = |kid: &Kid| self.keys.iter().find(|key| key.kid() == kid);
        let seconds = now.micros_since(crate::support::app::START) / 1_000_000;
        jwt::verify(token, &expect, find, now).unwrap_or_else(|error| panic!("second {seconds}: {error:?}"));
        let token = jwt::Unverified::parse(token).expect("it was verified");
        token.kid().expect("it has one").clone()
    }
}

async fn status(app: &TestApp, client: &TestClient) -> u16 {
    app.token_request(client, &[]).send().await.status.as_u16()
}

async fn within(time: Duration, holds: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < time, "it took longer than {time:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn kids(keys: &Value) -> BTreeSet<String> {
    keys["keys"]
        .as_array()
        .expect("keys")
        .iter()
        .map(|key| text(key, "kid"))
        .collect()
}

fn text(object: &Value, member: &str) -> String {
    object[member]
        .as_str()
        .unwrap_or_else(|| panic!("no {member} in {object}"))
        .to_owned()
}
