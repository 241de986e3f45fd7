//! `/admin/v1/limits`, `/admin/v1/plans`, quotas, spike arrest and what tightens by itself.

use crate::rfc7591::{OPEN, registered, web};
use crate::support::client::TestClient;
use crate::support::http::Answer;
use crate::support::{Engine, TestApp};
use crate::tenants::bare_tenant;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Wide enough for the admin's own calls; far from full again during a test.
const WIDE: (&str, &str) = ("limits.standard.rate", "100000");

async fn admin(app: &TestApp) -> String {
    app.admin_token("limits:read limits:write clients:read clients:write")
        .await
}

async fn ask(app: &TestApp, client: &TestClient) -> Answer {
    let form = [("grant_type", "client_credentials"), ("scope", "orders:read")];
    app.http
        .post("/oauth2/token")
        .basic(&client.id, &client.secret)
        .form(&form)
        .send()
        .await
}

async fn patch(app: &TestApp, token: &str, path: &str, body: &Value) -> Answer {
    app.http
        .call(Method::PATCH, path)
        .bearer(token)
        .json(body)
        .send()
        .await
}

async fn plan(app: &TestApp, token: &str, body: &Value) -> Answer {
    app.http
        .post("/admin/v1/plans")
        .bearer(token)
        .json(body)
        .send()
        .await
}

