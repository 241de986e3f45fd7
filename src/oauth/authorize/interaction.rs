//! An authorization request while its user signs in and consents: kept in the URL, sealed, so that nobody can fill the
//! database before signing in; only what is too long for a URL becomes a row. A pushed request is one already: the URL then
//! holds only its name.
//!
//! The sealed text holds an id (for which a sign-in or consent is noted in the session), the time of its first opening,
//! the browser that it belongs to, and the request's parameters as they came. Client, redirect URI and scopes are checked
//! anew each time.

use super::{envelope, pushed};
use crate::app::App;
use crate::fault::Fault;
use crate::keys::TenantKeys;
use crate::storage::authorization_requests;
use crate::types::{TenantId, Timestamp, TokenHash, base64url};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How long a request may take from its first opening until its code.
pub const LIFETIME_S: i64 = 30 * 60;
/// Longest sealed text that goes into a URL; beyond it becomes a row.
const MAX_IN_URL: usize = 2048;
/// Largest request that is kept at all, sealed.
const MAX_SEALED: usize = 32 * 1024;
/// What a row's handle begins with; sealed texts begin with a key's id and a point.
const ROW: &str = "row.";
/// What the sealed text is for.
const WHAT: &str = "authorization request";

/// A request under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interaction {
    /// Its id: what sign-ins and consents are noted for.
    pub id: Uuid,
    /// When it was first opened.
    pub first_seen: Timestamp,
    /// Hash of the cookie of the browser in which it was opened.
    pub browser: String,
    /// The parameters as they came; in sealed form those of a pushed request are left out.
    pub parameters: Vec<(String, String)>,
    /// Where they came from.
    #[serde(default)]
    pub origin: Origin,
}

/// Where the parameters of a request came from. Some clients may ask only in the stronger ways.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The `request_uri` of a pushed request (RFC 9126).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed: Option<String>,
    /// Whether the client had signed them (RFC 9101).
    #[serde(default)]
    pub signed: bool,
}

impl Interaction {
    /// Begins one.
    pub fn begin(
        app: &App,
        browser: &TokenHash,
        parameters: Vec<(String, String)>,
        origin: Origin,
        now: Timestamp,
    ) -> Result<Self, Fault> {
        Ok(Self {
            id: app.entropy.uuid_v4()?,
            first_seen: now,
            browser: base64url(browser.as_bytes()),
            parameters,
            origin,
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
        let plain = if self.origin.pushed.is_some() {
            serde_json::to_vec(&Self {
                parameters: Vec::new(),
                ..self.clone()
            })
        } else {
            serde_json::to_vec(self)
        };
        let plain = plain.map_err(|error| Fault::internal("sealing a request").caused_by(error))?;
        let text = envelope::seal(app, keys, tenant, WHAT, self.first_seen, &plain)?;
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
        let Some(mut interaction) = unseal(keys, tenant, text) else {
            return Ok(None);
        };
        let alive = now < interaction.first_seen.plus_seconds(LIFETIME_S);
        let same_browser = interaction.browser == base64url(browser.as_bytes());
        if !alive || !same_browser {
            return Ok(None);
        }
        if let Some(uri) = &interaction.origin.pushed {
            let Some(parameters) = pushed::parameters(app, keys, tenant, uri, now).await? else {
                return Ok(None);
            };
            interaction.parameters = parameters;
        }
        Ok(Some(interaction))
    }
}

fn unseal(keys: &TenantKeys, tenant: TenantId, text: &str) -> Option<Interaction> {
    let (plain, hour) = envelope::open(keys, tenant, WHAT, text)?;
    let interaction: Interaction = serde_json::from_slice(&plain).ok()?;
    (envelope::hour(interaction.first_seen) == hour).then_some(interaction)
}
