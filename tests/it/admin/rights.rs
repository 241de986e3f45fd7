//! Who may call the admin API, and what nobody may do through it.

use super::{Admin, service, token, token_of};
use crate::support::Engine;
use crate::support::app::{ADMIN_ID, ADMIN_SECRET, TestApp};
use crate::support::people::Person;
use crate::support::relying_party::RelyingParty;
use crate::support::user_agent::Browser;
use grantor::storage::users;
use grantor::types::{ScopeSet, TenantId};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn without_a_good_token_there_is_nothing_to_see() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let problem = app.http.get("/admin/v1/clients").send().await.expect(401);
    assert_eq!(problem.header("www-authenticate"), "Bearer realm=\"grantor\"");
    assert_eq!(problem.json()["title"], "Authentication required");
    // RFC 6750 §2.1 and R-GRT-15: a secret is no token, and a token needs its scheme.
    let good = token(&app, "clients:read").await;
    for header in [
        "Basic YWRtaW46eA==".to_owned(),
        good.clone(),
        format!("Token {good}"),
        "Bearer".to_owned(),
    ] {
        let answer = app
            .http
            .get("/admin/v1/clients")
            .header("authorization", &header)
            .send()
            .await
            .expect(401);
        assert!(
            answer.header("www-authenticate").starts_with("Bearer "),
            "{header}"
        );
    }
    let (head, signature) = good.rsplit_once('.').unwrap();
    for bad in [
        "x",
        "a.b.c",
        &format!("{head}."),
        &format!("{head}.{}", signature.replace(&signature[..3], "AAA")),
    ] {
        let answer = app
            .http
            .get("/admin/v1/clients")
            .bearer(bad)
            .send()
            .await
            .expect(401);
        assert!(
            answer
                .header("www-authenticate")
                .contains("error=\"invalid_token\""),
            "{bad}"
        );
        assert_eq!(answer.json()["title"], "Invalid or expired token");
    }
    let twice = app
        .http
        .get("/admin/v1/clients")
        .bearer(&good)
        .bearer(&good)
        .send()
        .await;
    assert_eq!(twice.status.as_u16(), 401);
    app.http
        .get("/admin/v1/clients")
        .bearer(&good)
        .send()
        .await
        .expect(200);
    app.advance(931);
    app.http
        .get("/admin/v1/clients")
        .bearer(&good)
        .send()
        .await
        .expect(401);
}

#[tokio::test]
async fn a_body_is_not_looked_at_before_its_sender_is_known() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let call = app
        .http
        .post("/admin/v1/clients")
        .body("application/json", "{broken");
    call.send().await.expect(401);
}

#[tokio::test]
async fn reading_does_not_allow_changing() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let read = token(&app, "clients:read").await;
    let write = token(&app, "clients:write").await;
    for (method, path) in [
        (Method::POST, "/admin/v1/clients"),
        (Method::PATCH, "/admin/v1/clients/admin"),
        (Method::DELETE, "/admin/v1/clients/admin"),
        (Method::POST, "/admin/v1/clients/admin/secret"),
        (Method::POST, "/admin/v1/clients/admin/revoke"),
    ] {
        let call = app.http.call(method.clone(), path).bearer(&read);
        let answer = call.json(&json!({})).send().await.expect(403);
        let challenge = answer.header("www-authenticate");
        assert!(
            challenge.contains("error=\"insufficient_scope\", scope=\"clients:write\""),
            "{method} {path}"
        );
        assert_eq!(answer.json()["title"], "Insufficient permissions");
    }
    app.http
        .get("/admin/v1/clients")
        .bearer(&write)
        .send()
        .await
        .expect(403);
}

