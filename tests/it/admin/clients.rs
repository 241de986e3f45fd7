//! `/admin/v1/clients`.

use super::{Admin, pointers, service, token_of};
use crate::support::Engine;
use crate::support::app::TestApp;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

async fn admin(engine: Engine) -> Admin {
    Admin::new(TestApp::spawn(engine).await).await
}

on_both_engines! {
    async fn a_client_is_created_read_changed_and_deleted(engine: Engine) {
        let admin = admin(engine).await;
        let body = json!({"client_id": "orders", "client_name": "Orders & <b>-free", "grant_types": ["client_credentials"], "scope": "orders:read"});
        assert_eq!(pointers(&admin.post("/clients", &body).await), ["/client_name"]);
        let body = json!({"client_id": "orders", "client_name": "Orders & co", "description": "for <b>&\n\"us\"",
            "grant_types": ["client_credentials"], "scope": "orders:read"});
        let answer = admin.post("/clients", &body).await.expect(201);
        assert_eq!(answer.header("location"), format!("{}/admin/v1/clients/orders", admin.app.issuer()));
        assert_eq!(answer.header("cache-control"), "no-store");
        let etag = answer.header("etag").to_owned();
        let created = answer.json();
        assert!(created["client_secret"].as_str().unwrap().starts_with("gcs_"));
        assert_eq!(created["client_secret_expires_at"], 0);
        assert_eq!(created["description"], body["description"], "free text is kept as typed");

        let answer = admin.get("/clients/orders").await.expect(200);
        assert_eq!(answer.header("etag"), etag);
        assert!(!answer.text().contains("secret\":"), "{}", answer.text());
        let read = answer.json();
        for (name, value) in [
            ("consumer_class", json!("service")),
            ("access_token_ttl", json!(900)),
            ("token_endpoint_auth_method", json!("client_secret_basic")),
            ("access_token_signed_response_alg", json!("RS256")),
            ("client_id_issued_at", json!(admin.app.now().seconds())),
            ("created_at", json!("2026-07-01T00:00:00.000Z")),
            ("require_pkce", json!(true)),
        ] {
            assert_eq!(read[name], value, "{name}");
        }

        let patch = json!({"client_name": null, "scope": "orders:read orders:write", "access_token_ttl": 60});
        let answer = admin.patch("/clients/orders", &patch).await.expect(200);
        assert_ne!(answer.header("etag"), etag);
        let changed = answer.json();
        assert_eq!((&changed["scope"], &changed["access_token_ttl"]), (&json!("orders:read orders:write"), &json!(60)));
        assert_eq!(changed.get("client_name"), None);
        assert_eq!(admin.get("/clients/orders").await.expect(200).json(), changed);

        admin.call(Method::DELETE, "/clients/orders").send().await.expect(204);
        for path in ["/clients/orders", "/clients/not%20an%20id", "/clients/0190a5a0-0000-7000-8000-000000000000"] {
            let problem = admin.get(path).await.expect(404).json();
            assert_eq!(problem["title"], "Not found");
        }
        admin.call(Method::DELETE, "/clients/orders").send().await.expect(404);
    }

    async fn an_identifier_is_taken_once_and_never_a_users(engine: Engine) {
        let admin = admin(engine).await;
        let with = |id: &str| json!({"client_id": id, "grant_types": ["client_credentials"]});
        admin.post("/clients", &with("a.B_9~-")).await.expect(201);
        let taken = admin.post("/clients", &with("a.B_9~-")).await.expect(409).json();
        assert_eq!(taken["errors"][0]["pointer"], "/client_id");
        for bad in ["0190a5a0-3333-7000-8000-00000000abcd", "0190A5A03333700080000000000000AB", "", "a b", &"x".repeat(65)] {
            assert_eq!(pointers(&admin.post("/clients", &with(bad)).await)[0], "/client_id", "{bad}");
        }
        let (made, _) = admin.create(service("a")).await;
        assert!(made.starts_with("c_"), "{made}");
        // Two at once: one client.
        let (first, second) = (with("same"), with("same"));
        let both = futures_util::join!(admin.post("/clients", &first), admin.post("/clients", &second));
        let statuses = BTreeSet::from([both.0.status.as_u16(), both.1.status.as_u16()]);
        assert_eq!(statuses, BTreeSet::from([201, 409]));
    }

    async fn lists_are_newest_first_and_in_pages(engine: Engine) {
        let admin = admin(engine).await;
        for n in 0..5 {
            admin.app.advance(1);
            let id = format!("c{n}");
            admin.post("/clients", &json!({"client_id": id, "grant_types": ["client_credentials"]})).await.expect(201);
        }
        let mut seen: Vec<String> = Vec::new();
        let mut path = "/clients?limit=4".to_owned();
        loop {
            let page = admin.get(&path).await.expect(200).json();
            let items = page["items"].as_array().unwrap();
            seen.extend(items.iter().map(|item| item["client_id"].as_str().unwrap().to_owned()));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("/clients?limit=4&cursor={cursor}");
        }
        assert_eq!(seen, ["c4", "c3", "c2", "c1", "c0", "admin"]);
        for (query, pointer) in [("limit=0", "limit"), ("limit=101", "limit"), ("limit=1;DROP", "limit"), ("cursor=x", "cursor"), ("x=1", "")] {
            assert_eq!(pointers(&admin.get(&format!("/clients?{query}")).await), [pointer], "{query}");
        }
        admin.get("/clients?limit=1&limit=2").await.expect(400);
        admin.get("/clients?limit=100").await.expect(200);
    }

    async fn a_change_is_made_to_the_version_that_was_read(engine: Engine) {
        let admin = admin(engine).await;
        let (id, _) = admin.create(service("a")).await;
        let path = format!("/clients/{id}");
        let etag = admin.get(&path).await.expect(200).header("etag").to_owned();
        let change = |name: &str, etag: &str| {
            let call = admin.call(Method::PATCH, &path).json(&json!({"client_name": name}));
            call.header("if-match", etag).send()
        };
        change("first", &etag).await.expect(200);
        let problem = change("second", &etag).await.expect(412).json();
        assert_eq!(problem["title"], "Precondition failed");
        for stale in ["W/\"2\"", "\"9\"", "2"] {
            change("third", stale).await.expect(412);
        }
        admin.call(Method::DELETE, &path).header("if-match", &etag).send().await.expect(412);
        let read = admin.get(&path).await.expect(200);
        assert_eq!(read.json()["client_name"], "first");
        change("fourth", "*").await.expect(200);
        // What changes nothing makes no version.
        let etag = admin.get(&path).await.header("etag").to_owned();
        assert_eq!(admin.patch(&path, &json!({"client_name": "fourth"})).await.expect(200).header("etag"), etag);
        admin.call(Method::DELETE, &path).header("if-match", &etag).send().await.expect(204);
    }

    async fn a_secret_is_rotated_with_an_overlap(engine: Engine) {
        let admin = admin(engine).await;
        let (id, first) = admin.create(service("a")).await;
        let path = format!("/clients/{id}/secret");
        let works = async |secret: &str| {
            let form = [("grant_type", "client_credentials")];
            admin.app.http.post("/oauth2/token").basic(&id, secret).form(&form).send().await.status == 200
        };
        let answer = admin.post(&path, &json!({"grace_seconds": 60})).await.expect(200).json();
        let second = answer["client_secret"].as_str().unwrap().to_owned();
        assert_eq!(answer["previous_expires_at"], "2026-07-01T00:01:00.000Z");
        assert!(works(&first).await && works(&second).await);
        let read = admin.get(&format!("/clients/{id}")).await.expect(200).json();
        assert_eq!(read["previous_secret_expires_at"], "2026-07-01T00:01:00.000Z");
        admin.app.advance(60);
        assert!(!works(&first).await && works(&second).await);
        // Where nothing is said: at once.
        let answer = admin.post(&path, &json!({})).await.expect(200).json();
        assert_eq!(answer["previous_expires_at"], Value::Null);
        assert!(!works(&second).await && works(answer["client_secret"].as_str().unwrap()).await);
        for (bad, pointer) in [(json!({"grace_seconds": 259_201}), "/grace_seconds"), (json!({"grace": 1}), "/grace"), (json!({"grace_seconds": 1.5}), "/grace_seconds")] {
            assert_eq!(pointers(&admin.post(&path, &bad).await), [pointer]);
        }
        let public = json!({"token_endpoint_auth_method": "none", "redirect_uris": ["https://app.example/cb"]});
        let (public, secret) = admin.create(public).await;
        assert_eq!(secret, "");
        admin.post(&format!("/clients/{public}/secret"), &json!({})).await.expect(409);
    }

    async fn a_revoked_or_disabled_client_has_no_tokens(engine: Engine) {
        let admin = admin(engine).await;
        let replica = admin.app.replica().await;
        let body = json!({"client_id": "x", "grant_types": ["client_credentials"], "scope": "clients:read"});
        let (id, secret) = admin.create(body).await;
        let token = token_of(&admin.app, &id, &secret, "clients:read").await;
        let is_good = async |token: &str| {
            let call = admin.app.http.get("/admin/v1/clients").bearer(token);
            call.send().await.status.as_u16()
        };
        let good = async || is_good(&token).await;
        let grant = async |app: &TestApp| {
            let form = [("grant_type", "client_credentials")];
            app.http.post("/oauth2/token").basic(&id, &secret).form(&form).send().await
        };
        assert_eq!(good().await, 200);
        admin.patch("/clients/x", &json!({"enabled": false})).await.expect(200);
        assert_eq!(good().await, 401);
        let refused = grant(&admin.app).await.expect(401).json();
        assert_eq!(refused["error"], "invalid_client");
        // What was taken away does not come back with the client; it begins anew.
        admin.patch("/clients/x", &json!({"enabled": true})).await.expect(200);
        assert_eq!(good().await, 401);
        admin.app.advance(1);
        let anew = token_of(&admin.app, &id, &secret, "clients:read").await;
        assert_eq!(is_good(&anew).await, 200);
        admin.call(Method::POST, "/clients/x/revoke").send().await.expect(204);
        assert_eq!(is_good(&anew).await, 401);
        grant(&admin.app).await.expect(401);
        assert_eq!(admin.get("/clients/x").await.expect(200).json()["enabled"], false);
        admin.patch("/clients/x", &json!({"enabled": null})).await.expect(200);
        assert_eq!(is_good(&anew).await, 401);
        grant(&admin.app).await.expect(200);
        // Another replica sees it within two seconds.
        admin.patch("/clients/x", &json!({"enabled": false})).await.expect(200);
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        grant(&replica).await.expect(401);
    }

    async fn a_resource_is_one_clients(engine: Engine) {
        let admin = admin(engine).await;
        let with = |resource: &str| json!({"grant_types": ["client_credentials"], "resource_identifiers": [resource]});
        let (owner, _) = admin.create(with("https://api.example")).await;
        let taken = admin.post("/clients", &with("https://api.example")).await.expect(409).json();
        assert_eq!(taken["errors"][0]["pointer"], "/resource_identifiers");
        let (other, _) = admin.create(with("https://other.example")).await;
        let claim = json!({"resource_identifiers": ["https://api.example"]});
        admin.patch(&format!("/clients/{other}"), &claim).await.expect(409);
        admin.patch(&format!("/clients/{owner}"), &json!({"resource_identifiers": []})).await.expect(200);
        admin.patch(&format!("/clients/{other}"), &claim).await.expect(200);
    }
}

