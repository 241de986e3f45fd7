//! OpenID Connect Back-Channel Logout 1.0.

mod queue;
mod token;

use crate::support::Engine;
use crate::support::TestApp;
use crate::support::html::{self, Form};
use crate::support::people::{PASSWORD, Person};
use crate::support::provider::{PATIENT, Provider};
use crate::support::receiver::{Mood, Received, Receiver};
use crate::support::relying_party::{RelyingParty, Tokens, claims_of, header_of, verify_jwt};
use crate::support::user_agent::Browser;
use grantor::jobs;
use grantor::storage::deliveries::{self, Delivery, Filter};
use grantor::types::{Algorithm, SubjectType, TenantId};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const BYE: &str = "https://rp.example/bye";
/// Receivers of tests are on loopback.
const LOOPBACK: (&str, &str) = ("outgoing.allow", "127.0.0.0/8");

/// A provider whose client is told of logouts.
struct Scene {
    p: Provider,
    receiver: Receiver,
}

impl Scene {
    async fn new(engine: Engine) -> Self {
        Self::with(engine, &[]).await
    }

    async fn with(engine: Engine, settings: &[(&str, &str)]) -> Self {
        let mut all = vec![LOOPBACK];
        all.extend(settings);
        let mut p = Provider::with(engine, &all).await;
        let receiver = Receiver::start().await;
        p.rp = told(&p.app, &receiver, |_| {}).await;
        Self { p, receiver }
    }

