//! The token family against a model: clients, thieves, lost answers, revocations, restarts and a moving clock, in
//! thousands of random interleavings on both engines. The model is a second, slow statement of design.md's rules; a
//! deliberately broken `rotate` has to be found by it.

mod model;
mod world;

use self::model::steps;
use self::world::World;
use crate::support::{Engine, TestDb};
use grantor::fault::Fault;
use grantor::storage::grants::{self, GrantState, Presented, RotateBy, Rotation};
use grantor::storage::{Store, tenants};
use grantor::types::{TenantId, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};
use std::future::Future;
use std::pin::Pin;

const TENANT: TenantId = TenantId::FIRST;
const START: Timestamp = Timestamp::from_seconds(1_800_000_000);
const CODE_SECONDS: i64 = 60;
const FAMILY_SECONDS: i64 = 10_000;
const SESSION_SECONDS: i64 = 8_000;

/// How many interleavings each engine goes through; `GRANTOR_TEST_CASES` asks for more.
fn cases() -> u32 {
    std::env::var("GRANTOR_TEST_CASES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(400)
}

/// A function like [`grants::rotate`], so that a broken one can be tried.
type Rotate = for<'a> fn(
    &'a Store,
    Presented<'a>,
    RotateBy<'a>,
    Timestamp,
) -> Pin<Box<dyn Future<Output = Result<Rotation, Fault>> + Send + 'a>>;

fn real<'a>(
    store: &'a Store,
    token: Presented<'a>,
    by: RotateBy<'a>,
    now: Timestamp,
) -> Pin<Box<dyn Future<Output = Result<Rotation, Fault>> + Send + 'a>> {
    Box::pin(grants::rotate(store, TENANT, token, by, now))
}

/// Reads first and writes later, without the guard on the salt: what the design forbids.
fn read_then_write<'a>(
    store: &'a Store,
    token: Presented<'a>,
    by: RotateBy<'a>,
    now: Timestamp,
) -> Pin<Box<dyn Future<Output = Result<Rotation, Fault>> + Send + 'a>> {
    Box::pin(async move {
        let found = grants::find(&mut store.read().await?, TENANT, token.id).await?;
        match found {
            Some(grant) if grant.state == GrantState::Active && grant.salt == token.salt => {
                tokio::task::yield_now().await;
                // Whatever the row is by now, it is rotated: the guard is lost.
                let now_there = grants::find(&mut store.write().await?, TENANT, token.id).await?;
                let now_there = now_there.unwrap_or(grant);
                let token = Presented {
                    generation: now_there.generation,
                    salt: &now_there.salt,
                    ..token
                };
                grants::rotate(store, TENANT, token, by, now).await
            }
            _ => grants::rotate(store, TENANT, token, by, now).await,
        }
    })
}

/// Runs random stories; gives the shortest one that goes wrong.
async fn search(engine: Engine, rotate: Rotate, cases: u32) -> Result<(), String> {
    let db = TestDb::new(engine).await;
    let (other, _) = db.stores().await;
    let first = db.main.clone();
    tenants::ensure_first(&mut first.write().await.unwrap(), START)
        .await
        .unwrap();
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        let config = Config {
            cases,
            failure_persistence: None,
            max_shrink_iters: 200,
            ..Config::default()
        };
        let mut runner = TestRunner::new(config);
        let result = runner.run(&(steps(), any::<bool>()), |(steps, offline)| {
            runtime.block_on(async {
                let mut world = World::new([first.clone(), other.clone()], rotate, offline).await;
                for step in &steps {
                    world.step(step).await?;
                    world.check().await?;
                }
                Ok(())
            })
        });
        result.map_err(|error| match error {
            TestError::Fail(why, story) => format!("{why}: {story:?}"),
            TestError::Abort(why) => format!("{why}"),
        })
    })
    .await
    .unwrap()
}

on_both_engines! {
    async fn no_story_departs_from_the_rules(engine: Engine) {
        if let Err(story) = search(engine, real, cases()).await {
            panic!("{story}");
        }
    }

    async fn a_rotation_that_reads_first_and_writes_later_is_found(engine: Engine) {
        assert!(search(engine, read_then_write, cases()).await.is_err());
    }
}
