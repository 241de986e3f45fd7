//! The public keys of clients, for their signatures and to encrypt to: registered by value, or fetched from where the client publishes them.

use super::Reason;
use crate::jose::{EncryptionKey, JwkSet};
use crate::outgoing::{Outgoing, OutgoingError};
use crate::storage::clients::ClientMetadata;
use crate::types::{Algorithm, KeyManagement, Kid, Timestamp};
use moka::future::Cache;
use std::sync::Arc;
use tokio::sync::Mutex;

/// How long fetched keys are used: a key that the client takes away is refused after that at the latest.
const LIFE_S: i64 = 60;
/// How long after a fetch the next one may come: assertions with invented key ids must not turn the server against the
/// client's.
const COOLDOWN_S: i64 = 5;
/// Largest set that is fetched.
const MAX_BYTES: usize = 128 * 1024;
/// How many sets are kept.
const MAX_SETS: u64 = 1_000;

/// Finds the keys of clients. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ClientKeys {
    outgoing: Outgoing,
    fetched: Cache<String, Arc<Mutex<Copy>>>,
}

/// What is known of one `jwks_uri`. Its lock is held during the fetch, so that there is one for all who wait.
#[derive(Debug, Default)]
struct Copy {
    /// The keys and when they were fetched.
    keys: Option<(Arc<JwkSet>, Timestamp)>,
    /// When the last fetch was tried, and how it failed.
    tried_at: Option<Timestamp>,
    failure: Option<Reason>,
}

impl Copy {
    fn fresh(&self, now: Timestamp) -> Option<&Arc<JwkSet>> {
        let (keys, at) = self.keys.as_ref()?;
        (now < at.plus_seconds(LIFE_S)).then_some(keys)
    }
}

impl ClientKeys {
    /// Keys that are fetched through the guarded client.
    pub fn new(outgoing: Outgoing) -> Self {
        Self {
            outgoing,
            fetched: Cache::new(MAX_SETS),
        }
    }

    /// The client's keys. A set that was fetched is fetched anew when it has no key that is `wanted`, but not more often
    /// than the cooldown allows.
    ///
    /// # Errors
    /// When there are none to be had.
    pub async fn of(
        &self,
        metadata: &ClientMetadata,
        wanted: (Option<&Kid>, Algorithm),
        now: Timestamp,
    ) -> Result<Arc<JwkSet>, Reason> {
        if let Some(jwks) = &metadata.jwks {
            return JwkSet::parse(jwks)
                .map(Arc::new)
                .map_err(|_| Reason::KeysUnavailable);
        }
        let uri = metadata.jwks_uri.as_ref().ok_or(Reason::KeysUnavailable)?;
        self.published(uri, |keys| keys.find(wanted.0, wanted.1).is_some(), now)
            .await
    }

    /// The key to encrypt to in this way; `None` when the client has none that fits. A set that was fetched is fetched
    /// anew as by [`Self::of`], so that a client can take a key out of use by replacing it.
    ///
    /// # Errors
    /// When its keys are not to be had.
    pub async fn encryption_key(
        &self,
        metadata: &ClientMetadata,
        alg: KeyManagement,
        now: Timestamp,
    ) -> Result<Option<EncryptionKey>, Reason> {
        let found = match (&metadata.jwks, &metadata.jwks_uri) {
            (Some(jwks), _) => JwkSet::parse(jwks)
                .map(Arc::new)
                .map_err(|_| Reason::KeysUnavailable)?,
            (None, Some(uri)) => {
                let has = |keys: &JwkSet| keys.encryption_key(alg).is_some();
                self.published(uri, has, now).await?
            }
            (None, None) => return Ok(None),
        };
        Ok(found.encryption_key(alg).cloned())
    }

    /// The set at a `jwks_uri`, fetched anew when the copy is old or lacks what is asked for.
    async fn published(
        &self,
        uri: &String,
        has: impl Fn(&JwkSet) -> bool,
        now: Timestamp,
    ) -> Result<Arc<JwkSet>, Reason> {
        let copy = self.fetched.get_with_by_ref(uri, async { Arc::default() }).await;
        let mut copy = copy.lock().await;
        let lacks = copy.fresh(now).is_none_or(|keys| !has(keys));
        let may_try = copy.tried_at.is_none_or(|at| now >= at.plus_seconds(COOLDOWN_S));
        if lacks && may_try {
            copy.tried_at = Some(now);
            match self.fetch(uri).await {
                Ok(keys) => copy.keys = Some((Arc::new(keys), now)),
                // What was fetched less than a minute ago stays in use.
                Err(reason) => copy.failure = Some(reason),
            }
        }
        copy.fresh(now)
            .cloned()
            .ok_or(copy.failure.unwrap_or(Reason::KeysUnavailable))
    }

    async fn fetch(&self, uri: &str) -> Result<JwkSet, Reason> {
        let answer = self
            .outgoing
            .get(uri, "application/jwk-set+json, application/json", MAX_BYTES)
            .await
            .map_err(|error| match error {
                OutgoingError::Forbidden(_) => Reason::KeysForbidden,
                OutgoingError::Failed(_) => Reason::KeysUnavailable,
            })?;
        if answer.status != 200 {
            return Err(Reason::KeysUnavailable);
        }
        JwkSet::parse_published(&answer.body).map_err(|_| Reason::KeysUnavailable)
    }
}
