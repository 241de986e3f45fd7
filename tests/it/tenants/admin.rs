//! `/admin/v1/tenants`.

use super::{bare_tenant, count, tables_with_tenant};
use crate::support::TestApp;
use crate::support::db::Engine;
use crate::support::http::{Answer, Http};
use grantor::jobs;
use grantor::storage::tenant_rows;
use reqwest::Method;
use serde_json::{Value, json};

const SETTINGS: &[(&str, &str)] = &[("tokens.algorithms", "ES256")];

/// The first tenant's administrator.
struct Admin {
    app: TestApp,
    token: String,
}

impl Admin {
    async fn new(engine: Engine) -> Self {
        let app = TestApp::spawn_with(engine, SETTINGS).await;
        let token = app
            .admin_token("tenants:read tenants:write clients:write audit:read")
            .await;
        Self { app, token }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let call = self.app.http.call(method, path).bearer(&self.token);
        match body {
            Some(body) => call.json(&body).send().await,
            None => call.send().await,
        }
    }

    async fn create(&self, body: Value) -> Answer {
        self.call(Method::POST, "/admin/v1/tenants", Some(body)).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }
}

async fn token_at(http: &Http, base: &str, secret: &str, scope: &str) -> Answer {
    let form = [("grant_type", "client_credentials"), ("scope", scope)];
    http.post(&format!("{base}/oauth2/token"))
        .basic("admin", secret)
        .form(&form)
        .send()
        .await
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}

