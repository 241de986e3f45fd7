//! Clients, their resources and the assertion identifiers that they used.

use super::users::{NOW, tenant};
use crate::support::{Engine, TestDb};
use grantor::clients::ClientCache;
use grantor::storage::Store;
use grantor::storage::clients::{self, After, Client, ClientMetadata, Use};
use grantor::types::{ClientId, Resource, ScopeSet, TenantId, Timestamp, TokenHash};
use std::sync::Arc;
use uuid::Uuid;

const T: TenantId = TenantId::FIRST;

fn id(text: &str) -> ClientId {
    ClientId::parse(text).unwrap()
}

fn client(name: &str, created_at: Timestamp) -> Client {
    let metadata = ClientMetadata {
        scope: ScopeSet::parse("a b").unwrap(),
        ..ClientMetadata::default()
    };
    Client::new(T, id(name), metadata, Some(TokenHash::of("secret")), created_at)
}

async fn insert(store: &Store, client: &Client) -> bool {
    clients::insert(&mut store.write().await.unwrap(), client)
        .await
        .unwrap()
}

async fn find(store: &Store, name: &str) -> Option<Client> {
    clients::find(&mut store.read().await.unwrap(), T, &id(name))
        .await
        .unwrap()
}

async fn delete(store: &Store, name: &str, version: i64, now: Timestamp) -> bool {
    let mut tx = store.begin().await.unwrap();
    let deleted = clients::delete(&mut tx, T, &id(name), version, now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    deleted
}

async fn update(store: &Store, client: &Client, revoke: bool, now: Timestamp) -> bool {
    clients::update(&mut store.write().await.unwrap(), client, revoke, now)
        .await
        .unwrap()
}

on_both_engines! {
    async fn a_client_is_stored_once_and_found(engine: Engine) {
        let db = TestDb::new(engine).await;
        let store = &db.main;
        tenant(store).await;
        assert!(!clients::any(&mut store.read().await.unwrap(), T).await.unwrap());
        assert!(insert(store, &client("a", NOW)).await);
        assert!(clients::any(&mut store.read().await.unwrap(), T).await.unwrap());
        let mut second = client("a", NOW.plus_seconds(1));
        second.enabled = false;
        assert!(!insert(store, &second).await);
        let found = find(store, "a").await.unwrap();
        assert!(found.enabled && found.created_at == NOW);
        assert_eq!(found.metadata.0, client("a", NOW).metadata.0);
        assert!(found.secret_hash.unwrap().matches(&TokenHash::of("secret")));
        assert!(find(store, "A").await.is_none(), "identifiers are compared exactly");
        let other = TenantId(Uuid::from_u128(2));
        let elsewhere = clients::find(&mut store.read().await.unwrap(), other, &id("a")).await.unwrap();
        assert!(elsewhere.is_none());
    }

    async fn pages_are_newest_first_and_complete(engine: Engine) {
        let db = TestDb::new(engine).await;
        let store = &db.main;
        tenant(store).await;
        // Two at each instant, so that a page ends within one.
        for n in 0..7 {
            assert!(insert(store, &client(&format!("c{n}"), NOW.plus_seconds(n / 2))).await);
        }
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let mut conn = store.read().await.unwrap();
            let page = clients::list(&mut conn, T, after.as_ref(), 3).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(After { created_at: last.created_at, client_id: last.client_id.clone() });
            seen.extend(page.into_iter().map(|client| client.client_id.as_str().to_owned()));
        }
        assert_eq!(seen, ["c6", "c5", "c4", "c3", "c2", "c1", "c0"]);
    }

    async fn of_two_changes_to_one_version_one_is_made(engine: Engine) {
        let db = TestDb::new(engine).await;
        let store = &db.main;
        tenant(store).await;
        insert(store, &client("a", NOW)).await;
        let read = find(store, "a").await.unwrap();
        let mut changed = read.clone();
        changed.metadata.client_name = Some("one".to_owned());
        assert!(update(store, &changed, false, NOW.plus_seconds(5)).await);
        changed.metadata.client_name = Some("two".to_owned());
        assert!(!update(store, &changed, false, NOW.plus_seconds(6)).await);
        let now = find(store, "a").await.unwrap();
        assert_eq!(now.metadata.client_name.as_deref(), Some("one"));
        assert_eq!((now.version, now.updated_at), (2, NOW.plus_seconds(5)));
        assert_eq!((now.epoch, now.tokens_valid_from), (read.epoch, read.tokens_valid_from));
        let delete = async |version| delete(store, "a", version, NOW).await;
        assert!(!delete(1).await && delete(2).await && !delete(2).await);
    }

    async fn revoking_ends_what_was_issued_before(engine: Engine) {
        let db = TestDb::new(engine).await;
        let store = &db.main;
        tenant(store).await;
        insert(store, &client("a", NOW)).await;
        let read = find(store, "a").await.unwrap();
        assert!(read.honours_tokens_from(NOW.seconds()));
        let later = NOW.plus_seconds(9);
        assert!(update(store, &read, true, later).await);
        let revoked = find(store, "a").await.unwrap();
        assert_eq!(revoked.epoch, read.epoch + 1);
        assert!(!revoked.honours_tokens_from(later.seconds()));
        assert!(revoked.honours_tokens_from(later.seconds() + 1));
    }

    async fn a_client_of_a_deleted_ones_name_starts_with_a_later_epoch(engine: Engine) {
        let db = TestDb::new(engine).await;
        let store = &db.main;
        tenant(store).await;
        insert(store, &client("a", NOW)).await;
        let mut old = find(store, "a").await.unwrap();
        for _ in 0..3 {
            assert!(update(store, &old, true, NOW).await);
            old = find(store, "a").await.unwrap();
        }
        assert!(delete(store, "a", old.version, NOW).await);
        insert(store, &client("a", NOW.plus_seconds(1))).await;
        assert!(find(store, "a").await.unwrap().epoch > old.epoch);
    }

    async fn a_client_of_a_deleted_ones_name_has_none_of_its_tokens(engine: Engine) {
        let db = TestDb::new(engine).await;
        let store = &db.main;
        tenant(store).await;
        insert(store, &client("a", NOW)).await;
        let issued_at = NOW.plus_seconds(100).seconds();
        assert!(find(store, "a").await.unwrap().honours_tokens_from(issued_at));
        // Within one second: a token is issued, the client is deleted and registered again.
        let at = |millis: i64| Timestamp::from_micros(NOW.plus_seconds(100).micros() + millis * 1_000);
        assert!(delete(store, "a", 1, at(500)).await);
        insert(store, &client("a", at(700))).await;
        let again = find(store, "a").await.unwrap();
        assert!(!again.honours_tokens_from(issued_at));
        assert!(again.honours_tokens_from(issued_at + 1), "its own, from the next second");
        // Another name is free from the start, and so is this one once no token can be alive.
        insert(store, &client("b", at(700))).await;
        assert!(find(store, "b").await.unwrap().honours_tokens_from(issued_at));
        let day = 86_400;
        let mut conn = store.write().await.unwrap();
        assert_eq!(clients::purge_deleted(&mut conn, at(500).plus_seconds(day), 10).await.unwrap(), 0);
        assert_eq!(clients::purge_deleted(&mut conn, at(501).plus_seconds(day), 10).await.unwrap(), 1);
    }

    async fn a_resource_belongs_to_one_client(engine: Engine) {
        let db = TestDb::new(engine).await;
        let store = &db.main;
        tenant(store).await;
        insert(store, &client("a", NOW)).await;
        insert(store, &client("b", NOW)).await;
        let resource = |n: u8| Resource::parse(&format!("https://api{n}.example")).unwrap();
        let set = async |name: &str, resources: &[Resource]| {
            let mut tx = store.begin().await.unwrap();
            let taken = clients::set_resource_identifiers(&mut tx, T, &id(name), resources).await.unwrap();
            if taken.is_none() {
                tx.commit().await.unwrap();
            }
            taken
        };
        assert_eq!(set("a", &[resource(1), resource(2)]).await, None);
        assert_eq!(set("b", &[resource(3), resource(2)]).await, Some(1));
        assert_eq!(set("b", &[resource(3)]).await, None);
        assert_eq!(set("a", &[resource(1)]).await, None);
        assert_eq!(set("b", &[resource(2)]).await, None);
        assert!(delete(store, "a", 1, NOW).await);
        assert_eq!(set("b", &[resource(1)]).await, None, "a deleted client owns nothing");
    }

    async fn an_assertion_identifier_is_fresh_once(engine: Engine) {
        let db = TestDb::new(engine).await;
        let store = &db.main;
        let tries = (0..20).map(|_| async {
            let mut conn = store.write().await.unwrap();
            let jti = TokenHash::of("j");
            clients::use_jti(&mut conn, T, &id("a"), &jti, NOW.plus_seconds(60)).await.unwrap()
        });
        let uses = futures_util::future::join_all(tries).await;
        assert_eq!(uses.iter().filter(|used| **used == Use::Fresh).count(), 1);
        let mut conn = store.write().await.unwrap();
        let by_b = clients::use_jti(&mut conn, T, &id("b"), &TokenHash::of("j"), NOW.plus_seconds(60)).await;
        assert_eq!(by_b.unwrap(), Use::Fresh, "each client has its own");
        assert_eq!(clients::purge_jtis(&mut conn, NOW.plus_seconds(60), 10).await.unwrap(), 0);
        assert_eq!(clients::purge_jtis(&mut conn, NOW.plus_seconds(61), 1).await.unwrap(), 1);
        assert_eq!(clients::purge_jtis(&mut conn, NOW.plus_seconds(61), 10).await.unwrap(), 1);
    }

    async fn a_change_is_seen_at_once_after_invalidation(engine: Engine) {
        let db = TestDb::new(engine).await;
        let store = &db.main;
        tenant(store).await;
        let cache = ClientCache::new(store.clone());
        assert!(cache.find(T, &id("a")).await.unwrap().is_none());
        insert(store, &client("a", NOW)).await;
        cache.invalidate();
        let first = cache.find(T, &id("a")).await.unwrap().unwrap();
        assert!(Arc::ptr_eq(&first, &cache.find(T, &id("a")).await.unwrap().unwrap()));
        let mut disabled = find(store, "a").await.unwrap();
        disabled.enabled = false;
        assert!(update(store, &disabled, false, NOW).await);
        cache.invalidate();
        assert!(cache.find_enabled(T, &id("a")).await.unwrap().is_none());
        assert!(!cache.find(T, &id("a")).await.unwrap().unwrap().enabled);
    }
}
