//! Changes of keys that time brings.

use super::ring::KeyRing;
use super::schedule;
use super::tenant::Rows;
use crate::fault::{Fault, FaultKind};
use crate::storage::outbox;
use crate::storage::purpose_keys::{self, Purpose, PurposeKeyRow};
use crate::storage::signing_keys::{self, KeyState};
use crate::types::{Algorithm, Event, EventType, TenantId, Timestamp};

/// How a purpose key is replaced when somebody asks for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PurposeRotation {
    /// Do not wait until every replica knows the next key.
    pub immediate: bool,
    /// The old key counts as compromised: what it made is worth nothing from now on, and what older keys made neither.
    /// Personal data stays readable until it is sealed anew, which the server does by itself.
    pub compromised: bool,
}

/// What came of asking for another purpose key.
#[derive(Clone, Debug, PartialEq)]
pub enum PurposeRotated {
    /// It was replaced.
    Done {
        /// The key in use now.
        key: String,
        /// The one before.
        previous: String,
        /// When that is removed.
        until: Timestamp,
        /// For `Audit::deliver`.
        event: Box<Event>,
    },
    /// Keys of this purpose are not replaced: what they made has no end, or there are none yet.
    NotRotated,
    /// Some replica may not know the next key before then.
    NotBefore(Timestamp),
}

impl PurposeRotation {
    fn removed_at(self, now: Timestamp) -> Timestamp {
        if self.compromised {
            now
        } else {
            schedule::purpose_removed_at(now)
        }
    }
}

/// How often a replica that replaces the same key may come in between.
const ATTEMPTS: usize = 5;
/// Tenants that are attended to at once.
const BATCH: i64 = 1_000;

impl KeyRing {
    /// Does what is due, of all tenants: keys that are old enough, or that somebody asked to replace, give way to their
    /// successors; retiring ones leave the published set; forgotten ones are removed. Replicas may do this at once: each
    /// step happens once. Call it every few seconds, and hand the events to `Audit::deliver`.
    ///
    /// # Errors
    /// When the database does not answer. What fails for one tenant alone is logged and does not stop the others.
    pub async fn tick(&self, now: Timestamp) -> Result<Vec<Event>, Fault> {
        let active_since = self.inner().schedule.active_since(now);
        let data_since = self.inner().schedule.data_active_since(now);
        let mut conn = self.inner().store.read().await?;
        let due = signing_keys::tenants_due(&mut conn, now, active_since, data_since, BATCH).await?;
        drop(conn);
        let mut events = Vec::new();
        for tenant in due {
            match self.tick_tenant(tenant, now, &mut events).await {
                Ok(()) => {}
                Err(fault) if fault.kind() == FaultKind::Unavailable && events.is_empty() => {
                    return Err(fault);
                }
                Err(fault) => tracing::error!(%tenant, %fault, "keys that were due could not be changed"),
            }
        }
        Ok(events)
    }

    async fn tick_tenant(
        &self,
        tenant: TenantId,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        let rows = self.read(tenant).await?;
        self.tick_signing(tenant, &rows, now, events).await?;
        self.tick_purpose(tenant, &rows, now, events).await?;
        let mut conn = self.inner().store.write().await?;
        let forgotten = signing_keys::purge(&mut conn, tenant, now).await?
            + purpose_keys::purge(&mut conn, tenant, now).await?;
        drop(conn);
        if forgotten > 0 {
            self.outdate(tenant).await;
        }
        Ok(())
    }

