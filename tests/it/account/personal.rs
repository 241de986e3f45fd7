//! Personal data at rest.

use super::{PASSWORD, START, T, World};
use crate::support::Engine;
use grantor::account::profile::{Address, Profile};
use grantor::keys::Purpose;
use grantor::storage::users::{self, User};
use grantor::storage::{Conn, Store, tenants};
use std::collections::HashSet;

fn profile() -> Profile {
    Profile {
        username: "canary-login@wonder.example".to_owned(),
        email: Some("canary-mail@wonder.example".to_owned()),
        phone_number: Some("+44 20 7946 0958".to_owned()),
        enabled: true,
        birthdate: Some("1852-05-04".to_owned()),
        address: Some(Address {
            street_address: Some("1 Canary Row".to_owned()),
            ..Address::default()
        }),
        name: Some("Alice".to_owned()),
        ..Profile::default()
    }
}

/// Everything that the database holds about users, as text and bytes.
async fn dump(world: &World) -> Vec<u8> {
    match &world.db.main {
        Store::Sqlite { .. } => {
            let folder = world.db.folder().unwrap();
            let mut bytes = Vec::new();
            for file in std::fs::read_dir(folder).unwrap() {
                bytes.extend(std::fs::read(file.unwrap().path()).unwrap());
            }
            bytes
        }
        store @ Store::Postgres { .. } => {
            let Conn::Postgres(mut conn, _) = store.read().await.unwrap() else {
                unreachable!()
            };
            let sql = "SELECT concat((SELECT string_agg(users::text, ',') FROM users), \
                (SELECT string_agg(user_identifiers::text, ',') FROM user_identifiers), \
                (SELECT string_agg(audit_outbox::text, ',') FROM audit_outbox), \
                (SELECT string_agg(audit_events::text, ',') FROM audit.audit_events))";
            let text: String = sqlx::query_scalar(sql).fetch_one(&mut *conn).await.unwrap();
            text.into_bytes()
        }
    }
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    // A byte column is written in hexadecimal.
    let hex: String = needle.bytes().map(|byte| format!("{byte:02x}")).collect();
    [needle, &hex].iter().any(|needle| {
        haystack
            .windows(needle.len())
            .any(|window| window == needle.as_bytes())
    })
}

on_both_engines! {
    /// R-CRY-24: "DB dump/backup leak reveals no raw sensitive data." R-CRY-26: the index is no plain hash.
    async fn a_dump_holds_no_personal_data_and_no_password(engine: Engine) {
        let world = World::new(engine).await;
        let user = world.user(profile()).await;
        world.sign_in("canary-login@wonder.example", PASSWORD).await;
        world.audit.flush().await;
        let dump = dump(&world).await;
        assert!(contains(&dump, "Alice"), "the dump is one");
        for canary in ["canary-login", "canary-mail", "7946 0958", "1852-05-04", "Canary Row", PASSWORD] {
            assert!(!contains(&dump, canary), "{canary}");
        }
        assert_eq!(user.username, None);
        let hash = ring::digest::digest(&ring::digest::SHA256, b"canary-mail@wonder.example");
        let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(!contains(&dump, &hash));
    }

    /// R-CRY-23: "Ciphertext is bound by AAD to tenant, table, column, row."
    async fn a_value_moved_to_another_row_or_column_does_not_open(engine: Engine) {
        let world = World::new(engine).await;
        let alice = world.user(profile()).await;
        let other = Profile {
            username: "bob".to_owned(),
            email: Some("bob@wonder.example".to_owned()),
            ..Profile::default()
        };
        let bob = world.user(other).await;
        let moved = User { email: alice.email.clone(), ..bob.clone() };
        assert!(world.accounts.profile(&moved).await.is_err());
        let moved = User { birthdate: alice.phone_number.clone(), ..alice.clone() };
        assert!(world.accounts.profile(&moved).await.is_err());
        for cut in [0, 1, 5, 20] {
            let broken = User { email: bob.email.as_ref().map(|sealed| sealed[..cut].to_vec()), ..bob.clone() };
            assert!(world.accounts.profile(&broken).await.is_err());
        }
        assert!(world.accounts.profile(&bob).await.is_ok());
    }

    /// R-CRY-13: "Fresh unique 96-bit nonce for each encryption."
    async fn the_same_value_is_never_sealed_alike(engine: Engine) {
        let world = World::new(engine).await;
        let mut user = world.user(profile()).await;
        let personal = world.accounts.personal(T).await.unwrap();
        let checked = profile().check().unwrap();
        let sealed: HashSet<_> = (0..1000)
            .map(|_| {
                personal.write(&mut user, &checked).unwrap();
                user.email.clone().unwrap()
            })
            .collect();
        assert_eq!(sealed.len(), 1000);
    }

    /// R-CRY-16: "Data keys rotate regularly (default 90 d) with key-id in ciphertext and background re-encrypt."
    async fn a_replaced_data_key_goes_once_nothing_is_sealed_with_it(engine: Engine) {
        const DAY: i64 = 86_400;
        let world = World::new(engine).await;
        let user = world.user(profile()).await;
        let read = async || users::find(&mut world.store().read().await.unwrap(), T, user.id).await.unwrap().unwrap();
        let opens = async |user: &User| world.accounts.profile(user).await.unwrap() == profile();
        world.clock.advance_seconds(90 * DAY);
        world.keys.tick(world.clock.now()).await.unwrap();
        let keys = world.keys.of(T).await.unwrap();
        assert_ne!(keys.purpose(Purpose::Data).unwrap().id(), user.sealed_with);
        // However late the data is sealed anew, it opens till then.
        world.clock.advance_seconds(30 * DAY);
        world.keys.tick(world.clock.now()).await.unwrap();
        let stored = read().await;
        assert_eq!(stored.sealed_with, user.sealed_with);
        assert!(opens(&stored).await);
        let due = tenants::sealed_with_old_keys(&mut world.store().read().await.unwrap(), 10).await.unwrap();
        assert_eq!(due, [T]);

        assert_eq!(world.accounts.reseal(T, 10).await.unwrap(), 1);
        assert_eq!(world.accounts.reseal(T, 10).await.unwrap(), 0);
        let due = tenants::sealed_with_old_keys(&mut world.store().read().await.unwrap(), 10).await.unwrap();
        assert!(due.is_empty());
        world.keys.tick(world.clock.now()).await.unwrap();
        let keys = world.keys.of(T).await.unwrap();
        assert!(keys.purpose_by_id(Purpose::Data, &user.sealed_with).is_none());
        let stored = read().await;
        assert!(opens(&stored).await);
        assert_eq!((stored.version, stored.updated_at), (user.version, START));
    }
}
