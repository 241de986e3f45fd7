//! RFC 8628, OAuth 2.0 Device Authorization Grant.

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

on_both_engines! {
    /// §1: the whole way, at two replicas; §3.5: "authorization_pending"; §3.2's members.
    async fn s3_a_device_gets_what_its_owner_agrees_to(engine: Engine) {
        let mut p = provider(engine).await;
        let other = p.app.replica().await;
        let codes = begin(&p.app, &p.rp, "openid offline_access orders:read").await;
        assert!(codes.device.starts_with("gdc_") && codes.device.len() == 47, "256 random bits: {}", codes.json);
        let uri = format!("{}/device", p.app.issuer());
        assert_eq!(codes.json["verification_uri"], uri);
        assert_eq!(codes.json["verification_uri_complete"], format!("{uri}?user_code={}", codes.user));
        assert_eq!((&codes.json["expires_in"], &codes.json["interval"]), (&600.into(), &5.into()));
        refused(poll(&other, &p.rp, &codes.device).await, 400, "authorization_pending");
        approve(&mut p, &codes).await;
        p.app.advance(5);
        let tokens = Tokens::of(poll(&other, &p.rp, &codes.device).await);
        assert_eq!(tokens.json["scope"], "openid offline_access orders:read");
        let claims = tokens.access_claims();
        assert_eq!(claims["sub"], p.alice.id.to_string());
        let id = p.rp.verify_id_token(&p.app, &tokens.id).await;
        assert_eq!((&id["acr"], &id["amr"][0]), (&"aal1".into(), &"pwd".into()));
        assert_eq!(id["auth_time"], claims["auth_time"]);
        assert!(!id.contains_key("sid") && !id.contains_key("nonce"), "{id:?}");
        let renewed = Tokens::of(p.rp.refresh(&p.app, &tokens.refresh).await);
        assert_eq!(renewed.family(), tokens.family());
        let history = history(&p.app, &tokens.family()).await;
        let types: Vec<_> = history.iter().map(|record| record.event_type.as_str()).collect();
        for needed in ["device_approved", "token_issued", "token_refresh"] {
            assert!(types.contains(&needed), "{types:?}");
        }
        let issued = history.iter().find(|record| record.event_type == "token_issued").expect("a record");
        assert_eq!(issued.meta("grant_type"), GRANT);
        assert_eq!(recorded(&p.app, "device_requested").await, 1);
        assert_eq!(recorded(&p.app, "consent").await, 1);
    }

    /// §3.5: "slow_down … the interval MUST be increased by 5 seconds for this and all subsequent requests", also when they
    /// go to different replicas.
    async fn s3_5_polling_too_early_raises_the_interval_for_good(engine: Engine) {
        let p = provider(engine).await;
        let other = p.app.replica().await;
        let codes = begin(&p.app, &p.rp, "openid").await;
        refused(poll(&p.app, &p.rp, &codes.device).await, 400, "authorization_pending");
        p.app.advance(4);
        let told = refused(poll(&other, &p.rp, &codes.device).await, 400, "slow_down");
        assert!(told.contains("10 seconds"), "{told}");
        p.app.advance(9);
        refused(poll(&p.app, &p.rp, &codes.device).await, 400, "slow_down");
        p.app.advance(15);
        refused(poll(&other, &p.rp, &codes.device).await, 400, "authorization_pending");
        p.app.advance(14);
        refused(poll(&p.app, &p.rp, &codes.device).await, 400, "slow_down");
    }

    /// §3.5: "access_denied: The authorization request was denied."
    async fn s3_5_a_refusal_reaches_the_device(engine: Engine) {
        let mut p = provider(engine).await;
        let codes = begin(&p.app, &p.rp, "openid").await;
        let page = answer(&mut p.browser, &p.alice, &codes.user, "deny").await;
        assert!(page.html().contains("was not connected"), "{}", page.html());
        for _ in 0..2 {
            refused(poll(&p.app, &p.rp, &codes.device).await, 400, "access_denied");
        }
        assert_eq!(recorded(&p.app, "device_denied").await, 1);
        // The answer stands.
        enter(&mut p.browser, &codes.user).await.expect_code_refused();
    }

    /// §3.5: "expired_token: The device_code has expired, and the device authorization session has concluded." What was
    /// agreed to is too late then as well.
    async fn s3_5_both_codes_expire(engine: Engine) {
        let mut p = provider(engine).await;
        let (waiting, agreed) = (begin(&p.app, &p.rp, "openid").await, begin(&p.app, &p.rp, "openid").await);
        approve(&mut p, &agreed).await;
        let page = decide(&mut p.browser, &p.alice, &waiting.user).await;
        p.app.advance(600);
        for codes in [&waiting, &agreed] {
            refused(poll(&p.app, &p.rp, &codes.device).await, 400, "expired_token");
        }
        let late = p.browser.submit(&page, &page.decision_form().press("decision", "allow")).await;
        late.expect_error_page(400);
        enter(&mut p.browser, &waiting.user).await.expect_code_refused();
        // An hour later nothing is left of them.
        p.app.advance(3_700);
        jobs::run(&p.app.app).await;
        refused(poll(&p.app, &p.rp, &waiting.device).await, 400, "invalid_grant");
    }

    /// §3.4: the device code is used once; of many polls at once one gets the tokens, and what it got is good.
    async fn s3_4_a_device_code_is_single_use(engine: Engine) {
        let mut p = provider(engine).await;
        let other = p.app.replica().await;
        let codes = begin(&p.app, &p.rp, "openid offline_access").await;
        approve(&mut p, &codes).await;
        let polls = (0..20).map(|i| poll(if i % 2 == 0 { &p.app } else { &other }, &p.rp, &codes.device));
        let (good, bad): (Vec<_>, Vec<_>) = join_all(polls).await.into_iter().partition(|answer| answer.status.as_u16() == 200);
        assert_eq!(good.len(), 1);
        for answer in bad {
            refused(answer, 400, "invalid_grant");
        }
        let tokens = Tokens::of(good.into_iter().next().expect("one"));
        refused(poll(&p.app, &p.rp, &codes.device).await, 400, "invalid_grant");
        // §3.5 has devices ask again after a timeout: no theft.
        p.rp.refresh(&p.app, &tokens.refresh).await.expect(200);
        let reasons: BTreeSet<_> = history(&p.app, &tokens.family()).await.iter()
            .filter(|record| record.outcome == "failure").map(|record| record.meta("failure_reason").to_string()).collect();
        assert_eq!(reasons, BTreeSet::from(["\"device_code_used\"".to_owned()]));
    }

    /// RFC 6749 §5.2 (§3.5): a code that "was issued to another client" is `invalid_grant`; only the device has it, so that it
    /// is taken for stolen, before and after its owner has agreed.
    async fn s3_5_a_device_code_is_its_clients_alone(engine: Engine) {
        let mut p = provider(engine).await;
        let thief = RelyingParty::with(&p.app, television).await;
        let waiting = begin(&p.app, &p.rp, "openid").await;
        refused(poll(&p.app, &thief, &waiting.device).await, 400, "invalid_grant");
        refused(poll(&p.app, &p.rp, &waiting.device).await, 400, "access_denied");
        enter(&mut p.browser, &waiting.user).await.expect_code_refused();
        let agreed = begin(&p.app, &p.rp, "openid offline_access").await;
        approve(&mut p, &agreed).await;
        let tokens = Tokens::of(poll(&p.app, &p.rp, &agreed.device).await);
        refused(poll(&p.app, &thief, &agreed.device).await, 400, "invalid_grant");
        refused(p.rp.refresh(&p.app, &tokens.refresh).await, 400, "invalid_grant");
        p.app.http.get("/oauth2/userinfo").bearer(&tokens.access).send().await.expect(401);
        assert_eq!(recorded(&p.app, "device_code_misused").await, 2);
        assert_eq!(recorded(&p.app, "family_revoked").await, 1);
    }

    /// §3.3: allowing and refusing at once: one of the two holds, and the device hears the same.
    async fn s3_3_of_two_answers_at_once_one_holds(engine: Engine) {
        let mut p = provider(engine).await;
        for _ in 0..4 {
            let codes = begin(&p.app, &p.rp, "openid").await;
            let page = decide(&mut p.browser, &p.alice, &codes.user).await;
            let form = page.decision_form();
            let (yes, no) = (form.clone().press("decision", "allow"), form.press("decision", "deny"));
            let (mut one, mut other) = (p.browser.clone(), p.browser.clone());
            let (yes, no) = tokio::join!(one.submit(&page, &yes), other.submit(&page, &no));
            let statuses = [yes.answer.status.as_u16(), no.answer.status.as_u16()];
            let answer = poll(&p.app, &p.rp, &codes.device).await;
            match statuses {
                [200, 400] => drop(answer.expect(200)),
                [400, 200] => drop(refused(answer, 400, "access_denied")),
                other => panic!("{other:?}"),
            }
        }
    }

    /// §5.1: "it is RECOMMENDED to rate-limit user code attempts": wrong ones count against the address, at both replicas, in
    /// the counter that failed sign-ins are counted in; no more are looked at however many come at once.
    async fn s5_1_user_codes_cannot_be_guessed(engine: Engine) {
        let mut p = provider_with(engine, &[("limits.authentication.rate", "5")]).await;
        let other = p.app.replica().await;
        let codes = begin(&p.app, &p.rp, "openid").await;
        // Right ones do not count.
        for _ in 0..7 {
            assert!(matches!(enter(&mut p.browser, &codes.user).await.ask(), Some(Ask::SignIn(_))));
        }
        for wrong in ["BBBB-BBBB", "AAAA-AAAA", "x"] {
            enter(&mut p.browser, wrong).await.expect_code_refused();
        }
        let mut there = Browser::new(&other);
        let page = there.open("/device").await;
        let guesses: Vec<_> = ["CCCC-CCCC", "DDDD-DDDD", "FFFF-FFFF", "GGGG-GGGG", "HHHH-HHHH", &codes.user]
            .iter().map(|code| (there.clone(), code_form(&page).fill("user_code", code))).collect();
        let tried = guesses.into_iter().map(|(mut browser, form)| {
            let page = page.clone();
            async move { browser.submit_only(&page, &form).await.answer.status.as_u16() }
        });
        let statuses = join_all(tried).await;
        let wrong = statuses.iter().filter(|status| **status == 400).count();
        assert!(wrong <= 2 && statuses.iter().filter(|status| **status == 303).count() <= 1, "{statuses:?}");
        // Used up: the right one as well, and a sign-in.
        while enter(&mut p.browser, "JJJJ-JJJJ").await.answer.status.as_u16() != 429 {}
        assert_eq!(enter(&mut p.browser, &codes.user).await.answer.status.as_u16(), 429);
        let page = p.browser.open("/login").await;
        let page = p.browser.submit(&page, &p.alice.fill_in(page.sign_in_form())).await;
        assert_eq!(page.answer.status.as_u16(), 429);
        p.app.advance(901);
        let again = begin(&p.app, &p.rp, "openid").await;
        approve(&mut p, &again).await;
        assert!(recorded(&p.app, "device_code_entered").await >= 3);
    }

    /// Contract "Limits": "At the token endpoint failed client authentications count, and wrong device codes."
    async fn s5_2_device_codes_cannot_be_guessed(engine: Engine) {
        let p = provider_with(engine, &[("limits.authentication.rate", "5")]).await;
        let codes = begin(&p.app, &p.rp, "openid").await;
        for _ in 0..5 {
            refused(poll(&p.app, &p.rp, "gdc_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").await, 400, "invalid_grant");
        }
        let answer = poll(&p.app, &p.rp, &codes.device).await.expect(429);
        assert!(!answer.header("retry-after").is_empty());
        p.app.advance(901);
        // Polls that find nothing new are no guesses.
        let codes = begin(&p.app, &p.rp, "openid").await;
        for _ in 0..8 {
            assert_eq!(poll(&p.app, &p.rp, &codes.device).await.status.as_u16(), 400);
        }
    }

    /// §5.4: "the authorization server SHOULD inform the user that they are authorizing a device": the code is confirmed even
    /// where the link brought it, and the page says who asks, for what, from where and when, and warns.
    async fn s5_4_a_link_alone_connects_nothing(engine: Engine) {
        let mut p = provider(engine).await;
        p.sign_in_at_login().await;
        let codes = begin(&p.app, &p.rp, "openid orders:read").await;
        let link = codes.json["verification_uri_complete"].as_str().expect("a link").to_owned();
        let page = p.browser.open(&link).await;
        assert!(page.ask().is_none(), "nothing can be decided yet: {}", page.html());
        let form = code_form(&page);
        assert_eq!(form.value("user_code"), Some(&*codes.user));
        assert!(page.html().contains("the one that your own device shows"), "{}", page.html());
        refused(poll(&p.app, &p.rp, &codes.device).await, 400, "authorization_pending");
        let page = p.browser.submit(&page, &form).await;
        let html = page.html();
        for part in ["Example TV", &codes.user, "orders:read", "127.0.0.1", "1 Jul 2026, 00:00 UTC", "Is this the code on your device"] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        // A ticket is worth nothing in another browser, where somebody else is signed in or not.
        let mut victim = Browser::new(&p.app);
        let url = page.url.to_string();
        assert!(url.contains("ticket="), "{url}");
        victim.open(&url).await.expect_error_page(400);
        // Neither is a form that was made for another page, browser or person.
        let stolen = page.decision_form().press("decision", "allow");
        let refused_page = victim.submit(&page, &stolen).await;
        assert!(refused_page.answer.status.is_client_error());
        let foreign = p.browser.post_from(&page.url, &pairs(&stolen), &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")]).await;
        foreign.expect_error_page(403);
        refused(poll(&p.app, &p.rp, &codes.device).await, 400, "slow_down");
    }

    /// What the agreement rests on is looked at when the device asks: the user, the client, the consent. And what came of it
    /// ends with them, though not with the browser's session.
    async fn s3_5_what_was_agreed_to_can_be_taken_away(engine: Engine) {
        let mut p = provider(engine).await;
        let admin = p.app.admin_token("users:write grants:read grants:write").await;
        // Signing out in the browser ends nothing: the device is not the browser.
        let codes = begin(&p.app, &p.rp, "openid").await;
        approve(&mut p, &codes).await;
        execute(&p.app.app.store, "UPDATE sessions SET ended_at = created_at").await;
        let kept = Tokens::of(poll(&p.app, &p.rp, &codes.device).await);
        p.rp.refresh(&p.app, &kept.refresh).await.expect(200);
        // The list of grants shows it, without a session.
        let list = p.app.http.get("/admin/v1/grants").bearer(&admin).send().await.expect(200).json();
        assert_eq!((&list["items"][0]["session_id"], &list["items"][0]["client_id"]), (&Value::Null, &Value::from(&*p.rp.client_id)), "{list}");
        // A withdrawn consent, between agreement and poll and after it.
        let codes = begin(&p.app, &p.rp, "openid").await;
        approve(&mut p, &codes).await;
        let page = p.browser.open("/account").await;
        let withdraw = html::forms(&page.html()).into_iter().find(|form| form.has("consent") || form.action.ends_with("/account/consents"));
        p.browser.submit(&page, &withdraw.expect("it can be withdrawn")).await;
        refused(poll(&p.app, &p.rp, &codes.device).await, 400, "invalid_grant");
        p.app.http.get("/oauth2/userinfo").bearer(&kept.access).send().await.expect(401);
        // A user who was revoked.
        let codes = begin(&p.app, &p.rp, "openid").await;
        approve(&mut p, &codes).await;
        let path = format!("/admin/v1/users/{}/revoke", p.alice.id);
        p.app.http.post(&path).bearer(&admin).json(&serde_json::json!({})).send().await.expect(204);
        refused(poll(&p.app, &p.rp, &codes.device).await, 400, "invalid_grant");
    }

    /// Nothing is issued that is not audited: without its record a device gets no codes, and no tokens, and the tokens are
    /// there for the next poll. What a person answers holds all the same, and is on record later.
    async fn nothing_is_lost_while_the_audit_store_is_away(engine: Engine) {
        let mut p = provider(engine).await;
        let agreed = begin(&p.app, &p.rp, "openid offline_access").await;
        approve(&mut p, &agreed).await;
        let open = begin(&p.app, &p.rp, "openid").await;
        let page = decide(&mut p.browser, &p.alice, &open.user).await;
        let blockade = Blockade::of(&p.app).await;
        let (asked, polled) = tokio::join!(
            p.rp.post(&p.app, ENDPOINT, &[("scope", "openid")]),
            poll(&p.app, &p.rp, &agreed.device),
        );
        for answer in [asked, polled] {
            assert_eq!(answer.status.as_u16(), 503, "{}", answer.text());
            assert!(!answer.header("retry-after").is_empty() && !answer.text().contains("_code"), "{}", answer.text());
        }
        let answered = p.browser.submit(&page, &page.decision_form().press("decision", "allow")).await;
        assert_eq!(answered.answer.status.as_u16(), 200, "{}", answered.html());
        blockade.lift().await;
        let tokens = recovered(async || poll(&p.app, &p.rp, &agreed.device).await).await;
        Tokens::of(p.rp.refresh(&p.app, &tokens.refresh).await);
        let tokens = recovered(async || poll(&p.app, &p.rp, &open.device).await).await;
        p.app.app.audit.deliver_outbox().await.expect("it is delivered");
        let history = history(&p.app, &tokens.family()).await;
        assert!(history.iter().any(|record| record.event_type == "device_approved"), "{history:#?}");
    }

    /// R-VAL, design "quota per client and address": waiting requests are bounded.
    async fn waiting_requests_are_bounded(engine: Engine) {
        let p = provider_with(engine, &[("device.max_pending_per_client", "3"), ("device.max_pending_per_address", "4")]).await;
        for _ in 0..3 {
            begin(&p.app, &p.rp, "openid").await;
        }
        let answer = p.rp.post(&p.app, ENDPOINT, &[("scope", "openid")]).await.expect(429);
        assert!(!answer.header("retry-after").is_empty());
        let second = RelyingParty::with(&p.app, television).await;
        begin(&p.app, &second, "openid").await;
        second.post(&p.app, ENDPOINT, &[("scope", "openid")]).await.expect(429);
        // Those that are over make room.
        p.app.advance(601);
        begin(&p.app, &p.rp, "openid").await;
    }
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

/// §3.1: "The client authentication requirements of Section 3.2.1 of RFC6749 apply to requests on this endpoint". "Parameters
/// sent without a value MUST be treated as if they were omitted from the request. The authorization server MUST ignore
/// unrecognized request parameters. Request and response parameters MUST NOT be included more than once."
#[tokio::test]
async fn s3_1_requests_are_those_of_an_authenticated_client() {
    let p = provider(Engine::Sqlite).await;
    let confidential = RelyingParty::with(&p.app, |metadata| {
        television(metadata);
        metadata.token_endpoint_auth_method = AuthMethod::ClientSecretBasic;
        metadata.default_scope = ScopeSet::parse("openid").expect("a scope");
    })
    .await;
    let impostor = [("client_id", &*confidential.client_id), ("scope", "openid")];
    let answer = p.app.http.post(ENDPOINT).form(&impostor).send().await;
    refused(answer, 401, "invalid_client");
    begin(&p.app, &confidential, "openid").await;
    let fields = [("scope", ""), ("colour", "blue"), ("interval", "1")];
    let json = confidential
        .post(&p.app, ENDPOINT, &fields)
        .await
        .expect(200)
        .json();
    assert_eq!(json["interval"], 5);
    let answer = confidential
        .post(&p.app, ENDPOINT, &[("scope", "openid"), ("scope", "openid")])
        .await;
    refused(answer, 400, "invalid_request");
    // Without scope and default_scope, or for scopes that are not registered.
    for fields in [&[][..], &[("scope", "clients:write")], &[("scope", "\u{1}")]] {
        refused(p.rp.post(&p.app, ENDPOINT, fields).await, 400, "invalid_scope");
    }
    let fields = [("scope", "openid"), ("resource", "https://unregistered.example")];
    refused(p.rp.post(&p.app, ENDPOINT, &fields).await, 400, "invalid_target");
    // §3.4: "client_id REQUIRED if the client is not authenticating".
    let fields = [("grant_type", GRANT), ("device_code", "gdc_x")];
    refused(
        p.app.http.post("/oauth2/token").form(&fields).send().await,
        401,
        "invalid_client",
    );
    refused(
        p.rp.post(&p.app, "/oauth2/token", &[("grant_type", GRANT)]).await,
        400,
        "invalid_request",
    );
}

/// RFC 6749 §5.2 `unauthorized_client`: only clients that are registered for the grant.
#[tokio::test]
async fn s3_1_only_clients_with_the_grant_may_ask() {
    let p = Provider::new(Engine::Sqlite).await;
    let answer = p.rp.post(&p.app, ENDPOINT, &[("scope", "openid")]).await;
    refused(answer, 400, "unauthorized_client");
    refused(poll(&p.app, &p.rp, "gdc_x").await, 400, "unauthorized_client");
}

/// §4: "device_authorization_endpoint: URL of the authorization server's device authorization endpoint", and the grant's name.
#[tokio::test]
async fn s4_metadata_names_endpoint_and_grant() {
    let p = provider(Engine::Sqlite).await;
    let metadata = p
        .app
        .http
        .get("/.well-known/oauth-authorization-server")
        .send()
        .await
        .expect(200)
        .json();
    assert_eq!(
        metadata["device_authorization_endpoint"],
        format!("{}{ENDPOINT}", p.app.issuer())
    );
    let grants = metadata["grant_types_supported"].as_array().expect("a list");
    assert!(grants.iter().any(|grant| grant == GRANT), "{grants:?}");
}

/// §6.1: a code can be typed in any case and with any punctuation; codes are drawn from 20 consonants.
#[tokio::test]
async fn s6_1_user_codes_are_easy_to_type() {
    let mut p = provider(Engine::Sqlite).await;
    for shape in [
        |code: &str| code.to_lowercase(),
        |code: &str| code.replace('-', ""),
        |code: &str| format!(" {} ", code.replace('-', " / ")),
    ] {
        let codes = begin(&p.app, &p.rp, "openid").await;
        let (first, second) = codes.user.split_once('-').expect("a hyphen");
        let of_alphabet =
            |half: &str| half.len() == 4 && half.chars().all(|c| "BCDFGHJKLMNPQRSTVWXZ".contains(c));
        assert!(of_alphabet(first) && of_alphabet(second), "{}", codes.user);
        let page = answer(&mut p.browser, &p.alice, &shape(&codes.user), "allow").await;
        assert!(
            page.html().contains("Your device is connected"),
            "{}",
            page.html()
        );
    }
}

/// RFC 8707 §2.1, §2.2: resources may be named with the request, and narrowed when the tokens are fetched.
#[tokio::test]
async fn resources_are_asked_for_and_narrowed() {
    let mut p = provider(Engine::Sqlite).await;
    let [a, b] = ["https://a.example", "https://b.example"];
    p.rp = RelyingParty::with(&p.app, |metadata| {
        television(metadata);
        metadata.resources = [a, b]
            .map(|text| Resource::parse(text).expect("a resource"))
            .into();
    })
    .await;
    let fields = [("scope", "orders:read"), ("resource", a), ("resource", b)];
    let json = p.rp.post(&p.app, ENDPOINT, &fields).await.expect(200).json();
    let code = json["user_code"].as_str().expect("a code").to_owned();
    answer(&mut p.browser, &p.alice, &code, "allow").await;
    let device_code = json["device_code"].as_str().expect("a code");
    let fields = [
        ("grant_type", GRANT),
        ("device_code", device_code),
        ("resource", b),
    ];
    let tokens = Tokens::of(p.rp.post(&p.app, "/oauth2/token", &fields).await);
    assert_eq!(claims_of(&tokens.access)["aud"], b);
}

/// Contract: refresh tokens are for clients that are registered for them; admin scopes need a role of the person.
#[tokio::test]
async fn tokens_are_what_client_and_person_may_have() {
    let mut p = provider(Engine::Sqlite).await;
    let plain = RelyingParty::with(&p.app, |metadata| {
        television(metadata);
        metadata.grant_types = vec![GrantType::DeviceCode];
        metadata.scope = ScopeSet::parse("openid offline_access users:read").expect("scopes");
    })
    .await;
    let codes = begin(&p.app, &plain, "openid offline_access").await;
    approve(&mut p, &codes).await;
    let tokens = Tokens::of(poll(&p.app, &plain, &codes.device).await);
    assert!(tokens.refresh.is_empty());
    assert_eq!(
        tokens.json["scope"], "openid",
        "offline_access means a refresh token"
    );
    let codes = begin(&p.app, &plain, "users:read").await;
    let page = answer(&mut p.browser, &p.alice, &codes.user, "allow").await;
    page.expect_error_page(403);
    refused(
        poll(&p.app, &plain, &codes.device).await,
        400,
        "authorization_pending",
    );
}

/// The client's `default_max_age` asks for a sign-in that is not older, here as at the authorization endpoint; a person whose
/// password was set by somebody else chooses one first.
#[tokio::test]
async fn an_old_sign_in_is_renewed_before_the_answer() {
    let mut p = provider(Engine::Sqlite).await;
    p.rp = RelyingParty::with(&p.app, |metadata| {
        television(metadata);
        metadata.default_max_age = Some(60);
    })
    .await;
    p.sign_in_at_login().await;
    p.app.advance(120);
    let codes = begin(&p.app, &p.rp, "openid").await;
    let page = enter(&mut p.browser, &codes.user).await;
    let form = p.alice.fill_in(page.sign_in_form());
    let page = p.browser.submit(&page, &form).await;
    let form = page.decision_form().press("decision", "allow");
    p.browser.submit(&page, &form).await;
    let tokens = Tokens::of(poll(&p.app, &p.rp, &codes.device).await);
    assert_eq!(tokens.access_claims()["auth_time"], p.app.now().seconds());
}

/// The browser can read the answers of its own origin's client, and nobody else's: as at the token endpoint.
#[tokio::test]
async fn scripts_of_the_clients_origin_may_read_the_answer() {
    let p = provider(Engine::Sqlite).await;
    let rp = RelyingParty::with(&p.app, |metadata| {
        television(metadata);
        metadata.allowed_cors_origins = vec!["https://tv.example".to_owned()];
    })
    .await;
    let call = rp.call(&p.app, ENDPOINT, &[("scope", "openid")]);
    let answer = call
        .header("origin", "https://tv.example")
        .send()
        .await
        .expect(200);
    assert_eq!(answer.header("access-control-allow-origin"), "https://tv.example");
    assert!(answer.header("cache-control").contains("no-store"));
    let call = rp.call(&p.app, ENDPOINT, &[("scope", "openid")]);
    let answer = call
        .header("origin", "https://evil.example")
        .send()
        .await
        .expect(200);
    assert_eq!(answer.header("access-control-allow-origin"), "");
}

/// At another tenant everything is that tenant's: addresses, and what the codes are good for.
#[tokio::test]
async fn each_tenant_has_its_own_devices() {
    let p = provider(Engine::Sqlite).await;
    let tenant = crate::tenants::bare_tenant(&p.app, "acme", true).await;
    let id = ClientId::parse(&p.rp.client_id).expect("a client id");
    let mut conn = p.app.db.main.write().await.expect("a connection");
    let client = clients::find(&mut conn, TenantId::FIRST, &id)
        .await
        .expect("an answer")
        .expect("the client");
    let twin = Client {
        tenant_id: tenant,
        ..client
    };
    assert!(clients::insert(&mut conn, &twin).await.expect("an answer"));
    drop(conn);
    let json =
        p.rp.post(&p.app, &format!("/t/acme{ENDPOINT}"), &[("scope", "openid")])
            .await
            .expect(200)
            .json();
    let page = format!("{}/t/acme/device", p.app.issuer());
    assert_eq!(json["verification_uri"], page);
    let (device, user) = (
        json["device_code"].as_str().expect("a code"),
        json["user_code"].as_str().expect("a code"),
    );
    refused(poll(&p.app, &p.rp, device).await, 400, "invalid_grant");
    enter(&mut Browser::new(&p.app), user).await.expect_code_refused();
    let fields = [("grant_type", GRANT), ("device_code", device)];
    refused(
        p.rp.post(&p.app, "/t/acme/oauth2/token", &fields).await,
        400,
        "authorization_pending",
    );
}

/// Neither code can be read in the database.
#[tokio::test]
async fn codes_are_stored_as_hashes() {
    let p = provider(Engine::Sqlite).await;
    let codes = begin(&p.app, &p.rp, "openid").await;
    p.app.db.main.close().await;
    let path = p
        .app
        .db
        .url
        .trim_start_matches("sqlite://")
        .split('?')
        .next()
        .expect("a path")
        .to_owned();
    let letters = codes.user.replace('-', "");
    let mut bytes = std::fs::read(&path).expect("the database's file");
    bytes.extend(std::fs::read(format!("{path}-wal")).unwrap_or_default());
    for secret in [&codes.device, &codes.user, &letters] {
        let found = bytes
            .windows(secret.len())
            .any(|window| window == secret.as_bytes());
        assert!(!found, "{secret} is in the database");
    }
    let found = bytes
        .windows(p.rp.client_id.len())
        .any(|window| window == p.rp.client_id.as_bytes());
    assert!(found, "the row itself is there");
}

/// Settings reach what devices are told.
#[tokio::test]
async fn life_and_interval_are_settings() {
    let settings = [PATIENT, ("device.ttl_s", "120"), ("device.interval_s", "2")];
    let p = provider_with(Engine::Sqlite, &settings).await;
    let codes = begin(&p.app, &p.rp, "openid").await;
    assert_eq!(
        (&codes.json["expires_in"], &codes.json["interval"]),
        (&120.into(), &2.into())
    );
    p.app.advance(121);
    refused(poll(&p.app, &p.rp, &codes.device).await, 400, "expired_token");
}

/// §3.3.1: the link of a QR code in a real browser, without JavaScript.
#[tokio::test]
async fn a_real_browser_connects_a_device() {
    let Some(chromium) = Chromium::start(false).await else {
        return;
    };
    let p = provider(Engine::Sqlite).await;
    let codes = begin(&p.app, &p.rp, "openid profile").await;
    chromium
        .go(codes.json["verification_uri_complete"].as_str().expect("a link"))
        .await;
    chromium.click("button[type=submit]").await;
    chromium.type_into("input[name=username]", "alice").await;
    chromium.type_into("input[name=password]", PASSWORD).await;
    chromium.click("button[type=submit]").await;
    chromium.click("button[name=decision][value=allow]").await;
    chromium.find("h1").await;
    let tokens = Tokens::of(poll(&p.app, &p.rp, &codes.device).await);
    p.rp.verify_id_token(&p.app, &tokens.id).await;
    chromium.quit().await;
}
