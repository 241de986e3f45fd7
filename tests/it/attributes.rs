//! Attributes: what a deployment keeps about people beyond the standard claims, and who gets it.

use crate::support::html::forms;
use crate::support::provider::{PATIENT, Provider};
use crate::support::relying_party::{RelyingParty, Tokens, claims_of};
use crate::support::{Engine, TestApp};
use grantor::types::ScopeSet;
use reqwest::Method;
use serde_json::{Value, json};

/// A department that people see, a level that only administrators know, and a nickname of the desk that people change.
const DECLARED: [(&str, &str); 12] = [
    ("attributes.department.type", "string"),
    ("attributes.department.values", "sales,hr"),
    ("attributes.department.user", "see"),
    ("attributes.department.personal", "false"),
    ("attributes.department.description", "Department"),
    ("attributes.level.type", "number"),
    ("attributes.level.minimum", "1"),
    ("attributes.level.maximum", "9"),
    ("attributes.desk.type", "string"),
    ("attributes.desk.max_length", "8"),
    ("attributes.desk.user", "change"),
    ("scopes.hr.claims", "department,level"),
];

async fn provider(engine: Engine) -> Provider {
    Provider::with(engine, &DECLARED).await
}

async fn patch(app: &TestApp, user: &str, body: Value, status: u16) -> Value {
    let token = app.admin_token("users:read users:write").await;
    let call = app.http.call(Method::PATCH, &format!("/admin/v1/users/{user}"));
    call.bearer(&token).json(&body).send().await.expect(status).json()
}

async fn userinfo(p: &Provider, tokens: &Tokens) -> Value {
    let call = p.app.http.get("/oauth2/userinfo").bearer(&tokens.access);
    call.send().await.expect(200).json()
}

on_both_engines! {
    /// Kept within their bounds through the admin API, sealed unless they are declared to be no personal data, and told by scope,
    /// by single request and by client.
    async fn they_are_kept_sealed_and_told(engine: Engine) {
        let mut p = provider(engine).await;
        let alice = p.alice.id.to_string();
        let attributes = json!({"department": "sales", "level": 7, "desk": "canary7"});
        let shown = patch(&p.app, &alice, json!({"attributes": attributes}), 200).await;
        assert_eq!(shown["attributes"], attributes);
        let stored = grantor::storage::users::find(
            &mut p.app.app.store.read().await.unwrap(), grantor::types::TenantId::FIRST, p.alice.id,
        ).await.unwrap().unwrap();
        assert_eq!(Value::Object(stored.attributes.0.clone()), json!({"department": "sales"}));
        let sealed = stored.sealed_attributes.unwrap();
        assert!(!sealed.windows(7).any(|bytes| bytes == b"canary7"));

        p.rp = RelyingParty::with(&p.app, |metadata| metadata.scope = ScopeSet::parse("openid hr").unwrap()).await;
        let tokens = p.sign_in_for("openid").await;
        assert_eq!(userinfo(&p, &tokens).await, json!({"sub": alice}));
        let tokens = p.sign_in_for("openid hr").await;
        assert_eq!(userinfo(&p, &tokens).await, json!({"sub": alice, "department": "sales", "level": 7}));
        assert!(claims_of(&tokens.id).get("department").is_none() && claims_of(&tokens.access).get("department").is_none());
        let claims = json!({"id_token": {"level": null, "desk": null}}).to_string();
        let asked = p.rp.ask_for(&p.app, &[("claims", &claims)]);
        let page = p.browser.authorize(&asked.url, &p.alice).await;
        let tokens = Tokens::of(p.rp.redeem(&p.app, &asked, &page).await);
        assert_eq!(claims_of(&tokens.id)["level"], 7);
        assert!(claims_of(&tokens.id).get("desk").is_none(), "no scope of the client gives it");

        p.rp = RelyingParty::with(&p.app, |metadata| metadata.attributes = vec!["desk".to_owned()]).await;
        let tokens = p.sign_in().await;
        assert_eq!(userinfo(&p, &tokens).await, json!({"sub": alice, "desk": "canary7"}));
        let log = p.app.audit_log().await;
        assert!(log.iter().all(|record| !record.metadata.contains("canary7")), "no value is in the audit log");
    }
}

