//! Pushed authorization requests (RFC 9126) at rest: sealed, since they say who signs in where, and found by the hash of
//! their `request_uri`.

use super::envelope;
use super::interaction::LIFETIME_S;
use crate::app::App;
use crate::fault::Fault;
use crate::keys::TenantKeys;
use crate::storage::authorization_requests::{self, Pushed};
use crate::storage::clients::Client;
use crate::types::{ClientId, Secret, TenantId, Timestamp, TokenHash};
use serde::{Deserialize, Serialize};

/// What every `request_uri` of a pushed request begins with (§2.2).
pub const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";
/// What the sealed text is for.
const WHAT: &str = "pushed authorization request";

/// A request as it was pushed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// Its parameters.
    pub parameters: Vec<(String, String)>,
    /// Whether the client had signed them.
    pub signed: bool,
}

/// Whose quota a pushed request counts in.
#[derive(Debug)]
pub struct Quota {
    /// Whose.
    pub counted_for: String,
    /// How many may wait.
    pub most: i64,
}

/// Keeps a request for `par.ttl_s` and gives its `request_uri`; `None` when the quota is used up.
pub async fn push(
    app: &App,
    keys: &TenantKeys,
    client: &Client,
    request: &Request,
    quota: &Quota,
    now: Timestamp,
) -> Result<Option<Secret>, Fault> {
    let plain = serde_json::to_vec(request)
        .map_err(|error| Fault::internal("sealing a pushed request").caused_by(error))?;
    let sealed = envelope::seal(app, keys, client.tenant_id, WHAT, now, &plain)?;
    let uri = app.entropy.token(PREFIX)?;
    let pushed = Pushed {
        handle: &TokenHash::of(uri.expose()),
        client_id: &client.client_id,
        sealed: sealed.as_bytes(),
        counted_for: &quota.counted_for,
        open_until: now.plus_seconds(app.config.par.ttl_s),
    };
    let mut conn = app.store.write().await?;
    let kept = authorization_requests::push(&mut conn, client.tenant_id, &pushed, quota.most, now).await?;
    Ok(kept.then_some(uri))
}

/// Opens a client's pushed request in a browser. `None` for one that is unknown, another client's, too old, or whose code
/// was issued.
pub async fn open(
    app: &App,
    keys: &TenantKeys,
    client: &Client,
    uri: &str,
    browser: &TokenHash,
    now: Timestamp,
) -> Result<Option<Request>, Fault> {
    let handle = TokenHash::of(uri);
    let (tenant, id): (TenantId, &ClientId) = (client.tenant_id, &client.client_id);
    let until = now.plus_seconds(LIFETIME_S);
    let mut conn = app.store.write().await?;
    let sealed = authorization_requests::open(&mut conn, tenant, &handle, id, browser, now, until).await?;
    Ok(sealed.and_then(|sealed| unseal(keys, tenant, sealed)))
}

/// The parameters of a request that was opened, as its sign-in goes on; `None` when it is over.
pub async fn parameters(
    app: &App,
    keys: &TenantKeys,
    tenant: TenantId,
    uri: &str,
    now: Timestamp,
) -> Result<Option<Vec<(String, String)>>, Fault> {
    let mut conn = app.store.read().await?;
    let sealed = authorization_requests::find_opened(&mut conn, tenant, &TokenHash::of(uri), now).await?;
    let request = sealed.and_then(|sealed| unseal(keys, tenant, sealed));
    Ok(request.map(|request| request.parameters))
}

fn unseal(keys: &TenantKeys, tenant: TenantId, sealed: Vec<u8>) -> Option<Request> {
    let text = String::from_utf8(sealed).ok()?;
    let (plain, _) = envelope::open(keys, tenant, WHAT, &text)?;
    serde_json::from_slice(&plain).ok()
}
