//! R-KEY-04: "During rotation every unexpired token verifies against current {jwks}": random stories of rotations,
//! revocations, jobs and passing time, told by two replicas over one database.

use super::{DAY, ES256, START, TENANT, nobody, open, published};
use crate::support::{Engine, TestDb};
use grantor::clock::Clock;
use grantor::jose::VerifyingKey;
use grantor::jose::jwt::{self, Expect};
use grantor::keys::{KeyRing, KeyState};
use grantor::types::{Algorithm, Kid, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};
use serde_json::json;
use std::collections::{HashMap, HashSet};

/// The longest life of a token.
const LIFE: i64 = 3_600;
/// How long a verifier may keep the published set: the default of `jwks.cache_s`.
const CACHE: i64 = 300;
const EXPECT: Expect<'static> = Expect {
    typ: &["at+jwt"],
    issuer: "i",
    audience: Some("a"),
    leeway_s: 60,
    allow_expired: false,
};

/// What happens, at one of the two replicas.
#[derive(Clone, Copy, Debug)]
enum Step {
    Sign(usize),
    Tick(usize),
    Rotate(usize),
    RotateAtOnce(usize),
    Revoke(usize, prop::sample::Index),
    Retire(usize, prop::sample::Index),
    Wait(i64),
}

/// `orderly` stories hold nothing that verifiers cannot foresee.
fn steps(orderly: bool) -> impl Strategy<Value = Vec<Step>> {
    let replica = 0..2_usize;
    let calm = prop_oneof![
        6 => replica.clone().prop_map(Step::Sign),
        4 => replica.clone().prop_map(Step::Tick),
        2 => replica.clone().prop_map(Step::Rotate),
        1 => (replica.clone(), any::<prop::sample::Index>()).prop_map(|(at, key)| Step::Retire(at, key)),
        3 => (1..2_000_i64).prop_map(Step::Wait),
        1 => (80 * DAY..100 * DAY).prop_map(Step::Wait),
    ];
    let step = if orderly {
        calm.boxed()
    } else {
        prop_oneof![
            8 => calm,
            2 => replica.clone().prop_map(Step::RotateAtOnce),
            2 => (replica, any::<prop::sample::Index>()).prop_map(|(at, key)| Step::Revoke(at, key)),
        ]
        .boxed()
    };
    proptest::collection::vec(step, 1..40)
}

struct World {
    clock: Clock,
    rings: [KeyRing; 2],
    tokens: Vec<(String, Kid, Timestamp)>,
    revoked: HashSet<Kid>,
    /// A verifier's copy of the published set, and since when it has it.
    copy: Option<(Timestamp, HashMap<String, VerifyingKey>)>,
}

impl World {
    async fn step(&mut self, step: Step) {
        let now = self.clock.now();
        match step {
            Step::Sign(at) => {
                let keys = self.rings[at].of(TENANT).await.unwrap();
                let key = keys.signer(Algorithm::ES256).unwrap();
                let claims = json!({ "iss": "i", "aud": "a", "exp": now.seconds() + LIFE });
                let token = key.sign_jwt("at+jwt", &claims).unwrap();
                self.tokens
                    .push((token, key.kid().clone(), now.plus_seconds(LIFE)));
            }
            Step::Tick(at) => {
                self.rings[at].tick(now).await.unwrap();
            }
            Step::Rotate(at) => {
                self.rings[at]
                    .rotate(TENANT, None, false, nobody, now)
                    .await
                    .unwrap();
            }
            Step::RotateAtOnce(at) => {
                self.rings[at]
                    .rotate(TENANT, None, true, nobody, now)
                    .await
                    .unwrap();
            }
            Step::Revoke(at, key) => {
                let keys = self.rings[at].list(TENANT).await.unwrap();
                let kid = &key.get(&keys).kid;
                self.rings[at].revoke(TENANT, kid, nobody, now).await.unwrap();
                self.revoked.insert(kid.clone());
            }
            Step::Retire(at, key) => {
                let keys = self.rings[at].list(TENANT).await.unwrap();
                self.rings[at]
                    .retire(TENANT, &key.get(&keys).kid, nobody, now)
                    .await
                    .unwrap();
            }
            Step::Wait(seconds) => self.clock.advance_seconds(seconds),
        }
    }

