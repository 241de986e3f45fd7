//! Reading: filters, pages, rights.

use super::support::{Process, event_at, execute};
use crate::support::db::new_name;
use crate::support::{Engine, TestDb, source};
use grantor::audit::{Event, EventType, Outcome, Verification, document};
use grantor::clock::Clock;
use grantor::storage::audit_read::{self, After, Filter, StoredEvent, rights};
use grantor::storage::{Conn, Schema, SchemaState, Store};
use grantor::types::{TenantId, Timestamp};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

async fn list(store: &Store, filter: &Filter, after: Option<After>, limit: i64) -> Vec<StoredEvent> {
    let mut conn = store.read().await.unwrap();
    audit_read::list(&mut conn, TenantId::FIRST, filter, after, limit)
        .await
        .unwrap()
}

fn ids(events: &[StoredEvent]) -> Vec<Uuid> {
    events.iter().map(|event| event.id).collect()
}

/// Thirty records, a second apart, of three clients, two users, five families and three addresses.
async fn thirty(db: &TestDb) -> Vec<Event> {
    let clock = Clock::manual(Timestamp::from_seconds(1_800_000_000));
    let process = Process::at(db, clock.clone()).await;
    let mut events = Vec::new();
    for index in 0..30 {
        let event_type = [EventType::Login, EventType::TokenRefresh][index % 2];
        let mut event = event_at(event_type, clock.now())
            .client(format!("client-{}", index % 3))
            .user(format!("user-{}", index % 2))
            .family(format!("family-{}", index % 5));
        event.ip = Some(format!("192.0.2.{}", index % 3));
        event.request_id = Some(format!("request-{index}"));
        if index % 4 == 0 {
            event.outcome = Outcome::Failure;
            event = event.because("wrong_password");
        }
        process.audit.record(event.clone()).await.unwrap();
        events.push(event);
        clock.advance_seconds(1);
    }
    events
}

on_both_engines! {
    async fn a_filter_gives_what_it_names_newest_first(engine: Engine) {
        let db = TestDb::new(engine).await;
        let events = thirty(&db).await;
        let at = |second: i64| Some(Timestamp::from_seconds(1_800_000_000 + second));
        let text = |text: &str| Some(text.to_owned());
        let all = Filter::default();
        type Case<'a> = (Filter, &'a dyn Fn(usize, &Event) -> bool);
        let cases: Vec<Case<'_>> = vec![
            (all.clone(), &|_, _| true),
            (Filter { since: at(10), ..all.clone() }, &|index, _| index >= 10),
            (Filter { until: at(10), ..all.clone() }, &|index, _| index < 10),
            (Filter { since: at(3), until: at(9), ..all.clone() }, &|index, _| (3..9).contains(&index)),
            (Filter { event_type: text("login"), ..all.clone() }, &|index, _| index % 2 == 0),
            (Filter { outcome: text("failure"), ..all.clone() }, &|index, _| index % 4 == 0),
            (Filter { client_id: text("client-1"), ..all.clone() }, &|index, _| index % 3 == 1),
            (Filter { user_id: text("user-1"), ..all.clone() }, &|index, _| index % 2 == 1),
            (Filter { ip: text("192.0.2.2"), ..all.clone() }, &|index, _| index % 3 == 2),
            (Filter { token_family: text("family-4"), ..all.clone() }, &|index, _| index % 5 == 4),
            (Filter { request_id: text("request-7"), ..all.clone() }, &|index, _| index == 7),
            (
                Filter { client_id: text("client-0"), user_id: text("user-0"), since: at(5), ..all.clone() },
                &|index, _| index % 6 == 0 && index >= 5,
            ),
            (Filter { client_id: text("nobody"), ..all.clone() }, &|_, _| false),
        ];
        for (filter, wanted) in cases {
            let mut expected: Vec<_> = events
                .iter()
                .enumerate()
                .filter(|(index, event)| wanted(*index, event))
                .map(|(_, event)| event.id)
                .collect();
            expected.reverse();
            assert_eq!(ids(&list(&db.audit, &filter, None, 100).await), expected, "{filter:?}");
        }
        let mut conn = db.audit.read().await.unwrap();
        let other = TenantId(Uuid::from_u128(2));
        assert_eq!(audit_read::list(&mut conn, other, &all, None, 100).await.unwrap(), []);
        let found = audit_read::find(&mut conn, TenantId::FIRST, events[3].id).await.unwrap().unwrap();
        assert_eq!(found.user_id.as_deref(), Some("user-1"));
        assert_eq!(audit_read::find(&mut conn, other, events[3].id).await.unwrap(), None);
    }

    async fn pages_join_without_gap_or_repetition(engine: Engine) {
        let db = TestDb::new(engine).await;
        thirty(&db).await;
        // Records of one instant are told apart by their ids.
        let clock = Clock::manual(Timestamp::from_seconds(1_800_000_020));
        let process = Process::at(&db, clock.clone()).await;
        for _ in 0..10 {
            process.audit.record(event_at(EventType::Logout, clock.now())).await.unwrap();
        }
        for filter in [Filter::default(), Filter { client_id: Some("client-2".into()), ..Filter::default() }] {
            let whole = ids(&list(&db.audit, &filter, None, 100).await);
            let (mut joined, mut after) = (Vec::new(), None);
            loop {
                let page = list(&db.audit, &filter, after, 7).await;
                let Some(last) = page.last() else { break };
                after = Some(After { time: last.time, id: last.id });
                joined.extend(ids(&page));
            }
            assert_eq!(joined, whole);
        }
    }

    async fn a_record_is_shown_with_its_public_names(engine: Engine) {
        let db = TestDb::new(engine).await;
        let events = thirty(&db).await;
        let shown = document(&list(&db.audit, &Filter::default(), None, 100).await[29 - 4]);
        assert_eq!(shown["id"], events[4].id.to_string());
        assert_eq!(shown["time"], "2027-01-15T08:00:04.000Z");
        assert_eq!(shown["metadata"]["failure_reason"], "wrong_password");
        assert_eq!(shown["metadata"]["token_family"], "family-4");
        let names: Vec<_> = shown.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "id", "time", "event_type", "outcome", "tenant", "client_id", "user_id", "ip", "user_agent",
                "request_id", "metadata"
            ]
        );
    }
}