    async fn tick_signing(
        &self,
        tenant: TenantId,
        rows: &Rows,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        for key in &rows.signing {
            match key.state {
                KeyState::Active => match rows.signing_key(key.alg, KeyState::Next) {
                    None => self.add_next(tenant, key.alg, now).await?,
                    Some(next) if self.inner().schedule.activates_at(key, next) <= now => {
                        let event = self.event(tenant, EventType::KeyRotated, now)?;
                        let event = self
                            .replace(tenant, key, Some(next), KeyState::Retiring, event, now)
                            .await?;
                        events.extend(event);
                    }
                    Some(_) => {}
                },
                KeyState::Retiring if key.expires_at.is_some_and(|at| at <= now) => {
                    let event = self.event(tenant, EventType::KeyRetired, now)?;
                    let event = self.withdraw(tenant, key, KeyState::Retired, event, now).await?;
                    events.extend(event);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A key without a successor gets one, whatever became of the one that it had.
    async fn add_next(&self, tenant: TenantId, alg: Algorithm, now: Timestamp) -> Result<(), Fault> {
        let made = self
            .make_signing_keys(tenant, vec![(alg, KeyState::Next)], now)
            .await?;
        let mut conn = self.inner().store.write().await?;
        for key in &made {
            signing_keys::insert(&mut conn, tenant, key).await?;
        }
        drop(conn);
        self.outdate(tenant).await;
        Ok(())
    }

    async fn tick_purpose(
        &self,
        tenant: TenantId,
        rows: &Rows,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        for active in &rows.purpose {
            let is_rotated = active.state == KeyState::Active && active.purpose.is_rotated();
            let next = rows.purpose_key(active.purpose, KeyState::Next);
            if let Some(next) = next.filter(|_| is_rotated)
                && self.inner().schedule.is_purpose_due(active, next, now)
            {
                let event = self.event(tenant, EventType::KeyRotated, now)?;
                let how = PurposeRotation::default();
                events.extend(
                    self.replace_purpose(tenant, (active, next), how, event, now)
                        .await?,
                );
            }
        }
        Ok(())
    }

    /// Replaces the active key of a purpose before its time (R-SEC-08). `by` says in the audit event who it was.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn rotate_purpose(
        &self,
        tenant: TenantId,
        purpose: Purpose,
        how: PurposeRotation,
        by: impl Fn(Event) -> Event,
        now: Timestamp,
    ) -> Result<PurposeRotated, Fault> {
        for _ in 0..ATTEMPTS {
            let rows = self.read(tenant).await?;
            let active = rows.purpose_key(purpose, KeyState::Active);
            let next = rows.purpose_key(purpose, KeyState::Next);
            let (true, Some(active), Some(next)) = (purpose.is_rotated(), active, next) else {
                return Ok(PurposeRotated::NotRotated);
            };
            let known_at = schedule::purpose_known_at(next.created_at);
            if !how.immediate && known_at > now {
                return Ok(PurposeRotated::NotBefore(known_at));
            }
            let event = by(self.event(tenant, EventType::KeyRotated, now)?);
            if let Some(event) = self
                .replace_purpose(tenant, (active, next), how, event, now)
                .await?
            {
                return Ok(PurposeRotated::Done {
                    key: next.id.clone(),
                    previous: active.id.clone(),
                    until: how.removed_at(now),
                    event: Box::new(event),
                });
            }
        }
        Err(Fault::unavailable("somebody else replaced the key each time"))
    }

    /// As a signing key is replaced; `None` when another replica did it first.
    async fn replace_purpose(
        &self,
        tenant: TenantId,
        (active, next): (&PurposeKeyRow, &PurposeKeyRow),
        how: PurposeRotation,
        event: Event,
        now: Timestamp,
    ) -> Result<Option<Event>, Fault> {
        let wanted = vec![(active.purpose, KeyState::Next)];
        let made = self.make_purpose_keys(tenant, wanted, now).await?;
        let event = event
            .with("purpose", active.purpose.as_str())
            .with("key", next.id.as_str())
            .with("previous_key", active.id.as_str());
        let event = if how.compromised {
            event.with("compromised", true)
        } else {
            event
        };
        let mut tx = self.inner().store.begin().await?;
        if !purpose_keys::retire(&mut tx, tenant, &active.id, how.removed_at(now)).await?
            || !purpose_keys::activate(&mut tx, tenant, &next.id, now).await?
        {
            return Ok(None);
        }
        for key in &made {
            purpose_keys::insert(&mut tx, tenant, key).await?;
        }
        if how.compromised {
            purpose_keys::end_retiring(&mut tx, tenant, active.purpose, now).await?;
            purpose_keys::purge(&mut tx, tenant, now).await?;
        }
        outbox::insert(&mut tx, &event).await?;
        tx.commit().await?;
        self.outdate(tenant).await;
        Ok(Some(event))
    }
}
