//! The token family against a model: clients, thieves, lost answers, revocations, restarts and a moving clock, in
//! thousands of random interleavings on both engines. The model is a second, slow statement of design.md's rules; a
//! deliberately broken `rotate` has to be found by it.

use crate::support::{Engine, TestDb};
use grantor::fault::Fault;
use grantor::storage::Store;
use grantor::storage::grants::{self, Grant, GrantState, Presented, Redemption, RotateBy, Rotation};
use grantor::types::{ClientId, GrantId, ScopeSet, SessionId, TenantId, Timestamp, UserId};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};
use sqlx::types::Json;
use std::future::Future;
use std::pin::Pin;
use uuid::Uuid;

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

#[derive(Clone, Debug)]
enum Step {
    /// Somebody presents the code.
    Redeem {
        own_client: bool,
        right_verifier: bool,
    },
    /// Somebody presents one of the refresh tokens that were ever made, counted from the newest.
    Rotate {
        back: usize,
        own_client: bool,
        retry_seconds: i64,
        other_address: bool,
    },
    /// The newest one several times at once, over two replicas.
    Race {
        times: usize,
    },
    /// The last success could not be audited and is put back.
    PutBack,
    Advance {
        seconds: i64,
    },
    Revoke,
    RaiseUserEpoch,
    DisableUser,
    RaiseClientEpoch,
    WithdrawConsent,
    EndSession,
    /// The replica is replaced by another one on the same database.
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (prop::bool::weighted(0.9), prop::bool::weighted(0.9))
            .prop_map(|(own_client, right_verifier)| Step::Redeem { own_client, right_verifier }),
        12 => (prop_oneof![5 => Just(0usize), 2 => Just(1), 1 => 2usize..5], prop::bool::weighted(0.93),
            prop_oneof![Just(0i64), Just(10)], prop::bool::weighted(0.2))
            .prop_map(|(back, own_client, retry_seconds, other_address)| Step::Rotate {
                back, own_client, retry_seconds, other_address
            }),
        2 => (2usize..5).prop_map(|times| Step::Race { times }),
        2 => Just(Step::PutBack),
        3 => prop_oneof![1i64..20, 50i64..70, 500i64..700, Just(SESSION_SECONDS), Just(FAMILY_SECONDS)]
            .prop_map(|seconds| Step::Advance { seconds }),
        1 => Just(Step::Revoke),
        1 => Just(Step::RaiseUserEpoch),
        1 => Just(Step::DisableUser),
        1 => Just(Step::RaiseClientEpoch),
        1 => Just(Step::WithdrawConsent),
        1 => Just(Step::EndSession),
        1 => Just(Step::Restart),
    ];
    // Most stories begin with a code that is redeemed; the rest try everything on a pending one.
    (prop::bool::weighted(0.85), proptest::collection::vec(step, 1..24)).prop_map(|(redeemed, mut steps)| {
        if redeemed {
            steps.insert(
                0,
                Step::Redeem {
                    own_client: true,
                    right_verifier: true,
                },
            );
        }
        steps
    })
}

/// A token that was made: what its holder, or a thief of it, can present.
#[derive(Clone, Debug, PartialEq)]
struct Token {
    generation: i64,
    salt: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    Pending,
    Active,
    Revoked,
}

/// What a step should come to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    Success,
    Repeated,
    Mismatch,
    Theft,
    Refused,
}

/// The rules once more, over plain values.
struct Model {
    now: Timestamp,
    offline: bool,
    state: State,
    /// Newest last; the code is the first.
    tokens: Vec<Token>,
    rotated_at: Timestamp,
    /// Whether the newest token may have a predecessor that repeats; a put-back forgets it.
    repeats: bool,
    rotated_from_other_address: bool,
    user_ok: bool,
    client_ok: bool,
    consent_ok: bool,
    session_ok: bool,
    /// What a put-back would have to restore.
    last_success: Option<(Grant, Token)>,
}

impl Model {
    fn stands(&self) -> bool {
        let in_session = self.offline || (self.session_ok && self.now < START.plus_seconds(SESSION_SECONDS));
        self.user_ok
            && self.client_ok
            && self.consent_ok
            && in_session
            && self.now < START.plus_seconds(FAMILY_SECONDS)
    }

