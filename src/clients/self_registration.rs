//! What a client may register for itself (RFC 7591, OpenID Connect Dynamic Client Registration): which members, and how
//! much of what it asks for.

use super::registration::Rules;
use super::{document, localized};
use crate::config::RegistrationConfig;
use crate::fault::Fault;
use crate::storage::clients::{Client, ClientMetadata};
use crate::storage::registration_tokens::RegistrationBounds;
use crate::types::{AuthMethod, GrantType, ResponseType, ScopeSet, Violation};
use serde_json::{Map, Value};
use url::Url;

/// What an initial access token starts with.
pub const INITIAL_TOKEN_PREFIX: &str = "gia_";
/// What a registration access token starts with.
pub const REGISTRATION_TOKEN_PREFIX: &str = "gra_";

/// The members that a client may register. All others are ignored (RFC 7591 §2), those too that the admin API sets.
const MEMBERS: &[&str] = &[
    "redirect_uris",
    "token_endpoint_auth_method",
    "token_endpoint_auth_signing_alg",
    "grant_types",
    "response_types",
    "client_name",
    "client_uri",
    "logo_uri",
    "tos_uri",
    "policy_uri",
    "contacts",
    "scope",
    "jwks",
    "jwks_uri",
    "software_id",
    "software_version",
    "application_type",
    "subject_type",
    "sector_identifier_uri",
    "id_token_signed_response_alg",
    "id_token_encrypted_response_alg",
    "id_token_encrypted_response_enc",
    "userinfo_signed_response_alg",
    "userinfo_encrypted_response_alg",
    "userinfo_encrypted_response_enc",
    "request_object_signing_alg",
    "request_object_encryption_alg",
    "request_object_encryption_enc",
    "request_uris",
    "default_max_age",
    "require_auth_time",
    "default_acr_values",
    "initiate_login_uri",
    "post_logout_redirect_uris",
    "frontchannel_logout_uri",
    "frontchannel_logout_session_required",
    "backchannel_logout_uri",
    "backchannel_logout_session_required",
    "require_pushed_authorization_requests",
    "require_signed_request_object",
    "introspection_signed_response_alg",
    "introspection_encrypted_response_alg",
    "introspection_encrypted_response_enc",
];

/// How much a client may have: RFC 7591 §2 lets the server "reject or replace any of the client's requested metadata
/// values and substitute them with suitable values".
#[derive(Clone, Debug)]
pub struct Terms {
    /// Scopes; what goes beyond them is left out.
    pub scopes: ScopeSet,
    /// Grants; what goes beyond them is left out.
    pub grant_types: Vec<GrantType>,
    /// Hosts of redirect URIs, where they are bound.
    pub redirect_hosts: Option<Vec<String>>,
}

impl Terms {
    /// What the settings give, within the bounds of a token.
    pub fn of(config: &RegistrationConfig, bounds: Option<&RegistrationBounds>) -> Self {
        let scopes = bounds.and_then(|bounds| bounds.scope.as_ref());
        let grants = bounds.and_then(|bounds| bounds.grant_types.as_ref());
        let grant_types = config.grant_types.iter().copied();
        Self {
            // Whatever the settings say: only an administrator gives admin scopes.
            scopes: without_admin(&config.scopes)
                .filter(|scope| scopes.is_none_or(|bound| bound.has(scope.as_str()))),
            grant_types: grant_types
                .filter(|grant| grants.is_none_or(|bound| bound.contains(grant)))
                .collect(),
            redirect_hosts: bounds.and_then(|bounds| bounds.redirect_hosts.clone()),
        }
    }

    /// The same for a client that is there: what it has by now, of an administrator or of earlier settings, it may keep.
    pub fn to_keep(config: &RegistrationConfig, client: &Client) -> Self {
        let bounds = client.registration_bounds.as_deref();
        let mut terms = Self::of(config, bounds);
        terms.scopes = terms.scopes.union(&without_admin(&client.metadata.scope));
        for grant in &client.metadata.grant_types {
            if !terms.grant_types.contains(grant) {
                terms.grant_types.push(*grant);
            }
        }
        terms
    }
}

