//! Clients that register themselves (RFC 7591), and what they may have.

use super::is;
use crate::config::RegistrationMode;
use crate::config::parse;
use crate::config::setting::{Setting, Shown};

/// The words for [`RegistrationMode`].
const MODES: &[(&str, RegistrationMode)] = &[
    ("off", RegistrationMode::Off),
    ("token", RegistrationMode::Token),
    ("open", RegistrationMode::Open),
];

pub(super) static ALL: &[Setting] = &[
    value!(
        "registration.mode",
        is("off"),
        "off, token or open",
        Plain,
        config.registration.mode = |text| parse::choice(text, MODES),
        "Who may register clients: nobody, whoever has an initial access token, anybody"
    ),
    value!(
        "registration.scopes",
        is("openid profile email offline_access"),
        "scopes separated by single spaces, none of the admin API",
        Plain,
        config.registration.scopes = parse::scopes_for_anybody,
        "Scopes that a registered client may have"
    ),
    value!(
        "registration.grant_types",
        is("authorization_code refresh_token"),
        "grant types separated by spaces",
        Plain,
        config.registration.grant_types = parse::grant_types,
        "Grants that a registered client may have"
    ),
    value!(
        "registration.require_pkce",
        is("true"),
        "true or false",
        Plain,
        config.registration.require_pkce = parse::switch,
        "Whether registered clients need PKCE; false frees confidential ones only"
    ),
    value!(
        "registration.require_consent",
        is("true"),
        "true or false",
        Plain,
        config.registration.require_consent = parse::switch,
        "Whether people are asked before a registered client gets tokens for them"
    ),
    number!("registration.max_clients", is("1000"), 1 to 1000000 " clients", registration.max_clients,
        "Registered clients of one tenant; one address may have a tenth of them without a token"),
    number!("registration.unused_days", is("30"), 1 to 3650 " days", registration.unused_days,
        "After so many days without a token a registered client is deleted"),
];
