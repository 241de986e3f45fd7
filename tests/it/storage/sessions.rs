//! Browser sessions.

use super::users::{NOW, insert as insert_user, tenant, user};
use crate::support::{Engine, TestDb};
use grantor::storage::sessions::{self, Filter, Interaction, Session};
use grantor::storage::users::{self, NewPassword, PasswordHash, User};
use grantor::storage::{Store, ended_sessions};
use grantor::types::{SessionId, TenantId, TokenHash};
use sqlx::types::Json;
use std::collections::HashSet;
use uuid::Uuid;

const T: TenantId = TenantId::FIRST;

/// A session number `n` of the user number `of`; its cookie's secret is `secret{n}`.
fn session(n: u8, of: u8) -> Session {
    Session {
        tenant_id: T,
        id: SessionId(Uuid::from_u128(u128::from(n))),
        user_id: user(of).id,
        user_epoch: 0,
        secret_hash: TokenHash::of(&format!("secret{n}")),
        auth_time: NOW,
        acr: "aal1".to_owned(),
        amr: Json(vec!["pwd".to_owned()]),
        ip: "192.0.2.1".to_owned(),
        user_agent: "browser".to_owned(),
        created_at: NOW,
        last_seen_at: NOW,
        expires_at: NOW.plus_seconds(28_800),
        ended_at: None,
        end_reason: None,
    }
}

/// Two users; the first with the sessions 1 to 3, the second with session 4.
async fn filled(engine: Engine) -> TestDb {
    let db = TestDb::new(engine).await;
    tenant(&db.main).await;
    for n in [1, 2] {
        assert!(insert_user(&db.main, &user(n), &[[n; 32]]).await);
    }
    for (n, of) in [(1, 1), (2, 1), (3, 1), (4, 2)] {
        sessions::insert(&mut db.main.write().await.unwrap(), &session(n, of))
            .await
            .unwrap();
    }
    db
}

async fn lives(store: &Store, n: u8) -> bool {
    let secret = session(n, 1).secret_hash;
    let found = sessions::find_by_secret(&mut store.read().await.unwrap(), T, &secret, NOW)
        .await
        .unwrap();
    let by_id = sessions::find_live(&mut store.read().await.unwrap(), T, session(n, 1).id, NOW)
        .await
        .unwrap();
    assert_eq!(found, by_id);
    found.is_some()
}

