//! RFC 8628, OAuth 2.0 Device Authorization Grant.

mod endpoint;
mod grant;

use crate::audit_outage::{Blockade, recovered};
use crate::support::html::{self, Form};
use crate::support::http::Answer;
use crate::support::people::{PASSWORD, Person};
use crate::support::provider::{PATIENT, Provider, execute, history, refused};
use crate::support::relying_party::{RelyingParty, Tokens, claims_of};
use crate::support::user_agent::{Ask, Browser, Page};
use crate::support::webdriver::Chromium;
use crate::support::{Engine, TestApp};
use futures_util::future::join_all;
use grantor::jobs;
use grantor::storage::clients::{self, Client, ClientMetadata};
use grantor::types::{AuthMethod, ClientId, GrantType, Resource, ScopeSet, TenantId};
use serde_json::Value;
use std::collections::BTreeSet;

const ENDPOINT: &str = "/oauth2/device_authorization";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What a device was given.
struct Codes {
    device: String,
    user: String,
    json: Value,
}

/// Makes a client one of a television.
fn television(metadata: &mut ClientMetadata) {
    metadata.client_name = Some("Example TV".to_owned());
    metadata.grant_types = vec![GrantType::DeviceCode, GrantType::RefreshToken];
    metadata.token_endpoint_auth_method = AuthMethod::None;
    metadata.redirect_uris = Vec::new();
    metadata.require_consent = true;
}

/// A provider at which a television is registered.
async fn provider(engine: Engine) -> Provider {
    provider_with(engine, &[]).await
}

async fn provider_with(engine: Engine, settings: &[(&str, &str)]) -> Provider {
    let mut p = Provider::with(engine, settings).await;
    p.rp = RelyingParty::with(&p.app, television).await;
    p
}

async fn begin(app: &TestApp, rp: &RelyingParty, scope: &str) -> Codes {
    let json = rp
        .post(app, ENDPOINT, &[("scope", scope)])
        .await
        .expect(200)
        .json();
    let text = |name: &str| json[name].as_str().expect("a text").to_owned();
    Codes {
        device: text("device_code"),
        user: text("user_code"),
        json,
    }
}

async fn poll(app: &TestApp, rp: &RelyingParty, device_code: &str) -> Answer {
    rp.post(
        app,
        "/oauth2/token",
        &[("grant_type", GRANT), ("device_code", device_code)],
    )
    .await
}

fn code_form(page: &Page) -> Form {
    let forms = html::forms(&page.html());
    forms
        .into_iter()
        .find(|form| form.has("user_code"))
        .unwrap_or_else(|| panic!("no code asked for: {}", page.html()))
}

/// Types a code at `/device`.
async fn enter(browser: &mut Browser, code: &str) -> Page {
    let page = browser.open("/device").await;
    let form = code_form(&page).fill("user_code", code);
    browser.submit(&page, &form).await
}

/// Types a code and signs in where that is asked for: the page with the decision.
async fn decide(browser: &mut Browser, person: &Person, code: &str) -> Page {
    let page = enter(browser, code).await;
    match page.ask() {
        Some(Ask::SignIn(form)) => browser.submit(&page, &person.fill_in(form)).await,
        _ => page,
    }
}

async fn answer(browser: &mut Browser, person: &Person, code: &str, decision: &str) -> Page {
    let page = decide(browser, person, code).await;
    let form = page.decision_form().press("decision", decision);
    browser.submit(&page, &form).await
}

async fn approve(p: &mut Provider, codes: &Codes) {
    let page = answer(&mut p.browser, &p.alice, &codes.user, "allow").await;
    assert_eq!(page.answer.status.as_u16(), 200, "{}", page.html());
    assert!(
        page.html().contains("Your device is connected"),
        "{}",
        page.html()
    );
}

/// What is on record of a type.
async fn recorded(app: &TestApp, event_type: &str) -> usize {
    app.audit_log()
        .await
        .iter()
        .filter(|record| record.event_type == event_type)
        .count()
}

impl Page {
    /// The code was refused, at its field, in words that are the same for all reasons.
    #[track_caller]
    fn expect_code_refused(&self) {
        assert_eq!(self.answer.status.as_u16(), 400, "{}", self.html());
        assert!(
            self.html().contains("not right or no longer valid"),
            "{}",
            self.html()
        );
        assert!(self.html().contains("aria-describedby=\"problem\""));
    }
}

impl Provider {
    /// Alice signs in without any application.
    async fn sign_in_at_login(&mut self) {
        let page = self.browser.open("/login").await;
        let form = self.alice.fill_in(page.sign_in_form());
        self.browser.submit(&page, &form).await;
    }
}

fn pairs(form: &Form) -> Vec<(&str, &str)> {
    form.fields
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect()
}
