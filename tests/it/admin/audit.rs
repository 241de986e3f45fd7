//! `/admin/v1/audit`, and that every change by an administrator is found there.

use super::{Admin, pointers, service, token, token_of};
use crate::support::Engine;
use crate::support::app::TestApp;
use reqwest::Method;
use serde_json::{Value, json};

async fn admin(engine: Engine) -> Admin {
    Admin::new(TestApp::spawn(engine).await).await
}

async fn events(admin: &Admin, query: &str) -> Vec<Value> {
    let page = admin.get(&format!("/audit?{query}")).await.expect(200).json();
    page["items"].as_array().unwrap().clone()
}

on_both_engines! {
    /// R-AUD-17: "All admin changes audited with actor, target, before/after (no secrets)."
    async fn every_change_of_a_client_is_one_record(engine: Engine) {
        let admin = admin(engine).await;
        let (id, secret) = admin.create(json!({"client_id": "x", "grant_types": ["client_credentials"], "scope": "a"})).await;
        admin.app.advance(1);
        admin.patch("/clients/x", &json!({"scope": "a b", "contacts": ["ops@example.com"]})).await.expect(200);
        admin.app.advance(1);
        admin.patch("/clients/x", &json!({"enabled": false})).await.expect(200);
        admin.app.advance(1);
        admin.post("/clients/x/secret", &json!({"grace_seconds": 5})).await.expect(200);
        admin.app.advance(1);
        admin.call(Method::POST, "/clients/x/revoke").send().await.expect(204);
        admin.app.advance(1);
        admin.call(Method::DELETE, "/clients/x").send().await.expect(204);
        // What changed nothing left nothing.
        admin.patch("/clients/x", &json!({"enabled": false})).await.expect(404);
        let found = events(&admin, &format!("client_id={id}")).await;
        let types: Vec<_> = found.iter().rev().map(|event| event["event_type"].as_str().unwrap()).collect();
        assert_eq!(types, ["client_created", "client_updated", "client_updated", "client_secret_rotated", "client_revoked", "client_deleted"]);
        for event in &found {
            assert_eq!(event["metadata"]["actor"], json!({"client_id": "admin"}));
            assert_eq!(event["outcome"], "success");
            assert_eq!(event["ip"], "127.0.0.1");
        }
        let updated = &found[4]["metadata"]["changes"];
        assert_eq!(*updated, json!({"scope": {"from": "a", "to": "a b"}, "contacts": "changed"}));
        assert_eq!(found[3]["metadata"]["changes"], json!({"enabled": {"from": true, "to": false}}));
        assert_eq!(found[2]["metadata"]["changes"], json!({"client_secret": "changed"}));
        let text = Value::Array(found).to_string();
        assert!(!text.contains(&secret) && !text.contains("ops@example.com"));
    }

    /// R-AUD-22: "Audit reads/exports are themselves audited."
    async fn who_reads_the_log_stands_in_it(engine: Engine) {
        let admin = admin(engine).await;
        let first = events(&admin, "event_type=audit_read&since=2026-01-01T00:00:00Z").await;
        let read = &first[0];
        assert_eq!(read["metadata"]["actor"]["client_id"], "admin");
        assert_eq!(read["metadata"]["filter"], json!({"event_type": "audit_read", "since": "2026-01-01T00:00:00Z"}));
        let one = admin.get(&format!("/audit/{}", read["id"].as_str().unwrap())).await.expect(200);
        assert_eq!(one.json(), *read);
        assert!(!one.header("etag").is_empty());
        admin.get("/audit/0190a5a0-0000-7000-8000-000000000000").await.expect(404);
        admin.get("/audit/x").await.expect(404);
    }

    async fn refusals_are_found_with_their_reason(engine: Engine) {
        let admin = admin(engine).await;
        let few = token(&admin.app, "clients:write").await;
        admin.app.advance(1);
        admin.app.http.get("/admin/v1/clients").bearer(&few).send().await.expect(403);
        admin.app.advance(1);
        admin.app.http.post("/admin/v1/clients").bearer(&few).json(&service("users:read")).send().await.expect(403);
        admin.app.advance(1);
        admin.app.http.get("/admin/v1/clients").bearer("no.good.token").send().await.expect(401);
        let violation = events(&admin, "event_type=scope_violation").await.remove(0);
        assert_eq!((&violation["client_id"], &violation["metadata"]["scope"]), (&json!("admin"), &json!("clients:read")));
        let reasons: Vec<_> = events(&admin, "event_type=access_denied&outcome=failure").await;
        let reasons: Vec<_> = reasons.iter().map(|event| event["metadata"]["failure_reason"].as_str().unwrap()).collect();
        assert_eq!(reasons, ["token_malformed", "admin_scope_given"]);
        assert!(!Value::from(reasons).to_string().contains("no.good.token"));
    }

    async fn events_are_filtered_and_come_in_pages(engine: Engine) {
        let admin = admin(engine).await;
        let (id, secret) = admin.create(service("a")).await;
        for _ in 0..5 {
            admin.app.advance(10);
            token_of(&admin.app, &id, &secret, "a").await;
        }
        let filter = format!("client_id={id}&event_type=token_issued&ip=127.0.0.1&outcome=success");
        assert_eq!(events(&admin, &filter).await.len(), 5);
        let since = format!("{filter}&since=2026-07-01T00:00:30Z&until=2026-07-01T02:00:50%2B02:00");
        assert_eq!(events(&admin, &since).await.len(), 2);
        assert_eq!(events(&admin, &format!("{filter}&user_id=nobody")).await.len(), 0);
        let mut times: Vec<String> = Vec::new();
        let mut path = format!("/audit?{filter}&limit=2");
        loop {
            let page = admin.get(&path).await.expect(200).json();
            let items = page["items"].as_array().unwrap();
            times.extend(items.iter().map(|event| event["time"].as_str().unwrap().to_owned()));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("/audit?{filter}&limit=2&cursor={cursor}");
        }
        assert_eq!(times.len(), 5);
        assert!(times.is_sorted_by(|a, b| a > b), "{times:?}");
    }
}

