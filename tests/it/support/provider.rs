//! A server with somebody to sign in and a client to sign in at: where most protocol tests begin.

use super::app::TestApp;
use super::client::Recorded;
use super::db::Engine;
use super::http::Answer;
use super::people::Person;
use super::relying_party::{RelyingParty, Tokens};
use super::user_agent::Browser;
use grantor::storage::{Conn, Store};
use sqlx::AssertSqlSafe;

/// People sign in more often in a test than one person does in 15 minutes.
pub const PATIENT: (&str, &str) = ("limits.authentication.rate", "1000000000");

/// A server, a client, a person and a browser.
pub struct Provider {
    /// The server.
    pub app: TestApp,
    /// A confidential first-party client.
    pub rp: RelyingParty,
    /// Alice.
    pub alice: Person,
    /// Her browser.
    pub browser: Browser,
}

impl Provider {
    /// With the tests' configuration.
    pub async fn new(engine: Engine) -> Self {
        Self::with(engine, &[]).await
    }

    /// With further settings.
    pub async fn with(engine: Engine, settings: &[(&str, &str)]) -> Self {
        let mut all = vec![PATIENT];
        all.extend(settings);
        Self::of(TestApp::spawn_with(engine, &all).await).await
    }

    /// On a server, or a tenant of one, that is there.
    pub async fn of(app: TestApp) -> Self {
        let rp = RelyingParty::new(&app).await;
        let alice = Person::new(&app, "alice").await;
        let browser = Browser::new(&app);
        Self {
            app,
            rp,
            alice,
            browser,
        }
    }

    /// Alice signs in at the client for `openid`, in her browser.
    pub async fn sign_in(&mut self) -> Tokens {
        self.sign_in_for("openid").await
    }

    /// The same for some scopes.
    pub async fn sign_in_for(&mut self, scope: &str) -> Tokens {
        self.rp
            .sign_in(&self.app, &mut self.browser, &self.alice, scope)
            .await
    }

    /// What `prompt=none` gives in a browser: `None` for a code, otherwise the error.
    pub async fn silent(&self, browser: &mut Browser) -> Option<String> {
        let asked = self.rp.ask_for(&self.app, &[("prompt", "none")]);
        browser.open(&asked.url).await.parameter("error")
    }
}

/// The records of a token family, oldest first.
pub async fn history(app: &TestApp, family: &str) -> Vec<Recorded> {
    let mut log = app.audit_log().await;
    log.retain(|record| record.token_family.as_deref() == Some(family));
    log
}

/// Runs SQL that the program itself does not have.
pub async fn execute(store: &Store, sql: &str) {
    let sql = AssertSqlSafe(sql.to_owned());
    match store.write().await.unwrap() {
        Conn::Postgres(mut conn, _) => drop(sqlx::query(sql).execute(&mut *conn).await.unwrap()),
        Conn::Sqlite(mut conn, _) => drop(sqlx::query(sql).execute(&mut *conn).await.unwrap()),
    }
}

/// Asserts an OAuth error (RFC 6749 §5.2) and gives its description.
#[track_caller]
pub fn refused(answer: Answer, status: u16, code: &str) -> String {
    assert_eq!(
        answer.status.as_u16(),
        status,
        "{code} was expected: {}",
        answer.text()
    );
    let json = answer.json();
    assert_eq!(json["error"], code, "{json}");
    let members: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert!(
        members
            .iter()
            .all(|name| ["error", "error_description", "error_uri"].contains(name)),
        "{json}"
    );
    assert!(answer.header("cache-control").contains("no-store"));
    json["error_description"].as_str().unwrap_or_default().to_owned()
}
