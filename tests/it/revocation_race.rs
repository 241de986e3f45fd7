//! A user, client, session or consent is revoked at one replica while the other redeems and rotates: whatever the order in
//! which the two meet in the database, nothing that was granted before lives on. The orders are searched, not listed.

use crate::support::Engine;
use crate::support::provider::Provider;
use crate::support::relying_party::{RelyingParty, Tokens};
use crate::support::{TestApp, user_agent::Browser};
use grantor::audit::{EventType, Outcome};
use grantor::keys::Purpose;
use grantor::oauth::handle::{Handle, Kind};
use grantor::storage::{consents, grants};
use grantor::types::{ClientId, GrantId, SessionId, TenantId};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use std::time::Duration;

const T: TenantId = TenantId::FIRST;

/// How many interleavings each engine goes through; `GRANTOR_TEST_CASES` asks for more.
fn cases() -> u32 {
    let asked = std::env::var("GRANTOR_TEST_CASES").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(400) / 16
}

#[derive(Clone, Copy, Debug)]
enum Revoked {
    User,
    Client,
    Session,
    Consent,
    Family,
}

#[derive(Clone, Debug)]
struct Story {
    revoked: Revoked,
    /// How long the revocation is held back, in microseconds.
    delay: u64,
    /// Rotations that go before and along with it, after the code.
    rotations: usize,
    /// Whether the code is redeemed before the race begins.
    redeemed: bool,
}

fn stories() -> impl Strategy<Value = Story> {
    let revoked = prop_oneof![
        Just(Revoked::User),
        Just(Revoked::Client),
        Just(Revoked::Session),
        Just(Revoked::Consent),
        Just(Revoked::Family)
    ];
    (revoked, 0u64..25_000, 0usize..5, any::<bool>()).prop_map(|(revoked, delay, rotations, redeemed)| {
        Story {
            revoked,
            delay,
            rotations,
            redeemed,
        }
    })
}

struct World {
    p: Provider,
    other: TestApp,
    /// An administrator's token.
    admin: String,
}

impl World {
    async fn new(engine: Engine) -> Self {
        let mut p = Provider::new(engine).await;
        p.rp = RelyingParty::with(&p.app, |metadata| metadata.require_consent = true).await;
        let other = p.app.replica().await;
        let admin = p.app.admin_token("clients:write").await;
        Self { p, other, admin }
    }

    async fn live(&mut self, story: &Story) -> Result<(), TestCaseError> {
        let p = &mut self.p;
        p.browser = Browser::new(&p.app);
        let asked = p.rp.ask(&p.app);
        let code = p.browser.authorize(&asked.url, &p.alice).await.code();
        let mut given: Vec<Tokens> = Vec::new();
        if story.redeemed {
            given.push(Tokens::of(
                p.rp.redeem_code(&p.app, &code, &asked.pkce.verifier).await,
            ));
        }
        let (session, family) = self.behind(&code).await;
        let p = &self.p;
        let before = given.last().map(|tokens| tokens.refresh.clone());
        let client = async {
            let mut given: Vec<Tokens> = Vec::new();
            for _ in 0..=story.rotations {
                let newest = given.last().map(|tokens| &tokens.refresh).or(before.as_ref());
                let answer = match newest {
                    None => p.rp.redeem_code(&p.app, &code, &asked.pkce.verifier).await,
                    Some(token) => p.rp.refresh(&p.app, token).await,
                };
                if !answer.status.is_success() {
                    break;
                }
                given.push(Tokens::of(answer));
            }
            given
        };
        let revocation = async {
            tokio::time::sleep(Duration::from_micros(story.delay)).await;
            self.revoke(story.revoked, session, family).await;
        };
        let (more, ()) = tokio::join!(client, revocation);
        given.extend(more);
        self.p.app.app.clients.invalidate();
        self.other.app.clients.invalidate();
        // Looking at tokens changes nothing; using them may end the family by itself, so that comes last.
        for app in [&self.p.app, &self.other] {
            for tokens in &given {
                prop_assert!(
                    !self.p.rp.is_active(app, &tokens.access).await,
                    "an access token lives on"
                );
                prop_assert!(
                    !self.p.rp.is_active(app, &tokens.refresh).await,
                    "a refresh token lives on"
                );
            }
        }
        let answer = match given.last() {
            Some(newest) => self.p.rp.refresh(&self.p.app, &newest.refresh).await,
            None => {
                self.p
                    .rp
                    .redeem_code(&self.p.app, &code, &asked.pkce.verifier)
                    .await
            }
        };
        prop_assert_eq!(answer.status.as_u16(), 400, "it can be used: {}", answer.text());
        Ok(())
    }

    /// The family that a code stands for, and the session that it rests on.
    async fn behind(&self, code: &str) -> (SessionId, GrantId) {
        let app = &self.p.app.app;
        let keys = app.keys.of(T).await.unwrap();
        let handle = Handle::open(code, Kind::Code, T, |id| keys.purpose_by_id(Purpose::Mac, id)).unwrap();
        let mut conn = app.store.read().await.unwrap();
        let grant = grants::find(&mut conn, T, handle.grant).await.unwrap().unwrap();
        (grant.session_id.unwrap(), grant.id)
    }

    /// Revokes at the other replica.
    async fn revoke(&self, what: Revoked, session: SessionId, family: GrantId) {
        let app = &self.other.app;
        let now = self.other.now();
        let event = |event_type| app.event(now, event_type, Outcome::Success, T).unwrap();
        match what {
            Revoked::User => {
                assert!(
                    app.accounts
                        .revoke(T, self.p.alice.id, event(EventType::UserRevoked), now)
                        .await
                        .unwrap()
                );
            }
            Revoked::Client => {
                // Disabled and enabled again: what was granted before stays over.
                let path = format!("/admin/v1/clients/{}", self.p.rp.client_id);
                for enabled in [false, true] {
                    let call = self
                        .other
                        .http
                        .call(reqwest::Method::PATCH, &path)
                        .bearer(&self.admin);
                    call.json(&json!({"enabled": enabled})).send().await.expect(200);
                }
            }
            Revoked::Session => {
                let event = event(EventType::SessionEnded).user(self.p.alice.id);
                assert!(
                    app.accounts
                        .end_session(T, session, "admin", event, now)
                        .await
                        .unwrap()
                );
            }
            Revoked::Consent => {
                let client = ClientId::parse(&self.p.rp.client_id).unwrap();
                let mut tx = app.store.begin().await.unwrap();
                assert!(
                    consents::withdraw(&mut tx, T, self.p.alice.id, &client, now)
                        .await
                        .unwrap()
                        .is_some()
                );
                tx.commit().await.unwrap();
            }
            Revoked::Family => {
                let mut tx = app.store.begin().await.unwrap();
                grants::revoke(&mut tx, T, family, "admin", now).await.unwrap();
                tx.commit().await.unwrap();
            }
        }
    }
}

async fn search(engine: Engine) {
    let world = World::new(engine).await;
    let world = tokio::sync::Mutex::new(world);
    let runtime = tokio::runtime::Handle::current();
    let searched = tokio::task::spawn_blocking(move || {
        let config = Config {
            cases: cases(),
            failure_persistence: None,
            max_shrink_iters: 20,
            ..Config::default()
        };
        TestRunner::new(config).run(&stories(), |story| {
            runtime.block_on(async { world.lock().await.live(&story).await })
        })
    });
    if let Err(error) = searched.await.unwrap() {
        panic!("{error}");
    }
}

on_both_engines! {
    async fn nothing_that_was_granted_before_lives_on(engine: Engine) {
        search(engine).await;
    }
}
