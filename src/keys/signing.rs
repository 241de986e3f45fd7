//! Changes of signing keys that somebody asks for. Each is committed together with its audit event.

use super::ring::KeyRing;
use super::schedule;
use super::tenant::Rows;
use crate::fault::Fault;
use crate::storage::signing_keys::{self, KeyState, SigningKeyRow, Stop};
use crate::storage::{Tx, outbox};
use crate::types::{Algorithm, Event, EventType, Kid, Outcome, TenantId, Timestamp};
use serde::Serialize;

/// How often a change is tried again when another replica changed the same key meanwhile.
const ATTEMPTS: usize = 5;

/// A signing key as administrators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyInfo {
    /// Its id.
    pub kid: Kid,
    /// Its algorithm.
    pub alg: Algorithm,
    /// What it is used for.
    pub state: KeyState,
    /// Since when it is published.
    pub created_at: Timestamp,
    /// When a `next` key will become active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activates_at: Option<Timestamp>,
    /// When it became active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activated_at: Option<Timestamp>,
    /// When it stopped signing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<Timestamp>,
    /// When a `retiring` key leaves the published set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// What a change came to.
#[derive(Clone, Debug)]
pub struct KeyChange {
    /// The keys concerned as they are now: all published ones of the algorithms concerned.
    pub keys: Vec<KeyInfo>,
    /// The events that were committed with the change, for `Audit::deliver`.
    pub events: Vec<Event>,
}

