//! The queue of messages to others against a model of it: replicas that claim, send, crash before or after sending, come back
//! late, and a clock that moves both ways. Whatever the order, each message arrives at least once or is a dead letter, none is
//! lost, none is sent after its time, and no two replicas send the same one at once.

use crate::support::{Engine, TestDb};
use grantor::entropy::Entropy;
use grantor::storage::Store;
use grantor::storage::deliveries::{self, Delivery, Filter, Kind, LEASE_S, Receiver};
use grantor::types::{TenantId, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Map;
use sqlx::types::Json;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

const T: TenantId = TenantId::FIRST;
const START: Timestamp = Timestamp::from_seconds(1_782_864_000);
const TRIES: i64 = 3;
const LIFE_S: i64 = 600;
const RECEIVERS: [&str; 2] = ["shop", "blog"];

/// What may happen next.
#[derive(Clone, Debug)]
enum Step {
    /// Something has to be told.
    Write { receiver: usize },
    /// A replica takes what is due.
    Claim { receiver: usize, limit: i64 },
    /// A replica has sent what it took: it arrived, but the replica may die before it says so.
    Arrives { at: usize, dies: bool },
    /// It did not arrive, and may never.
    Fails { at: usize, refused: bool },
    /// A replica dies before it has sent anything.
    Dies { at: usize },
    /// Time goes by; sometimes backwards.
    Clock { seconds: i64 },
    /// The job that looks for what is over.
    Bury,
}

fn step() -> impl Strategy<Value = Step> {
    let receiver = 0..RECEIVERS.len();
    prop_oneof![
        3 => receiver.clone().prop_map(|receiver| Step::Write { receiver }),
        5 => (receiver, 1..4_i64).prop_map(|(receiver, limit)| Step::Claim { receiver, limit }),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(at, dies)| Step::Arrives { at, dies }),
        3 => (any::<usize>(), prop::bool::weighted(0.2)).prop_map(|(at, refused)| Step::Fails { at, refused }),
        2 => any::<usize>().prop_map(|at| Step::Dies { at }),
        4 => prop_oneof![3 => 1..120_i64, 1 => -30..0_i64, 1 => LIFE_S / 2..LIFE_S]
            .prop_map(|seconds| Step::Clock { seconds }),
        1 => Just(Step::Bury),
    ]
}

/// The queue and what was done to it.
struct World {
    store: Store,
    entropy: Entropy,
    now: Timestamp,
    /// Taken by a replica that lives, with the time until which nobody else may.
    taken: Vec<(Delivery, Timestamp)>,
    /// Everything that was ever written, with its end.
    written: HashMap<Uuid, Timestamp>,
    arrived: HashSet<Uuid>,
}

impl World {
    async fn take(&mut self, step: Step) {
        match step {
            Step::Write { receiver } => self.write(RECEIVERS[receiver]).await,
            Step::Claim { receiver, limit } => self.claim(RECEIVERS[receiver], limit).await,
            Step::Arrives { at, dies } => {
                let Some((sent, _)) = self.pick(at) else { return };
                self.arrived.insert(sent.id);
                if !dies {
                    deliveries::done(&mut self.store.write().await.unwrap(), &sent)
                        .await
                        .unwrap();
                }
            }
            Step::Fails { at, refused } => {
                let Some((sent, _)) = self.pick(at) else { return };
                if refused || sent.attempts >= sent.max_attempts {
                    let mut tx = self.store.begin().await.unwrap();
                    deliveries::bury(&mut tx, &sent, "refused", self.now)
                        .await
                        .unwrap();
                    tx.commit().await.unwrap();
                } else {
                    let due_at = self.now.plus_seconds(10 * sent.attempts);
                    let mut conn = self.store.write().await.unwrap();
                    deliveries::put_off(&mut conn, &sent, "down", due_at)
                        .await
                        .unwrap();
                }
            }
            Step::Dies { at } => drop(self.pick(at)),
            Step::Clock { seconds } => self.now = self.now.plus_seconds(seconds),
            Step::Bury => self.bury().await,
        }
        self.nothing_is_lost().await;
    }

