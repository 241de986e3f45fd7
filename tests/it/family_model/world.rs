//! One story's rows, and its steps done to them and to the model.

use super::model::{Expected, Model, State, Step, Token};
use super::{CODE_SECONDS, FAMILY_SECONDS, Rotate, SESSION_SECONDS, START, TENANT};
use grantor::storage::Store;
use grantor::storage::clients::{self, Client, ClientMetadata};
use grantor::storage::consents;
use grantor::storage::grants::{self, Grant, GrantState, Presented, Redemption, RotateBy, Rotation};
use grantor::storage::sessions::{self, Session};
use grantor::storage::users::{self, User};
use grantor::types::{ClientId, GrantId, ScopeSet, SessionId, TokenHash, UserId};
use proptest::prelude::*;
use serde_json::Map;
use sqlx::types::Json;
use uuid::Uuid;

/// One story's world: a user, a session, a client and a grant of their own in a database that all stories share.
pub(super) struct World {
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
    pub(super) async fn new(replicas: [Store; 2], rotate: Rotate, offline: bool) -> Self {
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
        let store = &self.replicas[0];
        let (user, mut session) = (self.new_user(), self.new_session());
        session.user_epoch = user.epoch;
        let mut tx = store.begin().await.unwrap();
        users::insert(&mut tx, &user).await.unwrap();
        assert!(clients::insert(&mut tx, &self.new_client()).await.unwrap());
        let scope = ScopeSet::empty();
        consents::give(&mut tx, TENANT, user.id, &self.client, self.id, &scope, START)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        sessions::insert(&mut store.write().await.unwrap(), &session)
            .await
            .unwrap();
        grants::insert(&mut store.write().await.unwrap(), &self.new_grant())
            .await
            .unwrap();
    }

    fn new_user(&self) -> User {
        User {
            tenant_id: TENANT,
            id: UserId(self.id),
            username: Some("model".to_owned()),
            enabled: true,
            epoch: 1,
            password_hash: None,
            password_changed_at: None,
            password_temporary: false,
            roles: Json(Vec::new()),
            claims: Json(Map::new()),
            sealed_username: None,
            email: None,
            phone_number: None,
            address: None,
            birthdate: None,
            attributes: Json(serde_json::Map::new()),
            sealed_attributes: None,
            sealed_with: String::new(),
            email_verified: false,
            phone_verified: false,
            version: 1,
            created_at: START,
            updated_at: START,
        }
    }

    fn new_client(&self) -> Client {
        let mut client = Client::new(
            TENANT,
            self.client.clone(),
            ClientMetadata::default(),
            None,
            START,
        );
        client.epoch = 1;
        client
    }

    fn new_session(&self) -> Session {
        Session {
            tenant_id: TENANT,
            id: SessionId(self.id),
            user_id: UserId(self.id),
            user_epoch: 1,
            secret_hash: TokenHash::of(&self.id.to_string()),
            auth_time: START,
            acr: "aal1".to_owned(),
            amr: Json(vec!["pwd".to_owned()]),
            ip: String::new(),
            user_agent: String::new(),
            created_at: START,
            last_seen_at: START,
            expires_at: START.plus_seconds(SESSION_SECONDS),
            ended_at: None,
            end_reason: None,
        }
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
            claims: Json(Map::new()),
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

    pub(super) async fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
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
        execute(&self.replicas[1], sql, self.id).await;
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
    pub(super) async fn check(&self) -> Result<(), TestCaseError> {
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

/// One statement with the row's id.
async fn execute(store: &Store, sql: &'static str, id: Uuid) {
    match store {
        Store::Postgres { pool, .. } => sqlx::query(sql).bind(id).execute(pool).await.map(|_| ()),
        Store::Sqlite { writer, .. } => sqlx::query(sql).bind(id).execute(writer).await.map(|_| ()),
    }
    .unwrap();
}
