//! An authorization request while its user signs in and consents: kept in the URL, sealed, so that nobody can fill the
//! database before signing in; only what is too long for a URL becomes a row. Since anybody can have requests sealed, each
//! hour has a key of its own.
//!
//! The sealed text holds an id (for which a sign-in or consent is noted in the session), the time of its first opening,
//! the browser that it belongs to, and the request's parameters as they came. Client, redirect URI and scopes are checked
//! anew each time.

use crate::app::App;
use crate::fault::Fault;
use crate::keys::{Purpose, TenantKeys};
use crate::sealed::aad;
use crate::storage::authorization_requests;
use crate::types::{TenantId, Timestamp, TokenHash, base64url};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How long a request may take from its first opening until its code.
const LIFETIME_S: i64 = 30 * 60;
/// Longest sealed text that goes into a URL; beyond it becomes a row.
const MAX_IN_URL: usize = 2048;
/// Largest request that is kept at all, sealed.
const MAX_SEALED: usize = 32 * 1024;
/// What a row's handle begins with; sealed texts begin with a key's id and a point.
const ROW: &str = "row.";

/// A request under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interaction {
    /// Its id: what sign-ins and consents are noted for.
    pub id: Uuid,
    /// When it was first opened.
    pub first_seen: Timestamp,
    /// Hash of the cookie of the browser in which it was opened.
    pub browser: String,
    /// The parameters as they came.
    pub parameters: Vec<(String, String)>,
}

impl Interaction {
    /// Begins one.
    pub fn begin(
        app: &App,
        browser: &TokenHash,
        parameters: Vec<(String, String)>,
        now: Timestamp,
    ) -> Result<Self, Fault> {
        Ok(Self {
            id: app.entropy.uuid_v4()?,
            first_seen: now,
            browser: base64url(browser.as_bytes()),
            parameters,
        })
    }

    /// The text that stands for it in a URL.
    ///
    /// # Errors
    /// Also when the request is larger than anything that an honest client sends.
    pub async fn seal(
        &self,
        app: &App,
        keys: &TenantKeys,
        tenant: TenantId,
        now: Timestamp,
    ) -> Result<String, Fault> {
        let plain = serde_json::to_vec(self)
            .map_err(|error| Fault::internal("sealing a request").caused_by(error))?;
        let key = keys.purpose(Purpose::Seal)?;
        let hour = hour(self.first_seen);
        let sealed =
            key.sealing_of_hour(hour)?
                .seal(&app.entropy, &associated(tenant, key.id(), hour), &plain)?;
        let text = format!("{}.{hour}.{}", key.id(), base64url(&sealed));
        if text.len() <= MAX_IN_URL {
            return Ok(text);
        }
        if text.len() > MAX_SEALED {
            return Err(Fault::internal(
                "an authorization request is larger than its endpoint takes",
            ));
        }
        let handle = app.entropy.token(ROW)?;
        let expires_at = self.first_seen.plus_seconds(LIFETIME_S);
        let hash = TokenHash::of(handle.expose());
        let mut conn = app.store.write().await?;
        authorization_requests::insert(&mut conn, tenant, &hash, text.as_bytes(), now, expires_at).await?;
        Ok(handle.expose().to_owned())
    }

    /// Opens a text that [`Self::seal`] made, in the browser that it was made for. `None` for anything else, and after
    /// 30 minutes.
    pub async fn open(
        app: &App,
        keys: &TenantKeys,
        tenant: TenantId,
        text: &str,
        browser: &TokenHash,
        now: Timestamp,
    ) -> Result<Option<Self>, Fault> {
        let stored;
        let text = if text.starts_with(ROW) {
            let mut conn = app.store.read().await?;
            let found = authorization_requests::find(&mut conn, tenant, &TokenHash::of(text), now).await?;
            let Some(found) = found.and_then(|bytes| String::from_utf8(bytes).ok()) else {
                return Ok(None);
            };
            stored = found;
            stored.as_str()
        } else {
            text
        };
        let Some(interaction) = unseal(keys, tenant, text) else {
            return Ok(None);
        };
        let alive = now < interaction.first_seen.plus_seconds(LIFETIME_S);
        let same_browser = interaction.browser == base64url(browser.as_bytes());
        Ok((alive && same_browser).then_some(interaction))
    }
}

fn unseal(keys: &TenantKeys, tenant: TenantId, text: &str) -> Option<Interaction> {
    let mut parts = text.splitn(3, '.');
    let (key_id, hour, sealed) = (parts.next()?, parts.next()?, parts.next()?);
    let hour: i64 = hour.parse().ok()?;
    let key = keys.purpose_by_id(Purpose::Seal, key_id)?;
    let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
    let plain = key
        .sealing_of_hour(hour)
        .ok()?
        .open(&associated(tenant, key_id, hour), &sealed)?;
    let interaction: Interaction = serde_json::from_slice(&plain).ok()?;
    (self::hour(interaction.first_seen) == hour).then_some(interaction)
}

fn hour(at: Timestamp) -> i64 {
    at.seconds().div_euclid(3600)
}

fn associated(tenant: TenantId, key_id: &str, hour: i64) -> Vec<u8> {
    aad(&[
        "authorization request",
        &tenant.to_string(),
        key_id,
        &hour.to_string(),
    ])
}