#[tokio::test]
async fn a_scope_that_the_client_lost_is_lost_to_its_tokens() {
    let admin = Admin::new(TestApp::spawn(Engine::Sqlite).await).await;
    let (id, secret) = admin.create(service("clients:read")).await;
    let read = token_of(&admin.app, &id, &secret, "clients:read").await;
    admin
        .app
        .http
        .get("/admin/v1/clients")
        .bearer(&read)
        .send()
        .await
        .expect(200);
    admin
        .patch(&format!("/clients/{id}"), &json!({"scope": ""}))
        .await
        .expect(200);
    admin
        .app
        .http
        .get("/admin/v1/clients")
        .bearer(&read)
        .send()
        .await
        .expect(403);
}

#[tokio::test]
async fn a_token_for_another_audience_is_not_taken() {
    let admin = Admin::new(TestApp::spawn(Engine::Sqlite).await).await;
    let body =
        json!({"grant_types": ["client_credentials"], "scope": "a", "resources": ["https://api.example"]});
    let (id, secret) = admin.create(body).await;
    let other = token_of(&admin.app, &id, &secret, "a").await;
    let answer = admin
        .app
        .http
        .get("/admin/v1/clients")
        .bearer(&other)
        .send()
        .await
        .expect(401);
    assert!(answer.header("www-authenticate").contains("invalid_token"));
}

on_both_engines! {
    /// Contract, "Admin rights": whoever lacks an admin scope may not give it, nor change who has it.
    async fn nobody_gives_what_he_does_not_have(engine: Engine) {
        let app = TestApp::spawn(engine).await;
        let clients_only = Admin { token: token(&app, "clients:read clients:write").await, app };
        let refused = |answer: crate::support::http::Answer| {
            let problem = answer.expect(403).json();
            assert_eq!(problem["type"], "urn:grantor:problem:insufficient_permissions");
        };
        refused(clients_only.post("/clients", &service("users:write")).await);
        refused(clients_only.post("/clients", &service("orders:read keys:write")).await);
        let (own, _) = clients_only.create(service("clients:read clients:write orders:read")).await;
        refused(clients_only.patch(&format!("/clients/{own}"), &json!({"scope": "audit:read"})).await);
        // The bootstrap client has scopes that this token lacks.
        refused(clients_only.patch("/clients/admin", &json!({"client_name": "x"})).await);
        refused(clients_only.patch("/clients/admin", &json!({"scope": ""})).await);
        refused(clients_only.post("/clients/admin/secret", &json!({})).await);
        refused(clients_only.call(Method::POST, "/clients/admin/revoke").send().await);
        refused(clients_only.call(Method::DELETE, "/clients/admin").send().await);
        clients_only.patch(&format!("/clients/{own}"), &json!({"scope": "clients:read"})).await.expect(200);
        // The bootstrap client's secret is as it was.
        token_of(&clients_only.app, ADMIN_ID, ADMIN_SECRET, "users:write").await;
    }
}

/// Contract, "Admin rights": an admin scope in a user's token needs a role that allows it, also at each call.
#[tokio::test]
async fn a_person_administers_as_long_as_a_role_allows_it() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let console = RelyingParty::with(&app, |metadata| {
        metadata.scope = ScopeSet::parse("openid clients:read").unwrap();
    })
    .await;
    let root = Person::with(&app, "root", json!({"roles": ["admin"]})).await;
    let mut browser = Browser::new(&app);
    let tokens = console
        .sign_in(&app, &mut browser, &root, "openid clients:read")
        .await;
    let call = || app.http.get("/admin/v1/clients").bearer(&tokens.access).send();
    call().await.expect(200);
    let mut conn = app.app.store.write().await.unwrap();
    let row = users::find(&mut conn, TenantId::FIRST, root.id).await.unwrap();
    let mut row = row.unwrap();
    row.roles.0.clear();
    let changed = users::update(&mut conn, TenantId::FIRST, &row, app.now()).await;
    assert!(changed.unwrap().is_some());
    drop(conn);
    let answer = call().await.expect(403);
    assert!(answer.header("www-authenticate").contains("insufficient_scope"));
}