    fn redeem(&self, own_client: bool, right_verifier: bool) -> Expected {
        if !own_client {
            return Expected::Theft;
        }
        match self.state {
            State::Pending if self.now >= START.plus_seconds(CODE_SECONDS) => Expected::Refused,
            State::Pending if right_verifier && self.stands() => Expected::Success,
            State::Pending => Expected::Mismatch,
            _ if self.now < START.plus_seconds(600) => Expected::Theft,
            _ => Expected::Refused,
        }
    }

    fn rotate(&self, token: &Token, own_client: bool, retry_seconds: i64, other_address: bool) -> Expected {
        let newest = self.tokens.last().expect("the code at least");
        let usable = self.state == State::Active && self.stands();
        if own_client && token == newest && usable {
            return Expected::Success;
        }
        let before_newest = token.generation + 1 == newest.generation;
        let in_window = self.now < self.rotated_at.plus_seconds(retry_seconds);
        let same_address = other_address == self.rotated_from_other_address;
        if own_client
            && before_newest
            && self.repeats
            && usable
            && retry_seconds > 0
            && in_window
            && same_address
        {
            return Expected::Repeated;
        }
        if !own_client || token.generation < newest.generation {
            Expected::Theft
        } else {
            Expected::Refused
        }
    }
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
            Some(mut grant) if grant.state == GrantState::Active && grant.salt == token.salt => {
                tokio::task::yield_now().await;
                execute(store, "UPDATE grants SET generation = generation + 1, previous_salt = salt, salt = $2 WHERE id = $1", grant.id.0, Some(by.new_salt)).await;
                grant.generation += 1;
                grant.salt = by.new_salt.to_vec();
                Ok(Rotation::Rotated(Box::new(grant)))
            }
            _ => grants::rotate(store, TENANT, token, by, now).await,
        }
    })
}

/// One statement with the row's id, and a salt where there is one.
async fn execute(store: &Store, sql: &'static str, id: Uuid, salt: Option<&[u8]>) {
    match (store, salt) {
        (Store::Postgres(pool), None) => drop(sqlx::query(sql).bind(id).execute(pool).await.unwrap()),
        (Store::Sqlite { writer, .. }, None) => {
            drop(sqlx::query(sql).bind(id).execute(writer).await.unwrap())
        }
        (Store::Postgres(pool), Some(salt)) => {
            drop(sqlx::query(sql).bind(id).bind(salt).execute(pool).await.unwrap())
        }
        (Store::Sqlite { writer, .. }, Some(salt)) => {
            drop(
                sqlx::query(sql)
                    .bind(id)
                    .bind(salt)
                    .execute(writer)
                    .await
                    .unwrap(),
            );
        }
    }
}

/// One story's world: a user, a session, a client and a grant of their own in a database that all stories share.
struct World {
    replicas: [Store; 2],
    rotate: Rotate,
    id: Uuid,
    grant: GrantId,
    client: ClientId,
    thief: ClientId,
    salts: u64,
    model: Model,
}

