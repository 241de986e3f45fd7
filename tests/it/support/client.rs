//! What a client does, as verbs of [`TestApp`].

use super::app::{ADMIN_ID, ADMIN_SECRET, TestApp};
use super::http::{Answer, Call};
use grantor::clients::{NewSecret, complete};
use grantor::storage::Store;
use grantor::storage::clients::{self, Client, ClientMetadata};
use grantor::types::{AuthMethod, ClientId, GrantType, ScopeSet, TokenHash};
use serde_json::Value;

/// A registered client with what it knows.
#[derive(Clone, Debug)]
pub struct TestClient {
    /// `client_id`.
    pub id: String,
    /// `client_secret`; empty for clients without one.
    pub secret: String,
}

/// A row of the audit log.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Recorded {
    /// `event_type`.
    pub event_type: String,
    /// `success` or `failure`.
    pub outcome: String,
    /// The client, also one that was only claimed.
    pub client_id: Option<String>,
    /// The user.
    pub user_id: Option<String>,
    /// The family.
    pub token_family: Option<String>,
    /// The rest, as JSON.
    pub metadata: String,
}

impl Recorded {
    /// A member of the metadata.
    pub fn meta(&self, name: &str) -> Value {
        let metadata: Value = serde_json::from_str(&self.metadata).expect("metadata is JSON");
        metadata[name].clone()
    }
}

impl TestApp {
    /// A token request of the admin client for these scopes; the token.
    pub async fn admin_token(&self, scope: &str) -> String {
        let admin = TestClient {
            id: ADMIN_ID.to_owned(),
            secret: ADMIN_SECRET.to_owned(),
        };
        self.access_token(&admin, scope).await
    }

    /// A client-credentials request, to be sent.
    pub fn token_request(&self, client: &TestClient, fields: &[(&str, &str)]) -> Call<'_> {
        let fields: Vec<_> = [("grant_type", "client_credentials")]
            .iter()
            .chain(fields)
            .copied()
            .collect();
        self.http
            .post("/oauth2/token")
            .basic(&client.id, &client.secret)
            .form(&fields)
    }

    /// A client's own token for these scopes.
    pub async fn access_token(&self, client: &TestClient, scope: &str) -> String {
        let answer = self
            .token_request(client, &[("scope", scope)])
            .send()
            .await
            .expect(200);
        answer.json()["access_token"]
            .as_str()
            .expect("a token")
            .to_owned()
    }

    /// Puts a client for the client-credentials grant into the database, with whatever `change` makes of it.
    pub async fn client(&self, scope: &str, change: impl FnOnce(&mut ClientMetadata)) -> TestClient {
        let mut metadata = ClientMetadata {
            grant_types: vec![GrantType::ClientCredentials],
            token_endpoint_auth_method: AuthMethod::ClientSecretBasic,
            scope: ScopeSet::parse(scope).expect("scopes"),
            ..ClientMetadata::default()
        };
        change(&mut metadata);
        complete(&mut metadata);
        self.insert_client(metadata).await
    }

    /// Puts a client as described into the database; it has a secret if its method wants one.
    pub async fn insert_client(&self, metadata: ClientMetadata) -> TestClient {
        let secret = matches!(
            metadata.token_endpoint_auth_method,
            AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost
        )
        .then(|| NewSecret::make(&self.app.entropy).expect("randomness").secret);
        let now = self.now();
        let id = self.app.entropy.uuid_v4().expect("randomness").to_string();
        let client = Client::new(
            self.tenant,
            ClientId::parse(&id).expect("a client id"),
            metadata,
            secret.as_ref().map(|secret| TokenHash::of(secret.expose())),
            now,
        );
        let mut conn = self.db.main.write().await.expect("a connection");
        assert!(
            clients::insert(&mut conn, &client)
                .await
                .expect("the database answers")
        );
        TestClient {
            id,
            secret: secret.map_or_else(String::new, |secret| secret.expose().to_owned()),
        }
    }

    /// Everything that the audit log holds by now, in order of time, and of writing where that is the same.
    pub async fn audit_log(&self) -> Vec<Recorded> {
        const SQL: &str =
            "SELECT event_type, outcome, client_id, user_id, token_family, metadata FROM audit_events
            ORDER BY time, stream, sequence";
        self.app.audit.flush().await;
        match &self.db.audit {
            Store::Postgres { pool, .. } => sqlx::query_as(SQL).fetch_all(pool).await,
            Store::Sqlite { readers, .. } => sqlx::query_as(SQL).fetch_all(readers).await,
        }
        .expect("the audit log is read")
    }
}

impl Answer {
    /// The `error` of an OAuth error object, with its status.
    #[track_caller]
    pub fn oauth_error(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self.json()["error"].as_str().expect("an error").to_owned()
    }
}
