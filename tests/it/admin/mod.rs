//! The admin API through the real server.

mod audit;
mod clients;
mod grants;
mod keys;
mod limits;
mod openapi;
mod rights;
mod users;

use crate::support::app::{ADMIN_ID, ADMIN_SECRET, TestApp};
use crate::support::http::{Answer, Call};
use reqwest::Method;
use serde_json::{Value, json};

/// An access token of the admin client for these scopes.
pub async fn token(app: &TestApp, scope: &str) -> String {
    token_of(app, ADMIN_ID, ADMIN_SECRET, scope).await
}

/// An access token of a client that authenticates by Basic.
pub async fn token_of(app: &TestApp, id: &str, secret: &str, scope: &str) -> String {
    let form = [("grant_type", "client_credentials"), ("scope", scope)];
    let answer = app
        .http
        .post("/oauth2/token")
        .basic(id, secret)
        .form(&form)
        .send()
        .await;
    let answer = answer.expect(200).json();
    answer["access_token"].as_str().unwrap().to_owned()
}

/// A server, and tokens with which to administer it.
pub struct Admin {
    pub app: TestApp,
    pub token: String,
}

impl Admin {
    /// With all rights over clients.
    pub async fn new(app: TestApp) -> Self {
        let token = token(&app, "clients:read clients:write keys:read keys:write audit:read").await;
        Self { app, token }
    }

    pub fn call(&self, method: Method, path: &str) -> Call<'_> {
        let path = format!("/admin/v1{path}");
        self.app.http.call(method, &path).bearer(&self.token)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).send().await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, path).json(body).send().await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        let call = self.call(Method::PATCH, path);
        call.body("application/merge-patch+json", body.to_string())
            .send()
            .await
    }

    /// Registers a client and gives its id and secret.
    pub async fn create(&self, body: Value) -> (String, String) {
        let created = self.post("/clients", &body).await.expect(201).json();
        let text = |name: &str| created[name].as_str().unwrap_or_default().to_owned();
        (text("client_id"), text("client_secret"))
    }
}

/// A service that may get these scopes.
pub fn service(scope: &str) -> Value {
    json!({"client_name": "Service", "grant_types": ["client_credentials"], "scope": scope})
}

/// Where a 400 says that the content is wrong.
pub fn pointers(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status.as_u16(), 400, "{}", answer.text());
    let problem = answer.json();
    assert_eq!(problem["title"], "Validation failed");
    let errors = problem["errors"].as_array().unwrap();
    errors
        .iter()
        .map(|error| error["pointer"].as_str().unwrap().to_owned())
        .collect()
}
