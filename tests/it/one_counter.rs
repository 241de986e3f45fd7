//! One counter for every path that checks a secret (R-LIM-03): what failed on one of them is gone for all.

use crate::rfc7591::{OPEN, web};
use crate::support::html;
use crate::support::http::Answer;
use crate::support::people::PASSWORD;
use crate::support::relying_party::RelyingParty;
use crate::support::user_agent::{Browser, Page};
use crate::support::{Engine, TestApp};
use grantor::storage::clients::ClientMetadata;
use grantor::types::{AuthMethod, GrantType};
use reqwest::Method;
use serde_json::json;

/// As many as may fail.
const RATE: usize = 5;

/// A path that checks a secret.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Path {
    /// A client's secret, at an endpoint for clients.
    Client(&'static str, &'static [(&'static str, &'static str)]),
    /// A device's code, polled with by a client that is right.
    DeviceCode,
    /// The code that a person types for a device.
    UserCode,
    /// The token of somebody's registration, and the one with which clients register.
    RegistrationToken,
    InitialToken,
    /// A person's password: at the sign-in page, at the page for one that somebody else set, and the present one at a
    /// change.
    SignIn,
    TemporaryPassword,
    PresentPassword,
}

const ALL: [Path; 12] = [
    Path::Client("/oauth2/token", &[("grant_type", "client_credentials")]),
    Path::Client("/oauth2/introspect", &[("token", "x")]),
    Path::Client("/oauth2/revoke", &[("token", "x")]),
    Path::Client("/oauth2/par", &[("response_type", "code")]),
    Path::Client("/oauth2/device_authorization", &[("scope", "openid")]),
    Path::DeviceCode,
    Path::UserCode,
    Path::RegistrationToken,
    Path::InitialToken,
    Path::SignIn,
    Path::TemporaryPassword,
    Path::PresentPassword,
];

struct Ground {
    app: TestApp,
    television: RelyingParty,
    registered: String,
    /// Signed in as alice.
    alice: Browser,
    /// At the page for a password of bob's own, behind the one that somebody else set.
    bob: (Browser, Page),
}

impl Ground {
    async fn new(engine: Engine) -> Self {
        let app = TestApp::spawn_with(engine, &[OPEN]).await;
        app.user("alice").await;
        app.user_with("bob", true, |_| {}).await;
        let television = RelyingParty::with(&app, |metadata: &mut ClientMetadata| {
            metadata.grant_types = vec![GrantType::DeviceCode, GrantType::RefreshToken];
            metadata.token_endpoint_auth_method = AuthMethod::None;
            metadata.redirect_uris = Vec::new();
        })
        .await;
        let answer = app
            .http
            .post("/oauth2/register")
            .json(&web(json!({})))
            .send()
            .await;
        let registered = answer.expect(201).json()["client_id"]
            .as_str()
            .unwrap()
            .to_owned();
        let mut bob = Browser::new(&app);
        let page = submit(&mut bob, "/login", &[("username", "bob"), ("password", PASSWORD)]).await;
        Self {
            alice: Browser::new(&app),
            app,
            television,
            registered,
            bob: (bob, page),
        }
    }

    /// Begins with no attempt made, and alice signed in.
    async fn begin(&mut self) {
        self.app.advance(900);
        let fields = [("username", "alice"), ("password", PASSWORD)];
        let page = submit(&mut self.alice, "/login", &fields).await;
        assert_eq!(page.answer.status, 303, "{}", page.html());
        self.app.advance(900);
    }

    /// Presents a wrong secret.
    async fn guess(&mut self, path: Path) -> u16 {
        let http = &self.app.http;
        let new = "a quite different phrase 9";
        let change = [
            ("password", "wrong"),
            ("new_password", new),
            ("new_password_again", new),
        ];
        let answer = match path {
            Path::Client(endpoint, form) => {
                http.post(endpoint)
                    .basic("nobody", "wrong")
                    .form(form)
                    .send()
                    .await
            }
            Path::DeviceCode => {
                let form = [
                    ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
                    ("device_code", "wrong"),
                ];
                self.television.post(&self.app, "/oauth2/token", &form).await
            }
            Path::UserCode => {
                let code = [("user_code", "BCDF-GHJK")];
                submit(&mut Browser::new(&self.app), "/device", &code)
                    .await
                    .answer
            }
            Path::RegistrationToken => {
                let path = format!("/oauth2/register/{}", self.registered);
                http.call(Method::GET, &path).bearer("gra_wrong").send().await
            }
            Path::InitialToken => {
                let call = http.post("/oauth2/register").bearer("gia_wrong");
                call.json(&web(json!({}))).send().await
            }
            Path::SignIn => self.sign_in("wrong").await,
            Path::TemporaryPassword => {
                let (browser, page) = &mut self.bob;
                send(browser, page, "/login/password", &change).await.answer
            }
            Path::PresentPassword => submit(&mut self.alice, "/account/password", &change).await.answer,
        };
        answer.status.as_u16()
    }

    async fn sign_in(&self, password: &str) -> Answer {
        let fields = [("username", "alice"), ("password", password)];
        submit(&mut Browser::new(&self.app), "/login", &fields)
            .await
            .answer
    }
}

/// Fills in the form of a page and sends it.
async fn submit(browser: &mut Browser, path: &str, fields: &[(&str, &str)]) -> Page {
    let page = browser.get(path).await;
    send(browser, &page, path, fields).await
}

async fn send(browser: &mut Browser, page: &Page, action: &str, fields: &[(&str, &str)]) -> Page {
    let found = html::forms(&page.html())
        .into_iter()
        .find(|form| form.action == action);
    let mut form = found.unwrap_or_else(|| panic!("no form to {action}: {}", page.html()));
    for (name, value) in fields {
        form = form.fill(name, value);
    }
    browser.submit_only(page, &form).await
}

on_both_engines! {
    async fn what_failed_on_one_path_is_gone_for_all(engine: Engine) {
        let mut ground = Ground::new(engine).await;
        for path in ALL {
            ground.begin().await;
            for n in 0..RATE {
                assert_ne!(ground.guess(path).await, 429, "{path:?} {n}");
            }
            assert_eq!(ground.guess(path).await, 429, "{path:?}");
            // What is right does not pass either, anywhere.
            assert_eq!(ground.sign_in(PASSWORD).await.status, 429, "{path:?}");
            assert_eq!(ground.guess(ALL[0]).await, 429, "{path:?}");
            assert_eq!(ground.guess(Path::UserCode).await, 429, "{path:?}");
        }
    }
}