fn without_admin(scopes: &ScopeSet) -> ScopeSet {
    let admin = scopes.admin();
    scopes.filter(|scope| !admin.has(scope.as_str()))
}

/// The registration of a new client that asks for this.
///
/// # Errors
/// Everything that is wrong; within a fault, that the program's own default is no JSON, which is a defect.
pub fn new(
    asked: Map<String, Value>,
    terms: &Terms,
    config: &RegistrationConfig,
    rules: &Rules<'_>,
) -> Result<Result<ClientMetadata, Vec<Violation>>, Fault> {
    let ours = ClientMetadata {
        require_pkce: config.require_pkce,
        require_consent: config.require_consent,
        ..ClientMetadata::default()
    };
    replaced(&ours, asked, terms, rules)
}

/// The registration that takes the place of a client's present one: what it asks for now, and nothing of what it asked
/// for before (RFC 7592 §2.2: "Omitted fields MUST be treated as null or empty values by the server, indicating the
/// client's request to delete them"). What only administrators set stays.
///
/// # Errors
/// As [`new`].
pub fn replaced(
    present: &ClientMetadata,
    asked: Map<String, Value>,
    terms: &Terms,
    rules: &Rules<'_>,
) -> Result<Result<ClientMetadata, Vec<Violation>>, Fault> {
    let mut document = document::members(present)?;
    document.retain(|name, _| !is_the_clients(name));
    let mut asked = known(asked);
    let mut found = cut(&mut asked, terms);
    for (name, value) in &asked {
        let pointer = format!("/{name}");
        if found.iter().any(|violation| violation.pointer == pointer) {
            continue;
        }
        let alone = Map::from_iter([(name.clone(), value.clone())]);
        if serde_json::from_value::<ClientMetadata>(Value::Object(alone)).is_err() {
            found.push(Violation::new(
                pointer,
                "has a value that cannot be registered here; the server's metadata says what can",
            ));
        }
    }
    if !found.is_empty() {
        return Ok(Err(found));
    }
    document.extend(asked);
    if is_public(&document) {
        // Where the settings free clients of PKCE, they free confidential ones only.
        document.insert("require_pkce".to_owned(), true.into());
    }
    let metadata = match document::read(document, rules) {
        Ok(metadata) => metadata,
        Err(found) => return Ok(Err(found)),
    };
    let mut found = strange_hosts(&metadata, terms);
    found.extend(unproven_sector(&metadata));
    Ok(if found.is_empty() {
        Ok(metadata)
    } else {
        Err(found)
    })
}

/// What is registered, as it is told to the client (RFC 7591 §3.2.1): "all registered metadata about this client,
/// including any fields provisioned by the authorization server itself".
///
/// # Errors
/// When the registration is no JSON, which is a defect.
pub fn told(metadata: &ClientMetadata) -> Result<Map<String, Value>, Fault> {
    let mut members = document::members(metadata)?;
    members
        .retain(|name, value| is_the_clients(name) && value.as_array().is_none_or(|list| !list.is_empty()));
    Ok(members)
}

/// Whether a member is for the client to say, in a language or in none.
fn is_the_clients(name: &str) -> bool {
    MEMBERS.contains(&name) || localized::split(name).is_some()
}

/// The members that mean something here and are there. RFC 7592 §2.2 takes null for omitted.
fn known(asked: Map<String, Value>) -> Map<String, Value> {
    let kept = |(name, value): &(String, Value)| is_the_clients(name) && !value.is_null();
    asked.into_iter().filter(kept).collect()
}

fn is_public(document: &Map<String, Value>) -> bool {
    document.get("token_endpoint_auth_method").and_then(Value::as_str) == Some(AuthMethod::None.as_str())
}