impl KeyRing {
    /// The published keys of a tenant: active ones first, then next, then retiring.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&self, tenant: TenantId) -> Result<Vec<KeyInfo>, Fault> {
        let rows = self.read(tenant).await?;
        Ok(self.infos(&rows, |_| true))
    }

    /// Replaces the active key of one algorithm, or of all: `next` becomes active, the old key retiring, and a new `next`
    /// is published. Unless it is to be `immediate`, that waits until `next` has been published for longer than the
    /// published set may be cached; `activates_at` then says when. Of two who ask at once, one is obeyed and both are told
    /// the same. `by` says in the audit event who it was.
    ///
    /// `None` when the algorithm has no keys.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn rotate(
        &self,
        tenant: TenantId,
        alg: Option<Algorithm>,
        immediate: bool,
        by: impl Fn(Event) -> Event,
        now: Timestamp,
    ) -> Result<Option<KeyChange>, Fault> {
        let rows = self.read(tenant).await?;
        let concerned = |key: &SigningKeyRow| alg.is_none_or(|alg| alg == key.alg);
        let active: Vec<_> = rows
            .signing
            .iter()
            .filter(|key| key.state == KeyState::Active && concerned(key))
            .collect();
        if active.is_empty() {
            return Ok(None);
        }
        let mut events = Vec::new();
        for active in active {
            let next = rows.signing_key(active.alg, KeyState::Next);
            let usable_at = next.map(|next| self.inner().schedule.usable_at(next.created_at));
            let event = match (next, usable_at) {
                (Some(next), Some(usable_at)) if !immediate && usable_at > now => {
                    self.schedule(tenant, next, usable_at, &by, now).await?
                }
                _ => {
                    let event = by(self.event(tenant, EventType::KeyRotated, now)?);
                    self.replace(tenant, active, next, KeyState::Retiring, event, now)
                        .await?
                }
            };
            events.extend(event);
        }
        let rows = self.read(tenant).await?;
        Ok(Some(KeyChange {
            keys: self.infos(&rows, concerned),
            events,
        }))
    }

    /// Takes a key out of use in an orderly way: an active one as [`Self::rotate`] does, a next one at once, since nothing
    /// was signed with it. One that is retiring already goes on doing so.
    ///
    /// `None` when there is no such published key.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn retire(
        &self,
        tenant: TenantId,
        kid: &Kid,
        by: impl Fn(Event) -> Event,
        now: Timestamp,
    ) -> Result<Option<KeyChange>, Fault> {
        for _ in 0..ATTEMPTS {
            let rows = self.read(tenant).await?;
            let Some(key) = find(&rows, kid, KeyState::Retiring) else {
                return Ok(None);
            };
            let event = match key.state {
                KeyState::Active => return self.rotate(tenant, Some(key.alg), false, by, now).await,
                KeyState::Next => {
                    let event = by(self.event(tenant, EventType::KeyRetired, now)?);
                    match self.withdraw(tenant, key, KeyState::Retired, event, now).await? {
                        Some(event) => Some(event),
                        None => continue,
                    }
                }
                _ => None,
            };
            return self.changed(tenant, key.alg, event).await.map(Some);
        }
        Err(busy())
    }

    /// Takes a compromised key away at once: it is published no more, nothing that it signed counts, and its successor,
    /// if it was active, signs from now on.
    ///
    /// `None` when there is no such key, or it was revoked before.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn revoke(
        &self,
        tenant: TenantId,
        kid: &Kid,
        by: impl Fn(Event) -> Event,
        now: Timestamp,
    ) -> Result<Option<KeyChange>, Fault> {
        for _ in 0..ATTEMPTS {
            let rows = self.read(tenant).await?;
            let Some(key) = find(&rows, kid, KeyState::Retired) else {
                return Ok(None);
            };
            let event = by(self.event(tenant, EventType::KeyRevoked, now)?);
            let done = match key.state {
                KeyState::Active => {
                    let next = rows.signing_key(key.alg, KeyState::Next);
                    self.replace(tenant, key, next, KeyState::Revoked, event, now)
                        .await?
                }
                _ => self.withdraw(tenant, key, KeyState::Revoked, event, now).await?,
            };
            if let Some(event) = done {
                return self.changed(tenant, key.alg, Some(event)).await.map(Some);
            }
        }
        Err(busy())
    }

    /// The active key comes to `to`, the next one takes its place, and a new one is published. `None` when another replica
    /// changed one of them first; then nothing was done.
    pub(super) async fn replace(
        &self,
        tenant: TenantId,
        active: &SigningKeyRow,
        next: Option<&SigningKeyRow>,
        to: KeyState,
        event: Event,
        now: Timestamp,
    ) -> Result<Option<Event>, Fault> {
        let alg = active.alg;
        let mut wanted = vec![(alg, KeyState::Next)];
        if next.is_none() {
            wanted.insert(0, (alg, KeyState::Active));
        }
        // Before the transaction: making an RSA key takes longer than a lock may be held.
        let made = self.make_signing_keys(tenant, wanted, now).await?;
        let successor = next.or(made.first()).map(|key| key.kid.to_string());
        let event = event
            .with("alg", alg.as_str())
            .with("kid", successor)
            .with("previous_kid", active.kid.as_str());
        let mut tx = self.inner().store.begin().await?;
        if !stop(&mut tx, tenant, active, to, now).await? {
            return Ok(None);
        }
        if let Some(next) = next
            && !signing_keys::activate(&mut tx, tenant, &next.kid, now).await?
        {
            return Ok(None);
        }
        self.publish(tx, tenant, &made, event).await
    }

    /// Takes away a key that does not sign; a new `next` takes the place of one.
    pub(super) async fn withdraw(
        &self,
        tenant: TenantId,
        key: &SigningKeyRow,
        to: KeyState,
        event: Event,
        now: Timestamp,
    ) -> Result<Option<Event>, Fault> {
        let wanted = match key.state {
            KeyState::Next => vec![(key.alg, KeyState::Next)],
            _ => Vec::new(),
        };
        let made = self.make_signing_keys(tenant, wanted, now).await?;
        let event = event.with("alg", key.alg.as_str()).with("kid", key.kid.as_str());
        let mut tx = self.inner().store.begin().await?;
        if !stop(&mut tx, tenant, key, to, now).await? {
            return Ok(None);
        }
        self.publish(tx, tenant, &made, event).await
    }

    /// Says when a `next` key becomes active that has not been published for long enough.
    async fn schedule(
        &self,
        tenant: TenantId,
        next: &SigningKeyRow,
        activates_at: Timestamp,
        by: impl Fn(Event) -> Event,
        now: Timestamp,
    ) -> Result<Option<Event>, Fault> {
        let event = by(self.event(tenant, EventType::KeyRotated, now)?)
            .with("alg", next.alg.as_str())
            .with("kid", next.kid.as_str())
            .with("activates_at", activates_at.to_string());
        let mut tx = self.inner().store.begin().await?;
        if !signing_keys::schedule(&mut tx, tenant, &next.kid, activates_at).await? {
            return Ok(None);
        }
        self.publish(tx, tenant, &[], event).await
    }

    /// Ends a change: new keys, the audit event, the commit.
    async fn publish(
        &self,
        mut tx: Tx,
        tenant: TenantId,
        made: &[SigningKeyRow],
        event: Event,
    ) -> Result<Option<Event>, Fault> {
        for key in made {
            signing_keys::insert(&mut tx, tenant, key).await?;
        }
        outbox::insert(&mut tx, &event).await?;
        tx.commit().await?;
        self.outdate(tenant).await;
        Ok(Some(event))
    }

    async fn changed(
        &self,
        tenant: TenantId,
        alg: Algorithm,
        event: Option<Event>,
    ) -> Result<KeyChange, Fault> {
        let rows = self.read(tenant).await?;
        Ok(KeyChange {
            keys: self.infos(&rows, |key| key.alg == alg),
            events: event.into_iter().collect(),
        })
    }

    pub(super) fn event(&self, tenant: TenantId, what: EventType, now: Timestamp) -> Result<Event, Fault> {
        let id = self.inner().entropy.uuid_v7(now)?;
        Ok(Event::new(id, now, tenant, what, Outcome::Success))
    }

    fn infos(&self, rows: &Rows, concerned: impl Fn(&SigningKeyRow) -> bool) -> Vec<KeyInfo> {
        let mut keys: Vec<_> = rows
            .signing
            .iter()
            .filter(|key| key.state <= KeyState::Retiring && concerned(key))
            .map(|key| KeyInfo {
                kid: key.kid.clone(),
                alg: key.alg,
                state: key.state,
                created_at: key.created_at,
                activates_at: match (key.state, rows.signing_key(key.alg, KeyState::Active)) {
                    (KeyState::Next, Some(active)) => Some(self.inner().schedule.activates_at(active, key)),
                    _ => None,
                },
                activated_at: key.activated_at,
                retired_at: key.retired_at,
                expires_at: key.expires_at,
            })
            .collect();
        keys.sort_by_key(|key| (key.alg, key.state != KeyState::Active, key.state, key.created_at));
        keys
    }
}

fn find<'r>(rows: &'r Rows, kid: &Kid, latest: KeyState) -> Option<&'r SigningKeyRow> {
    rows.signing
        .iter()
        .find(|key| key.kid == *kid && key.state <= latest)
}

async fn stop(
    tx: &mut Tx,
    tenant: TenantId,
    key: &SigningKeyRow,
    to: KeyState,
    now: Timestamp,
) -> Result<bool, Fault> {
    let expires_at = match to {
        KeyState::Retiring => schedule::unpublished_at(now),
        _ => schedule::forgotten_at(now),
    };
    let stop = Stop {
        kid: &key.kid,
        from: key.state,
        to,
        expires_at,
    };
    signing_keys::stop(tx, tenant, stop, now).await
}

fn busy() -> Fault {
    Fault::unavailable("another replica keeps changing the same key")
}
