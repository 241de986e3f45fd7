//! The ring: a bounded cache of tenants' keys over the database.

use super::schedule::Schedule;
use super::tenant::{Rows, TenantKeys, open_purpose_key};
use crate::clock::Clock;
use crate::config::Config;
use crate::entropy::Entropy;
use crate::fault::{Fault, FaultKind};
use crate::sealed::{KeyBytes, MasterKeys};
use crate::storage::purpose_keys::{self, Purpose};
use crate::storage::signing_keys::{self, KeyState};
use crate::storage::{Store, tenants};
use crate::types::{TenantId, Timestamp};
use arc_swap::ArcSwapOption;
use moka::sync::Cache;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use std::fmt;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Tenants whose keys are kept in memory.
const MAX_TENANTS: u64 = 1_000;
/// How long keys are used without looking whether they changed.
const FRESH_MICROS: i64 = 2_000_000;
/// How long they are used while somebody else is looking.
const MEANWHILE_MICROS: i64 = 5_000_000;
/// How long they are used while the database does not answer.
const STALE_MICROS: i64 = 24 * 3_600 * 1_000_000;
/// How often a start tries to see to it that all keys are there.
const STARTS: usize = 4;

/// All keys of the server. Clones share one cache.
#[derive(Clone)]
pub struct KeyRing(Arc<Inner>);

pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) entropy: Entropy,
    pub(super) schedule: Schedule,
    pub(super) master: MasterKeys,
    slots: Cache<TenantId, Arc<Slot>>,
}

/// One tenant's place in the cache.
#[derive(Default)]
struct Slot {
    loaded: ArcSwapOption<Loaded>,
    /// Held by the one who reads the rows.
    reading: Mutex<()>,
}

struct Loaded {
    keys: Arc<TenantKeys>,
    rows: Arc<Rows>,
    /// When the rows were read.
    read_at: Timestamp,
    /// When reading them was last tried: later than `read_at` while the database does not answer.
    tried_at: Timestamp,
    /// Whether this replica changed the rows since.
    outdated: bool,
}

impl Loaded {
    fn is_fresh(&self, now: Timestamp) -> bool {
        !self.outdated && (0..FRESH_MICROS).contains(&now.micros_since(self.tried_at))
    }

    /// Whether the keys may be used while somebody else is reading the rows: when they were read just now, or when it
    /// is known that the database does not answer.
    fn serves_meanwhile(&self, now: Timestamp) -> bool {
        let age = now.micros_since(self.read_at);
        let is_outage = self.tried_at > self.read_at;
        !self.outdated && (age < MEANWHILE_MICROS || (is_outage && age < STALE_MICROS))
    }
}

/// The key that signs checkpoints of the audit log.
#[derive(Debug)]
pub struct AuditKey {
    /// Its id, which stands beside each signature.
    pub id: String,
    /// The private key, Ed25519.
    pub pkcs8: KeyBytes,
    /// The public key (RFC 8032 §5.1.5).
    pub public: [u8; 32],
}

impl KeyRing {
    /// Opens the ring over a migrated database. The first time, it makes the keys of the first tenant; replicas that
    /// start together agree on one set.
    ///
    /// # Errors
    /// When the database does not answer, or a master key that stored keys need is missing or wrong; the text names it.
    pub async fn open(
        store: Store,
        clock: Clock,
        entropy: Entropy,
        config: &Config,
        master: MasterKeys,
    ) -> Result<Self, Fault> {
        let ring = Self::attach(store, clock, entropy, config, master).await?;
        let now = ring.inner().clock.now();
        tenants::ensure_first(&mut ring.inner().store.write().await?, now).await?;
        let mut attempts = 1;
        // Replicas that start at once wait for each other. Who waited in vain finds the keys that another one has made.
        while let Err(fault) = ring.ensure(TenantId::FIRST, now).await {
            if fault.kind() != FaultKind::Unavailable || attempts == STARTS {
                return Err(fault);
            }
            attempts += 1;
        }
        ring.of(TenantId::FIRST).await?;
        ring.audit_signer().await?;
        Ok(ring)
    }

    /// The same for a command beside the server: it makes nothing, and opens no key before it is needed.
    ///
    /// # Errors
    /// When the database does not answer, or a master key that stored keys need is missing.
    pub async fn attach(
        store: Store,
        clock: Clock,
        entropy: Entropy,
        config: &Config,
        master: MasterKeys,
    ) -> Result<Self, Fault> {
        let ring = Self(Arc::new(Inner {
            schedule: Schedule::of(config),
            slots: Cache::new(MAX_TENANTS),
            store,
            clock,
            entropy,
            master,
        }));
        ring.check_master_keys().await?;
        Ok(ring)
    }

    /// The keys of a tenant. They are at most 2 s behind the database; when that does not answer, those known last serve
    /// for up to 24 h, so that keys stay published.
    ///
    /// # Errors
    /// When they were never read and the database does not answer, or when a stored key does not open.
    pub async fn of(&self, tenant: TenantId) -> Result<Arc<TenantKeys>, Fault> {
        let slot = self.inner().slots.get_with(tenant, Arc::default);
        let now = self.inner().clock.now();
        if let Some(loaded) = slot.loaded.load().as_ref()
            && loaded.is_fresh(now)
        {
            return Ok(Arc::clone(&loaded.keys));
        }
        self.reload(tenant, &slot).await
    }

