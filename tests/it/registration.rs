//! How dynamic registration is run: modes, initial access tokens, quotas, and the end of clients that nobody uses.

use crate::admin::Admin;
use crate::rfc7591::{OPEN, PATH, TOKEN, open, register, registered, web};
use crate::support::http::{Answer, Http};
use crate::support::provider::{Provider, refused};
use crate::support::relying_party::RelyingParty;
use crate::support::{Engine, TestApp};
use crate::tenants::bare_tenant;
use grantor::jobs;
use reqwest::Method;
use serde_json::{Value, json};

const DAY: i64 = 86_400;

/// A server that takes initial access tokens, with an administrator of these.
async fn with_tokens(engine: Engine, settings: &[(&str, &str)]) -> Admin {
    let mut all = vec![TOKEN, ("limits.authentication.rate", "1000000000")];
    all.extend(settings);
    let app = TestApp::spawn_with(engine, &all).await;
    let token = app
        .admin_token("registration:read registration:write clients:read clients:write audit:read")
        .await;
    Admin { app, token }
}

async fn make(admin: &Admin, document: Value) -> Value {
    let answer = admin.post("/registration-tokens", &document).await;
    answer.expect(201).json()
}

async fn register_with(app: &TestApp, token: &str, document: &Value) -> Answer {
    app.http.post(PATH).bearer(token).json(document).send().await
}

fn text(value: &Value, name: &str) -> String {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} in {value}"))
        .to_owned()
}

#[tokio::test]
async fn where_it_is_off_there_is_nothing() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let admin = app.admin_token("clients:write").await;
    refused(register(&app, &web(json!({}))).await, 404, "invalid_request");
    refused(
        register_with(&app, &admin, &web(json!({}))).await,
        404,
        "invalid_request",
    );
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let call = app
            .http
            .call(method.clone(), &format!("{PATH}/admin"))
            .bearer("gra_x");
        let call = if method == Method::PUT {
            call.json(&json!({}))
        } else {
            call
        };
        refused(call.send().await, 404, "invalid_request");
    }
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ] {
        let metadata = app.http.get(path).send().await.expect(200).json();
        assert!(metadata.get("registration_endpoint").is_none());
    }
}

#[tokio::test]
async fn where_it_is_on_the_metadata_says_so() {
    for mode in [OPEN, TOKEN] {
        let app = TestApp::spawn_with(Engine::Sqlite, &[mode]).await;
        let metadata = app.http.get("/.well-known/openid-configuration").send().await;
        let expected = format!("{}{PATH}", app.issuer());
        assert_eq!(
            metadata.expect(200).json()["registration_endpoint"],
            expected.as_str()
        );
    }
}

