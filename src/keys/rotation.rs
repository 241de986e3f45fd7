//! Changes of keys that time brings.

use super::ring::KeyRing;
use super::schedule;
use super::tenant::Rows;
use crate::fault::{Fault, FaultKind};
use crate::storage::outbox;
use crate::storage::purpose_keys::{self, PurposeKeyRow};
use crate::storage::signing_keys::{self, KeyState};
use crate::types::{Algorithm, Event, EventType, TenantId, Timestamp};

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
                events.extend(self.replace_purpose(tenant, active, next, now).await?);
            }
        }
        Ok(())
    }

    /// As a signing key is replaced; `None` when another replica did it first.
    async fn replace_purpose(
        &self,
        tenant: TenantId,
        active: &PurposeKeyRow,
        next: &PurposeKeyRow,
        now: Timestamp,
    ) -> Result<Option<Event>, Fault> {
        let made = self.make_purpose_key(tenant, active.purpose, KeyState::Next, now)?;
        let event = self
            .event(tenant, EventType::KeyRotated, now)?
            .with("purpose", active.purpose.as_str())
            .with("key", next.id.as_str())
            .with("previous_key", active.id.as_str());
        let mut tx = self.inner().store.begin().await?;
        let removed_at = schedule::purpose_removed_at(now);
        if !purpose_keys::retire(&mut tx, tenant, &active.id, removed_at).await?
            || !purpose_keys::activate(&mut tx, tenant, &next.id, now).await?
        {
            return Ok(None);
        }
        purpose_keys::insert(&mut tx, tenant, &made).await?;
        outbox::insert(&mut tx, &event).await?;
        tx.commit().await?;
        self.outdate(tenant).await;
        Ok(Some(event))
    }
}
