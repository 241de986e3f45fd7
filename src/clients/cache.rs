//! Clients in memory, for a second.

use crate::fault::Fault;
use crate::storage::clients::Client;
use crate::storage::{Store, clients};
use crate::types::{ClientId, TenantId};
use moka::future::Cache;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long a client may be served from memory: what another replica changes is seen after that at the latest.
const LIFE: Duration = Duration::from_secs(1);
/// How many clients are kept, known and unknown ones together.
const MAX_ENTRIES: u64 = 10_000;

/// Looks clients up, once for all who ask at the same time. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ClientCache {
    store: Store,
    // Unknown clients are kept too: neither guessing nor the time of the answer is then cheaper than for known ones.
    entries: Cache<(u64, TenantId, ClientId), Option<Arc<Client>>>,
    /// Part of the key. A look-up that began before a change lands under the old number, where nobody looks any more.
    generation: Arc<AtomicU64>,
}

impl ClientCache {
    /// A cache over a database.
    pub fn new(store: Store) -> Self {
        Self {
            store,
            entries: Cache::builder()
                .max_capacity(MAX_ENTRIES)
                .time_to_live(LIFE)
                .build(),
            generation: Arc::default(),
        }
    }

    /// Finds a client, enabled or not.
    ///
    /// # Errors
    /// When the database has to be asked and does not answer.
    pub async fn find(&self, tenant: TenantId, client_id: &ClientId) -> Result<Option<Arc<Client>>, Fault> {
        let key = (self.generation.load(Ordering::Acquire), tenant, client_id.clone());
        let load = async {
            let client = clients::find(&mut self.store.read().await?, tenant, client_id).await?;
            Ok(client.map(Arc::new))
        };
        self.entries
            .try_get_with(key, load)
            .await
            .map_err(|shared: Arc<Fault>| Fault::shared(&shared))
    }

    /// Finds a client that may act.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub async fn find_enabled(
        &self,
        tenant: TenantId,
        client_id: &ClientId,
    ) -> Result<Option<Arc<Client>>, Fault> {
        Ok(self
            .find(tenant, client_id)
            .await?
            .filter(|client| client.enabled))
    }

    /// Forgets everything: called after a change was committed, so that it holds at once on this replica. Changes are
    /// rare, and reading a client again is cheap.
    pub fn invalidate(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }
}
