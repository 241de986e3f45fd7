//! Which origins clients have registered: what an error is shown to before its client is known (contract, CORS).

use crate::protect::cors::RegisteredOrigins;
use crate::storage::{Store, clients};
use crate::types::TenantId;
use futures_util::future::LocalBoxFuture;
use moka::future::Cache;
use std::time::Duration;

/// How long an answer is kept.
const LIFE: Duration = Duration::from_secs(10);
/// How many answers are kept.
const MAX_ENTRIES: u64 = 10_000;

/// Looks origins up in the registrations.
#[derive(Debug)]
pub struct ClientOrigins {
    store: Store,
    known: Cache<(TenantId, String), bool>,
}

impl ClientOrigins {
    /// Over a database.
    pub fn new(store: Store) -> Self {
        Self {
            store,
            known: Cache::builder()
                .max_capacity(MAX_ENTRIES)
                .time_to_live(LIFE)
                .build(),
        }
    }
}

impl RegisteredOrigins for ClientOrigins {
    fn is_registered<'a>(&'a self, tenant: TenantId, origin: &'a str) -> LocalBoxFuture<'a, bool> {
        Box::pin(async move {
            let key = (tenant, origin.to_owned());
            if let Some(known) = self.known.get(&key).await {
                return known;
            }
            let looked_up =
                async { clients::any_names_origin(&mut self.store.read().await?, tenant, origin).await };
            match looked_up.await {
                Ok(known) => {
                    self.known.insert(key, known).await;
                    known
                }
                // Nobody is locked out by it: the answer is an error, which a script then cannot read.
                Err(_) => false,
            }
        })
    }
}