#[tokio::test]
async fn scripts_of_any_origin_may_register() {
    let app = open(Engine::Sqlite).await;
    let call = app.http.call(Method::OPTIONS, PATH);
    let call = call
        .header("origin", "https://any.example")
        .header("access-control-request-method", "POST");
    let preflight = call
        .header("access-control-request-headers", "authorization, content-type")
        .send()
        .await;
    assert_eq!(preflight.header("access-control-allow-origin"), "*");
    assert!(preflight.header("access-control-allow-methods").contains("POST"));
    assert!(
        preflight
            .header("access-control-allow-headers")
            .contains("content-type")
    );
    for document in [web(json!({})), json!({})] {
        let call = app.http.post(PATH).header("origin", "https://any.example");
        let answer = call.json(&document).send().await;
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

on_both_engines! {
    async fn an_initial_access_token_registers_as_often_as_it_says(engine: Engine) {
        let admin = with_tokens(engine, &[]).await;
        let made = make(&admin, json!({"max_uses": 2, "expires_in": 3600, "description": "Partners"})).await;
        let token = text(&made, "token");
        assert!(token.starts_with("gia_") && token.len() == 47);
        // What was not valid does not count.
        refused(register_with(&admin.app, &token, &json!({})).await, 400, "invalid_redirect_uri");
        let first = register_with(&admin.app, &token, &web(json!({}))).await.expect(201).json();
        register_with(&admin.app, &token, &web(json!({}))).await.expect(201);
        refused(register_with(&admin.app, &token, &web(json!({}))).await, 401, "invalid_token");

        let path = format!("/registration-tokens/{}", text(&made, "id"));
        let shown = admin.get(&path).await.expect(200).json();
        assert_eq!((&shown["uses"], &shown["max_uses"], &shown["description"]), (&json!(2), &json!(2), &json!("Partners")));
        assert!(shown.get("token").is_none());
        // A client remembers which token it came with.
        let client = admin.get(&format!("/clients/{}", text(&first, "client_id"))).await.expect(200).json();
        assert_eq!(client["registration_token_id"], made["id"]);
        let log = admin.app.audit_log().await;
        let event = log.iter().rfind(|event| event.event_type == "client_created").unwrap();
        assert_eq!(event.meta("registration_token"), made["id"]);
        let made_event = log.iter().find(|event| event.event_type == "registration_token_created").unwrap();
        assert_eq!(made_event.meta("registration_token"), made["id"]);
        assert!(!log.iter().any(|event| event.metadata.contains(&token)));
    }

    async fn of_many_at_once_a_token_registers_no_more_than_it_says(engine: Engine) {
        let admin = with_tokens(engine, &[]).await;
        let token = text(&make(&admin, json!({"max_uses": 3})).await, "token");
        let document = web(json!({}));
        let all = (0..12).map(|_| register_with(&admin.app, &token, &document));
        let answers = futures_util::future::join_all(all).await;
        let made = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(made, 3);
        assert!(answers.iter().all(|answer| [201, 401].contains(&answer.status.as_u16())));
    }

    async fn a_token_ends_by_time_and_by_deletion(engine: Engine) {
        let admin = with_tokens(engine, &[]).await;
        let brief = make(&admin, json!({"expires_in": 60, "max_uses": 9})).await;
        let until = admin.app.now().plus_seconds(3600).to_string();
        let longer = make(&admin, json!({"expires_at": until, "max_uses": 9})).await;
        assert_eq!(longer["expires_at"], until);
        register_with(&admin.app, &text(&brief, "token"), &web(json!({}))).await.expect(201);
        admin.app.advance(60);
        refused(register_with(&admin.app, &text(&brief, "token"), &web(json!({}))).await, 401, "invalid_token");
        let client = register_with(&admin.app, &text(&longer, "token"), &web(json!({}))).await.expect(201).json();
        let list = admin.get("/registration-tokens").await.expect(200).json();
        assert_eq!(list["items"].as_array().unwrap().len(), 1, "what has expired is not listed");
        assert_eq!(list["items"][0]["id"], longer["id"]);
        let path = format!("/registration-tokens/{}", text(&longer, "id"));
        admin.call(Method::DELETE, &path).send().await.expect(204);
        admin.call(Method::DELETE, &path).send().await.expect(404);
        admin.get(&path).await.expect(404);
        refused(register_with(&admin.app, &text(&longer, "token"), &web(json!({}))).await, 401, "invalid_token");
        // The client stays.
        let own = admin.app.http.get(&format!("{PATH}/{}", text(&client, "client_id")));
        own.bearer(&text(&client, "registration_access_token")).send().await.expect(200);
        let log = admin.app.audit_log().await;
        assert!(log.iter().any(|event| event.event_type == "registration_token_deleted"));
        jobs::run(&admin.app.app).await;
    }

    async fn a_token_binds_what_its_clients_may_have_for_as_long_as_they_live(engine: Engine) {
        let admin = with_tokens(engine, &[]).await;
        let made = make(&admin, json!({"scope": "openid orders:read", "grant_types": ["authorization_code"],
            "redirect_hosts": ["rp.example"], "max_uses": 5})).await;
        let token = text(&made, "token");
        let asked = web(json!({"scope": "openid email orders:read", "grant_types": ["authorization_code", "refresh_token"]}));
        let client = register_with(&admin.app, &token, &asked).await.expect(201).json();
        assert_eq!(client["scope"], "openid", "within the token's and the settings' bounds");
        assert_eq!(client["grant_types"], json!(["authorization_code"]));
        let elsewhere = json!({"redirect_uris": ["https://evil.example/cb"]});
        refused(register_with(&admin.app, &token, &web(elsewhere.clone())).await, 400, "invalid_redirect_uri");
        // Neither does the client leave its bounds later, when the token is gone.
        let path = format!("/registration-tokens/{}", text(&made, "id"));
        admin.call(Method::DELETE, &path).send().await.expect(204);
        let put = async |mut document: Value| {
            document["client_id"] = client["client_id"].clone();
            let call = admin.app.http.call(Method::PUT, &format!("{PATH}/{}", text(&client, "client_id")));
            call.bearer(&text(&client, "registration_access_token")).json(&document).send().await
        };
        refused(put(web(elsewhere)).await, 400, "invalid_redirect_uri");
        let json = put(asked).await.expect(200).json();
        assert_eq!((&json["scope"], &json["grant_types"]), (&json!("openid"), &json!(["authorization_code"])));
    }

    async fn an_administrator_registers_with_an_access_token(engine: Engine) {
        let admin = with_tokens(engine, &[]).await;
        let client = register_with(&admin.app, &admin.token, &web(json!({"scope": "openid clients:write"}))).await;
        assert_eq!(client.expect(201).json()["scope"], "openid", "in this way nobody gives admin scopes");
        let lesser = admin.app.admin_token("clients:read registration:write").await;
        let answer = register_with(&admin.app, &lesser, &web(json!({}))).await;
        assert!(answer.header("www-authenticate").contains("scope=\"clients:write\""));
        refused(answer, 403, "insufficient_scope");
        let log = admin.app.audit_log().await;
        let event = log.iter().rfind(|event| event.event_type == "client_created").unwrap();
        assert_eq!(event.meta("actor"), json!({"client_id": "admin"}));
        assert!(log.iter().any(|event| event.event_type == "scope_violation" && event.meta("method") == "registration"));
    }

    async fn a_tenant_has_no_more_clients_than_the_settings_say(engine: Engine) {
        let admin = with_tokens(engine, &[("registration.max_clients", "3")]).await;
        let token = text(&make(&admin, json!({"max_uses": 100})).await, "token");
        let document = web(json!({}));
        let all = (0..9).map(|_| register_with(&admin.app, &token, &document));
        let answers = futures_util::future::join_all(all).await;
        let (made, full): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
        assert_eq!(made.len(), 3, "also when they come at once");
        for answer in full {
            refused(answer, 403, "access_denied");
        }
        let log = admin.app.audit_log().await;
        let denied = log.iter().rfind(|event| event.event_type == "access_denied").unwrap();
        assert_eq!(denied.meta("failure_reason"), "registration_quota");
        // What was refused has used up nothing, and an administrator's clients do not count.
        let list = admin.get("/registration-tokens").await.expect(200).json();
        assert_eq!(list["items"][0]["uses"], 3);
        admin.create(json!({"redirect_uris": ["https://rp.example/cb"]})).await;
        let own = made[0].json();
        let call = admin.app.http.call(Method::DELETE, &format!("{PATH}/{}", text(&own, "client_id")));
        call.bearer(&text(&own, "registration_access_token")).send().await.expect(204);
        register_with(&admin.app, &token, &document).await.expect(201);
    }

    async fn one_address_keeps_nobody_from_registering(engine: Engine) {
        let app = TestApp::spawn_with(engine, &[OPEN, ("registration.max_clients", "20")]).await;
        let document = web(json!({}));
        for _ in 0..2 {
            registered(&app, &document).await;
        }
        refused(register(&app, &document).await, 403, "access_denied");
        let elsewhere = Http::from_address(&app.base, [127, 0, 0, 2].into());
        elsewhere.post(PATH).json(&document).send().await.expect(201);
        // With a right of one's own the address does not matter.
        let admin = app.admin_token("clients:write").await;
        register_with(&app, &admin, &document).await.expect(201);
    }

    /// R-GRT-22, and the end of what nobody needs.
    async fn clients_that_get_no_tokens_end(engine: Engine) {
        let mut p = Provider::with(engine, &[OPEN, ("registration.unused_days", "2")]).await;
        let asked = web(json!({"grant_types": ["authorization_code", "refresh_token"]}));
        let (used, unused) = (registered(&p.app, &asked).await, registered(&p.app, &asked).await);
        let rp = RelyingParty::of_registration(&used);
        let last_used = async |app: &TestApp| {
            let token = app.admin_token("clients:read").await;
            let call = app.http.get(&format!("/admin/v1/clients/{}", rp.client_id)).bearer(&token);
            text(&call.send().await.expect(200).json(), "last_used_at")
        };
        let at_first = last_used(&p.app).await;
        // Within the first day nothing is noted.
        p.app.advance(DAY - 1);
        let tokens = rp.sign_in(&p.app, &mut p.browser, &p.alice, "openid offline_access").await;
        assert_eq!(last_used(&p.app).await, at_first);
        p.app.advance(1);
        let answer = rp.refresh(&p.app, &tokens.refresh).await.expect(200).json();
        assert_ne!(last_used(&p.app).await, at_first);
        // Two days, and the one within which a use need not have been noted.
        p.app.advance(2 * DAY);
        jobs::run(&p.app.app).await;
        let exists = async |client: &Value| {
            let call = p.app.http.get(&format!("{PATH}/{}", text(client, "client_id")));
            call.bearer(&text(client, "registration_access_token")).send().await.status == 200
        };
        assert!(exists(&used).await && exists(&unused).await);
        p.app.advance(1);
        jobs::run(&p.app.app).await;
        assert!(exists(&used).await && !exists(&unused).await);
        let log = p.app.audit_log().await;
        let event = log.iter().rfind(|event| event.event_type == "client_deleted").unwrap();
        assert_eq!(event.client_id.as_deref(), unused["client_id"].as_str());
        assert_eq!((event.meta("method"), event.meta("actor")), (json!("unused"), json!("server")));
        rp.refresh(&p.app, answer["refresh_token"].as_str().unwrap()).await.expect(200);
        // What an administrator has made never ends by itself.
        p.app.advance(400 * DAY);
        jobs::run(&p.app.app).await;
        p.app.admin_token("clients:read").await;
        assert!(!exists(&used).await);
    }
}

/// A tenant's clients, tokens and quota are its own.
#[tokio::test]
async fn nothing_of_one_tenant_registers_at_another() {
    let admin = with_tokens(Engine::Sqlite, &[("registration.max_clients", "1")]).await;
    bare_tenant(&admin.app, "acme", true).await;
    let token = text(&make(&admin, json!({"max_uses": 5})).await, "token");
    let http = &admin.app.http;
    let there = format!("/t/acme{PATH}");
    for wrong in [&token, &admin.token] {
        let answer = http.post(&there).bearer(wrong).json(&web(json!({}))).send().await;
        refused(answer, 401, "invalid_token");
    }
    let own = register_with(&admin.app, &token, &web(json!({})))
        .await
        .expect(201)
        .json();
    let path = format!("{there}/{}", text(&own, "client_id"));
    let answer = http
        .get(&path)
        .bearer(&text(&own, "registration_access_token"))
        .send()
        .await;
    refused(answer, 401, "invalid_token");
    let metadata = http.get("/t/acme/.well-known/openid-configuration").send().await;
    assert_eq!(
        metadata.expect(200).json()["registration_endpoint"],
        format!("{}{there}", admin.app.issuer())
    );
}

#[tokio::test]
async fn a_tenant_registers_clients_of_its_own() {
    let app = TestApp::spawn_with(Engine::Sqlite, &[OPEN, ("registration.max_clients", "1")]).await;
    bare_tenant(&app, "acme", true).await;
    let there = format!("/t/acme{PATH}");
    for path in [PATH, &*there] {
        let json = app
            .http
            .post(path)
            .json(&web(json!({})))
            .send()
            .await
            .expect(201)
            .json();
        let uri = text(&json, "registration_client_uri");
        assert!(uri.starts_with(&format!("{}{path}/", app.issuer())), "{uri}");
        let read = app
            .http
            .get(&uri)
            .bearer(&text(&json, "registration_access_token"));
        read.send().await.expect(200);
        let full = app.http.post(path).json(&web(json!({}))).send().await;
        refused(full, 403, "access_denied");
    }
}

#[tokio::test]
async fn strangers_register_slowly() {
    let app = TestApp::spawn_with(
        Engine::Sqlite,
        &[
            OPEN,
            ("limits.sensitive.rate", "3"),
            ("limits.sensitive.period_seconds", "60"),
        ],
    )
    .await;
    for _ in 0..3 {
        registered(&app, &web(json!({}))).await;
    }
    let answer = register(&app, &web(json!({}))).await.expect(429);
    assert!(!answer.header("retry-after").is_empty());
    assert_eq!(answer.json()["error"], "temporarily_unavailable");
    app.advance(20);
    registered(&app, &web(json!({}))).await;
}

/// Tokens cannot be guessed at leisure, here as at the sign-in page.
#[tokio::test]
async fn whoever_guesses_tokens_is_kept_out() {
    let admin = {
        let app = TestApp::spawn_with(Engine::Sqlite, &[TOKEN]).await;
        let token = app.admin_token("registration:write").await;
        Admin { app, token }
    };
    let good = text(&make(&admin, json!({})).await, "token");
    for guess in 0..5 {
        let answer = if guess % 2 == 0 {
            register_with(&admin.app, &format!("gia_{guess}"), &web(json!({}))).await
        } else {
            let own = admin.app.http.get(&format!("{PATH}/c_AAAAAAAAAAAAAAAAAAAAAA"));
            own.bearer(&format!("gra_{guess}")).send().await
        };
        answer.expect(401);
    }
    register_with(&admin.app, &good, &web(json!({})))
        .await
        .expect(429);
}

#[tokio::test]
async fn bodies_are_bounded() {
    let app = open(Engine::Sqlite).await;
    let huge = web(json!({"x": "y".repeat(64 * 1024)}));
    refused(register(&app, &huge).await, 413, "invalid_request");
    let mut deep = json!({});
    for _ in 0..40 {
        deep = json!({"x": deep});
    }
    refused(register(&app, &deep).await, 400, "invalid_request");
}

#[tokio::test]
async fn what_is_wrong_with_a_token_is_said() {
    let admin = with_tokens(Engine::Sqlite, &[]).await;
    let past = admin.app.now().plus_seconds(-60).to_string();
    let far = admin.app.now().plus_seconds(366 * DAY).to_string();
    for (document, pointer) in [
        (json!({"expires_in": 59}), "/expires_in"),
        (json!({"expires_in": 31_536_001}), "/expires_in"),
        (json!({"expires_in": 60.0}), "/expires_in"),
        (json!({"expires_in": "60"}), "/expires_in"),
        (json!({"expires_at": past}), "/expires_at"),
        (json!({"expires_at": far}), "/expires_at"),
        (json!({"expires_at": "tomorrow"}), "/expires_at"),
        (json!({"expires_in": 60, "expires_at": far}), "/expires_at"),
        (json!({"max_uses": 0}), "/max_uses"),
        (json!({"max_uses": 10_001}), "/max_uses"),
        (json!({"scope": "clients:write"}), "/scope"),
        (json!({"scope": "a a  b"}), "/scope"),
        (json!({"grant_types": ["password"]}), "/grant_types/0"),
        (json!({"grant_types": []}), "/grant_types"),
        (
            json!({"redirect_hosts": ["https://rp.example/"]}),
            "/redirect_hosts/0",
        ),
        (json!({"description": ""}), "/description"),
        (json!({"token": "gia_mine"}), "/token"),
        (json!([]), ""),
    ] {
        let problem = admin
            .post("/registration-tokens", &document)
            .await
            .expect(400)
            .json();
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{document}: {problem}");
    }
    let made = make(&admin, json!({})).await;
    assert_eq!(made["max_uses"], 1);
    assert_eq!(made["expires_at"], admin.app.now().plus_seconds(DAY).to_string());
}

#[tokio::test]
async fn tokens_are_listed_page_by_page() {
    let admin = with_tokens(Engine::Sqlite, &[]).await;
    let mut made = Vec::new();
    for _ in 0..5 {
        admin.app.advance(1);
        made.push(text(&make(&admin, json!({})).await, "id"));
    }
    made.reverse();
    let (mut listed, mut path) = (Vec::new(), "/registration-tokens?limit=2".to_owned());
    loop {
        let page = admin.get(&path).await.expect(200).json();
        listed.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| text(item, "id")),
        );
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/registration-tokens?limit=2&cursor={cursor}");
    }
    assert_eq!(listed, made);
}