    fn pick(&mut self, at: usize) -> Option<(Delivery, Timestamp)> {
        let count = self.taken.len();
        (count > 0).then(|| self.taken.swap_remove(at % count))
    }

    async fn write(&mut self, receiver: &str) {
        let delivery = Delivery {
            tenant_id: T,
            id: self.entropy.uuid_v7(self.now).unwrap(),
            kind: Kind::BackchannelLogout,
            receiver: receiver.to_owned(),
            payload: Json(Map::new()),
            attempts: 0,
            max_attempts: TRIES,
            due_at: self.now,
            claim: None,
            expires_at: self.now.plus_seconds(LIFE_S),
            last_error: None,
            dead_at: None,
            created_at: self.now,
        };
        let mut tx = self.store.begin().await.unwrap();
        deliveries::insert(&mut tx, &delivery).await.unwrap();
        tx.commit().await.unwrap();
        self.written.insert(delivery.id, delivery.expires_at);
    }

    async fn claim(&mut self, receiver: &str, limit: i64) {
        let to = Receiver {
            tenant_id: T,
            kind: Kind::BackchannelLogout,
            receiver: receiver.to_owned(),
        };
        let due = deliveries::receivers(&self.store, self.now)
            .await
            .unwrap()
            .contains(&to);
        let claim = self.entropy.uuid_v4().unwrap();
        let claimed = deliveries::claim(&self.store, &to, claim, self.now, limit)
            .await
            .unwrap();
        assert!(claimed.len() <= usize::try_from(limit).unwrap());
        assert!(due || claimed.is_empty(), "what is due is announced");
        for delivery in claimed {
            assert_eq!(delivery.receiver, receiver);
            assert!(self.now < self.written[&delivery.id], "sent after its time");
            assert!(delivery.attempts <= TRIES, "sent too often");
            let held = self.taken.iter().find(|(other, _)| other.id == delivery.id);
            assert!(
                held.is_none_or(|(_, until)| *until <= self.now),
                "two replicas send it at once"
            );
            self.taken.push((delivery, self.now.plus_seconds(LEASE_S)));
        }
    }

    async fn bury(&mut self) {
        let mut tx = self.store.begin().await.unwrap();
        let buried = deliveries::bury_overdue(&mut tx, self.now, 100).await.unwrap();
        tx.commit().await.unwrap();
        for delivery in buried {
            let over = self.written[&delivery.id] <= self.now;
            assert!(over || delivery.attempts >= TRIES, "buried alive: {delivery:?}");
        }
        assert!(!deliveries::any_overdue(&self.store, self.now).await.unwrap());
    }

    async fn rows(&self) -> Vec<Delivery> {
        let mut conn = self.store.read().await.unwrap();
        deliveries::list(&mut conn, T, Filter::default(), 1000)
            .await
            .unwrap()
    }

    async fn nothing_is_lost(&self) {
        let there: HashSet<_> = self.rows().await.into_iter().map(|row| row.id).collect();
        for id in self.written.keys() {
            assert!(there.contains(id) || self.arrived.contains(id), "{id} is lost");
        }
    }

    /// Everybody is well again: what is left arrives or dies.
    async fn settle(&mut self) {
        self.taken.clear();
        for _ in 0..2 {
            self.now = self.now.plus_seconds(LEASE_S + LIFE_S / 3);
            for receiver in RECEIVERS {
                self.claim(receiver, 100).await;
            }
            while let Some((sent, _)) = self.pick(0) {
                self.arrived.insert(sent.id);
                deliveries::done(&mut self.store.write().await.unwrap(), &sent)
                    .await
                    .unwrap();
            }
        }
        self.now = self.now.plus_seconds(LEASE_S + LIFE_S);
        self.bury().await;
        for row in self.rows().await {
            assert!(row.dead_at.is_some(), "neither arrived nor dead: {row:?}");
            assert!(row.last_error.is_some(), "a dead letter says why: {row:?}");
        }
        self.nothing_is_lost().await;
    }
}

