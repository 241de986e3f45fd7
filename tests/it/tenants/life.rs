//! What happens to a tenant with time, and how it ends: keys, jobs, disabling, deleting.

use super::crossing::presented::{self, Piece};
use super::crossing::{SETTINGS, World, everything_of, world};
use super::{count, rows_of, tables_with_tenant};
use crate::support::client::TestClient;
use crate::support::http::Answer;
use crate::support::provider::execute;
use crate::support::receiver::Receiver;
use crate::support::relying_party::{RelyingParty, claims_of};
use crate::support::user_agent::Browser;
use crate::support::{Engine, TestApp, people::Person};
use crate::surface;
use grantor::audit::Verification;
use grantor::jobs;
use grantor::types::TenantId;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A day, in seconds.
const DAY: i64 = 86_400;

/// An administrator of the first tenant does something with another one.
async fn administer(first: &TestApp, method: Method, tenant: TenantId, body: Option<Value>) -> Answer {
    let token = first.admin_token("tenants:read tenants:write").await;
    let call = first
        .http
        .call(method, &format!("/admin/v1/tenants/{tenant}"))
        .bearer(&token);
    match body {
        Some(body) => call.json(&body).send().await,
        None => call.send().await,
    }
}

/// Every route of the tenant, asked with what is good there, answers so.
async fn every_route_answers(world: &World, status: u16) {
    for route in surface::routes(&world.app) {
        let name = surface::name(&route);
        for piece in presented::at(&route) {
            // These look at a page of the tenant first.
            if matches!(piece, Piece::Typed | Piece::Mine(..)) {
                continue;
            }
            let of_tenants = route.path.starts_with("/admin/v1/tenants");
            if of_tenants && piece == Piece::Object {
                continue;
            }
            let answer = presented::present(piece, &world.loot, world, &route)
                .await
                .send()
                .await;
            assert_eq!(
                answer.status.as_u16(),
                status,
                "{name} with {piece:?}: {}",
                answer.text()
            );
        }
    }
}