on_both_engines! {
    async fn a_tenant_is_made_with_all_that_its_administration_needs(engine: Engine) {
        let admin = Admin::new(engine).await;
        let made = admin
            .create(json!({"name": "acme", "display_name": "Acme", "accent_color": "#0b5cad", "admin_username": "alice"}))
            .await
            .expect(201);
        assert_eq!(made.header("cache-control"), "no-store");
        let tenant = made.json();
        assert_eq!(tenant["issuer"], format!("{}/t/acme", admin.app.base));
        assert_eq!(tenant["admin_client_id"], "admin");
        assert_eq!(tenant["admin_username"], "alice");
        assert!(text(&tenant["admin_password"]).len() > 12);
        let location = made.header("location").to_owned();
        assert_eq!(location, format!("{}/admin/v1/tenants/{}", admin.app.base, text(&tenant["id"])));
        // The secrets are shown once.
        let read = admin.get(&location).await.expect(200);
        assert_eq!(read.header("etag"), made.header("etag"));
        assert!(read.json().as_object().unwrap().keys().all(|name| !name.starts_with("admin_")));
        // Its administrator administers it, and nothing of the tenants.
        let (base, secret) = ("/t/acme", text(&tenant["admin_client_secret"]));
        let scope = "clients:read clients:write users:read keys:read audit:read";
        let token = text(&token_at(&admin.app.http, base, &secret, scope).await.expect(200).json()["access_token"]);
        let at = |path: &str| format!("{base}/admin/v1{path}");
        let get = async |path: &str| admin.app.http.get(&at(path)).bearer(&token).send().await.expect(200).json();
        assert_eq!(get("/clients").await["items"].as_array().unwrap().len(), 1);
        assert_eq!(get("/users").await["items"][0]["username"], "alice");
        assert_eq!(get("/keys").await["items"].as_array().unwrap().len(), 2);
        let log = get("/audit").await;
        let tenants: Vec<_> = log["items"].as_array().unwrap().iter().map(|event| event["tenant"].clone()).collect();
        assert!(tenants.len() >= 3 && tenants.iter().all(|own| *own == tenant["id"]), "{log}");
        token_at(&admin.app.http, base, &secret, "tenants:read").await.expect(400);
        admin.app.http.get(&at("/tenants")).bearer(&token).send().await.expect(404);
        // It cannot give away what it does not have.
        let thief = json!({"client_name": "x", "grant_types": ["client_credentials"], "scope": "tenants:write"});
        let refused = admin.app.http.post(&at("/clients")).bearer(&token).json(&thief).send().await;
        refused.expect(403);
    }

    async fn what_is_wrong_with_a_tenant_is_said(engine: Engine) {
        let admin = Admin::new(engine).await;
        for (body, pointer) in [
            (json!({}), "/name"),
            (json!({"name": "Acme"}), "/name"),
            (json!({"name": "a".repeat(64)}), "/name"),
            (json!({"name": "a/b"}), "/name"),
            (json!({"name": "аcme"}), "/name"),
            (json!({"name": "ａcme"}), "/name"),
            (json!({"name": "acme\u{200b}"}), "/name"),
            (json!({"name": "acme "}), "/name"),
            (json!({"name": ".."}), "/name"),
            (json!({"name": "deleted:x"}), "/name"),
            (json!({"name": "a", "id": "x"}), "/id"),
            (json!({"name": "a", "accent_color": "red"}), "/accent_color"),
            (json!({"name": "a", "logo_uri": "http://cdn.example/x"}), "/logo_uri"),
            (json!({"name": "a", "default_locale": "de_AT"}), "/default_locale"),
            (json!({"name": "a", "admin_username": " "}), "/admin_username"),
        ] {
            let refused = admin.create(body.clone()).await.expect(400).json();
            assert_eq!(refused["errors"][0]["pointer"], pointer, "{body}: {refused}");
        }
        bare_tenant(&admin.app, "acme", true).await;
        for name in ["default", "acme"] {
            admin.create(json!({"name": name})).await.expect(409);
        }
    }

    async fn a_tenant_is_changed_disabled_and_enabled(engine: Engine) {
        let admin = Admin::new(engine).await;
        let tenant = admin.create(json!({"name": "acme"})).await.expect(201).json();
        let path = format!("/admin/v1/tenants/{}", text(&tenant["id"]));
        let secret = text(&tenant["admin_client_secret"]);
        let http = &admin.app.http;
        let token = text(&token_at(http, "/t/acme", &secret, "keys:read").await.expect(200).json()["access_token"]);
        let keys = async || http.get("/t/acme/admin/v1/keys").bearer(&token).send().await.status.as_u16();
        assert_eq!(keys().await, 200);
        let patch = json!({"display_name": "Acme", "enabled": false});
        let disabled = admin.call(Method::PATCH, &path, Some(patch)).await.expect(200);
        assert_eq!(disabled.json()["enabled"], false);
        assert_eq!(keys().await, 403, "at once on this replica");
        token_at(http, "/t/acme", &secret, "keys:read").await.expect(403);
        http.get("/t/acme/oauth2/jwks").send().await.expect(403);
        admin.app.advance(1);
        let enabled = admin.call(Method::PATCH, &path, Some(json!({"enabled": true}))).await.expect(200);
        assert_eq!(enabled.json()["display_name"], "Acme");
        assert_eq!(keys().await, 200);
        // Nothing is recorded of what changes nothing.
        let same = admin.call(Method::PATCH, &path, Some(json!({"enabled": true}))).await.expect(200);
        assert_eq!(same.header("etag"), enabled.header("etag"));
        let stale = http.call(Method::PATCH, &path).bearer(&admin.token).header("if-match", "\"1\"");
        stale.json(&json!({"enabled": false})).send().await.expect(412);
        let log = admin.get("/admin/v1/audit?event_type=tenant_updated").await.expect(200).json();
        assert_eq!(log["items"].as_array().unwrap().len(), 2, "{log}");
        assert_eq!(log["items"][0]["metadata"]["name"], "acme");
        assert_eq!(log["items"][0]["metadata"]["changes"]["enabled"], json!({"from": false, "to": true}));
        let first = "/admin/v1/tenants/00000000-0000-0000-0000-000000000001";
        admin.call(Method::PATCH, first, Some(json!({"enabled": false}))).await.expect(409);
        admin.call(Method::PATCH, first, Some(json!({"display_name": "Home"}))).await.expect(200);
        admin.call(Method::DELETE, first, None).await.expect(409);
    }

    async fn a_deleted_tenant_is_gone_at_once_and_forgotten_soon(engine: Engine) {
        let admin = Admin::new(engine).await;
        let made = async || admin.create(json!({"name": "acme", "admin_username": "alice"})).await.expect(201).json();
        let tenant = made().await;
        let (id, secret) = (text(&tenant["id"]), text(&tenant["admin_client_secret"]));
        let http = &admin.app.http;
        let token = token_at(http, "/t/acme", &secret, "clients:write keys:read").await.expect(200).json();
        let token = text(&token["access_token"]);
        let path = format!("/admin/v1/tenants/{id}");
        admin.call(Method::DELETE, &path, None).await.expect(204);
        admin.get(&path).await.expect(404);
        http.get("/t/acme/oauth2/jwks").send().await.expect(404);
        // Its name is free, and who takes it gets nothing of what was.
        let successor = made().await;
        assert_ne!(successor["id"], tenant["id"]);
        http.get("/t/acme/admin/v1/keys").bearer(&token).send().await.expect(401);
        token_at(http, "/t/acme", &secret, "keys:read").await.expect(401);
        jobs::run(&admin.app.app).await;
        assert_eq!(count(&admin.app, "clients", &id).await, 0);
        // Whatever had begun before has ended by then.
        admin.app.advance(120);
        jobs::run(&admin.app.app).await;
        for table in tenant_rows::ALL.iter().map(|table| table.name).chain(["signing_keys", "purpose_keys", "user_identifiers"]) {
            assert_eq!(count(&admin.app, table, &id).await, 0, "{table}");
        }
        assert_eq!(count(&admin.app, "signing_keys", &text(&successor["id"])).await, 2);
        let log = admin.get("/admin/v1/audit?event_type=tenant_deleted").await.expect(200).json();
        assert_eq!(log["items"][0]["metadata"]["tenant_id"], id, "{log}");
    }

    async fn tenants_are_listed_newest_first_and_in_pages(engine: Engine) {
        let admin = Admin::new(engine).await;
        for name in ["a", "b", "c"] {
            admin.app.advance(1);
            bare_tenant(&admin.app, name, true).await;
        }
        let mut names = Vec::new();
        let mut path = "/admin/v1/tenants?limit=2".to_owned();
        loop {
            let page = admin.get(&path).await.expect(200).json();
            names.extend(page["items"].as_array().unwrap().iter().map(|tenant| text(&tenant["name"])));
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("/admin/v1/tenants?limit=2&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(names, ["c", "b", "a", "default"]);
    }

    /// Every table that has a tenant is emptied with it: by a statement of its own, or with the row that it hangs on.
    async fn no_table_keeps_rows_of_a_deleted_tenant(engine: Engine) {
        let app = TestApp::spawn(engine).await;
        let with_tenant = tables_with_tenant(&app).await;
        let emptied: Vec<_> = tenant_rows::ALL.iter().map(|table| table.name).collect();
        // Go with users, sessions and clients; with the tenant; or are on their way into the audit log.
        let other = [
            "user_identifiers", "sessions", "session_interactions", "consents", "client_resources",
            "signing_keys", "purpose_keys",
            "audit_outbox",
        ];
        for table in &with_tenant {
            assert!(
                emptied.contains(&table.as_str()) || other.contains(&table.as_str()),
                "{table} has a tenant_id: add it to storage/tenant_rows.rs"
            );
        }
        assert!(emptied.iter().all(|table| with_tenant.contains(&(*table).to_owned())));
    }
}
