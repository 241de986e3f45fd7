//! Random histories of recording, outages, stops and crashes: whatever happens, the log verifies and holds what was
//! acknowledged exactly once.

use super::support::{Process, event_at, eventually, execute, rows};
use crate::support::{Engine, TestDb};
use grantor::audit::{EventType, Verification};
use grantor::clock::Clock;
use grantor::storage::outbox;
use grantor::types::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::{HashMap, HashSet};
use tokio::task::JoinHandle;
use uuid::Uuid;

#[derive(Clone, Debug)]
enum Step {
    /// So many requests record at once, and are waited for.
    Record(u8),
    /// A request records and is not waited for.
    RecordLater,
    Note(u8),
    /// A change commits its event and delivers it.
    Deliver,
    /// A change commits its event; its process goes before it delivers.
    CommitOnly,
    /// A change whose event another process delivers at the same time.
    DeliverTwice,
    Checkpoint,
    Break,
    Repair,
    Advance(u8),
    Stop,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1u8..30).prop_map(Step::Record),
        4 => Just(Step::RecordLater),
        3 => (1u8..10).prop_map(Step::Note),
        3 => Just(Step::Deliver),
        2 => Just(Step::CommitOnly),
        1 => Just(Step::DeliverTwice),
        2 => Just(Step::Checkpoint),
        1 => Just(Step::Break),
        2 => Just(Step::Repair),
        2 => (0u8..40).prop_map(Step::Advance),
        1 => Just(Step::Stop),
        2 => Just(Step::Crash),
    ]
}

/// What is known of each event from its caller's view.
#[derive(Default)]
struct Known {
    /// Acknowledged, or committed to the outbox: there exactly once.
    certain: HashSet<Uuid>,
    /// Told to have failed: not there, or withdrawn unless the process crashed.
    failed: HashSet<Uuid>,
    /// Not told: there at most once.
    open: HashSet<Uuid>,
    crashed: bool,
}

struct World {
    db: TestDb,
    clock: Clock,
    process: Process,
    /// Another replica, which delivers what it finds.
    replica: Process,
    later: Vec<(Uuid, JoinHandle<bool>)>,
    known: Known,
    is_broken: bool,
}

