//! Users and their identifiers.

use crate::support::{Engine, TestDb};
use grantor::storage::Store;
use grantor::storage::users::{self, NewPassword, PasswordHash, User};
use grantor::types::{TenantId, Timestamp, UserId};
use sqlx::types::Json;
use uuid::Uuid;

const T: TenantId = TenantId::FIRST;
pub(super) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// A user number `n`, who signs in with the identifier `[n; 32]`.
pub(super) fn user(n: u8) -> User {
    User {
        tenant_id: T,
        id: UserId(Uuid::from_u128(u128::from(n))),
        username: Some(format!("user{n}")),
        enabled: true,
        epoch: 0,
        password_hash: Some(PasswordHash::new(format!("$hash{n}"))),
        password_changed_at: Some(NOW),
        password_temporary: false,
        roles: Json(vec!["admin".to_owned()]),
        claims: Json(serde_json::Map::from_iter([("name".to_owned(), "N".into())])),
        sealed_username: None,
        email: Some(vec![n; 40]),
        phone_number: None,
        address: None,
        birthdate: None,
        attributes: Json(serde_json::Map::new()),
        sealed_attributes: None,
        sealed_with: "key1".to_owned(),
        email_verified: false,
        phone_verified: true,
        version: 1,
        created_at: NOW.plus_seconds(i64::from(n)),
        updated_at: NOW,
    }
}

/// Inserts the user with the identifiers; `false` when one of them was taken.
pub(super) async fn insert(store: &Store, user: &User, blind: &[[u8; 32]]) -> bool {
    let mut tx = store.begin().await.unwrap();
    users::insert(&mut tx, user).await.unwrap();
    let free = users::set_identifiers(&mut tx, T, user.id, blind).await.unwrap();
    if free {
        tx.commit().await.unwrap();
    }
    free
}

/// The first tenant, whose row the start makes.
pub(crate) async fn tenant(store: &Store) {
    let sql = "INSERT INTO tenants (id, name, enabled, settings, version, created_at)
        VALUES ($1, 'default', $2, '{}', 1, $3) ON CONFLICT DO NOTHING";
    match store {
        Store::Postgres { pool, .. } => {
            sqlx::query(sql)
                .bind(T)
                .bind(true)
                .bind(NOW)
                .execute(pool)
                .await
                .unwrap();
        }
        Store::Sqlite { writer, .. } => {
            sqlx::query(sql)
                .bind(T)
                .bind(true)
                .bind(NOW)
                .execute(writer)
                .await
                .unwrap();
        }
    }
}

