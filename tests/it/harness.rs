//! The tests' own ground: copies are migrated, apart from each other, and gone afterwards.

use crate::support::{Engine, TestApp, TestDb};
use grantor::storage::{Schema, SchemaState};

on_both_engines! {
    async fn a_copy_is_migrated_and_apart_from_the_next(engine: Engine) {
        let (one, other) = (TestDb::new(engine).await, TestDb::new(engine).await);
        for db in [&one, &other] {
            assert_eq!(db.main.schema_state(Schema::Main).await.unwrap(), SchemaState::Current);
            assert_eq!(db.audit.schema_state(Schema::Audit).await.unwrap(), SchemaState::Current);
        }
        assert_ne!(one.url, other.url);
        assert_eq!(one.engine(), engine);
        let (main, audit) = one.stores().await;
        assert_eq!(main.schema_state(Schema::Main).await.unwrap(), SchemaState::Current);
        assert_eq!(audit.schema_state(Schema::Audit).await.unwrap(), SchemaState::Current);
        let folder = other.folder().map(std::path::Path::to_owned);
        drop(other);
        assert!(!folder.is_some_and(|folder| folder.exists()));
    }
}

on_both_engines! {
    async fn a_server_answers_on_a_database_with_keys(engine: Engine) {
        let app = TestApp::spawn(engine).await;
        let client = app.client("orders:read", |_| {}).await;
        app.access_token(&client, "orders:read").await;
        app.admin_token("clients:read").await;
        let refused = app.token_request(&client, &[("scope", "orders:write")]).send().await;
        assert_eq!(refused.oauth_error(400), "invalid_scope");
        let log = app.audit_log().await;
        let issued: Vec<_> = log.iter().filter(|event| event.event_type == "token_issued").collect();
        assert_eq!(issued.len(), 2, "{log:?}");
        assert_eq!(issued[0].client_id.as_deref(), Some(client.id.as_str()));
        assert_eq!(issued[0].meta("scope"), "orders:read");
        app.stop().await;
    }
}
