//! The rules of client registration: which members go together, and within which bounds. They hold for every way of
//! registering: the admin API, the command line, and dynamic registration.

mod addresses;
mod answers;
mod found;
mod requests;
mod trust;

use self::addresses::{logout, pages, redirects};
use self::answers::{algorithms, attributes, complete_encryption, encryption, subjects};
use self::found::Found;
use self::requests::requests;
use self::trust::{authentication, grants, public};
use super::policy::{MAX_REFRESH_TTL_S, MAX_RETRY_S, max_access_ttl_s};
use super::{localized, uris};
use crate::config::{Config, TokenConfig};
use crate::storage::clients::ClientMetadata;
use crate::types::{Attributes, ConsumerClass, GrantType, Issuer, ResponseType, Violation, is_admin_scope};

/// Most entries of a list.
pub const MAX_LIST: usize = 100;
/// Longest name of a client.
pub const MAX_NAME: usize = 200;
/// Longest description of a client.
pub const MAX_DESCRIPTION: usize = 500;
/// Longest `max_age`, in seconds: a year.
pub const MAX_MAX_AGE_S: i64 = 31_536_000;

/// What the deployment adds to the rules.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// The issuer, which no client may claim to be.
    pub issuer: &'a Issuer,
    /// Offered algorithms and lifetimes.
    pub tokens: &'a TokenConfig,
    /// What is kept about people beyond the standard claims.
    pub attributes: &'a Attributes,
    /// Whether outgoing requests may be plain http, to networks that the deployment allows.
    pub http_to_allowed: bool,
}

impl<'a> Rules<'a> {
    /// The rules of a deployment for the clients of one issuer.
    pub fn of(config: &'a Config, issuer: &'a Issuer) -> Self {
        Self {
            issuer,
            tokens: &config.tokens,
            attributes: &config.attributes,
            http_to_allowed: !config.outgoing.allow.is_empty(),
        }
    }
}

/// Fills in what a registration leaves out and what follows from its other members (RFC 7591 §2).
pub fn complete(metadata: &mut ClientMetadata) {
    if metadata.grant_types.is_empty() {
        metadata.grant_types = match metadata.consumer_class {
            None | Some(ConsumerClass::WebMobile | ConsumerClass::EnterpriseSso) => {
                vec![GrantType::AuthorizationCode]
            }
            Some(ConsumerClass::Service | ConsumerClass::ThirdParty) => vec![GrantType::ClientCredentials],
            Some(ConsumerClass::WebhookReceiver) => Vec::new(),
        };
    }
    if metadata.response_types.is_empty() && metadata.has_grant(GrantType::AuthorizationCode) {
        metadata.response_types = vec![ResponseType::Code];
    }
    complete_encryption(metadata);
}

/// Everything that is wrong with a completed registration.
pub fn violations(metadata: &ClientMetadata, rules: &Rules<'_>) -> Vec<Violation> {
    let mut found = Found(Vec::new());
    grants(metadata, &mut found);
    authentication(metadata, rules, &mut found);
    if metadata.is_public() {
        public(metadata, &mut found);
    }
    redirects(metadata, &mut found);
    requests(metadata, rules, &mut found);
    pages(metadata, &mut found);
    logout(metadata, rules, &mut found);
    scopes(metadata, &mut found);
    resources(metadata, rules, &mut found);
    lifetimes(metadata, rules, &mut found);
    algorithms(metadata, rules, &mut found);
    subjects(metadata, rules, &mut found);
    encryption(metadata, &mut found);
    attributes(metadata, rules, &mut found);
    texts(metadata, &mut found);
    found.0
}

fn scopes(metadata: &ClientMetadata, found: &mut Found) {
    found.when(
        !metadata.default_scope.is_subset(&metadata.scope),
        "/default_scope",
        "must hold only scopes that scope holds",
    );
    found.when(
        metadata
            .default_scope
            .iter()
            .any(|scope| is_admin_scope(scope.as_str())),
        "/default_scope",
        "must not hold admin scopes, which are asked for by name",
    );
}

fn resources(metadata: &ClientMetadata, rules: &Rules<'_>, found: &mut Found) {
    found.list(
        "/resources",
        metadata.resources.iter().map(|resource| resource.as_str()),
        |_| None,
    );
    found.list(
        "/resource_identifiers",
        metadata
            .resource_identifiers
            .iter()
            .map(|resource| resource.as_str()),
        |resource| {
            (resource.trim_end_matches('/') == rules.issuer.as_str())
                .then_some("must not be the issuer: that is this server")
        },
    );
}

fn lifetimes(metadata: &ClientMetadata, rules: &Rules<'_>, found: &mut Found) {
    let most = max_access_ttl_s(metadata.class(), rules.tokens);
    if metadata
        .access_token_ttl
        .is_some_and(|ttl| !(5..=most).contains(&ttl))
    {
        let detail = format!("must be 5 to {most} seconds for this consumer_class");
        found.0.push(Violation::new("/access_token_ttl", detail));
    }
    found.when(
        metadata
            .refresh_token_ttl
            .is_some_and(|ttl| !(60..=MAX_REFRESH_TTL_S).contains(&ttl)),
        "/refresh_token_ttl",
        "must be 60 to 604800 seconds",
    );
    found.when(
        !(0..=MAX_RETRY_S).contains(&metadata.refresh_token_retry_seconds),
        "/refresh_token_retry_seconds",
        "must be 0 to 60",
    );
    found.when(
        metadata
            .default_max_age
            .is_some_and(|age| !(0..=MAX_MAX_AGE_S).contains(&age)),
        "/default_max_age",
        "must be 0 to 31536000 seconds",
    );
}

fn texts(metadata: &ClientMetadata, found: &mut Found) {
    found.member("/client_name", &metadata.client_name, |text| name(text, MAX_NAME));
    languages(metadata, found);
    found.member("/software_id", &metadata.software_id, |text| name(text, MAX_NAME));
    found.member("/software_version", &metadata.software_version, |text| {
        name(text, MAX_NAME)
    });
    found.list("/contacts", &metadata.contacts, |text| name(text, 320));
    found.list("/default_acr_values", &metadata.default_acr_values, |text| {
        name(text, 100)
    });
    // Free text is kept as typed and encoded where it is shown.
    found.member("/description", &metadata.description, |text| {
        (text.chars().count() > MAX_DESCRIPTION || text.contains('\0'))
            .then_some("must be at most 500 characters, without NUL")
    });
}

/// What is said in several languages is held to the same as what is said in none.
fn languages(metadata: &ClientMetadata, found: &mut Found) {
    found.when(
        metadata.localized.len() > localized::MAX_LOCALIZED,
        "",
        "must have at most 50 members with a language",
    );
    for (name, text) in &metadata.localized {
        let pointer = format!("/{name}");
        match localized::split(name) {
            Some(("client_name", _)) => found.member(&pointer, text, |text| self::name(text, MAX_NAME)),
            Some(_) => found.member(&pointer, text, uris::page),
            None => found.at(
                &pointer,
                "must be a member for people, with a language tag (BCP 47)",
            ),
        }
    }
}

/// A text that is shown to people: no markup, no control characters.
fn name(text: &str, most: usize) -> Option<&'static str> {
    if !(1..=most).contains(&text.chars().count()) {
        return Some(match most {
            MAX_NAME => "must be 1 to 200 characters",
            320 => "must be 1 to 320 characters",
            _ => "must be 1 to 100 characters",
        });
    }
    text.chars()
        .any(|c| c.is_control() || matches!(c, '<' | '>' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
        .then_some("must not contain <, > or control characters")
}
