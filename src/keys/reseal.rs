//! Wrapping every stored key anew, under the first master key.

use super::ring::KeyRing;
use super::tenant::{purpose_aad, purpose_name, signing_aad, signing_name};
use crate::fault::Fault;
use crate::sealed::Wrapped;
use crate::storage::{outbox, purpose_keys, signing_keys};
use crate::types::{Event, EventType, TenantId, Timestamp};

/// Keys of each kind that are wrapped in one transaction.
const BATCH: i64 = 100;

/// What was wrapped anew.
#[derive(Clone, Debug, Default)]
pub struct Resealed {
    /// Signing keys.
    pub signing: u64,
    /// Purpose keys.
    pub purpose: u64,
    /// The events that were committed with it, for `Audit::deliver`.
    pub events: Vec<Event>,
}

impl KeyRing {
    /// Wraps the keys of all tenants that another master key wraps under the first one. Replicas go on working: they keep
    /// the keys that they have opened, and open others with either master key. It can be stopped and repeated at any time.
    ///
    /// # Errors
    /// When a stored key does not open; what came before it stays done.
    pub async fn reseal(&self, by: impl Fn(Event) -> Event, now: Timestamp) -> Result<Resealed, Fault> {
        let mut total = Resealed::default();
        loop {
            let (signing, purpose) = self.reseal_some(&by, now, &mut total.events).await?;
            if signing + purpose == 0 {
                return Ok(total);
            }
            total.signing += signing;
            total.purpose += purpose;
        }
    }

    async fn reseal_some(
        &self,
        by: impl Fn(Event) -> Event,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) -> Result<(u64, u64), Fault> {
        let inner = self.inner();
        let first = inner.master.wrapping_id();
        let mut tx = inner.store.begin().await?;
        let (mut signing, mut purpose) = (0, 0);
        for (tenant, kid, alg, bytes, master_key_id) in
            signing_keys::wrapped_otherwise(&mut tx, first, BATCH).await?
        {
            let old = Wrapped { master_key_id, bytes };
            let new = self.rewrap(&signing_name(alg, &kid), &signing_aad(tenant, alg, &kid), &old)?;
            signing += u64::from(signing_keys::rewrap(&mut tx, tenant, &kid, &old, &new).await?);
        }
        for (tenant, id, of, bytes, master_key_id) in
            purpose_keys::wrapped_otherwise(&mut tx, first, BATCH).await?
        {
            let old = Wrapped { master_key_id, bytes };
            let new = self.rewrap(&purpose_name(of, &id), &purpose_aad(tenant, of, &id), &old)?;
            purpose += u64::from(purpose_keys::rewrap(&mut tx, tenant, &id, &old, &new).await?);
        }
        if signing + purpose > 0 {
            let event = by(self.event(TenantId::FIRST, EventType::KeysResealed, now)?)
                .with("master_key", first)
                .with("signing_keys", signing)
                .with("purpose_keys", purpose);
            outbox::insert(&mut tx, &event).await?;
            tx.commit().await?;
            events.push(event);
        }
        Ok((signing, purpose))
    }

    fn rewrap(&self, name: &str, aad: &[u8], old: &Wrapped) -> Result<Wrapped, Fault> {
        let inner = self.inner();
        let plain = inner.master.unwrap(name, aad, old)?;
        inner.master.wrap(&inner.entropy, aad, &plain)
    }
}
