//! Request objects that lie at their clients (OpenID Connect Core §6.2, RFC 9101 §5.2): fetched through the guarded client,
//! bounded in size, time and number. Whatever comes is still to be verified.

use crate::jose::jwt::MAX_TOKEN;
use crate::outgoing::{Outgoing, OutgoingError};
use crate::types::base64url;
use moka::future::Cache;
use ring::digest;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long a document may take: a person is waiting.
const PATIENCE: Duration = Duration::from_secs(4);
/// How many documents are fetched at a time: whoever opens authorization requests decides how often.
const AT_ONCE: usize = 16;
/// How many documents are kept.
const MAX_KEPT: u64 = 500;

/// Fetches request objects. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RequestObjects {
    outgoing: Outgoing,
    /// By address with fragment. Only what has the hash that the fragment names is kept, so that it cannot be stale.
    kept: Cache<String, Arc<str>>,
    gate: Arc<Semaphore>,
}

/// Why there is no document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfetched {
    /// The address leads to where the server must not go.
    Forbidden,
    /// The client's server did not give a document of at most 16 KiB in time.
    Failed,
    /// Too many are being fetched.
    Busy,
}

impl RequestObjects {
    /// Documents that are fetched through the guarded client.
    pub fn new(outgoing: Outgoing) -> Self {
        Self {
            outgoing,
            kept: Cache::new(MAX_KEPT),
            gate: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// The document at a registered address. The fragment names its version: "If the fragment value used for a URI changes,
    /// that signals the server that any cached value for that URI with the old fragment value MUST NOT be used" (OpenID
    /// Connect Core §6.2).
    ///
    /// # Errors
    /// When there is none to be had.
    pub async fn fetch(&self, uri: &str) -> Result<Arc<str>, Unfetched> {
        let (address, version) = uri.split_once('#').unwrap_or((uri, ""));
        if let Some(kept) = self.kept.get(uri).await {
            return Ok(kept);
        }
        let _permit = self.gate.try_acquire().map_err(|_| Unfetched::Busy)?;
        let accept = "application/oauth-authz-req+jwt, application/jwt";
        let answer = tokio::time::timeout(PATIENCE, self.outgoing.get(address, accept, MAX_TOKEN + 2))
            .await
            .map_err(|_| Unfetched::Failed)?
            .map_err(|error| match error {
                OutgoingError::Forbidden(_) => Unfetched::Forbidden,
                OutgoingError::Failed(_) => Unfetched::Failed,
            })?;
        if answer.status != 200 {
            return Err(Unfetched::Failed);
        }
        let hash = digest::digest(&digest::SHA256, &answer.body);
        let text = String::from_utf8(answer.body).map_err(|_| Unfetched::Failed)?;
        // A file often ends with a line's end.
        let text: Arc<str> = text.trim_end_matches(['\r', '\n']).into();
        if version == base64url(hash.as_ref()) {
            self.kept.insert(uri.to_owned(), text.clone()).await;
        }
        Ok(text)
    }
}