on_both_engines! {
    async fn a_user_is_found_by_id_and_by_each_identifier(engine: Engine) {
        let db = TestDb::new(engine).await;
        let store = &db.main;
        tenant(store).await;
        assert!(!users::any(&mut store.read().await.unwrap(), T).await.unwrap());
        assert!(insert(store, &user(1), &[[1; 32], [11; 32]]).await);
        let mut conn = store.read().await.unwrap();
        assert!(users::any(&mut conn, T).await.unwrap());
        assert_eq!(users::find(&mut conn, T, user(1).id).await.unwrap(), Some(user(1)));
        for blind in [[1; 32], [11; 32]] {
            assert_eq!(users::find_by_identifier(&mut conn, T, &blind).await.unwrap(), Some(user(1)));
        }
        assert_eq!(users::find_by_identifier(&mut conn, T, &[2; 32]).await.unwrap(), None);
        let other = TenantId(Uuid::from_u128(2));
        assert_eq!(users::find(&mut conn, other, user(1).id).await.unwrap(), None);
        assert_eq!(users::find_by_identifier(&mut conn, other, &[1; 32]).await.unwrap(), None);
    }

    async fn an_identifier_belongs_to_one_user(engine: Engine) {
        let db = TestDb::new(engine).await;
        let store = &db.main;
        tenant(store).await;
        assert!(insert(store, &user(1), &[[1; 32], [11; 32]]).await);
        assert!(!insert(store, &user(2), &[[2; 32], [11; 32]]).await);
        assert_eq!(users::find(&mut store.read().await.unwrap(), T, user(2).id).await.unwrap(), None);
        // The same one twice, as username and as e-mail, is one.
        assert!(insert(store, &user(2), &[[2; 32], [2; 32]]).await);
        // What a user gives up is free.
        let mut tx = store.begin().await.unwrap();
        assert!(users::set_identifiers(&mut tx, T, user(1).id, &[[1; 32]]).await.unwrap());
        tx.commit().await.unwrap();
        assert!(insert(store, &user(3), &[[11; 32]]).await);
    }

    async fn of_twenty_at_once_one_gets_the_name(engine: Engine) {
        let db = TestDb::new(engine).await;
        tenant(&db.main).await;
        let tries = (1..=20).map(|n| {
            let store = db.main.clone();
            tokio::spawn(async move { insert(&store, &user(n), &[[7; 32]]).await })
        });
        let mut got = 0;
        for done in tries.collect::<Vec<_>>() {
            got += usize::from(done.await.unwrap());
        }
        assert_eq!(got, 1);
    }

    async fn the_list_is_newest_first_and_goes_on_where_it_stopped(engine: Engine) {
        let db = TestDb::new(engine).await;
        let store = &db.main;
        tenant(store).await;
        for n in 1..=5 {
            // Two of one instant: the id decides.
            let user = User { created_at: NOW.plus_seconds(i64::from(n / 2)), ..user(n) };
            assert!(insert(store, &user, &[[n; 32]]).await);
        }
        let mut conn = store.read().await.unwrap();
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let page = users::list(&mut conn, T, after, 2).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some((last.created_at, last.id));
            seen.extend(page.iter().map(|user| user.id.0.as_u128()));
        }
        assert_eq!(seen, [5, 4, 3, 2, 1]);
    }

    async fn an_update_is_refused_on_a_stale_version(engine: Engine) {
        let db = TestDb::new(engine).await;
        let store = &db.main;
        tenant(store).await;
        assert!(insert(store, &user(1), &[[1; 32]]).await);
        let mut conn = store.write().await.unwrap();
        let later = NOW.plus_seconds(9);
        let changed = User { email: None, email_verified: true, ..user(1) };
        let stored = users::update(&mut conn, T, &changed, later).await.unwrap().unwrap();
        assert_eq!(stored, User { version: 2, updated_at: later, ..changed.clone() });
        assert_eq!(users::update(&mut conn, T, &changed, later).await.unwrap(), None);
    }

    async fn disabling_and_enabling_again_leaves_another_epoch(engine: Engine) {
        let db = TestDb::new(engine).await;
        let store = &db.main;
        tenant(store).await;
        assert!(insert(store, &user(1), &[[1; 32]]).await);
        let mut conn = store.write().await.unwrap();
        let off = users::update(&mut conn, T, &User { enabled: false, ..user(1) }, NOW).await.unwrap().unwrap();
        assert_eq!((off.enabled, off.epoch), (false, 1));
        let on = users::update(&mut conn, T, &User { enabled: true, ..off }, NOW).await.unwrap().unwrap();
        assert_eq!((on.enabled, on.epoch), (true, 1));
    }

    async fn a_password_replaces_only_the_one_that_was_checked(engine: Engine) {
        let db = TestDb::new(engine).await;
        let store = &db.main;
        tenant(store).await;
        assert!(insert(store, &user(1), &[[1; 32]]).await);
        let mut conn = store.write().await.unwrap();
        let id = user(1).id;
        let (old, new) = (PasswordHash::new("$hash1".to_owned()), PasswordHash::new("$new".to_owned()));
        let change = NewPassword { hash: &new, temporary: false, instead_of: Some(&old) };
        let stored = users::set_password(&mut conn, T, id, change, NOW).await.unwrap().unwrap();
        assert_eq!((stored.password_hash.as_ref(), stored.epoch, stored.version), (Some(&new), 1, 2));
        assert_eq!(users::set_password(&mut conn, T, id, change, NOW).await.unwrap(), None);
        assert!(!users::replace_hash(&mut conn, T, id, &old, &new).await.unwrap());
        assert!(users::replace_hash(&mut conn, T, id, &new, &old).await.unwrap());
        let any = NewPassword { hash: &new, temporary: true, instead_of: None };
        let stored = users::set_password(&mut conn, T, id, any, NOW).await.unwrap().unwrap();
        assert_eq!((stored.password_temporary, stored.epoch, stored.version), (true, 2, 3));
    }

    async fn a_deleted_user_leaves_a_free_name(engine: Engine) {
        let db = TestDb::new(engine).await;
        let store = &db.main;
        tenant(store).await;
        assert!(insert(store, &user(1), &[[1; 32]]).await);
        let mut conn = store.write().await.unwrap();
        assert!(!users::delete(&mut conn, T, user(1).id, Some(7)).await.unwrap());
        assert!(users::delete(&mut conn, T, user(1).id, Some(1)).await.unwrap());
        assert!(!users::delete(&mut conn, T, user(1).id, None).await.unwrap());
        drop(conn);
        assert!(insert(store, &user(2), &[[1; 32]]).await);
    }

    async fn what_an_older_key_sealed_is_found_and_sealed_anew(engine: Engine) {
        let db = TestDb::new(engine).await;
        let store = &db.main;
        tenant(store).await;
        assert!(insert(store, &user(1), &[[1; 32]]).await);
        let mut conn = store.write().await.unwrap();
        let old = users::list_sealed_with_other(&mut conn, T, "key2", 10).await.unwrap();
        assert_eq!(old, [user(1)]);
        let anew = User { email: Some(b"anew".to_vec()), sealed_with: "key2".to_owned(), ..user(1) };
        assert!(users::reseal(&mut conn, T, &anew).await.unwrap());
        assert!(users::list_sealed_with_other(&mut conn, T, "key2", 10).await.unwrap().is_empty());
        let changed_meanwhile = User { version: 0, ..anew };
        assert!(!users::reseal(&mut conn, T, &changed_meanwhile).await.unwrap());
    }
}
