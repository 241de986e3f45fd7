//! Tenants in memory, for two seconds; longer only while the database does not answer.

use super::{Site, Tenant};
use crate::config::Config;
use crate::fault::{Fault, FaultKind};
use crate::storage::Store;
use crate::storage::tenants;
use crate::types::TenantId;
use moka::future::Cache;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long a tenant may be served from memory: what another replica changes is seen after that at the latest.
const LIFE: Duration = Duration::from_secs(2);
/// How many answers are kept, known and unknown names together.
const MAX_ENTRIES: u64 = 10_000;
/// How long a tenant is served while the database does not answer; as long as its keys are.
const STALE_LIFE: Duration = Duration::from_secs(24 * 3_600);
/// How many tenants are kept for that.
const MAX_STALE: u64 = 1_000;

/// Looks tenants up, once for all who ask at the same time. Nothing is read before somebody asks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tenants {
    store: Store,
    first: Arc<Tenant>,
    // Unknown names are kept too, so that asking for them again is cheap.
    fresh: Cache<(u64, Site), Option<Arc<Tenant>>>,
    stale: Cache<Site, Arc<Tenant>>,
    /// Part of the key. A look-up that began before a change lands under the old number, where nobody looks any more.
    generation: Arc<AtomicU64>,
}

impl Tenants {
    /// A cache over a database.
    ///
    /// # Errors
    /// As [`Tenant::first`].
    pub fn new(store: Store, config: &Config) -> Result<Self, Fault> {
        Ok(Self {
            store,
            first: Arc::new(Tenant::first(config)?),
            fresh: Cache::builder()
                .max_capacity(MAX_ENTRIES)
                .time_to_live(LIFE)
                .build(),
            stale: Cache::builder()
                .max_capacity(MAX_STALE)
                .time_to_live(STALE_LIFE)
                .build(),
            generation: Arc::default(),
        })
    }

    /// The first tenant as it is without settings: what there is to say where no tenant is known.
    pub fn first(&self) -> &Arc<Tenant> {
        &self.first
    }

    /// Finds the tenant of a site, enabled or not.
    ///
    /// # Errors
    /// When the database does not answer and the tenant was not asked for lately. The first one is always found.
    pub async fn find(&self, site: &Site) -> Result<Option<Arc<Tenant>>, Fault> {
        if *site == Site::Nobody {
            return Ok(None);
        }
        let key = (self.generation.load(Ordering::Acquire), site.clone());
        self.fresh
            .try_get_with(key, self.load(site))
            .await
            .map_err(|shared: Arc<Fault>| Fault::shared(&shared))
    }

    /// The tenant of this id, enabled or not, as the database has it now: for jobs, which have no URL to go by. `None` when
    /// it was deleted.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn by_id(&self, id: TenantId) -> Result<Option<Tenant>, Fault> {
        let row = tenants::find(&mut self.store.read().await?, id).await?;
        Ok(row.map(|row| Tenant::of(row, &self.first)))
    }

    /// How many answers about tenants are in memory, those about names that nobody has among them; at most 11,000.
    pub async fn in_memory(&self) -> u64 {
        self.fresh.run_pending_tasks().await;
        self.stale.run_pending_tasks().await;
        self.fresh.entry_count() + self.stale.entry_count()
    }

    /// Forgets what is fresh: called after a change was committed, so that it holds at once on this replica.
    pub fn invalidate(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    async fn load(&self, site: &Site) -> Result<Option<Arc<Tenant>>, Fault> {
        match self.read(site).await {
            Ok(Some(tenant)) => {
                self.stale.insert(site.clone(), Arc::clone(&tenant)).await;
                Ok(Some(tenant))
            }
            Ok(None) => {
                self.stale.invalidate(site).await;
                Ok(None)
            }
            Err(fault) if fault.kind() == FaultKind::Unavailable => match self.stale.get(site).await {
                Some(tenant) => {
                    tracing::warn!(tenant = %tenant.name, %fault, "a tenant cannot be read; what was known last goes on being used");
                    Ok(Some(tenant))
                }
                None if *site == Site::First => Ok(Some(Arc::clone(&self.first))),
                None => Err(fault),
            },
            Err(fault) => Err(fault),
        }
    }

    async fn read(&self, site: &Site) -> Result<Option<Arc<Tenant>>, Fault> {
        let mut conn = self.store.read().await?;
        let row = match site {
            Site::First => tenants::find(&mut conn, TenantId::FIRST).await?,
            // The first tenant has one URL.
            Site::Named(name) => tenants::find_by_name(&mut conn, name)
                .await?
                .filter(|row| row.id != TenantId::FIRST),
            Site::Nobody => None,
        };
        Ok(row.map(|row| Arc::new(Tenant::of(row, &self.first))))
    }
}
