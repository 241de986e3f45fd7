//! A thousand tenants: nothing is read or kept of them before somebody asks, and what is kept has a bound.

use super::add_empty_tenants;
use crate::support::app::{MASTER_KEY, started_db};
use crate::support::process::Installation;
use crate::support::{Engine, TestApp, TestDb, source, statements};
use grantor::storage::Conn;
use grantor::tenants::Site;
use grantor::types::{TenantId, TenantName};
use sqlx::AssertSqlSafe;
use std::sync::Arc;

const SETTINGS: &[(&str, &str)] = &[("tokens.algorithms", "ES256"), ("token.alg", "ES256")];
/// How many there are besides the first.
const MANY: usize = 1_000;

/// Statements of a server of its own from its start until it is ready.
async fn statements_of_a_start(db: &TestDb) -> usize {
    let mut settings = vec![
        ("GRANTOR_DATABASE_URL", db.url.as_str()),
        ("GRANTOR_MASTER_KEY", MASTER_KEY),
        ("GRANTOR_TOKENS__ALGORITHMS", "ES256"),
        ("GRANTOR_TOKEN__ALG", "ES256"),
    ];
    settings.extend(
        db.audit_url
            .as_deref()
            .map(|url| ("GRANTOR_AUDIT_DATABASE_URL", url)),
    );
    let server = Installation::new(Engine::Sqlite, &settings).await;
    let serving = server.serve().await;
    let metrics = serving.management.get("/metrics").send().await.expect(200).text();
    let name = "grantor_database_statements_total ";
    let count = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .expect("the counter");
    count.parse().expect("a number")
}

/// What the start asks once, and the job that turns keys every few seconds, is found in indexes: SQLite's plan says so.
#[tokio::test]
async fn what_is_looked_for_over_all_tenants_reads_no_key_of_each() {
    let app = TestApp::spawn_with(Engine::Sqlite, SETTINGS).await;
    let file = source::files()
        .into_iter()
        .find(|file| file.path == "src/storage/signing_keys.rs");
    let (all, _) = statements::of(&file.expect("the file"));
    for beginning in [
        "WITH RECURSIVE signing",
        "SELECT tenant_id FROM signing_keys WHERE expires_at",
    ] {
        let found = all.iter().find(|statement| statement.text.starts_with(beginning));
        let sql = AssertSqlSafe(format!(
            "EXPLAIN QUERY PLAN {}",
            found.expect("the statement").text
        ));
        let Conn::Sqlite(mut conn, _) = app.app.store.read().await.unwrap() else {
            unreachable!("it is SQLite")
        };
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(sql).fetch_all(&mut *conn).await.unwrap();
        let (mut scans, mut searches) = (Vec::new(), 0);
        for (.., step) in plan {
            searches += usize::from(step.starts_with("SEARCH"));
            if step.starts_with("SCAN") && !step.contains("USING COVERING INDEX") {
                scans.push(step);
            }
        }
        // The master keys that were found are scanned themselves.
        assert!(
            searches >= 2
                && scans
                    .iter()
                    .all(|step| ["SCAN signing", "SCAN purpose"].contains(&&**step)),
            "{scans:?}"
        );
    }
}

on_both_engines! {
    /// One statement for each tenant would be a thousand more. Waiting for it to be ready asks the database a few times.
    async fn the_start_asks_the_database_no_more_than_with_one(engine: Engine) {
        let db = Arc::new(started_db(engine).await);
        let with_one = statements_of_a_start(&db).await;
        let app = TestApp::on(db.clone(), SETTINGS).await;
        add_empty_tenants(&app, "many", MANY).await;
        drop(app);
        let with_many = statements_of_a_start(&db).await;
        assert!(with_many < with_one + MANY / 2, "{with_one} with one, {with_many} with many");
    }

    async fn nothing_is_kept_of_tenants_that_nobody_asks_for(engine: Engine) {
        let app = TestApp::spawn_with(engine, SETTINGS).await;
        for name in ["a", "b", "c"] {
            app.make_tenant(name).await;
        }
        let app = app.replica().await;
        grantor::jobs::run(&app.app).await;
        let (keys, tenants) = (app.app.keys.tenants_in_memory(), app.app.tenants.in_memory().await);
        assert!(keys <= 1 && tenants <= 1, "{keys} {tenants}");
        for path in ["/t/a/oauth2/jwks", "/t/c/oauth2/jwks"] {
            app.http.get(path).send().await.expect(200);
        }
        assert_eq!(app.app.keys.tenants_in_memory(), keys + 2);
    }

    /// Whoever walks names, taken or not, fills a bounded memory.
    async fn whatever_is_asked_for_memory_is_bounded(engine: Engine) {
        let app = TestApp::spawn_with(engine, SETTINGS).await;
        let tenants = add_empty_tenants(&app, "many", MANY + 100).await;
        for tenant in &tenants {
            app.app.keys.of(*tenant).await.unwrap();
        }
        let kept = app.app.keys.tenants_in_memory();
        assert!((100..=1_000).contains(&kept), "{kept}");
        for number in 0..12_000 {
            let name = TenantName::parse(&format!("nobody-{number}")).unwrap();
            assert!(app.app.tenants.find(&Site::Named(name)).await.unwrap().is_none());
        }
        let kept = app.app.tenants.in_memory().await;
        assert!(kept <= 11_000, "{kept}");
        // What cannot be a name is not even looked for.
        assert!(app.app.tenants.find(&Site::Nobody).await.unwrap().is_none());
        assert!(app.app.tenants.find(&Site::First).await.unwrap().is_some_and(|first| first.id == TenantId::FIRST));
    }

    /// Looking for tenants that do not exist is paid for by the address, like every request.
    async fn unknown_tenants_use_up_the_limit_of_their_address(engine: Engine) {
        let app = TestApp::spawn_with(engine, &[SETTINGS[0], SETTINGS[1], ("limits.standard.rate", "20")]).await;
        let mut names = ('a'..='z').map(|letter| format!("/t/{}/login", letter.to_string().repeat(20)));
        for path in names.by_ref().take(20) {
            app.http.get(&path).send().await.expect(404);
        }
        let refused = app.http.get(&names.next().unwrap()).send().await.expect(429);
        assert!(!refused.header("retry-after").is_empty());
        // For all tenants together: another one's URL is no way around it.
        app.http.get("/login").send().await.expect(429);
    }
}