#[tokio::test]
async fn what_is_not_valid_changes_nothing() {
    let admin = admin(Engine::Sqlite).await;
    let before = admin.get("/clients").await.json();
    let raw = |content: &'static str| {
        admin
            .call(Method::POST, "/clients")
            .body("application/json", content)
            .send()
    };
    for bad in [
        "",
        "{",
        "[]",
        "null",
        "\"x\"",
        "{\"client_name\": \"a\", \"client_name\": \"b\"}",
        "{\"client_name\": \"a\\u0000\"}",
        "{\"client_name\": 7}",
        "{\"grant_types\": \"client_credentials\"}",
        "{\"unknown\": true}",
        "{\"jwks\": {\"keys\": [[]]}, \"grant_types\": [\"client_credentials\"]}",
        "{\"redirect_uris\": []}",
    ] {
        let answer = raw(bad).await;
        assert_eq!(answer.status.as_u16(), 400, "{bad}: {}", answer.text());
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    let nested = format!("{{\"jwks\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    admin
        .call(Method::POST, "/clients")
        .body("application/json", nested)
        .send()
        .await
        .expect(400);
    for media in [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
    ] {
        admin
            .call(Method::POST, "/clients")
            .body(media, "{}")
            .send()
            .await
            .expect(415);
    }
    let large = format!("{{\"description\":\"{}\"}}", "x".repeat(1_048_576));
    admin
        .call(Method::POST, "/clients")
        .body("application/json", large)
        .send()
        .await
        .expect(413);
    assert_eq!(admin.get("/clients").await.json(), before);
}

#[tokio::test]
async fn a_patch_is_held_to_the_rules_of_the_whole() {
    let admin = admin(Engine::Sqlite).await;
    let web = json!({"client_id": "web", "redirect_uris": ["https://app.example/cb"], "scope": "openid"});
    admin.create(web).await;
    for (patch, pointer) in [
        (json!({"redirect_uris": []}), "/redirect_uris"),
        (json!({"redirect_uris": null}), "/redirect_uris"),
        (json!({"default_scope": "profile"}), "/default_scope"),
        (
            json!({"token_endpoint_auth_method": "private_key_jwt"}),
            "/token_endpoint_auth_method",
        ),
        (json!({"consumer_class": "service"}), "/grant_types/0"),
        (json!({"client_id": "other"}), "/client_id"),
        (json!({"client_secret": "mine"}), "/client_secret"),
        (json!({"created_at": null}), "/created_at"),
        (json!({"resources": ["relative"]}), "/resources/0"),
    ] {
        assert_eq!(
            pointers(&admin.patch("/clients/web", &patch).await),
            [pointer],
            "{patch}"
        );
    }
    // What follows from a member follows its change.
    let patch = json!({"grant_types": ["client_credentials"], "redirect_uris": null});
    let changed = admin.patch("/clients/web", &patch).await.expect(200).json();
    assert_eq!(
        (&changed["response_types"], &changed["consumer_class"]),
        (&json!([]), &json!("service"))
    );
    // A secret that went out of use does not come back.
    let keyless =
        json!({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://app.example/jwks"});
    admin.patch("/clients/web", &keyless).await.expect(200);
    let (other, secret) = admin.create(service("a")).await;
    admin
        .patch(&format!("/clients/{other}"), &keyless)
        .await
        .expect(200);
    let back = json!({"token_endpoint_auth_method": "client_secret_basic"});
    admin.patch(&format!("/clients/{other}"), &back).await.expect(200);
    let form = [("grant_type", "client_credentials")];
    admin
        .app
        .http
        .post("/oauth2/token")
        .basic(&other, &secret)
        .form(&form)
        .send()
        .await
        .expect(401);
}