    /// Signs out at the logout endpoint, as the client asks for it.
    async fn sign_out(&mut self, tokens: &Tokens) {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("id_token_hint", &*tokens.id), ("post_logout_redirect_uri", BYE)])
            .finish();
        let page = self.p.browser.open(&format!("/oauth2/logout?{query}")).await;
        assert_eq!(page.left_for.expect("it leads back").as_str(), BYE);
    }

    async fn waits_for(&self, count: usize) -> Vec<Received> {
        arrived(&self.p.app, &self.receiver, count).await
    }

    async fn admin(&self, method: Method, path: &str) -> crate::support::http::Answer {
        let scope = "sessions:write users:write users:read webhooks:read webhooks:write";
        let token = crate::admin::token(&self.p.app, scope).await;
        let path = format!("/admin/v1{path}");
        self.p.app.http.call(method, &path).bearer(&token).send().await
    }

    /// Messages that have not arrived.
    async fn queue(&self) -> Vec<Delivery> {
        let mut conn = self.p.app.db.main.read().await.unwrap();
        deliveries::list(&mut conn, TenantId::FIRST, Filter::default(), 100)
            .await
            .unwrap()
    }

    /// Delivers until the queue looks as it is wanted.
    async fn until(&self, wanted: impl Fn(&[Delivery]) -> bool) -> Vec<Delivery> {
        let patience = Instant::now() + Duration::from_secs(30);
        loop {
            jobs::deliver(&self.p.app.app).await.unwrap();
            let queue = self.queue().await;
            if wanted(&queue) {
                return queue;
            }
            assert!(Instant::now() < patience, "the queue stays as it is: {queue:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A client that is told of logouts at `receiver`.
async fn told(
    app: &TestApp,
    receiver: &Receiver,
    change: impl FnOnce(&mut grantor::storage::clients::ClientMetadata),
) -> RelyingParty {
    let uri = format!("{}/logout?a=b", receiver.base);
    RelyingParty::with(app, |metadata| {
        metadata.post_logout_redirect_uris = vec![BYE.to_owned()];
        metadata.backchannel_logout_uri = Some(uri);
        metadata.backchannel_logout_session_required = true;
        change(metadata);
    })
    .await
}

/// Delivers until a receiver has got so much.
async fn arrived(app: &TestApp, receiver: &Receiver, count: usize) -> Vec<Received> {
    let patience = Instant::now() + Duration::from_secs(30);
    loop {
        jobs::deliver(&app.app).await.unwrap();
        let received = receiver.received();
        if received.len() >= count {
            return received;
        }
        assert!(Instant::now() < patience, "{} of {count} arrived", received.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn sid_of(tokens: &Tokens) -> Value {
    claims_of(&tokens.id)["sid"].clone()
}

/// Asserts §2.4 and gives the claims.
async fn token_of(app: &TestApp, received: &Received) -> Value {
    let token = received.field("logout_token");
    // "aud", signature, "iss", "exp": as a relying party checks them (§2.6), with another library.
    let claims = verify_jwt(app, token).await;
    assert_eq!(header_of(token)["typ"], "logout+jwt");
    assert!(header_of(token)["kid"].is_string());
    let names: Vec<_> = claims.keys().map(String::as_str).collect();
    assert_eq!(names, ["iss", "sub", "aud", "iat", "exp", "jti", "events", "sid"]);
    assert_eq!(
        claims["events"],
        json!({"http://schemas.openid.net/event/backchannel-logout": {}})
    );
    let (iat, exp) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    assert_eq!(iat, app.now().seconds());
    assert_eq!(exp - iat, 120);
    Value::Object(claims)
}

const WAYS: [&str; 10] = [
    // First, while there is no other session.
    "limit",
    "logout",
    "account_page",
    "admin",
    "other_user",
    "theft",
    "password",
    "revoke",
    "disable",
    "delete",
];

impl Scene {
    async fn end(&mut self, way: &str, person: &Person, tokens: &Tokens) {
        match way {
            "logout" => self.sign_out(tokens).await,
            "account_page" => {
                // From another browser: the page offers to end the other sessions.
                let mut elsewhere = Browser::new(&self.p.app);
                let page = elsewhere.open("/account").await;
                let form = person.fill_in(page.sign_in_form());
                let page = elsewhere.submit(&page, &form).await;
                let form = form_to(&html::forms(&page.html()), "/account/sessions");
                elsewhere.submit(&page, &form).await;
            }
            "admin" => {
                let token = crate::admin::token(&self.p.app, "sessions:read").await;
                let path = format!("/admin/v1/sessions?user_id={}", person.id);
                let list = self
                    .p
                    .app
                    .http
                    .get(&path)
                    .bearer(&token)
                    .send()
                    .await
                    .expect(200)
                    .json();
                let id = list["items"][0]["id"].as_str().unwrap();
                self.admin(Method::DELETE, &format!("/sessions/{id}"))
                    .await
                    .expect(204);
            }
            "other_user" => {
                let bob = Person::new(&self.p.app, "bob").await;
                let asked = self.p.rp.ask_for(&self.p.app, &[("prompt", "login")]);
                self.p.browser.authorize(&asked.url, &bob).await;
            }
            "theft" => {
                Tokens::of(self.p.rp.refresh(&self.p.app, &tokens.refresh).await);
                self.p.rp.refresh(&self.p.app, &tokens.refresh).await.expect(400);
            }
            "password" => {
                let token = crate::admin::token(&self.p.app, "users:write").await;
                let path = format!("/admin/v1/users/{}", person.id);
                let body = json!({"password": format!("{PASSWORD} and up again")});
                let call = self.p.app.http.call(Method::PATCH, &path).bearer(&token);
                call.json(&body).send().await.expect(200);
            }
            "revoke" => {
                self.admin(Method::POST, &format!("/users/{}/revoke", person.id))
                    .await
                    .expect(204);
            }
            "disable" => {
                let token = crate::admin::token(&self.p.app, "users:write").await;
                let path = format!("/admin/v1/users/{}", person.id);
                let call = self.p.app.http.call(Method::PATCH, &path).bearer(&token);
                call.json(&json!({"enabled": false})).send().await.expect(200);
            }
            "delete" => {
                self.admin(Method::DELETE, &format!("/users/{}", person.id))
                    .await
                    .expect(204);
            }
            "limit" => {
                self.p.app.advance(28_800);
                jobs::run(&self.p.app.app).await;
            }
            other => panic!("{other}"),
        }
    }
}

#[track_caller]
fn form_to(forms: &[Form], action: &str) -> Form {
    let found = forms.iter().find(|form| form.action.ends_with(action));
    found.expect("the form is there").clone()
}