#[tokio::test]
async fn a_filter_that_means_nothing_is_refused() {
    let admin = admin(Engine::Sqlite).await;
    for (query, pointer) in [
        ("since=tomorrow", "since"),
        ("until=2026-01-01", "until"),
        ("event_type=everything", "event_type"),
        ("outcome=maybe", "outcome"),
        ("ip=localhost", "ip"),
        ("clientid=x", ""),
        ("limit=101", "limit"),
        ("cursor=WzEsIngiXQ", "cursor"),
    ] {
        assert_eq!(
            pointers(&admin.get(&format!("/audit?{query}")).await),
            [pointer],
            "{query}"
        );
    }
    let few = token(&admin.app, "clients:read").await;
    admin
        .app
        .http
        .get("/admin/v1/audit")
        .bearer(&few)
        .send()
        .await
        .expect(403);
}

#[tokio::test]
async fn a_target_that_must_not_be_reached_is_on_record() {
    let admin = admin(Engine::Sqlite).await;
    let inner = json!({"grant_types": ["client_credentials"], "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": "https://169.254.169.254/keys"});
    let (id, _) = admin.create(inner).await;
    let part = |value: Value| grantor::types::base64url(value.to_string().as_bytes());
    let header = part(json!({"alg": "ES256", "kid": "k"}));
    let assertion = format!("{header}.{}.AAAA", part(json!({"sub": id, "iss": id})));
    let form = [
        ("grant_type", "client_credentials"),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", &assertion),
    ];
    admin
        .app
        .http
        .post("/oauth2/token")
        .form(&form)
        .send()
        .await
        .expect(401);
    let blocked = events(&admin, "event_type=ssrf_blocked").await;
    assert_eq!(blocked[0]["client_id"], id);
    let failed = events(
        &admin,
        &format!("client_id={id}&event_type=client_authentication"),
    )
    .await;
    assert_eq!(failed[0]["metadata"]["failure_reason"], "keys_forbidden");
}
