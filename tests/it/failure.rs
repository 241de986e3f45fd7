//! What the server does when something that it needs fails: it says so in time, gives nothing away, and needs no restart.

use crate::support::app::started_db;
use crate::support::chaos::{Chaos, Weather};
use crate::support::client::TestClient;
use crate::support::{Engine, TestApp, TestDb};
use grantor::fault::FaultKind;
use grantor::storage::{Schema, Store};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// "A database or audit store that does not answer is 503 within 5 s": what a single use of the store may take of it.
const PATIENCE: Duration = Duration::from_millis(4_500);

#[tokio::test]
async fn a_store_gives_up_in_time_and_recovers() {
    if !Engine::Postgres.is_available() {
        return;
    }
    let db = TestDb::new(Engine::Postgres).await;
    let chaos = Chaos::before(&db.url).await;
    let store = Store::open(&chaos.url(&db.url), None, 2).await.unwrap();
    store.schema_state(Schema::Main).await.unwrap();
    for weather in [
        Weather::Cut,
        Weather::Blackhole,
        Weather::Slow(Duration::from_secs(9)),
    ] {
        chaos.set(weather);
        let started = Instant::now();
        let fault = store
            .schema_state(Schema::Main)
            .await
            .expect_err("nothing answers");
        assert_eq!(fault.kind(), FaultKind::Unavailable, "{weather:?}: {fault}");
        assert!(
            started.elapsed() < PATIENCE,
            "{weather:?} took {:?}",
            started.elapsed()
        );
        chaos.set(Weather::Fair);
        recovers(&store).await;
    }
}

