//! What the first start makes, and what later ones add and take away.

use super::{MASTER, START, TENANT, open, published, try_open};
use crate::support::{Engine, TestDb};
use grantor::clock::Clock;
use grantor::jose::jwt::{self, Expect};
use grantor::keys::{KeyState, Purpose};
use grantor::storage::signing_keys::{self, SigningKeyRow};
use grantor::storage::{Db, Store};
use grantor::types::Algorithm;
use serde_json::json;
use std::collections::HashSet;

async fn rows(store: &Store) -> Vec<SigningKeyRow> {
    signing_keys::list(&mut store.read().await.unwrap(), TENANT)
        .await
        .unwrap()
}

on_both_engines! {
    async fn eight_replicas_that_start_at_once_agree_on_one_set(engine: Engine) {
        let db = TestDb::new(engine).await;
        let clock = Clock::manual(START);
        let opening = (0..8).map(|_| open(&db, &clock, &[]));
        let rings = futures_util::future::join_all(opening).await;
        let mut sets = HashSet::new();
        for ring in &rings {
            let keys = ring.of(TENANT).await.unwrap();
            let mut ids = vec![ring.audit_signer().await.unwrap().id, keys.jwks().etag.clone()];
            for purpose in Purpose::ALL.into_iter().filter(|purpose| *purpose != Purpose::Audit) {
                // The published set names those to which others encrypt.
                if !purpose.is_encryption() {
                    ids.push(keys.purpose(purpose).unwrap().id().to_owned());
                }
            }
            sets.insert(ids);
        }
        assert_eq!(sets.len(), 1, "{sets:?}");
        let rows = rows(&db.main).await;
        for alg in [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256] {
            let states: Vec<_> = rows.iter().filter(|key| key.alg == alg).map(|key| key.state).collect();
            assert_eq!(states.len(), 2, "{alg}");
            assert!(states.contains(&KeyState::Active) && states.contains(&KeyState::Next), "{alg}");
        }
        assert_eq!(rows.len(), 6);
        assert_eq!(published(&rings[0].of(TENANT).await.unwrap().jwks().body).len(), 6);
    }

    async fn what_one_replica_signs_another_verifies(engine: Engine) {
        let db = TestDb::new(engine).await;
        let clock = Clock::manual(START);
        let (a, b) = (open(&db, &clock, &[]).await, open(&db, &clock, &[]).await);
        let (a, b) = (a.of(TENANT).await.unwrap(), b.of(TENANT).await.unwrap());
        let claims = json!({ "iss": "i", "aud": "a", "exp": START.seconds() + 60 });
        let expect = Expect { typ: &["at+jwt"], issuer: "i", audience: None, leeway_s: 0, allow_expired: false };
        for alg in a.algorithms() {
            let token = a.signer(alg).unwrap().sign_jwt("at+jwt", &claims).unwrap();
            assert!(jwt::verify(&token, &expect, |kid| b.verifying(kid), START).is_ok(), "{alg}");
        }
        assert!(a.signer(Algorithm::EdDSA).is_err());
        let mac = a.purpose(Purpose::Mac).unwrap();
        let tag = mac.mac(b"message");
        assert!(b.purpose_by_id(Purpose::Mac, mac.id()).unwrap().verify_mac(b"message", &tag));
        assert!(b.purpose_by_id(Purpose::Seal, mac.id()).is_none());
    }

    async fn a_later_start_makes_nothing_anew(engine: Engine) {
        let db = TestDb::new(engine).await;
        let clock = Clock::manual(START);
        open(&db, &clock, &[]).await;
        let before = rows(&db.main).await;
        clock.advance_seconds(3_600);
        let again = open(&db, &clock, &[]).await;
        assert!(!again.ensure(TENANT, clock.now()).await.unwrap());
        assert_eq!(rows(&db.main).await, before);
    }

    async fn an_added_algorithm_gets_keys_and_a_removed_one_retires(engine: Engine) {
        let db = TestDb::new(engine).await;
        let clock = Clock::manual(START);
        let first = open(&db, &clock, &[("tokens.algorithms", "RS256,ES256")]).await;
        let signed = first.of(TENANT).await.unwrap().signer(Algorithm::ES256).unwrap().kid().clone();
        clock.advance_seconds(60);
        let second = open(&db, &clock, &[("tokens.algorithms", "RS256,EdDSA")]).await;
        let keys = second.of(TENANT).await.unwrap();
        assert_eq!(keys.algorithms().collect::<Vec<_>>(), [Algorithm::RS256, Algorithm::EdDSA]);
        assert!(keys.verifying(&signed).is_some(), "what it signed is still valid");
        let states = |alg: Algorithm, rows: &[SigningKeyRow]| {
            let mut states: Vec<_> = rows.iter().filter(|key| key.alg == alg).map(|key| key.state).collect();
            states.sort_unstable();
            states
        };
        let rows = rows(&db.main).await;
        assert_eq!(states(Algorithm::EdDSA, &rows), [KeyState::Next, KeyState::Active]);
        assert_eq!(states(Algorithm::ES256, &rows), [KeyState::Retiring, KeyState::Retired]);
        assert_eq!(published(&keys.jwks().body).len(), 5);
    }

    async fn a_wrong_master_key_refuses_to_start_and_names_what_it_cannot_open(engine: Engine) {
        let db = TestDb::new(engine).await;
        let clock = Clock::manual(START);
        open(&db, &clock, &[]).await;
        let missing = try_open(&db, &clock, &[], MASTER[1]).await.unwrap_err().to_string();
        assert!(missing.contains("\"a\"") && missing.contains("GRANTOR_MASTER_KEY"), "{missing}");
        let other_bytes = MASTER[1].replace("b:", "a:");
        let wrong = try_open(&db, &clock, &[], &other_bytes).await.unwrap_err().to_string();
        assert!(wrong.contains("\"a\" does not open the") && wrong.contains("signing key"), "{wrong}");
    }

    async fn a_private_key_lies_only_wrapped_in_the_database(engine: Engine) {
        let db = TestDb::new(engine).await;
        open(&db, &Clock::manual(START), &[("tokens.algorithms", "RS256,ES256,EdDSA")]).await;
        const SIGNING: &str = "SELECT wrapped FROM signing_keys WHERE wrapped IS NOT NULL";
        const PURPOSE: &str = "SELECT wrapped FROM purpose_keys";
        let mut conn = db.main.read().await.unwrap();
        let mut all: Vec<Vec<u8>> = Vec::new();
        for sql in [SIGNING, PURPOSE] {
            let found: Vec<Vec<u8>> = match (&mut conn).into() {
                Db::Postgres(conn) => sqlx::query_scalar(sql).fetch_all(conn).await.unwrap(),
                Db::Sqlite(conn) => sqlx::query_scalar(sql).fetch_all(conn).await.unwrap(),
            };
            all.extend(found);
        }
        assert_eq!(all.len(), 6 + 13);
        // The object identifiers that every PKCS#8 of such a key holds: rsaEncryption, ecPublicKey, Ed25519.
        let marks: [&[u8]; 3] = [
            &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01],
            &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01],
            &[0x06, 0x03, 0x2b, 0x65, 0x70],
        ];
        for wrapped in &all {
            assert!(marks.iter().all(|mark| !wrapped.windows(mark.len()).any(|part| part == *mark)));
        }
        let keys = rows(&db.main).await;
        for jwk in keys.iter().map(|key| key.public_jwk.0.as_object().unwrap()) {
            assert!(["d", "p", "q", "dp", "dq", "qi", "k"].iter().all(|name| !jwk.contains_key(*name)));
        }
    }
}