on_both_engines! {
    async fn a_session_is_found_by_its_cookie_until_its_time_is_over(engine: Engine) {
        let db = filled(engine).await;
        let mut conn = db.main.read().await.unwrap();
        let secret = TokenHash::of("secret1");
        assert_eq!(sessions::find_by_secret(&mut conn, T, &secret, NOW).await.unwrap(), Some(session(1, 1)));
        assert_eq!(sessions::find_by_secret(&mut conn, T, &TokenHash::of("x"), NOW).await.unwrap(), None);
        let end = session(1, 1).expires_at;
        assert!(sessions::find_by_secret(&mut conn, T, &secret, end.plus_micros(-1)).await.unwrap().is_some());
        assert_eq!(sessions::find_by_secret(&mut conn, T, &secret, end).await.unwrap(), None);
        assert_eq!(sessions::find(&mut conn, T, session(1, 1).id).await.unwrap(), Some(session(1, 1)));
        let other = TenantId(Uuid::from_u128(2));
        assert_eq!(sessions::find_by_secret(&mut conn, other, &secret, NOW).await.unwrap(), None);
    }

    async fn a_session_ends_once(engine: Engine) {
        let db = filled(engine).await;
        let id = session(1, 1).id;
        let mut tx = db.main.begin().await.unwrap();
        assert!(sessions::end(&mut tx, T, id, "logout", NOW).await.unwrap());
        assert!(!sessions::end(&mut tx, T, id, "admin", NOW).await.unwrap());
        tx.commit().await.unwrap();
        let mut conn = db.main.read().await.unwrap();
        let ended = sessions::find(&mut conn, T, id).await.unwrap().unwrap();
        assert_eq!((ended.ended_at, ended.end_reason.as_deref()), (Some(NOW), Some("logout")));
        drop(conn);
        assert!(!lives(&db.main, 1).await);
        assert!(lives(&db.main, 2).await);
    }

    async fn all_sessions_of_a_user_end_but_the_present_one(engine: Engine) {
        let db = filled(engine).await;
        let mut tx = db.main.begin().await.unwrap();
        let present = Some(session(2, 1).id);
        assert_eq!(sessions::end_all(&mut tx, T, user(1).id, present, "user", NOW).await.unwrap(), 2);
        tx.commit().await.unwrap();
        for (n, living) in [(1, false), (2, true), (3, false), (4, true)] {
            assert_eq!(lives(&db.main, n).await, living, "session {n}");
        }
        let mut tx = db.main.begin().await.unwrap();
        assert_eq!(sessions::end_all(&mut tx, T, user(1).id, None, "user", NOW).await.unwrap(), 1);
        tx.commit().await.unwrap();
        let noted: HashSet<_> = ended_sessions::list(&db.main, 10).await.unwrap().into_iter().map(|ended| ended.id).collect();
        assert_eq!(noted, [1, 2, 3].map(|n| session(n, 1).id).into(), "their relying parties are to be told");
    }

    async fn a_revoked_disabled_or_deleted_user_has_no_sessions(engine: Engine) {
        let db = filled(engine).await;
        let mut conn = db.main.write().await.unwrap();
        assert!(users::raise_epoch(&mut conn, T, user(1).id).await.unwrap());
        users::update(&mut conn, T, &User { enabled: false, ..user(2) }, NOW).await.unwrap().unwrap();
        drop(conn);
        for n in 1..=4 {
            assert!(!lives(&db.main, n).await);
        }
        let mut conn = db.main.write().await.unwrap();
        assert!(sessions::list(&mut conn, T, Filter::default(), NOW, 10).await.unwrap().is_empty());
        assert!(users::delete(&mut conn, T, user(1).id, None).await.unwrap());
        assert_eq!(sessions::find(&mut conn, T, session(1, 1).id).await.unwrap(), None);
    }

    async fn living_sessions_are_listed_newest_first(engine: Engine) {
        let db = filled(engine).await;
        let mut conn = db.main.write().await.unwrap();
        let mut ids = async |filter| {
            let list = sessions::list(&mut conn, T, filter, NOW, 2).await.unwrap();
            list.iter().map(|session| session.id.0.as_u128()).collect::<Vec<_>>()
        };
        let after = |n| Some(session(n, 1).id);
        assert_eq!(ids(Filter::default()).await, [4, 3]);
        assert_eq!(ids(Filter { after: after(3), ..Filter::default() }).await, [2, 1]);
        assert_eq!(ids(Filter { user: Some(user(1).id), after: None }).await, [3, 2]);
        assert_eq!(ids(Filter { user: Some(user(1).id), after: after(2) }).await, [1]);
    }

    async fn use_is_noted_once_a_minute_and_not_after_idling(engine: Engine) {
        let db = filled(engine).await;
        let id = session(1, 1).id;
        let mut conn = db.main.write().await.unwrap();
        let mut touch = async |at: i64| {
            let now = NOW.plus_seconds(at);
            sessions::touch(&mut conn, T, id, now.plus_seconds(-1800), now).await.unwrap()
        };
        assert!(!touch(59).await);
        assert!(touch(60).await);
        assert!(!touch(61).await);
        assert!(touch(1859).await);
        assert!(!touch(1859 + 1800).await);
    }

    async fn a_renewed_session_has_another_cookie_and_the_same_id_and_end(engine: Engine) {
        let db = filled(engine).await;
        let later = NOW.plus_seconds(600);
        let renewed = Session {
            secret_hash: TokenHash::of("new"),
            auth_time: later,
            amr: Json(vec!["pwd".to_owned(), "otp".to_owned()]),
            last_seen_at: later,
            ..session(1, 1)
        };
        let mut conn = db.main.write().await.unwrap();
        let old = session(1, 1).secret_hash;
        assert!(sessions::renew(&mut conn, T, &renewed, &old, later).await.unwrap());
        assert!(!sessions::renew(&mut conn, T, &renewed, &old, later).await.unwrap());
        assert_eq!(sessions::find_by_secret(&mut conn, T, &old, later).await.unwrap(), None);
        let found = sessions::find_by_secret(&mut conn, T, &renewed.secret_hash, later).await.unwrap();
        assert_eq!(found, Some(renewed));
        // Nobody gets into another user's session.
        let stolen = Session { user_id: user(2).id, ..session(2, 1) };
        assert!(!sessions::renew(&mut conn, T, &stolen, &session(2, 1).secret_hash, later).await.unwrap());
    }

    async fn one_session_is_carried_over_a_change_of_password(engine: Engine) {
        let db = filled(engine).await;
        let hash = PasswordHash::new("$new".to_owned());
        let change = NewPassword { hash: &hash, temporary: false, instead_of: None };
        let mut tx = db.main.begin().await.unwrap();
        let epoch = users::set_password(&mut tx, T, user(1).id, change, NOW).await.unwrap().unwrap().epoch;
        let (id, secret) = (session(1, 1).id, TokenHash::of("secret1"));
        assert!(sessions::carry_over(&mut tx, T, id, epoch, &secret).await.unwrap());
        tx.commit().await.unwrap();
        for (n, living) in [(1, true), (2, false), (3, false), (4, true)] {
            assert_eq!(lives(&db.main, n).await, living, "session {n}");
        }
        // Not one that had been ended before.
        let mut tx = db.main.begin().await.unwrap();
        let secret = TokenHash::of("x");
        assert!(!sessions::carry_over(&mut tx, T, session(2, 1).id, epoch + 1, &secret).await.unwrap());
    }

    async fn an_interaction_counts_for_one_request_and_once(engine: Engine) {
        let db = filled(engine).await;
        let (id, request, other) = (session(1, 1).id, Uuid::from_u128(1), Uuid::from_u128(2));
        let mut conn = db.main.write().await.unwrap();
        for kind in [Interaction::SignIn, Interaction::Consent, Interaction::Consent] {
            sessions::note_interaction(&mut conn, T, id, request, kind).await.unwrap();
        }
        let mut got = sessions::interactions(&mut conn, T, id, request).await.unwrap();
        got.sort_by_key(|kind| *kind as u8);
        assert_eq!(got, [Interaction::SignIn, Interaction::Consent]);
        assert!(sessions::interactions(&mut conn, T, id, other).await.unwrap().is_empty());
        assert!(sessions::interactions(&mut conn, T, session(2, 1).id, request).await.unwrap().is_empty());
        let mut used = sessions::use_interactions(&mut conn, T, id, request).await.unwrap();
        used.sort_by_key(|kind| *kind as u8);
        assert_eq!(used, [Interaction::SignIn, Interaction::Consent]);
        assert!(sessions::use_interactions(&mut conn, T, id, request).await.unwrap().is_empty());
    }

    async fn what_was_over_a_day_ago_is_purged_in_batches(engine: Engine) {
        let db = filled(engine).await;
        let mut conn = db.main.write().await.unwrap();
        let day_later = session(1, 1).expires_at.plus_seconds(86_400);
        assert_eq!(sessions::purge(&mut conn, day_later, 3).await.unwrap(), 0);
        let day_later = day_later.plus_seconds(1);
        assert_eq!(sessions::purge(&mut conn, day_later, 3).await.unwrap(), 3);
        assert_eq!(sessions::purge(&mut conn, day_later, 3).await.unwrap(), 1);
    }
}