impl World {
    async fn new(engine: Engine) -> Self {
        let db = TestDb::new(engine).await;
        let clock = Clock::manual(Timestamp::from_seconds(1_800_000_000));
        let (process, replica) = (
            Process::at(&db, clock.clone()).await,
            Process::at(&db, clock.clone()).await,
        );
        Self {
            db,
            clock,
            process,
            replica,
            later: Vec::new(),
            known: Known::default(),
            is_broken: false,
        }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Record(count) => {
                let events: Vec<_> = (0..count)
                    .map(|_| event_at(EventType::TokenIssued, self.clock.now()))
                    .collect();
                let recording = events
                    .iter()
                    .cloned()
                    .map(|event| self.process.audit.record(event));
                let results = futures_util::future::join_all(recording).await;
                for (event, result) in events.iter().zip(results) {
                    self.known.told(event.id, result.is_ok());
                }
            }
            Step::RecordLater => {
                let event = event_at(EventType::TokenRefresh, self.clock.now());
                let (id, audit) = (event.id, self.process.audit.clone());
                let task = tokio::spawn(async move { audit.record(event).await.is_ok() });
                tokio::task::yield_now().await;
                self.later.push((id, task));
            }
            Step::Note(count) => {
                for _ in 0..count {
                    let event = event_at(EventType::AccessDenied, self.clock.now());
                    self.known.open.insert(event.id);
                    self.process.audit.note(event);
                }
            }
            Step::Deliver | Step::CommitOnly | Step::DeliverTwice => self.take_away(&step).await,
            Step::Checkpoint => drop(self.process.audit.checkpoint().await),
            Step::Break if !self.is_broken => self.rename("audit_events", "gone").await,
            Step::Repair => self.repair().await,
            Step::Break => {}
            Step::Advance(seconds) => self.clock.advance_seconds(seconds.into()),
            Step::Stop => {
                self.wait_for_later().await;
                if !self.is_broken {
                    self.process.audit.shutdown().await;
                }
                self.restart().await;
            }
            Step::Crash => {
                self.known.crashed = true;
                for (id, task) in self.later.drain(..) {
                    task.abort();
                    match task.await {
                        Ok(is_stored) => self.known.told(id, is_stored),
                        Err(_) => drop(self.known.open.insert(id)),
                    }
                }
                self.restart().await;
            }
        }
    }

    async fn take_away(&mut self, step: &Step) {
        let event = event_at(EventType::FamilyRevoked, self.clock.now());
        self.process.commit_to_outbox(&event).await;
        self.known.certain.insert(event.id);
        match step {
            Step::Deliver => self.process.audit.deliver(event).await,
            Step::DeliverTwice => {
                tokio::join!(
                    self.process.audit.deliver(event.clone()),
                    self.replica.audit.deliver(event)
                );
            }
            _ => {}
        }
    }

    async fn rename(&mut self, from: &str, to: &str) {
        let sql = format!("ALTER TABLE {from} RENAME TO {to}");
        execute(&self.db.audit, &sql).await.unwrap();
        self.is_broken = to == "gone";
    }

    async fn repair(&mut self) {
        if self.is_broken {
            self.rename("gone", "audit_events").await;
        }
    }

    async fn wait_for_later(&mut self) {
        for (id, task) in self.later.drain(..) {
            self.known.told(id, task.await.unwrap());
        }
    }

    async fn restart(&mut self) {
        self.process = Process::at(&self.db, self.clock.clone()).await;
    }

    /// All is well again; what is left is delivered, and the log holds what it should.
    async fn end(mut self) {
        self.repair().await;
        self.wait_for_later().await;
        let (process, clock, db) = (&self.process, &self.clock, &self.db);
        eventually("the log is written again", async || {
            let event = event_at(EventType::Login, clock.now());
            process.audit.record(event).await.is_ok()
        })
        .await;
        eventually("the outbox is empty", async || {
            clock.advance_seconds(31);
            process.audit.deliver_outbox().await.unwrap();
            outbox::count(&db.main).await.unwrap() == 0
        })
        .await;
        for process in [&self.process, &self.replica] {
            process.audit.flush().await;
            process.audit.shutdown().await;
        }
        let verification = Verification {
            main: &self.db.main,
            audit: &self.db.audit,
            fingerprints: &[],
            anchor: None,
        };
        let report = verification.run().await.unwrap();
        assert!(report.is_clean(), "{report}");
        self.known.holds_in(&rows(&self.db.audit).await);
    }
}

impl Known {
    fn told(&mut self, id: Uuid, is_stored: bool) {
        if is_stored {
            self.certain.insert(id);
        } else {
            self.failed.insert(id);
        }
    }

    fn holds_in(&self, rows: &[super::support::Row]) {
        let mut times: HashMap<Uuid, usize> = HashMap::new();
        for row in rows {
            *times.entry(row.2).or_default() += 1;
        }
        let count = |id: &Uuid| times.get(id).copied().unwrap_or(0);
        for id in &self.certain {
            assert_eq!(count(id), 1, "{id} was acknowledged");
        }
        for id in &self.open {
            assert!(count(id) <= 1, "{id} is there {} times", count(id));
        }
        for id in &self.failed {
            let is_withdrawn =
                |row: &super::support::Row| row.3 == "record_withdrawn" && row.4.contains(&id.to_string());
            let withdrawn = rows.iter().filter(|row| is_withdrawn(row)).count();
            assert!(count(id) == withdrawn || self.crashed, "{id} failed and is there");
        }
    }
}

fn search(engine: Engine, cases: u32) {
    if !engine.is_available() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let config = Config {
        cases,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let history = prop::collection::vec(step(), 1..25);
    TestRunner::new(config)
        .run(&history, |steps| {
            // A failed assertion is a panic, which proptest takes as a failed case.
            runtime.block_on(async {
                let mut world = World::new(engine).await;
                for step in steps {
                    world.step(step).await;
                }
                world.end().await;
            });
            Ok(())
        })
        .unwrap();
}

#[test]
fn any_history_ends_in_a_log_that_verifies_sqlite() {
    search(Engine::Sqlite, 24);
}

#[test]
fn any_history_ends_in_a_log_that_verifies_postgres() {
    search(Engine::Postgres, 16);
}
