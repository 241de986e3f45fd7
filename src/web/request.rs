//! The authorization request that a page is shown for.

use crate::oauth::authorize::endpoint;
use crate::oauth::authorize::interaction::Interaction;
use crate::oauth::authorize::opened::{self, Opened};
use crate::page::{Language, Notice, Text, Tone};
use crate::protect::body::Form;
use crate::storage::clients::Client;
use crate::visit::{Stop, Visit};
use actix_web::http::StatusCode;

/// The parameter that stands for a request under way.
pub const INTERACTION: &str = endpoint::INTERACTION;

/// A request under way, its client and redirect URI known.
pub struct Underway {
    /// Its sealed text, as it goes into URLs and forms.
    pub text: String,
    /// The request as it was kept.
    pub interaction: Interaction,
    /// Client, redirect URI and parameters.
    pub opened: Opened,
}

impl Underway {
    /// Opens the request that a page was asked for with; `None` when it was asked for without one.
    ///
    /// # Errors
    /// A page that tells what to do when the request is over 30 minutes old, from another browser or no longer valid.
    pub async fn of(visit: &Visit<'_>, form: &Form) -> Result<Option<Self>, Stop> {
        let Some(text) = form.get(INTERACTION) else {
            return Ok(None);
        };
        let (app, keys, tenant) = (visit.app, &visit.keys, visit.tenant);
        let interaction = Interaction::open(app, keys, tenant, text, visit.browser.hash(), visit.now)
            .await
            .map_err(|fault| visit.fault(&fault))?;
        let Some(interaction) = interaction else {
            return Err(expired(visit));
        };
        let opened = opened::reopen(app, visit.exchange, &interaction)
            .await
            .map_err(|stopped| stopped.respond(visit.exchange))?;
        Ok(Some(Self {
            text: text.to_owned(),
            interaction,
            opened,
        }))
    }

    /// Where the request goes on once the page has done its part.
    pub fn resume(&self) -> String {
        // Sealed texts and handles consist of characters that need no escaping.
        format!("{}?{INTERACTION}={}", crate::oauth::authorize::PATH, self.text)
    }
}

/// How a client is called on pages in a language.
pub fn name_of(client: &Client, language: Language) -> String {
    let said = client.metadata.said_in(language.tag());
    said.client_name.unwrap_or(client.client_id.as_str()).to_owned()
}

/// What stands for a client that shows no logo: the first letter of its name.
pub fn initial(name: &str) -> String {
    let letter = name.chars().find(|c| c.is_alphanumeric());
    letter.map(|c| c.to_uppercase().collect()).unwrap_or_default()
}

fn expired(visit: &Visit<'_>) -> Stop {
    Notice::new(
        visit.layout(),
        Tone::Error,
        Text::new("expired-title"),
        Text::new("expired-advice"),
    )
    .link(&visit.path(super::account::PATH), Text::new("go-to-account"))
    .request(visit.exchange.request_id())
    .respond(StatusCode::BAD_REQUEST)
    .into()
}