/// Cuts what is asked for down to the terms.
fn cut(asked: &mut Map<String, Value>, terms: &Terms) -> Vec<Violation> {
    let mut found = Vec::new();
    match asked
        .get("scope")
        .map(|scope| scope.as_str().map(ScopeSet::parse))
    {
        // RFC 7591 §2: "If omitted, an authorization server MAY register a client with a default set of scopes."
        None => drop(asked.insert("scope".to_owned(), terms.scopes.to_string().into())),
        Some(Some(Ok(scope))) => {
            let scope = scope.filter(|scope| terms.scopes.has(scope.as_str()));
            asked.insert("scope".to_owned(), scope.to_string().into());
        }
        Some(_) => found.push(Violation::new(
            "/scope",
            "must be scopes separated by single spaces",
        )),
    }
    if !asked.contains_key("grant_types") {
        // RFC 7591 §2: "If omitted, the default behavior is that the client will use only the "authorization_code"".
        let default = [GrantType::AuthorizationCode.as_str()];
        asked.insert("grant_types".to_owned(), default.as_slice().into());
    }
    let is_granted = |name: &str| terms.grant_types.iter().any(|grant| grant.as_str() == name);
    keep(asked, "grant_types", is_granted, &mut found);
    let is_answered = |name: &str| ResponseType::parse(name).is_ok();
    keep(asked, "response_types", is_answered, &mut found);
    found
}

/// Keeps of a list what may be had; something has to be left of what was asked for.
fn keep(
    asked: &mut Map<String, Value>,
    name: &'static str,
    may_have: impl Fn(&str) -> bool,
    found: &mut Vec<Violation>,
) {
    let Some(value) = asked.get_mut(name) else { return };
    let texts = value.as_array().map(|list| list.iter().map(Value::as_str));
    let Some(texts) = texts.and_then(|texts| texts.collect::<Option<Vec<_>>>()) else {
        found.push(Violation::new(format!("/{name}"), "must be a list of texts"));
        return;
    };
    let kept: Vec<_> = texts.iter().copied().filter(|text| may_have(text)).collect();
    if kept.is_empty() && !texts.is_empty() {
        let detail = "names none that a client which registers itself may have here";
        found.push(Violation::new(format!("/{name}"), detail));
        return;
    }
    *value = kept.into();
}

/// Redirect URIs beyond the hosts that a token allows.
fn strange_hosts(metadata: &ClientMetadata, terms: &Terms) -> Vec<Violation> {
    let Some(hosts) = &terms.redirect_hosts else {
        return Vec::new();
    };
    let is_strange = |uri: &str| {
        let url = Url::parse(uri).ok();
        let host = url.as_ref().and_then(Url::host_str);
        !host.is_some_and(|host| hosts.iter().any(|allowed| allowed == host))
    };
    let lists = [
        ("redirect_uris", &metadata.redirect_uris),
        ("post_logout_redirect_uris", &metadata.post_logout_redirect_uris),
    ];
    let mut found = Vec::new();
    for (name, uris) in lists {
        for (position, uri) in uris.iter().enumerate() {
            if is_strange(uri) {
                let detail = "must lead to a host that the initial access token allows";
                found.push(Violation::new(format!("/{name}/{position}"), detail));
            }
        }
    }
    found
}