async fn put_on(app: &TestApp, token: &str, client: &TestClient, plan: &Value) -> Answer {
    let path = format!("/admin/v1/clients/{}", client.id);
    patch(app, token, &path, &json!({"plan": plan})).await
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < Duration::from_secs(10), "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

on_both_engines! {
    /// R-LIM-45: "PATCH limits → effect < 10 s, audit row", on every replica, and what was used stays used.
    async fn r_lim_45_limits_change_while_running(engine: Engine) {
        let app = TestApp::spawn_with(engine, &[WIDE]).await;
        let other = app.replica().await;
        let token = admin(&app).await;
        let read = app.http.get("/admin/v1/limits").bearer(&token).send().await.expect(200);
        assert_eq!(read.json()["standard"]["changed"], false);
        let (etag, body) = (read.header("etag").to_owned(), json!({"standard": {"rate": 70}}));
        let changed = patch(&app, &token, "/admin/v1/limits", &body).await.expect(200);
        assert_eq!(changed.json()["standard"], json!({"rate": 70, "period_seconds": 60, "burst": 70, "changed": true}));
        let client = app.client("orders:read", |_| {}).await;
        assert_eq!(ask(&app, &client).await.expect(200).header("x-ratelimit-limit"), "70", "at once here");
        until("the other replica learns it", async || ask(&other, &client).await.header("x-ratelimit-limit") == "70").await;
        let stale = app.http.call(Method::PATCH, "/admin/v1/limits").bearer(&token).header("if-match", &etag).json(&body);
        stale.send().await.expect(412);
        for bad in [json!({"standard": {"rate": 0}}), json!({"standard": {"rate": 1_000_000_001}}), json!({"nothing": {"rate": 1}}), json!({"standard": {"rate": 1.5}})] {
            patch(&app, &token, "/admin/v1/limits", &bad).await.expect(400);
        }
        let back = patch(&app, &token, "/admin/v1/limits", &json!({"standard": null})).await.expect(200);
        assert_eq!(back.json()["standard"]["rate"], 100_000);
        let events = app.audit_log().await;
        assert_eq!(events.iter().filter(|event| event.event_type == "limits_updated").count(), 2);
    }

    /// R-LIM-45 for every tier, those too that are off in the configuration; attempts at secrets follow at once.
    async fn every_tier_can_be_changed(engine: Engine) {
        let app = TestApp::spawn_with(engine, &[WIDE]).await;
        let token = admin(&app).await;
        let tiers = ["standard", "expensive", "sensitive", "public", "per_user", "per_key", "global", "per_second", "per_tenant", "authentication"];
        for tier in tiers {
            let body = json!({tier: {"rate": 5000, "period_seconds": 7, "burst": 6000}});
            let changed = patch(&app, &token, "/admin/v1/limits", &body).await.expect(200).json();
            assert_eq!(changed[tier], json!({"rate": 5000, "period_seconds": 7, "burst": 6000, "changed": true}));
        }
        let all: Value = tiers.iter().map(|tier| ((*tier).to_owned(), Value::Null)).collect::<serde_json::Map<_, _>>().into();
        let back = patch(&app, &token, "/admin/v1/limits", &all).await.expect(200).json();
        assert!(back.get("per_second").is_none() && back.get("per_tenant").is_none(), "{back}");
        assert!(back.as_object().unwrap().values().all(|limit| limit["changed"] == false), "{back}");
        let wrong = async || app.http.post("/oauth2/token").basic("admin", "wrong").form(&[("grant_type", "client_credentials")]).send().await;
        for _ in 0..3 {
            wrong().await.expect(401);
        }
        patch(&app, &token, "/admin/v1/limits", &json!({"authentication": {"rate": 4}})).await.expect(200);
        assert_eq!(wrong().await.expect(401).header("x-ratelimit-limit"), "4");
        wrong().await.expect(429);
        // What is not a limit for everybody is refused by its name.
        for body in [json!({"spike": {"rate": 5}}), json!({"quota": {"rate": 5}})] {
            patch(&app, &token, "/admin/v1/limits", &body).await.expect(400);
        }
    }

    /// R-LIM-33: "Plans tie client to limits and quota; change takes effect without restart."
    async fn r_lim_33_plans_hold_for_their_clients(engine: Engine) {
        let app = TestApp::spawn_with(engine, &[WIDE]).await;
        let token = admin(&app).await;
        let body = json!({"name": "gold", "standard": {"rate": 1000}, "spike_rate": 900, "monthly_quota": 1_000_000});
        let made = plan(&app, &token, &body).await.expect(201);
        assert!(made.header("location").ends_with("/admin/v1/plans/gold"));
        plan(&app, &token, &body).await.expect(409);
        let client = app.client("orders:read", |_| {}).await;
        let free = app.client("orders:read", |_| {}).await;
        let refused = put_on(&app, &token, &client, &json!("silver")).await.expect(400);
        assert_eq!(refused.json()["errors"][0]["pointer"], "/plan");
        put_on(&app, &token, &client, &json!("gold")).await.expect(200);
        assert_eq!(ask(&app, &client).await.expect(200).header("ratelimit-policy"), "\"spike\";q=900;w=1");
        let body = json!({"spike_rate": null, "standard": {"rate": 7}});
        patch(&app, &token, "/admin/v1/plans/gold", &body).await.expect(200);
        assert_eq!(ask(&app, &client).await.expect(200).header("ratelimit-policy"), "\"standard\";q=7;w=60");
        assert_eq!(ask(&app, &free).await.expect(200).header("x-ratelimit-limit"), "100000");
        app.http.call(Method::DELETE, "/admin/v1/plans/gold").bearer(&token).send().await.expect(409);
        put_on(&app, &token, &client, &Value::Null).await.expect(200);
        app.http.call(Method::DELETE, "/admin/v1/plans/gold").bearer(&token).send().await.expect(204);
        app.http.get("/admin/v1/plans/gold").bearer(&token).send().await.expect(404);
        let list = app.http.get("/admin/v1/plans").bearer(&token).send().await.expect(200);
        assert_eq!(list.json()["items"], json!([]));
        let events = app.audit_log().await;
        for event_type in ["plan_created", "plan_updated", "plan_deleted"] {
            assert!(events.iter().any(|event| event.event_type == event_type), "{event_type}");
        }
    }

    /// A client cannot put itself on a plan, nor take itself off one.
    async fn only_administrators_put_clients_on_plans(engine: Engine) {
        let app = TestApp::spawn_with(engine, &[WIDE, OPEN]).await;
        let token = admin(&app).await;
        for name in ["gold", "lead"] {
            plan(&app, &token, &json!({"name": name, "spike_rate": 500})).await.expect(201);
        }
        let own = registered(&app, &web(json!({"plan": "gold"}))).await;
        assert!(own.get("plan").is_none(), "{own}");
        let (id, right) = (own["client_id"].as_str().unwrap(), own["registration_access_token"].as_str().unwrap());
        let path = format!("/admin/v1/clients/{id}");
        let shown = async || app.http.get(&path).bearer(&token).send().await.expect(200).json()["plan"].clone();
        assert_eq!(shown().await, Value::Null);
        patch(&app, &token, &path, &json!({"plan": "lead"})).await.expect(200);
        for plan in [json!("gold"), Value::Null] {
            let mut document = web(json!({"plan": plan}));
            document["client_id"] = id.into();
            let call = app.http.call(Method::PUT, &format!("/oauth2/register/{id}")).bearer(right);
            call.json(&document).send().await.expect(200);
            assert_eq!(shown().await, "lead");
        }
    }

    /// A plan is its tenant's: another one's clients are not put on it, and its quota is not theirs.
    async fn plans_are_their_tenants(engine: Engine) {
        let app = TestApp::spawn_with(engine, &[WIDE]).await;
        let token = admin(&app).await;
        plan(&app, &token, &json!({"name": "gold", "standard": {"rate": 9}})).await.expect(201);
        bare_tenant(&app, "acme", true).await;
        let foreign = app.http.get("/t/acme/admin/v1/plans/gold").bearer(&token).send().await;
        assert_eq!(foreign.status, 401, "the token is the first tenant's");
    }

    /// R-LIM-24: "Quota 5: 6th → 429 quota exceeded, Retry-After to month end." Over replicas and restarts.
    async fn r_lim_24_a_quota_holds_until_the_month_ends(engine: Engine) {
        let app = TestApp::spawn_with(engine, &[WIDE]).await;
        let token = admin(&app).await;
        plan(&app, &token, &json!({"name": "small", "monthly_quota": 5})).await.expect(201);
        let client = app.client("orders:read", |_| {}).await;
        put_on(&app, &token, &client, &json!("small")).await.expect(200);
        for n in 0..5 {
            ask(&app, &client).await.expect(200);
            let path = format!("/admin/v1/clients/{}/quota", client.id);
            let quota = app.http.get(&path).bearer(&token).send().await.expect(200).json();
            assert_eq!((&quota["used"], &quota["remaining"]), (&json!(n + 1), &json!(4 - n)));
            assert_eq!(quota["resets_at"], "2026-08-01T00:00:00.000Z");
        }
        let refused = ask(&app, &client).await.expect(429);
        assert_eq!(refused.json()["error"], "quota_exceeded");
        // The clock stands at 2026-07-01T00:00:00Z.
        assert_eq!(refused.header("retry-after"), (31 * 86_400).to_string());
        let other = app.replica().await;
        ask(&other, &client).await.expect(429);
        app.advance(31 * 86_400);
        ask(&app, &client).await.expect(200);
    }
}

/// R-LIM-25: "Spike 10/s: 50 in 100 ms → only burst allowance passes." And R-LIM-39, R-LIM-36: caps by second.
#[tokio::test]
async fn r_lim_25_what_comes_all_at_once_is_smoothed() {
    for (setting, value, tier) in [
        ("spike.rate", "10", "spike"),
        ("limit.per_second_cap", "10", "per_second"),
        ("limit.per_tenant_cap", "10", "per_tenant"),
    ] {
        let app = TestApp::spawn_with(Engine::Sqlite, &[WIDE, (setting, value)]).await;
        let client = app.client("orders:read", |_| {}).await;
        let mut passed = 0;
        for _ in 0..50 {
            let answer = ask(&app, &client).await;
            assert!(
                answer
                    .header("ratelimit-policy")
                    .starts_with(&format!("\"{tier}\"")),
                "{setting}"
            );
            passed += u32::from(answer.status == 200);
        }
        assert_eq!(passed, 10, "{setting}");
        app.advance(1);
        ask(&app, &client).await.expect(200);
    }
}

/// R-LIM-26: "Provoke many 401s; effective limit (header) halves; after cooldown returns; audit `limit_tightened`."
#[tokio::test]
async fn r_lim_26_a_burst_of_refused_credentials_tightens_the_limit() {
    let app = TestApp::spawn_with(Engine::Sqlite, &[WIDE]).await;
    for _ in 0..20 {
        let answer = app
            .http
            .get("/oauth2/userinfo")
            .bearer("nothing")
            .send()
            .await
            .expect(401);
        assert_eq!(answer.header("x-ratelimit-limit"), "100000");
    }
    assert_eq!(
        app.http.get("/nothing").send().await.header("x-ratelimit-limit"),
        "50000"
    );
    app.advance(900);
    assert_eq!(
        app.http.get("/nothing").send().await.header("x-ratelimit-limit"),
        "100000"
    );
    let events = app.audit_log().await;
    assert_eq!(
        events
            .iter()
            .filter(|event| event.event_type == "limit_tightened")
            .count(),
        1
    );
}

/// R-LIM-27: answers are delayed the more the less is left, and not before most is used.
#[tokio::test]
async fn r_lim_27_answers_slow_down_before_the_limit() {
    let settings = [
        ("limits.standard.rate", "20"),
        ("limits.standard.period_seconds", "86400"),
        ("throttle.max_delay_ms", "400"),
    ];
    let app = TestApp::spawn_with(Engine::Sqlite, &settings).await;
    let mut took = Vec::new();
    for _ in 0..20 {
        let started = Instant::now();
        app.http.get("/nothing").send().await.expect(404);
        took.push(started.elapsed());
    }
    // The delays of the last four are 100, 200, 300 and 400 ms, by a timer that never comes early.
    for (n, least) in [(16, 100), (17, 200), (18, 300), (19, 400)] {
        assert!(took[n] >= Duration::from_millis(least), "{n}: {took:?}");
    }
    let refused = app.http.get("/nothing").send().await.expect(429);
    assert_eq!(refused.header("x-ratelimit-remaining"), "0");
}