/// A connection that was cut is noticed at its next use, so the first few uses may still fail.
async fn recovers(store: &Store) {
    let started = Instant::now();
    while let Err(fault) = store.schema_state(Schema::Main).await {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "no recovery: {fault}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Contract: "a database or audit store that does not answer is 503 with `Retry-After` within 5 s; recovery needs no
/// restart."
#[tokio::test]
async fn without_its_database_the_server_refuses_in_time_and_recovers() {
    if !Engine::Postgres.is_available() {
        return;
    }
    let (app, chaos) = behind_chaos("database_url").await;
    let client = app.client("orders:read", |_| {}).await;
    app.access_token(&client, "orders:read").await;
    let jwks = app.http.get("/oauth2/jwks").send().await.expect(200);
    for weather in [
        Weather::Cut,
        Weather::Blackhole,
        Weather::Slow(Duration::from_secs(9)),
    ] {
        chaos.set(weather);
        // The client that was just looked up is remembered for a second; one that was not has to be asked for.
        let unknown = TestClient {
            id: format!("unknown-{weather:?}").replace([' ', '(', ')'], ""),
            secret: "x".to_owned(),
        };
        refuses_in_time(&app, &unknown, weather).await;
        // What verifiers need goes on being published.
        assert_eq!(
            app.http.get("/oauth2/jwks").send().await.expect(200).body,
            jwks.body,
            "{weather:?}"
        );
        chaos.set(Weather::Fair);
        grants_again(&app, &client).await;
    }
}

/// R-LIM-28: "opens and answers 503 + Retry-After without touching the database".
#[tokio::test]
async fn r_lim_28_an_ailing_database_is_left_alone() {
    if !Engine::Postgres.is_available() {
        return;
    }
    for weather in [Weather::Blackhole, Weather::Slow(Duration::from_millis(700))] {
        let settings = [("breaker.latency_ms", "500"), ("breaker.open_s", "300")];
        let (app, chaos) = behind_chaos_with("database_url", &settings).await;
        let client = app.client("orders:read", |_| {}).await;
        app.access_token(&client, "orders:read").await;
        chaos.set(weather);
        open_the_breaker(&app).await;
        refuses_in_time(&app, &client, weather).await;
        let refused = app.app.store.read().await.err().expect("it is not asked");
        assert!(refused.to_string().contains("left alone"), "{refused}");
        app.http.get("/oauth2/jwks").send().await.expect(200);
        chaos.set(Weather::Fair);
        refuses_in_time(&app, &client, weather).await;
    }
}

/// R-LIM-28: "half-open probes close it".
#[tokio::test]
async fn r_lim_28_a_database_that_answers_again_is_used_again() {
    if !Engine::Postgres.is_available() {
        return;
    }
    let (app, chaos) = behind_chaos("database_url").await;
    let client = app.client("orders:read", |_| {}).await;
    app.access_token(&client, "orders:read").await;
    chaos.set(Weather::Cut);
    open_the_breaker(&app).await;
    chaos.set(Weather::Fair);
    let started = Instant::now();
    while app.app.store.breaker().is_open() {
        assert!(started.elapsed() < Duration::from_secs(30), "it stays open");
        if let Ok(mut conn) = app.app.store.read().await {
            let _ = grantor::storage::health::time(&mut conn).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    grants_again(&app, &client).await;
}

async fn open_the_breaker(app: &TestApp) {
    let started = Instant::now();
    while !app.app.store.breaker().is_open() {
        assert!(started.elapsed() < Duration::from_secs(30), "it stays closed");
        let uses = (0..24).map(|_| async {
            if let Ok(mut conn) = app.app.store.read().await {
                let _ = grantor::storage::health::time(&mut conn).await;
            }
        });
        futures_util::future::join_all(uses).await;
    }
}

/// "If the audit store is down, nothing is issued (503 within 5 s)."
#[tokio::test]
async fn without_its_audit_store_nothing_is_issued() {
    if !Engine::Postgres.is_available() {
        return;
    }
    let (app, chaos) = behind_chaos("audit_database_url").await;
    let client = app.client("orders:read", |_| {}).await;
    app.access_token(&client, "orders:read").await;
    for weather in [
        Weather::Cut,
        Weather::Blackhole,
        Weather::Slow(Duration::from_secs(9)),
    ] {
        chaos.set(weather);
        refuses_in_time(&app, &client, weather).await;
        chaos.set(Weather::Fair);
        grants_again(&app, &client).await;
    }
}

/// SQLite: another process keeps the audit file locked.
#[tokio::test]
async fn while_the_audit_file_is_locked_nothing_is_issued() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let client = app.client("orders:read", |_| {}).await;
    app.access_token(&client, "orders:read").await;
    let lock = app.db.audit.begin().await.unwrap();
    refuses_in_time(&app, &client, Weather::Fair).await;
    drop(lock);
    grants_again(&app, &client).await;
}

on_both_engines! {
    /// A log that is full, or that the server may no longer write to, refuses its rows: nothing is issued.
    async fn while_the_audit_log_takes_no_rows_nothing_is_issued(engine: Engine) {
        let app = TestApp::spawn(engine).await;
        let client = app.client("orders:read", |_| {}).await;
        app.access_token(&client, "orders:read").await;
        let (refuse, accept) = match engine {
            Engine::Postgres => (
                "CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS
                     $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END $$;
                 CREATE TRIGGER no_space BEFORE INSERT ON audit_events FOR EACH STATEMENT EXECUTE FUNCTION no_space()",
                "DROP TRIGGER no_space ON audit_events",
            ),
            Engine::Sqlite => (
                "CREATE TRIGGER no_space BEFORE INSERT ON audit_events BEGIN SELECT RAISE(ABORT, 'no space left'); END",
                "DROP TRIGGER no_space",
            ),
        };
        app.db.audit_execute(refuse).await;
        let started = Instant::now();
        let answer = app.token_request(&client, &[("scope", "orders:read")]).send().await;
        assert!(matches!(answer.status.as_u16(), 500 | 503), "{}", answer.text());
        assert!(answer.json()["access_token"].is_null());
        assert!(started.elapsed() < Duration::from_secs(5));
        app.db.audit_execute(accept).await;
        grants_again(&app, &client).await;
    }
}

/// A server whose database (or audit store) is behind a proxy.
async fn behind_chaos(setting: &str) -> (TestApp, Chaos) {
    behind_chaos_with(setting, &[]).await
}

async fn behind_chaos_with(setting: &str, further: &[(&str, &str)]) -> (TestApp, Chaos) {
    let db = Arc::new(started_db(Engine::Postgres).await);
    let chaos = Chaos::before(&db.url).await;
    let url = chaos.url(&db.url);
    // The other store stays as it is.
    let audit = if setting == "database_url" {
        db.url.clone()
    } else {
        url.clone()
    };
    let mut settings = vec![(setting, url.as_str()), ("audit_database_url", audit.as_str())];
    settings.extend_from_slice(further);
    (TestApp::on(db.clone(), &settings).await, chaos)
}

async fn refuses_in_time(app: &TestApp, client: &TestClient, weather: Weather) {
    let started = Instant::now();
    let answer = app
        .token_request(client, &[("scope", "orders:read")])
        .send()
        .await;
    assert_eq!(answer.oauth_error(503), "temporarily_unavailable", "{weather:?}");
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{weather:?} took {:?}",
        started.elapsed()
    );
    assert!(
        answer
            .header("retry-after")
            .parse::<u32>()
            .is_ok_and(|seconds| seconds > 0),
        "{weather:?}"
    );
}

async fn grants_again(app: &TestApp, client: &TestClient) {
    let started = Instant::now();
    loop {
        let answer = app
            .token_request(client, &[("scope", "orders:read")])
            .send()
            .await;
        if answer.status.is_success() {
            return;
        }
        assert_eq!(answer.status.as_u16(), 503, "{}", answer.text());
        assert!(
            started.elapsed() < Duration::from_secs(15),
            "no recovery: {}",
            answer.text()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