/// The SQL of docs/audit.md with role names of this test's own.
fn documented_sql(roles: &str, database: &str) -> Vec<String> {
    let page = std::fs::read_to_string(source::root().join("docs/audit.md")).unwrap();
    let blocks = page
        .split("```sql\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    blocks
        .map(|block| {
            block
                .replace("grantor_", roles)
                .replace("DATABASE grantor ", &format!("DATABASE {database} "))
                .replace("'…'", "'x'")
        })
        .collect()
}

async fn as_role(db: &TestDb, role: &str) -> (Store, Store) {
    let mut url: url::Url = db.url.parse().unwrap();
    url.set_username(role).unwrap();
    url.set_password(Some("x")).unwrap();
    let open = async |schema| Store::open(url.as_str(), schema, 3).await.unwrap();
    (open(None).await, open(Some("audit")).await)
}

#[tokio::test]
async fn the_documented_roles_are_enough_and_may_nothing_else() {
    if !Engine::Postgres.is_available() {
        return;
    }
    let db = TestDb::new(Engine::Postgres).await;
    let own = rights(&db.audit).await.unwrap().unwrap();
    assert!(own.is_owner && own.may_change, "{own:?}");
    let roles = format!("{}_", new_name());
    let database = db.url.rsplit('/').next().unwrap();
    for block in documented_sql(&roles, database) {
        let Conn::Postgres(mut conn, _) = db.main.write().await.unwrap() else {
            unreachable!("a PostgreSQL database");
        };
        sqlx::raw_sql(AssertSqlSafe(block))
            .execute(&mut *conn)
            .await
            .unwrap();
    }

    let (main, store) = as_role(&db, &format!("{roles}server")).await;
    let found = rights(&store).await.unwrap().unwrap();
    assert!(!found.is_owner && !found.may_change, "{found:?}");
    let process = Process::on(main.clone(), store.clone(), Clock::System, None);
    let now = Clock::System.now();
    process
        .audit
        .record(event_at(EventType::Login, now))
        .await
        .unwrap();
    assert_eq!(process.audit.checkpoint().await.unwrap(), Some(1));
    process.audit.shutdown().await;
    for sql in [
        "UPDATE audit_events SET outcome = 'failure'",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "ALTER TABLE audit_events DISABLE TRIGGER ALL",
        "DROP TRIGGER audit_events_append_only ON audit_events",
        "DROP TABLE audit_checkpoints",
    ] {
        let error = execute(&store, sql).await.unwrap_err();
        let is_refused = error.contains("permission denied") || error.contains("must be owner");
        assert!(is_refused, "{sql}: {error}");
    }

    let (auditor_main, auditor_store) = as_role(&db, &format!("{roles}auditor")).await;
    for (schema, store) in [(Schema::Main, &auditor_main), (Schema::Audit, &auditor_store)] {
        assert_eq!(store.schema_state(schema).await.unwrap(), SchemaState::Current);
    }
    let verification = Verification {
        main: &auditor_main,
        audit: &auditor_store,
        fingerprints: &[],
        anchor: None,
    };
    let report = verification.run().await.unwrap();
    assert!(report.is_clean() && report.records == 1, "{report}");
    let insert = "INSERT INTO audit_checkpoints SELECT * FROM audit_checkpoints";
    assert!(
        execute(&auditor_store, insert)
            .await
            .unwrap_err()
            .contains("permission denied")
    );

    drop(process);
    for store in [main, store, auditor_main, auditor_store] {
        store.close().await;
    }
    for role in ["owner", "server", "retention", "auditor"] {
        for sql in [
            format!("DROP OWNED BY {roles}{role}"),
            format!("DROP ROLE {roles}{role}"),
        ] {
            execute(&db.audit, &sql).await.unwrap();
        }
    }
}
