//! Clients that register themselves, as each tenant wants it: the server's settings hold where a tenant says nothing.

use super::count;
use crate::support::http::Answer;
use crate::support::program::Program;
use crate::support::{Engine, TestApp};
use grantor::jobs;
use reqwest::Method;
use serde_json::{Value, json};

const SETTINGS: &[(&str, &str)] = &[("tokens.algorithms", "ES256"), ("token.alg", "ES256")];

/// Changes the settings of a tenant, as an administrator of the first.
async fn patch(first: &TestApp, app: &TestApp, registration: Value) -> Answer {
    let token = first.admin_token("tenants:read tenants:write").await;
    let call = first
        .http
        .call(Method::PATCH, &format!("/admin/v1/tenants/{}", app.tenant));
    call.bearer(&token)
        .json(&json!({"registration": registration}))
        .send()
        .await
}

async fn register(app: &TestApp, more: Value) -> Answer {
    let mut body = json!({"redirect_uris": ["https://rp.example/cb"]});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    app.http.post("/oauth2/register").json(&body).send().await
}

async fn offers_registration(app: &TestApp) -> bool {
    let metadata = app.http.get("/.well-known/openid-configuration").send().await;
    metadata.expect(200).json().get("registration_endpoint").is_some()
}

on_both_engines! {
    async fn a_tenant_opens_and_closes_registration_for_itself(engine: Engine) {
        let first = TestApp::spawn_with(engine, SETTINGS).await;
        let (acme, beta) = (first.make_tenant("acme").await, first.make_tenant("beta").await);
        for app in [&first, &acme, &beta] {
            register(app, json!({})).await.expect(404);
            assert!(!offers_registration(app).await);
        }
        let open = json!({"mode": "open", "scope": "openid email", "grant_types": ["authorization_code"], "require_consent": false});
        let changed = patch(&first, &acme, open.clone()).await.expect(200).json();
        assert_eq!(changed["registration"], open);
        assert!(offers_registration(&acme).await);
        let registered = register(&acme, json!({"scope": "openid email profile"})).await.expect(201).json();
        assert_eq!(registered["scope"], "openid email");
        for app in [&first, &beta] {
            register(app, json!({})).await.expect(404);
            assert!(!offers_registration(app).await);
        }
        // The first tenant may say it for itself as well.
        patch(&first, &first, json!({"mode": "token"})).await.expect(200);
        register(&first, json!({})).await.expect(401);
        register(&beta, json!({})).await.expect(404);
        // Without a word of its own the server's holds again.
        let changed = patch(&first, &acme, Value::Null).await.expect(200).json();
        assert!(changed.get("registration").is_none(), "{changed}");
        register(&acme, json!({})).await.expect(404);
    }

    async fn each_tenant_has_its_quota_and_its_days(engine: Engine) {
        let settings = [SETTINGS, &[("registration.mode", "open"), ("registration.max_clients", "20")]].concat();
        let first = TestApp::spawn_with(engine, &settings).await;
        let (acme, beta) = (first.make_tenant("acme").await, first.make_tenant("beta").await);
        // One address may have a tenth, one at least.
        patch(&first, &acme, json!({"max_clients": 1, "unused_days": 5})).await.expect(200);
        register(&acme, json!({})).await.expect(201);
        register(&acme, json!({})).await.expect(403);
        for _ in 0..2 {
            register(&beta, json!({})).await.expect(201);
        }
        register(&beta, json!({})).await.expect(403);
        let left = async |app: &TestApp| count(&first, "clients", &app.tenant.to_string()).await - 1;
        first.advance(7 * 86_400);
        jobs::run(&first.app).await;
        assert_eq!([left(&acme).await, left(&beta).await], [0, 2]);
        first.advance(25 * 86_400);
        jobs::run(&first.app).await;
        assert_eq!([left(&acme).await, left(&beta).await], [0, 0]);
    }

    async fn what_is_wrong_with_the_settings_is_said(engine: Engine) {
        let first = TestApp::spawn_with(engine, SETTINGS).await;
        let acme = first.make_tenant("acme").await;
        for (registration, pointer) in [
            (json!({"mode": "everybody"}), "/registration/mode"),
            (json!({"scope": "openid clients:write"}), "/registration/scope"),
            (json!({"scope": "a  b"}), "/registration/scope"),
            (json!({"grant_types": ["password"]}), "/registration/grant_types/0"),
            (json!({"grant_types": []}), "/registration/grant_types"),
            (json!({"max_clients": 0}), "/registration/max_clients"),
            (json!({"unused_days": 3651}), "/registration/unused_days"),
            (json!({"require_pkce": "no"}), "/registration/require_pkce"),
            (json!({"quota": 1}), "/registration/quota"),
            (json!("open"), "/registration"),
        ] {
            let refused = patch(&first, &acme, registration.clone()).await.expect(400).json();
            assert_eq!(refused["errors"][0]["pointer"], pointer, "{registration}: {refused}");
        }
        // Nobody in the tenant itself has a say in it.
        let token = acme.admin_token("registration:write clients:write").await;
        let path = format!("/admin/v1/tenants/{}", acme.tenant);
        let tried = acme.http.call(Method::PATCH, &path).bearer(&token).json(&json!({"registration": {"mode": "open"}}));
        tried.send().await.expect(404);
    }
}

#[test]
fn the_command_sets_it_too() {
    let program = Program::new();
    let settings = [
        ("GRANTOR_TOKENS__ALGORITHMS", "ES256"),
        ("GRANTOR_TOKEN__ALG", "ES256"),
    ];
    let run = |arguments: &str| {
        let arguments: Vec<_> = arguments
            .split_whitespace()
            .map(|word| word.trim_matches('\''))
            .collect();
        let run = program.run_with(&settings, &arguments);
        (run.code, run.stdout, run.stderr)
    };
    let succeeds = |arguments: &str| {
        let (code, stdout, stderr) = run(arguments);
        assert_eq!(code, 0, "{arguments}: {stderr}");
        stdout
    };
    succeeds("migrate");
    succeeds("tenant create acme --self-registration token --self-registration-grant authorization_code");
    let shown = || -> Value { serde_json::from_str(&succeeds("tenant show acme --json")).unwrap() };
    assert_eq!(
        shown()["registration"],
        json!({"mode": "token", "grant_types": ["authorization_code"]})
    );
    let update = "tenant update acme --self-registration open --self-registration-max-clients 50 \
        --self-registration-pkce false --display-name Acme";
    assert_eq!(succeeds(update).trim(), "updated: acme");
    assert_eq!(shown()["display_name"], "Acme");
    assert_eq!(
        shown()["registration"],
        json!({"mode": "open", "grant_types": ["authorization_code"], "max_clients": 50, "require_pkce": false})
    );
    succeeds("tenant update acme --self-registration '' --display-name ''");
    assert!(shown().get("display_name").is_none() && shown()["registration"].get("mode").is_none());
    let (code, _, stderr) = run("tenant update acme --self-registration-max-clients 0");
    assert_eq!(code, 1);
    assert!(stderr.contains("registration/max_clients"), "{stderr}");
}