/// Asks a replica for a tenant until it knows what became of it: two seconds, and however slow the machine is.
async fn until(app: &TestApp, path: &str, status: u16) {
    let patience = Instant::now() + Duration::from_secs(30);
    while app.http.get(path).send().await.status.as_u16() != status {
        assert!(Instant::now() < patience, "{path} does not answer {status}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until a table has rows of a tenant: some are counted in memory first.
async fn has_rows(app: &TestApp, table: &str, tenant: TenantId) {
    let patience = Instant::now() + Duration::from_secs(30);
    while count(app, table, &tenant.to_string()).await == 0 {
        assert!(Instant::now() < patience, "nothing in {table}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The published keys with which tokens are signed.
async fn kids(app: &TestApp) -> Vec<String> {
    let keys = app.http.get("/oauth2/jwks").send().await.expect(200).json();
    let keys = keys["keys"].as_array().unwrap().iter();
    let keys = keys.filter(|key| key["use"] == "sig");
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn events(app: &TestApp, event_type: &str) -> Vec<Value> {
    let token = app.admin_token("audit:read").await;
    let page = app
        .http
        .get(&format!("/admin/v1/audit?event_type={event_type}&limit=100"));
    let page = page.bearer(&token).send().await.expect(200).json();
    page["items"].as_array().unwrap().clone()
}

/// What a tenant keeps of what [`world`] does not do.
async fn use_the_rest(world: &World) {
    let World { app, admin, loot, .. } = world;
    let proof = [
        ("token", loot.get("access")),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", loot.get("assertion")),
    ];
    app.http
        .post("/oauth2/introspect")
        .form(&proof)
        .send()
        .await
        .expect(200);
    let post = async |path: &str, body: Value| app.http.post(path).bearer(admin).json(&body).send().await;
    let api = json!({"client_id": "api", "grant_types": ["client_credentials"], "scope": "orders:read", "resource_identifiers": ["https://api.example"],
        "plan": loot.object("/admin/v1/plans")});
    let api = post("/admin/v1/clients", api).await.expect(201).json();
    let api = TestClient {
        id: "api".to_owned(),
        secret: api["client_secret"].as_str().unwrap().to_owned(),
    };
    let token = app.access_token(&api, "orders:read").await;
    let revoke = app.http.post("/oauth2/revoke").basic(&api.id, &api.secret);
    revoke.form(&[("token", &token)]).send().await.expect(200);
    post(
        "/admin/v1/clients",
        json!({"client_id": "old", "grant_types": ["client_credentials"]}),
    )
    .await
    .expect(201);
    let old = app
        .http
        .call(Method::DELETE, "/admin/v1/clients/old")
        .bearer(admin);
    old.send().await.expect(204);
    let mut browser = Browser::new(app);
    let page = browser.open("/login").await;
    let form = page
        .sign_in_form()
        .fill("username", "somebody")
        .fill("password", "wrong");
    browser.submit(&page, &form).await.answer.expect(400);
}

on_both_engines! {
    async fn a_disabled_tenant_refuses_everything_on_every_replica_and_loses_nothing(engine: Engine) {
        let first = TestApp::spawn_with(engine, SETTINGS).await;
        let replica = first.replica().await;
        let acme = world(first.make_tenant("acme").await, "quentin").await;
        let elsewhere = replica.in_tenant("acme", acme.app.tenant);
        elsewhere.http.get("/oauth2/jwks").send().await.expect(200);
        let before = everything_of(&acme.app).await;

        administer(&first, Method::PATCH, acme.app.tenant, Some(json!({"enabled": false}))).await.expect(200);
        every_route_answers(&acme, 403).await;
        until(&elsewhere, "/oauth2/jwks", 403).await;
        for path in ["/.well-known/openid-configuration", "/login", "/account", "/admin/v1/clients"] {
            elsewhere.http.get(path).bearer(&acme.admin).send().await.expect(403);
        }
        jobs::run(&first.app).await;
        assert_eq!(everything_of(&acme.app).await, before);

        administer(&first, Method::PATCH, acme.app.tenant, Some(json!({"enabled": true}))).await.expect(200);
        assert!(acme.rp.is_active(&acme.app, acme.loot.get("access")).await);
        acme.browser.clone().open("/account").await.answer.expect(200);
        acme.rp.refresh(&acme.app, acme.loot.get("refresh")).await.expect(200);
    }

    async fn nothing_of_a_deleted_tenant_is_left_in_any_table(engine: Engine) {
        let first = TestApp::spawn_with(engine, SETTINGS).await;
        let replica = first.replica().await;
        let (acme, beta) = (first.make_tenant("acme").await, first.make_tenant("beta").await);
        let (acme, beta) = (world(acme, "quentin").await, world(beta, "yolande").await);
        let tenant = acme.app.tenant;
        let elsewhere = replica.in_tenant("acme", tenant);
        elsewhere.http.get("/oauth2/jwks").send().await.expect(200);
        let tables = tables_with_tenant(&first).await;
        use_the_rest(&acme).await;
        for table in &tables {
            // What waits in these is on its way elsewhere, or used up.
            if !["audit_outbox", "ended_sessions", "session_interactions"].contains(&table.as_str()) {
                has_rows(&first, table, tenant).await;
            }
        }
        let (neighbour, recorded) = (everything_of(&beta.app).await, recorded(&first, tenant).await);

        administer(&first, Method::DELETE, tenant, None).await.expect(204);
        every_route_answers(&acme, 404).await;
        until(&elsewhere, "/oauth2/jwks", 404).await;
        jobs::run(&first.app).await;
        assert_eq!(everything_of(&beta.app).await, neighbour);
        // A replica that was still writing.
        let late = match engine {
            Engine::Sqlite => format!("x'{}'", tenant.0.simple()),
            Engine::Postgres => format!("'{tenant}'"),
        };
        let expires = match engine {
            Engine::Sqlite => "4102444800000000",
            Engine::Postgres => "'2100-01-01T00:00:00Z'",
        };
        let jti = match engine {
            Engine::Sqlite => "x'00'",
            Engine::Postgres => r"'\x00'",
        };
        let late = format!("INSERT INTO used_jtis (tenant_id, client_id, jti_hash, expires_at) VALUES ({late}, 'rp', {jti}, {expires})");
        execute(&first.app.store, &late).await;
        first.advance(120);
        jobs::run(&first.app).await;
        first.app.audit.flush().await;
        for table in &tables {
            assert_eq!(rows_of(&first, table, tenant).await, [""; 0], "{table}");
        }
        let gone = administer(&first, Method::GET, tenant, None).await;
        gone.expect(404);
        // What is on record stays, and still proves itself.
        assert!(self::recorded(&first, tenant).await >= recorded && recorded > 10);
        let mut log = first.audit_log().await;
        log.retain(|record| record.event_type == "tenant_deleted");
        assert_eq!(log[0].meta("tenant_id"), tenant.to_string());
        let verification = Verification {
            main: &first.db.main,
            audit: &first.db.audit,
            fingerprints: &[],
            anchor: None,
        };
        let report = verification.run().await.unwrap();
        assert!(report.is_clean(), "{report}");
        assert!(beta.rp.is_active(&beta.app, beta.loot.get("access")).await);
    }

    async fn keys_are_rotated_by_age_in_every_tenant(engine: Engine) {
        let first = TestApp::spawn_with(engine, SETTINGS).await;
        let (acme, beta) = (first.make_tenant("acme").await, first.make_tenant("beta").await);
        let (off, gone) = (first.make_tenant("off").await, first.make_tenant("gone").await);
        administer(&first, Method::PATCH, off.tenant, Some(json!({"enabled": false}))).await.expect(200);
        administer(&first, Method::DELETE, gone.tenant, None).await.expect(204);
        let before = [kids(&acme).await, kids(&beta).await];
        first.advance(91 * DAY);
        jobs::run(&first.app).await;
        for (app, before) in [&acme, &beta].into_iter().zip(before) {
            let after = kids(app).await;
            // What was next is active, what was active is still published, and there is a new next one.
            assert!(before.iter().all(|kid| after.contains(kid)), "{before:?} {after:?}");
            assert_eq!(after.len(), before.len() + 1, "{before:?} {after:?}");
        }
        for app in [&first, &acme, &beta] {
            let rotated = events(app, "key_rotated").await;
            assert!(!rotated.is_empty());
            assert!(rotated.iter().all(|event| event["tenant"] == app.tenant.to_string()), "{rotated:?}");
        }
        administer(&first, Method::PATCH, off.tenant, Some(json!({"enabled": true}))).await.expect(200);
        assert_eq!(kids(&off).await.len(), 3, "a disabled tenant is ready to be enabled");
        assert_eq!(count(&first, "signing_keys", &gone.tenant.to_string()).await, 0);
    }

    async fn rotating_one_tenants_keys_leaves_the_others(engine: Engine) {
        let first = TestApp::spawn_with(engine, SETTINGS).await;
        let (acme, beta) = (first.make_tenant("acme").await, first.make_tenant("beta").await);
        let before = [kids(&first).await, kids(&acme).await, kids(&beta).await];
        let token = acme.admin_token("keys:write").await;
        let rotate = acme.http.post("/admin/v1/keys/rotate").bearer(&token).json(&json!({"immediate": true}));
        rotate.send().await.expect(200);
        let after = [kids(&first).await, kids(&acme).await, kids(&beta).await];
        assert_eq!([&after[0], &after[2]], [&before[0], &before[2]]);
        assert_ne!(after[1], before[1]);
        assert_eq!([events(&first, "key_rotated").await.len(), events(&beta, "key_rotated").await.len()], [0, 0]);
        assert_eq!(events(&acme, "key_rotated").await.len(), 1);
    }

    async fn unused_clients_end_in_every_tenant(engine: Engine) {
        let settings = [SETTINGS, &[("registration.mode", "open")]].concat();
        let first = TestApp::spawn_with(engine, &settings).await;
        let apps = [first.make_tenant("acme").await, first.make_tenant("beta").await];
        for app in &apps {
            let body = json!({"redirect_uris": ["https://rp.example/cb"]});
            app.http.post("/oauth2/register").json(&body).send().await.expect(201);
            assert_eq!(count(&first, "clients", &app.tenant.to_string()).await, 2);
        }
        first.advance(32 * DAY);
        jobs::run(&first.app).await;
        for app in &apps {
            // The administrator's stays.
            assert_eq!(count(&first, "clients", &app.tenant.to_string()).await, 1);
            assert_eq!(events(app, "client_deleted").await.len(), 1);
        }
        assert!(events(&first, "client_deleted").await.is_empty());
    }

    async fn messages_are_sent_in_the_name_of_their_tenant(engine: Engine) {
        let settings = [SETTINGS, &[("outgoing.allow", "127.0.0.0/8")]].concat();
        let first = TestApp::spawn_with(engine, &settings).await;
        let apps = [first.make_tenant("acme").await, first.make_tenant("beta").await];
        for app in &apps {
            let receiver = Receiver::start().await;
            let uri = format!("{}/logout", receiver.base);
            let rp = RelyingParty::with(app, |metadata| metadata.backchannel_logout_uri = Some(uri)).await;
            let person = Person::new(app, "carol").await;
            let mut browser = Browser::new(app);
            let tokens = rp.sign_in(app, &mut browser, &person, "openid").await;
            let page = browser.open("/oauth2/logout").await;
            browser.submit(&page, &page.decision_form().press("decision", "allow")).await;
            let patience = Instant::now() + Duration::from_secs(30);
            while receiver.received().is_empty() {
                jobs::deliver(&first.app).await.unwrap();
                assert!(Instant::now() < patience, "nothing arrives");
            }
            let received = receiver.received();
            let claims = claims_of(received[0].field("logout_token"));
            assert_eq!(claims["iss"], app.issuer());
            assert_eq!(claims["sid"], claims_of(&tokens.id)["sid"]);
        }
    }
}

/// How much the audit log says of a tenant.
async fn recorded(app: &TestApp, tenant: TenantId) -> usize {
    use grantor::storage::Store;
    const SQL: &str = "SELECT count(*) FROM audit_events WHERE tenant_id = $1";
    app.app.audit.flush().await;
    let count: i64 = match &app.db.audit {
        Store::Postgres { pool, .. } => sqlx::query_scalar(SQL).bind(tenant).fetch_one(pool).await,
        Store::Sqlite { readers, .. } => sqlx::query_scalar(SQL).bind(tenant).fetch_one(readers).await,
    }
    .unwrap();
    usize::try_from(count).unwrap()
}