    /// What holds two seconds after anything.
    async fn check(&mut self, orderly: bool) -> Result<(), TestCaseError> {
        let early = self.clock.now();
        if orderly {
            self.check_copy(early).await?;
        }
        self.clock.advance_seconds(2);
        let now = self.clock.now();
        let mut tags = HashSet::new();
        for ring in &self.rings {
            let keys = ring.of(TENANT).await.unwrap();
            let set = published(&keys.jwks().body);
            tags.insert(keys.jwks().etag.clone());
            for (token, kid, expires_at) in &self.tokens {
                let verified = jwt::verify(token, &EXPECT, |kid| set.get(kid.as_str()), now).is_ok();
                let own = jwt::verify(token, &EXPECT, |kid| keys.verifying(kid), now).is_ok();
                prop_assert_eq!(verified, own);
                if self.revoked.contains(kid) {
                    prop_assert!(!verified && keys.verifying_hint(kid).is_none(), "revoked");
                } else if *expires_at > now {
                    prop_assert!(verified, "a valid token of {} is refused", kid);
                }
            }
        }
        prop_assert_eq!(tags.len(), 1, "both replicas publish the same");
        let keys = self.rings[0].list(TENANT).await.unwrap();
        for state in [KeyState::Active, KeyState::Next] {
            prop_assert_eq!(
                keys.iter().filter(|key| key.state == state).count(),
                1,
                "{:?}",
                state
            );
        }
        self.tokens.retain(|(_, _, expires_at)| *expires_at > now);
        Ok(())
    }

    /// A verifier that keeps the set as long as it may needs no other one.
    async fn check_copy(&mut self, now: Timestamp) -> Result<(), TestCaseError> {
        let is_old = |since: Timestamp| now >= since.plus_seconds(CACHE);
        if self.copy.as_ref().is_none_or(|(since, _)| is_old(*since)) {
            let keys = self.rings[self.tokens.len() % 2].of(TENANT).await.unwrap();
            self.copy = Some((now, published(&keys.jwks().body)));
        }
        let (_, set) = self.copy.as_ref().unwrap();
        for (_, kid, expires_at) in &self.tokens {
            prop_assert!(
                *expires_at <= now || set.contains_key(kid.as_str()),
                "{} signed before verifiers knew it",
                kid
            );
        }
        Ok(())
    }
}

fn stories(engine: Engine, orderly: bool) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cases = std::env::var("GRANTOR_TEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    let config = Config {
        cases: cases.unwrap_or(16),
        failure_persistence: None,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&steps(orderly), |steps| {
        runtime.block_on(async {
            let db = TestDb::new(engine).await;
            let clock = Clock::manual(START);
            let rings = [open(&db, &clock, ES256).await, open(&db, &clock, ES256).await];
            let mut world = World {
                clock,
                rings,
                tokens: Vec::new(),
                revoked: HashSet::new(),
                copy: None,
            };
            for step in steps {
                world.step(step).await;
                world.check(orderly).await?;
            }
            Ok(())
        })
    });
    match result {
        Err(TestError::Fail(why, story)) => panic!("{why}: {story:?}"),
        Err(TestError::Abort(why)) => panic!("{why}"),
        Ok(()) => {}
    }
}

#[test]
fn no_valid_token_is_refused_sqlite() {
    stories(Engine::Sqlite, false);
}

#[test]
fn no_valid_token_is_refused_postgres() {
    if Engine::Postgres.is_available() {
        stories(Engine::Postgres, false);
    }
}

#[test]
fn a_verifier_with_an_old_copy_knows_every_key_sqlite() {
    stories(Engine::Sqlite, true);
}

#[test]
fn a_verifier_with_an_old_copy_knows_every_key_postgres() {
    if Engine::Postgres.is_available() {
        stories(Engine::Postgres, true);
    }
}
