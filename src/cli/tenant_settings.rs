//! The settings of a tenant as flags of `tenant create` and `tenant update`.

use clap::Args;
use serde_json::{Map, Value};

/// What may be set for a tenant.
#[derive(Debug, Args)]
pub(super) struct Settings {
    /// What it is called on pages
    #[arg(long)]
    display_name: Option<String>,
    /// A picture for its pages, https
    #[arg(long, value_name = "URL")]
    logo_uri: Option<String>,
    /// The colour of buttons and links; text on it is made legible
    #[arg(long, value_name = "#RRGGBB")]
    accent_color: Option<String>,
    /// The language of its pages for those who state none
    #[arg(long, value_name = "TAG")]
    default_locale: Option<String>,
    /// Who may register clients there: off, token or open [default: registration.mode]
    #[arg(long, value_name = "MODE")]
    self_registration: Option<String>,
    /// Scopes that a registered client may have [default: registration.scopes]
    #[arg(long, value_name = "SCOPES")]
    self_registration_scope: Option<String>,
    /// A grant that a registered client may have; may be repeated [default: registration.grant_types]
    #[arg(long = "self-registration-grant", value_name = "GRANT")]
    self_registration_grants: Vec<String>,
    /// Whether registered clients need PKCE [default: registration.require_pkce]
    #[arg(long, value_name = "BOOLEAN")]
    self_registration_pkce: Option<bool>,
    /// Whether people are asked about registered clients [default: registration.require_consent]
    #[arg(long, value_name = "BOOLEAN")]
    self_registration_consent: Option<bool>,
    /// Registered clients that it may have [default: registration.max_clients]
    #[arg(long, value_name = "NUMBER")]
    self_registration_max_clients: Option<i64>,
    /// After so many days without a token one is deleted [default: registration.unused_days]
    #[arg(long, value_name = "DAYS")]
    self_registration_unused_days: Option<i64>,
}

impl Settings {
    /// Those that were named, as members of a tenant's document.
    pub(super) fn document(self) -> Map<String, Value> {
        let grants = Some(self.self_registration_grants).filter(|grants| !grants.is_empty());
        let registration = named([
            ("mode", self.self_registration.map(Value::from)),
            ("scope", self.self_registration_scope.map(Value::from)),
            ("grant_types", grants.map(Value::from)),
            ("require_pkce", self.self_registration_pkce.map(Value::from)),
            ("require_consent", self.self_registration_consent.map(Value::from)),
            ("max_clients", self.self_registration_max_clients.map(Value::from)),
            ("unused_days", self.self_registration_unused_days.map(Value::from)),
        ]);
        let registration = Some(registration).filter(|members| !members.is_empty());
        named([
            ("display_name", self.display_name.map(Value::from)),
            ("logo_uri", self.logo_uri.map(Value::from)),
            ("accent_color", self.accent_color.map(Value::from)),
            ("default_locale", self.default_locale.map(Value::from)),
            ("registration", registration.map(Value::from)),
        ])
    }
}

fn named<const N: usize>(members: [(&str, Option<Value>); N]) -> Map<String, Value> {
    let members = members.into_iter();
    members
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}