/// What is wrong is said with its place, and nothing is stored.
#[tokio::test]
async fn the_admin_api_holds_them_to_their_declaration() {
    let p = provider(Engine::Sqlite).await;
    let alice = p.alice.id.to_string();
    for (name, value) in [
        ("department", json!("other")),
        ("department", json!(1)),
        ("level", json!(10)),
        ("level", json!("7")),
        ("desk", json!("far too long")),
        ("desk", json!("<b>")),
        ("unknown", json!("x")),
        ("email", json!("x")),
    ] {
        let problem = patch(&p.app, &alice, json!({"attributes": {name: value}}), 400).await;
        assert_eq!(
            problem["errors"][0]["pointer"],
            format!("/attributes/{name}"),
            "{problem}"
        );
    }
    patch(
        &p.app,
        &alice,
        json!({"attributes": {"level": 3, "desk": "a"}}),
        200,
    )
    .await;
    let left = patch(
        &p.app,
        &alice,
        json!({"attributes": {"level": null}, "nickname": "Al"}),
        200,
    )
    .await;
    assert_eq!(left["attributes"], json!({"desk": "a"}));
}

/// A client gets attributes by name only from an administrator, and only declared ones.
#[tokio::test]
async fn a_client_is_given_declared_ones() {
    let app = TestApp::spawn_with(Engine::Sqlite, &DECLARED).await;
    let token = app.admin_token("clients:write").await;
    let create = |name: &str| {
        let document =
            json!({"redirect_uris": ["https://rp.example/cb"], "scope": "openid", "attributes": [name]});
        app.http
            .post("/admin/v1/clients")
            .bearer(&token)
            .json(&document)
            .send()
    };
    assert_eq!(
        create("desk").await.expect(201).json()["attributes"],
        json!(["desk"])
    );
    let problem = create("email").await.expect(400).json();
    assert_eq!(problem["errors"][0]["pointer"], "/attributes/0");
    let metadata = app.metadata().await;
    let lists = |name: &str, value: &str| metadata[name].as_array().unwrap().contains(&value.into());
    assert!(lists("claims_supported", "department") && !lists("claims_supported", "desk"));
    assert!(lists("scopes_supported", "hr"));
}

/// The own account shows what people may see, changes what they may change, and nothing else.
#[tokio::test]
async fn people_see_and_change_what_they_may() {
    let mut settings = vec![PATIENT];
    settings.extend(DECLARED);
    let mut p = Provider::with(Engine::Sqlite, &settings).await;
    let alice = p.alice.id.to_string();
    let attributes = json!({"department": "sales", "level": 7, "desk": "a"});
    patch(&p.app, &alice, json!({"attributes": attributes}), 200).await;
    p.sign_in().await;
    let page = p.browser.get("/account/attributes").await;
    let html = page.html();
    assert!(
        html.contains("Department") && html.contains("sales") && !html.contains("level"),
        "{html}"
    );
    let form = forms(&html)
        .into_iter()
        .find(|form| form.has("attribute:desk"))
        .expect("the form");
    let changed = form.clone().fill("attribute:desk", "b");
    let after = p.browser.submit(&page, &changed).await;
    assert!(after.url.path().ends_with("/account"), "{}", after.url);
    let stored = patch(&p.app, &alice, json!({}), 200).await;
    assert_eq!(
        stored["attributes"],
        json!({"department": "sales", "level": 7, "desk": "b"})
    );
    let too_long = form.fill("attribute:desk", "far too long");
    let refused = p.browser.submit_only(&page, &too_long).await;
    assert_eq!(refused.answer.status.as_u16(), 400);
    assert!(refused.html().contains("1 to 8 characters"));
}