on_both_engines! {
    async fn each_message_arrives_or_is_a_dead_letter(engine: Engine) {
        let db = TestDb::new(engine).await;
        let cases = if engine == Engine::Sqlite { 60 } else { 25 };
        let mut runner = TestRunner::new_with_rng(
            Config { cases, failure_persistence: None, ..Config::default() },
            proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
        );
        ensure_tenant(&db.main).await;
        let handle = tokio::runtime::Handle::current();
        let store = db.main.clone();
        let checked = tokio::task::spawn_blocking(move || {
            runner.run(&prop::collection::vec(step(), 1..60), |steps| {
                handle.block_on(async {
                    crate::support::provider::execute(&store, "DELETE FROM deliveries").await;
                    let mut world = World {
                        store: store.clone(),
                        entropy: Entropy::seeded(7),
                        now: START,
                        taken: Vec::new(),
                        written: HashMap::new(),
                        arrived: HashSet::new(),
                    };
                    for step in steps {
                        world.take(step).await;
                    }
                    world.settle().await;
                });
                Ok(())
            })
        });
        checked.await.unwrap().unwrap();
    }

    /// Replicas that take at the same moment take different messages.
    async fn replicas_take_different_messages(engine: Engine) {
        let db = TestDb::new(engine).await;
        ensure_tenant(&db.main).await;
        let mut world = World {
            store: db.main.clone(),
            entropy: Entropy::seeded(8),
            now: START,
            taken: Vec::new(),
            written: HashMap::new(),
            arrived: HashSet::new(),
        };
        for _ in 0..40 {
            world.write("shop").await;
        }
        let to = Receiver { tenant_id: T, kind: Kind::BackchannelLogout, receiver: "shop".to_owned() };
        let replicas = (0..8_u128).map(|replica| {
            let (store, to) = (db.main.clone(), to.clone());
            tokio::spawn(async move {
                let mut mine = Vec::new();
                loop {
                    let claim = Uuid::from_u128(replica);
                    let claimed = deliveries::claim(&store, &to, claim, START, 3).await.unwrap();
                    if claimed.is_empty() {
                        return mine;
                    }
                    mine.extend(claimed.into_iter().map(|delivery| delivery.id));
                }
            })
        });
        let mut all = Vec::new();
        for replica in replicas.collect::<Vec<_>>() {
            all.extend(replica.await.unwrap());
        }
        let distinct: HashSet<_> = all.iter().copied().collect();
        assert_eq!((all.len(), distinct.len()), (40, 40));
    }

    /// A replica whose claim ran out settles nothing: the message is another one's by then.
    async fn a_late_replica_settles_nothing(engine: Engine) {
        let db = TestDb::new(engine).await;
        ensure_tenant(&db.main).await;
        let mut world = World {
            store: db.main.clone(),
            entropy: Entropy::seeded(9),
            now: START,
            taken: Vec::new(),
            written: HashMap::new(),
            arrived: HashSet::new(),
        };
        world.write("shop").await;
        world.claim("shop", 1).await;
        world.now = START.plus_seconds(LEASE_S);
        world.claim("shop", 1).await;
        let (late, _) = world.taken.remove(0);
        let mut conn = db.main.write().await.unwrap();
        assert!(!deliveries::done(&mut conn, &late).await.unwrap());
        assert!(!deliveries::put_off(&mut conn, &late, "x", START).await.unwrap());
        drop(conn);
        let mut tx = db.main.begin().await.unwrap();
        assert!(!deliveries::bury(&mut tx, &late, "x", START).await.unwrap());
        drop(tx);
        let (own, _) = world.taken.remove(0);
        assert!(deliveries::done(&mut db.main.write().await.unwrap(), &own).await.unwrap());
    }
}

async fn ensure_tenant(store: &Store) {
    let mut conn = store.write().await.unwrap();
    grantor::storage::tenants::ensure_first(&mut conn, START)
        .await
        .unwrap();
}