/// A client shows that it is of a sector by receiving codes there (OpenID Connect Core §8.1). One that gets tokens through a
/// device receives nothing anywhere: it could name another's redirect URI, or none and another's document, and would know
/// people by the other's subjects. An administrator may know better.
fn unproven_sector(metadata: &ClientMetadata) -> Option<Violation> {
    let detail =
        "must be public for clients with the device grant, which do not show of which sector they are";
    (metadata.is_pairwise() && metadata.has_grant(GrantType::DeviceCode))
        .then(|| Violation::new("/subject_type", detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use serde_json::json;

    fn config() -> Config {
        Config::from_pairs(&[
            ("issuer", "https://id.example.com"),
            ("registration.mode", "open"),
        ])
        .unwrap()
    }

    fn register(asked: Value, bounds: &RegistrationBounds) -> Result<ClientMetadata, Vec<String>> {
        let config = config();
        let rules = Rules::of(&config, &config.issuer);
        let terms = Terms::of(&config.registration, Some(bounds));
        let asked = asked.as_object().unwrap().clone();
        new(asked, &terms, &config.registration, &rules)
            .unwrap()
            .map_err(|found| found.into_iter().map(|violation| violation.pointer).collect())
    }

    fn open(asked: Value) -> Result<ClientMetadata, Vec<String>> {
        register(asked, &RegistrationBounds::default())
    }

    #[test]
    fn what_only_administrators_set_is_ignored() {
        let metadata = open(json!({
            "redirect_uris": ["https://app.example/cb"], "require_consent": false, "require_pkce": false,
            "introspection": "any", "resource_identifiers": ["https://api.example"], "resources": ["https://api.example"],
            "consumer_class": "enterprise_sso", "access_token_ttl": 5, "refresh_token_rotation": false,
            "client_assertion_audience": "endpoint", "allowed_cors_origins": ["https://evil.example"],
            "default_scope": "openid", "description": "x", "client_id": "admin", "client_secret": "x", "enabled": true,
            "client_name#d": "Laden", "scope#de": "x", "localized": {"client_name#de": "x"}, "nonsense": {"a": [1]},
        }))
        .unwrap();
        let expected = open(json!({"redirect_uris": ["https://app.example/cb"]})).unwrap();
        assert_eq!(metadata, expected);
        assert!(metadata.require_pkce && metadata.require_consent && metadata.resources.is_empty());
    }

    #[test]
    fn rfc7591_s2_what_goes_beyond_the_terms_is_left_out() {
        let asked = json!({
            "redirect_uris": ["https://app.example/cb"], "scope": "openid clients:write orders:read email",
            "grant_types": ["authorization_code", "implicit", "client_credentials", "refresh_token"],
            "response_types": ["code", "token id_token"],
        });
        let metadata = open(asked.clone()).unwrap();
        assert_eq!(metadata.scope.to_string(), "openid email");
        assert_eq!(
            metadata.grant_types,
            [GrantType::AuthorizationCode, GrantType::RefreshToken]
        );
        assert_eq!(metadata.response_types, [ResponseType::Code]);
        let bounds = RegistrationBounds {
            scope: Some(ScopeSet::parse("email clients:write").unwrap()),
            grant_types: Some(vec![GrantType::AuthorizationCode]),
            redirect_hosts: None,
        };
        let metadata = register(asked, &bounds).unwrap();
        assert_eq!(metadata.scope.to_string(), "email");
        assert_eq!(metadata.grant_types, [GrantType::AuthorizationCode]);
        // Nothing is left of these.
        let asked = json!({"grant_types": ["client_credentials"], "response_types": ["token"]});
        assert_eq!(open(asked).unwrap_err(), ["/grant_types", "/response_types"]);
    }

    #[test]
    fn values_of_the_wrong_kind_are_named() {
        for (member, value) in [
            ("redirect_uris", json!("https://app.example/cb")),
            ("client_name", json!(7)),
            ("token_endpoint_auth_method", json!("client_secret_jwt")),
            ("scope", json!(["openid"])),
            ("scope", json!("a  b")),
            ("grant_types", json!([1])),
            ("contacts", json!({})),
            ("default_max_age", json!("7")),
            ("application_type", json!("desktop")),
            ("id_token_signed_response_alg", json!("none")),
            ("require_auth_time", json!("yes")),
        ] {
            let mut asked = json!({"redirect_uris": ["https://app.example/cb"]});
            asked[member] = value;
            assert_eq!(open(asked).unwrap_err(), [format!("/{member}")], "{member}");
        }
    }

    #[test]
    fn redirect_uris_stay_within_the_hosts_of_the_token() {
        let bounds = RegistrationBounds {
            redirect_hosts: Some(vec!["app.example".to_owned()]),
            ..RegistrationBounds::default()
        };
        let asked = |uri: &str| json!({"redirect_uris": [uri], "application_type": "native"});
        assert!(register(asked("https://app.example/cb"), &bounds).is_ok());
        for bad in [
            "https://app.example.evil.example/cb",
            "https://evil.example/app.example",
            "com.example.app:/cb",
            "http://127.0.0.1/cb",
        ] {
            assert_eq!(
                register(asked(bad), &bounds).unwrap_err(),
                ["/redirect_uris/0"],
                "{bad}"
            );
        }
    }
}