impl World {
    async fn new(replicas: [Store; 2], rotate: Rotate, offline: bool) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "names in a database that all stories share"
        )]
        let id = Uuid::new_v4();
        let client = ClientId::parse(&id.simple().to_string()).unwrap();
        let world = Self {
            rotate,
            id,
            grant: GrantId(id),
            thief: ClientId::parse("another-client").unwrap(),
            salts: 1,
            model: Model {
                now: START,
                offline,
                state: State::Pending,
                tokens: vec![Token {
                    generation: 0,
                    salt: vec![0; 16],
                }],
                rotated_at: START,
                repeats: false,
                rotated_from_other_address: false,
                user_ok: true,
                client_ok: true,
                consent_ok: true,
                session_ok: true,
                last_success: None,
            },
            client,
            replicas,
        };
        world.seed().await;
        world
    }

    /// The rows that the grant rests on.
    async fn seed(&self) {
        let at = START.micros();
        macro_rules! run {
            ($pool:expr, $time:expr) => {{
                for sql in [
                    concat!("INSERT INTO users (tenant_id, id, username, enabled, epoch, password_temporary, roles, claims, \
                      sealed_with, email_verified, phone_verified, version, created_at, updated_at) \
                      VALUES ($1, $2, 'model', TRUE, 1, FALSE, '[]', '{}', '', FALSE, FALSE, 1, ", $time, ", ", $time, ")"),
                    concat!("INSERT INTO clients (tenant_id, client_id, enabled, epoch, tokens_valid_from, metadata, version, \
                      created_at, updated_at) VALUES ($1, $4, TRUE, 1, ", $time, ", '{}', 1, ", $time, ", ", $time, ")"),
                    concat!("INSERT INTO sessions (tenant_id, id, user_id, user_epoch, secret_hash, auth_time, acr, amr, \
                      ip, user_agent, created_at, last_seen_at, expires_at) VALUES ($1, $2, $2, 1, $5, ", $time, ", 'aal1', '[]', \
                      '', '', ", $time, ", ", $time, ", ", $time, ")"),
                    concat!("INSERT INTO consents (tenant_id, user_id, client_id, id, scope, epoch, granted_at) \
                      VALUES ($1, $2, $4, $2, '', 1, ", $time, ")"),
                ] {
                    // One set of parameters for all four; each uses what it needs.
                    let typed = sqlx::AssertSqlSafe(format!("{sql} ON CONFLICT DO NOTHING"));
                    sqlx::query(typed)
                        .bind(TENANT)
                        .bind(self.id)
                        .bind(at)
                        .bind(self.client.as_str())
                        .bind(self.id.as_bytes().to_vec())
                        .execute($pool)
                        .await
                        .unwrap();
                }
            }};
        }
        match &self.replicas[0] {
            Store::Postgres(pool) => run!(
                pool,
                "to_timestamp($3::bigint / 1000000 + length($4::text || $5::bytea::text || $2::uuid::text || $1::uuid::text) * 0)"
            ),
            Store::Sqlite { writer, .. } => run!(writer, "($3 + 0 * length($1 || $2 || $4 || $5))"),
        }
        execute(
            &self.replicas[0],
            match &self.replicas[0] {
                Store::Postgres(_) => {
                    "UPDATE sessions SET expires_at = created_at + interval '8000 seconds' WHERE id = $1"
                }
                Store::Sqlite { .. } => {
                    "UPDATE sessions SET expires_at = created_at + 8000000000 WHERE id = $1"
                }
            },
            self.id,
            None,
        )
        .await;
        grants::insert(&mut self.replicas[0].write().await.unwrap(), &self.new_grant())
            .await
            .unwrap();
    }

    fn new_grant(&self) -> Grant {
        Grant {
            tenant_id: TENANT,
            id: self.grant,
            client_id: self.client.clone(),
            user_id: UserId(self.id),
            session_id: Some(SessionId(self.id)),
            scope: ScopeSet::parse("openid").unwrap(),
            resources: Json(Vec::new()),
            claims: Json(serde_json::Map::new()),
            nonce: None,
            auth_time: START,
            acr: "aal1".to_owned(),
            amr: Json(vec!["pwd".to_owned()]),
            redirect_uri: "https://app.example/cb".to_owned(),
            redirect_uri_sent: true,
            code_challenge: Some("right".to_owned()),
            confirmation: None,
            offline: self.model.offline,
            user_epoch: 1,
            client_epoch: 1,
            consent_epoch: Some(1),
            state: GrantState::Pending,
            generation: 0,
            salt: vec![0; 16],
            previous_salt: None,
            rotated_at: None,
            rotated_ip: None,
            code_expires_at: START.plus_seconds(CODE_SECONDS),
            created_at: START,
            expires_at: START.plus_seconds(FAMILY_SECONDS),
            revoked_at: None,
            revoke_reason: None,
        }
    }

    fn new_salt(&mut self) -> Vec<u8> {
        self.salts += 1;
        let mut salt = vec![0; 16];
        salt[..8].copy_from_slice(&self.salts.to_be_bytes());
        salt
    }

    async fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Redeem {
                own_client,
                right_verifier,
            } => return self.redeem(own_client, right_verifier).await,
            Step::Rotate {
                back,
                own_client,
                retry_seconds,
                other_address,
            } => {
                let refresh = self.model.tokens.iter().skip(1).rev().nth(back).cloned();
                if let Some(token) = refresh {
                    return self
                        .rotate(&token, own_client, retry_seconds, other_address)
                        .await;
                }
            }
            Step::Race { times } => return self.race(times).await,
            Step::PutBack => return self.put_back().await,
            Step::Advance { seconds } => {
                self.model.now = self.model.now.plus_seconds(seconds);
                self.model.last_success = None;
            }
            Step::Revoke => self.revoke().await,
            Step::RaiseUserEpoch => {
                self.change("UPDATE users SET epoch = epoch + 1 WHERE id = $1")
                    .await;
                self.model.user_ok = false;
            }
            Step::DisableUser => {
                self.change("UPDATE users SET enabled = FALSE WHERE id = $1")
                    .await;
                self.model.user_ok = false;
            }
            Step::RaiseClientEpoch => {
                let sql = "UPDATE clients SET epoch = epoch + 1 WHERE client_id = (SELECT client_id FROM grants WHERE id = $1)";
                self.change(sql).await;
                self.model.client_ok = false;
            }
            Step::WithdrawConsent => {
                self.change(
                    "UPDATE consents SET epoch = epoch + 1, withdrawn_at = granted_at WHERE user_id = $1",
                )
                .await;
                self.model.consent_ok = false;
            }
            Step::EndSession => {
                self.change("UPDATE sessions SET ended_at = created_at WHERE id = $1")
                    .await;
                self.model.session_ok = false;
            }
            Step::Restart => self.replicas.swap(0, 1),
        }
        Ok(())
    }

    async fn change(&mut self, sql: &'static str) {
        execute(&self.replicas[1], sql, self.id, None).await;
        self.model.last_success = None;
    }

    async fn revoke(&mut self) {
        let mut tx = self.replicas[1].begin().await.unwrap();
        grants::revoke(&mut tx, TENANT, self.grant, "model", self.model.now)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        self.model.state = State::Revoked;
    }

    async fn redeem(&mut self, own_client: bool, right_verifier: bool) -> Result<(), TestCaseError> {
        let want = self.model.redeem(own_client, right_verifier);
        let salt = self.new_salt();
        let code = self.model.tokens[0].clone();
        let presented = Presented {
            id: self.grant,
            generation: 0,
            salt: &code.salt,
            client_id: if own_client { &self.client } else { &self.thief },
        };
        let by = RotateBy {
            new_salt: &salt,
            ip: "192.0.2.1",
            retry_seconds: 0,
            same_address: true,
            keep: false,
            confirmation: None,
        };
        let challenge = if right_verifier { "right" } else { "wrong" };
        let uri = Some("https://app.example/cb");
        let got = grants::redeem(
            &self.replicas[0],
            TENANT,
            presented,
            uri,
            Some(challenge),
            by,
            self.model.now,
        )
        .await
        .unwrap();
        let got = match got {
            Redemption::Redeemed(grant) => {
                self.succeeded(*grant, code, false);
                Expected::Success
            }
            Redemption::Mismatch(_) => {
                self.revoke().await;
                Expected::Mismatch
            }
            Redemption::Stolen(_) | Redemption::Replayed(_) => {
                self.revoke().await;
                Expected::Theft
            }
            Redemption::Refused(..) => Expected::Refused,
        };
        prop_assert_eq!(got, want);
        Ok(())
    }

    fn succeeded(&mut self, grant: Grant, before: Token, other_address: bool) {
        self.model.state = State::Active;
        self.model.tokens.push(Token {
            generation: grant.generation,
            salt: grant.salt.clone(),
        });
        self.model.rotated_at = self.model.now;
        // The code is no refresh token: the first one has no predecessor that could repeat.
        self.model.repeats = before.generation > 0;
        self.model.rotated_from_other_address = other_address;
        self.model.last_success = Some((grant, before));
    }

    async fn rotate(
        &mut self,
        token: &Token,
        own_client: bool,
        retry_seconds: i64,
        other_address: bool,
    ) -> Result<(), TestCaseError> {
        let want = self.model.rotate(token, own_client, retry_seconds, other_address);
        let salt = self.new_salt();
        let presented = Presented {
            id: self.grant,
            generation: token.generation,
            salt: &token.salt,
            client_id: if own_client { &self.client } else { &self.thief },
        };
        let by = RotateBy {
            new_salt: &salt,
            ip: if other_address {
                "198.51.100.1"
            } else {
                "192.0.2.1"
            },
            retry_seconds,
            same_address: true,
            keep: false,
            confirmation: None,
        };
        let got = (self.rotate)(&self.replicas[0], presented, by, self.model.now)
            .await
            .unwrap();
        let got = match got {
            Rotation::Rotated(grant) => {
                prop_assert_eq!(&grant.salt, &salt);
                self.succeeded(*grant, token.clone(), other_address);
                Expected::Success
            }
            Rotation::Repeated(grant) => {
                // The same successor: its text is made of these two and the grant's id.
                let newest = self.model.tokens.last().unwrap();
                prop_assert_eq!(
                    (&grant.generation, &grant.salt),
                    (&newest.generation, &newest.salt)
                );
                self.model.last_success = None;
                Expected::Repeated
            }
            Rotation::Stolen(_) | Rotation::Replayed(_) => {
                self.revoke().await;
                Expected::Theft
            }
            Rotation::Refused(..) => Expected::Refused,
        };
        prop_assert_eq!(got, want);
        Ok(())
    }

    /// R-REF-03: of parallel uses at most one succeeds; the others are replays, which end the family.
    async fn race(&mut self, times: usize) -> Result<(), TestCaseError> {
        let token = self.model.tokens.last().cloned().unwrap();
        if token.generation == 0 {
            return Ok(());
        }
        let want = self.model.rotate(&token, true, 0, false);
        let salts: Vec<_> = (0..times).map(|_| self.new_salt()).collect();
        let racing = salts.iter().enumerate().map(|(i, salt)| {
            let presented = Presented {
                id: self.grant,
                generation: token.generation,
                salt: &token.salt,
                client_id: &self.client,
            };
            let by = RotateBy {
                new_salt: salt,
                ip: "192.0.2.1",
                retry_seconds: 0,
                same_address: true,
                keep: false,
                confirmation: None,
            };
            (self.rotate)(&self.replicas[i % 2], presented, by, self.model.now)
        });
        let mut won = 0;
        let mut replayed = 0;
        for outcome in futures_util::future::join_all(racing).await {
            match outcome.unwrap() {
                Rotation::Rotated(grant) => {
                    won += 1;
                    self.succeeded(*grant, token.clone(), false);
                }
                Rotation::Replayed(_) => replayed += 1,
                Rotation::Refused(..) => {}
                other => prop_assert!(false, "{:?}", other),
            }
        }
        prop_assert_eq!(won, usize::from(want == Expected::Success));
        if won == 1 {
            prop_assert_eq!(replayed, times - 1);
            self.revoke().await;
            self.model.last_success = None;
        }
        Ok(())
    }

    async fn put_back(&mut self) -> Result<(), TestCaseError> {
        let Some((grant, before)) = self.model.last_success.take() else {
            return Ok(());
        };
        let presented = Presented {
            id: self.grant,
            generation: before.generation,
            salt: &before.salt,
            client_id: &self.client,
        };
        let done = grants::put_back(&mut self.replicas[1].write().await.unwrap(), &grant, &presented)
            .await
            .unwrap();
        // What was revoked meanwhile stays revoked.
        prop_assert_eq!(done, self.model.state == State::Active);
        if done {
            self.model.tokens.pop();
            self.model.repeats = false;
            if before.generation == 0 {
                self.model.state = State::Pending;
            }
        }
        Ok(())
    }

    /// What must hold after every step.
    async fn check(&self) -> Result<(), TestCaseError> {
        let row = grants::find(&mut self.replicas[0].write().await.unwrap(), TENANT, self.grant)
            .await
            .unwrap()
            .unwrap();
        let newest = self.model.tokens.last().unwrap();
        prop_assert_eq!((row.generation, &row.salt), (newest.generation, &newest.salt));
        prop_assert_eq!(
            row.expires_at,
            START.plus_seconds(FAMILY_SECONDS),
            "R-REF-13: no rotation moves the end"
        );
        let live = grants::find_live(
            &mut self.replicas[0].write().await.unwrap(),
            TENANT,
            self.grant,
            self.model.now,
        )
        .await
        .unwrap();
        prop_assert_eq!(
            live.is_some(),
            self.model.state == State::Active && self.model.stands()
        );
        Ok(())
    }
}

/// Runs random stories; gives the shortest one that goes wrong.
async fn search(engine: Engine, rotate: Rotate, cases: u32) -> Result<(), String> {
    let db = TestDb::new(engine).await;
    let (other, _) = db.stores().await;
    let first = db.main.clone();
    let tenant = match engine {
        Engine::Postgres => {
            "INSERT INTO tenants (id, name, enabled, settings, version, created_at) VALUES ($1, '', TRUE, '{}', 1, now()) ON CONFLICT DO NOTHING"
        }
        Engine::Sqlite => {
            "INSERT INTO tenants (id, name, enabled, settings, version, created_at) VALUES ($1, '', TRUE, '{}', 1, 0) ON CONFLICT DO NOTHING"
        }
    };
    execute(&first, tenant, TENANT.0, None).await;
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