    /// How many tenants' keys are in memory; at most 1,000.
    pub fn tenants_in_memory(&self) -> u64 {
        let slots = &self.inner().slots;
        slots.run_pending_tasks();
        slots.entry_count()
    }

    /// The key that signs checkpoints of the audit log.
    ///
    /// # Errors
    /// When the database does not answer or the key does not open.
    pub async fn audit_signer(&self) -> Result<AuditKey, Fault> {
        let rows = self.read(TenantId::FIRST).await?;
        let row = rows
            .purpose_key(Purpose::Audit, KeyState::Active)
            .ok_or_else(|| Fault::internal("there is no active audit key"))?;
        let pkcs8 = open_purpose_key(TenantId::FIRST, row, &self.inner().master)?;
        let public = Ed25519KeyPair::from_pkcs8(&pkcs8)
            .ok()
            .and_then(|key| key.public_key().as_ref().try_into().ok())
            .ok_or_else(|| Fault::internal(format!("the stored audit key {} is no Ed25519 key", row.id)))?;
        Ok(AuditKey {
            id: row.id.clone(),
            pkcs8,
            public,
        })
    }

    /// One caller reads the rows; the others wait for it or, where that is safe, go on with what there is.
    async fn reload(&self, tenant: TenantId, slot: &Slot) -> Result<Arc<TenantKeys>, Fault> {
        let inner = self.inner();
        let _reading = match slot.reading.try_lock() {
            Ok(reading) => reading,
            Err(_) => {
                if let Some(loaded) = slot.loaded.load().as_ref()
                    && loaded.serves_meanwhile(inner.clock.now())
                {
                    return Ok(Arc::clone(&loaded.keys));
                }
                slot.reading.lock().await
            }
        };
        let now = inner.clock.now();
        let former = slot.loaded.load_full();
        if let Some(loaded) = former.as_ref().filter(|loaded| loaded.is_fresh(now)) {
            return Ok(Arc::clone(&loaded.keys));
        }
        let loaded = match (self.read(tenant).await, former) {
            (Ok(rows), former) => {
                let keys = match &former {
                    Some(former) if *former.rows == rows => Arc::clone(&former.keys),
                    _ => {
                        let former = former.as_ref().map(|former| former.keys.as_ref());
                        Arc::new(TenantKeys::build(
                            tenant,
                            &rows,
                            former,
                            &inner.master,
                            &inner.entropy,
                        )?)
                    }
                };
                Loaded {
                    keys,
                    rows: Arc::new(rows),
                    read_at: now,
                    tried_at: now,
                    outdated: false,
                }
            }
            (Err(fault), Some(former))
                if fault.kind() == FaultKind::Unavailable
                    && now.micros_since(former.read_at) < STALE_MICROS =>
            {
                tracing::warn!(%tenant, %fault, "keys cannot be read; those known last go on being used");
                Loaded {
                    keys: Arc::clone(&former.keys),
                    rows: Arc::clone(&former.rows),
                    read_at: former.read_at,
                    tried_at: now,
                    outdated: false,
                }
            }
            (Err(fault), _) => return Err(fault),
        };
        let keys = Arc::clone(&loaded.keys);
        slot.loaded.store(Some(Arc::new(loaded)));
        Ok(keys)
    }

    /// The next one who asks for the keys reads them anew.
    pub(super) async fn outdate(&self, tenant: TenantId) {
        let slot = self.inner().slots.get_with(tenant, Arc::default);
        // A read that began before the change must not pass for one that came after it.
        let _reading = slot.reading.lock().await;
        if let Some(loaded) = slot.loaded.load_full() {
            slot.loaded.store(Some(Arc::new(Loaded {
                keys: Arc::clone(&loaded.keys),
                rows: Arc::clone(&loaded.rows),
                read_at: loaded.read_at,
                tried_at: loaded.tried_at,
                outdated: true,
            })));
        }
    }

    pub(super) async fn read(&self, tenant: TenantId) -> Result<Rows, Fault> {
        let mut conn = self.inner().store.read().await?;
        Ok(Rows {
            signing: signing_keys::list(&mut conn, tenant).await?,
            purpose: purpose_keys::list(&mut conn, tenant).await?,
        })
    }

    /// Of all tenants, without opening a key of each: a missing master key is found at the start, not at first use.
    async fn check_master_keys(&self) -> Result<(), Fault> {
        let inner = self.inner();
        let needed = signing_keys::master_key_ids(&mut inner.store.read().await?).await?;
        let known: Vec<_> = inner.master.ids().collect();
        match needed.iter().find(|id| !known.contains(&id.as_str())) {
            None => Ok(()),
            Some(id) => Err(Fault::internal(format!(
                "stored keys were wrapped with the master key \"{id}\", but GRANTOR_MASTER_KEY holds only: {}. Add \"{id}\" to it",
                known.join(", ")
            ))),
        }
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.0
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRing")
    }
}
