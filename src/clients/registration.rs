//! The rules of client registration: which members go together, and within which bounds. They hold for every way of
//! registering: the admin API, the command line, and dynamic registration.

use super::policy::{MAX_PUBLIC_RETRY_S, MAX_REFRESH_TTL_S, MAX_RETRY_S, grants_of, max_access_ttl_s};
use super::uris;
use crate::config::TokenConfig;
use crate::jose::JwkSet;
use crate::storage::clients::ClientMetadata;
use crate::types::{
    Algorithm, AuthMethod, ConsumerClass, GrantType, IntrospectionRight, Issuer, RedirectUri, ResponseType,
    SubjectType, Violation, is_admin_scope,
};
use std::collections::HashSet;

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
    /// Whether outgoing requests may be plain http, to networks that the deployment allows.
    pub http_to_allowed: bool,
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
    pages(metadata, &mut found);
    logout(metadata, rules, &mut found);
    scopes(metadata, &mut found);
    resources(metadata, rules, &mut found);
    lifetimes(metadata, rules, &mut found);
    algorithms(metadata, rules, &mut found);
    texts(metadata, &mut found);
    not_offered(metadata, &mut found);
    found.0
}

struct Found(Vec<Violation>);

impl Found {
    fn at(&mut self, pointer: &str, detail: &'static str) {
        self.0.push(Violation::new(pointer, detail));
    }

    fn when(&mut self, wrong: bool, pointer: &str, detail: &'static str) {
        if wrong {
            self.at(pointer, detail);
        }
    }

    fn member<'m>(
        &mut self,
        pointer: &str,
        member: impl Into<Option<&'m String>>,
        check: impl Fn(&str) -> Option<&'static str>,
    ) {
        if let Some(detail) = member.into().and_then(|text| check(text)) {
            self.at(pointer, detail);
        }
    }

    /// Checks a list: its length, its entries, and that none comes twice.
    fn list<'m, T: AsRef<str> + 'm + ?Sized>(
        &mut self,
        pointer: &str,
        entries: impl IntoIterator<Item = &'m T>,
        check: impl Fn(&str) -> Option<&'static str>,
    ) {
        let mut seen = HashSet::new();
        for (position, entry) in entries.into_iter().enumerate() {
            if position == MAX_LIST {
                self.at(pointer, "at most 100 entries");
                return;
            }
            let entry = entry.as_ref();
            if let Some(detail) = check(entry) {
                self.at(&format!("{pointer}/{position}"), detail);
            } else if !seen.insert(entry) {
                self.at(&format!("{pointer}/{position}"), "must not come twice");
            }
        }
    }
}

fn grants(metadata: &ClientMetadata, found: &mut Found) {
    let class = metadata.class();
    found.list(
        "/grant_types",
        metadata.grant_types.iter().map(|grant| grant.as_str()),
        |_| None,
    );
    for (position, grant) in metadata.grant_types.iter().enumerate() {
        if !grants_of(class).contains(grant) {
            let detail = format!("is not for clients of consumer_class {class}");
            found
                .0
                .push(Violation::new(format!("/grant_types/{position}"), detail));
        }
    }
    let code = metadata.has_grant(GrantType::AuthorizationCode);
    found.when(
        metadata.has_grant(GrantType::RefreshToken) && !code,
        "/grant_types",
        "refresh_token needs authorization_code: nothing else yields a refresh token",
    );
    // RFC 7591 §2.1: "authorization_code" goes with "code".
    found.when(
        code != metadata.response_types.contains(&ResponseType::Code),
        "/response_types",
        "must hold code exactly when grant_types holds authorization_code (RFC 7591 section 2.1)",
    );
}

fn authentication(metadata: &ClientMetadata, rules: &Rules<'_>, found: &mut Found) {
    const METHOD: &str = "/token_endpoint_auth_method";
    let (method, class) = (metadata.token_endpoint_auth_method, metadata.class());
    found.when(
        method == AuthMethod::None && matches!(class, ConsumerClass::Service | ConsumerClass::ThirdParty),
        METHOD,
        "must not be none for clients of this consumer_class",
    );
    // RFC 6749 §4.4: "The client credentials grant type MUST only be used by confidential clients."
    found.when(
        method == AuthMethod::None && metadata.has_grant(GrantType::ClientCredentials),
        METHOD,
        "must not be none for the client_credentials grant (RFC 6749 section 4.4)",
    );
    found.when(
        metadata.jwks.is_some() && metadata.jwks_uri.is_some(),
        "/jwks_uri",
        "must not be there together with jwks (RFC 7591 section 2)",
    );
    found.when(
        method == AuthMethod::PrivateKeyJwt && metadata.jwks.is_none() && metadata.jwks_uri.is_none(),
        METHOD,
        "private_key_jwt needs jwks or jwks_uri",
    );
    found.member("/jwks_uri", &metadata.jwks_uri, |uri| {
        uris::fetched(uri, rules.http_to_allowed)
    });
    let Some(jwks) = &metadata.jwks else { return };
    match JwkSet::parse(jwks) {
        Err(malformed) => found.at("/jwks", malformed.0),
        Ok(set) if method == AuthMethod::PrivateKeyJwt => {
            let fits = |alg: &Algorithm| set.keys().iter().any(|key| key.fits(*alg));
            let usable = match &metadata.token_endpoint_auth_signing_alg {
                Some(alg) => fits(alg),
                None => Algorithm::ALL.iter().any(fits),
            };
            found.when(
                !usable,
                "/jwks",
                "must hold a key with which the client can sign its assertions",
            );
        }
        Ok(_) => {}
    }
}

/// What a client that anybody may claim to be cannot have.
fn public(metadata: &ClientMetadata, found: &mut Found) {
    found.when(
        !metadata.require_pkce,
        "/require_pkce",
        "must be true for public clients (RFC 9700 section 2.1.1)",
    );
    found.when(
        !metadata.refresh_token_rotation,
        "/refresh_token_rotation",
        "must be true for public clients (RFC 9700 section 2.2.2)",
    );
    found.when(
        metadata.refresh_token_retry_seconds > MAX_PUBLIC_RETRY_S,
        "/refresh_token_retry_seconds",
        "must be at most 10 for public clients",
    );
    found.when(
        metadata.introspection == IntrospectionRight::Any,
        "/introspection",
        "must be audience for public clients, which cannot introspect",
    );
    found.when(
        !metadata.resource_identifiers.is_empty(),
        "/resource_identifiers",
        "must be empty for public clients, which cannot introspect",
    );
}

fn redirects(metadata: &ClientMetadata, found: &mut Found) {
    let check = |uri: &str| {
        RedirectUri::parse(uri, metadata.is_native())
            .err()
            .map(|malformed| malformed.0)
    };
    found.when(
        metadata.has_grant(GrantType::AuthorizationCode) && metadata.redirect_uris.is_empty(),
        "/redirect_uris",
        "needs 1 to 100 entries for the authorization_code grant",
    );
    found.list("/redirect_uris", &metadata.redirect_uris, check);
    found.list(
        "/post_logout_redirect_uris",
        &metadata.post_logout_redirect_uris,
        check,
    );
    found.list(
        "/allowed_cors_origins",
        &metadata.allowed_cors_origins,
        uris::origin,
    );
}

fn pages(metadata: &ClientMetadata, found: &mut Found) {
    found.member("/client_uri", &metadata.client_uri, uris::page);
    found.member("/logo_uri", &metadata.logo_uri, uris::page);
    found.member("/tos_uri", &metadata.tos_uri, uris::page);
    found.member("/policy_uri", &metadata.policy_uri, uris::page);
    found.member("/initiate_login_uri", &metadata.initiate_login_uri, uris::page);
}

fn logout(metadata: &ClientMetadata, rules: &Rules<'_>, found: &mut Found) {
    found.member(
        "/frontchannel_logout_uri",
        &metadata.frontchannel_logout_uri,
        |uri| uris::frame(uri, &metadata.redirect_uris),
    );
    found.member(
        "/backchannel_logout_uri",
        &metadata.backchannel_logout_uri,
        |uri| uris::fetched(uri, rules.http_to_allowed),
    );
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

fn algorithms(metadata: &ClientMetadata, rules: &Rules<'_>, found: &mut Found) {
    for (pointer, alg) in [
        (
            "/access_token_signed_response_alg",
            metadata.access_token_signed_response_alg,
        ),
        (
            "/id_token_signed_response_alg",
            metadata.id_token_signed_response_alg,
        ),
    ] {
        found.when(
            alg.is_some_and(|alg| !rules.tokens.algorithms.contains(&alg)),
            pointer,
            "must be one of the algorithms with which this server signs",
        );
    }
}

fn texts(metadata: &ClientMetadata, found: &mut Found) {
    found.member("/client_name", &metadata.client_name, |text| name(text, MAX_NAME));
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

/// Members that are registered with IANA, but ask for what this server does not do. Taking them would promise it.
fn not_offered(metadata: &ClientMetadata, found: &mut Found) {
    const ENCRYPTION: &str = "is not offered: this server does not encrypt; leave it out";
    const REQUEST_OBJECTS: &str = "is not offered: this server takes no request objects; leave it out";
    const PLAIN: &str = "is not offered: this answer is plain JSON; leave it out";
    let asked = [
        (
            "/id_token_encrypted_response_alg",
            metadata.id_token_encrypted_response_alg.is_some(),
            ENCRYPTION,
        ),
        (
            "/id_token_encrypted_response_enc",
            metadata.id_token_encrypted_response_enc.is_some(),
            ENCRYPTION,
        ),
        (
            "/userinfo_encrypted_response_alg",
            metadata.userinfo_encrypted_response_alg.is_some(),
            ENCRYPTION,
        ),
        (
            "/userinfo_encrypted_response_enc",
            metadata.userinfo_encrypted_response_enc.is_some(),
            ENCRYPTION,
        ),
        (
            "/request_object_encryption_alg",
            metadata.request_object_encryption_alg.is_some(),
            REQUEST_OBJECTS,
        ),
        (
            "/request_object_encryption_enc",
            metadata.request_object_encryption_enc.is_some(),
            REQUEST_OBJECTS,
        ),
        (
            "/request_object_signing_alg",
            metadata.request_object_signing_alg.is_some(),
            REQUEST_OBJECTS,
        ),
        (
            "/require_signed_request_object",
            metadata.require_signed_request_object,
            REQUEST_OBJECTS,
        ),
        (
            "/request_uris",
            !metadata.request_uris.is_empty(),
            REQUEST_OBJECTS,
        ),
        (
            "/userinfo_signed_response_alg",
            metadata.userinfo_signed_response_alg.is_some(),
            PLAIN,
        ),
        (
            "/introspection_signed_response_alg",
            metadata.introspection_signed_response_alg.is_some(),
            PLAIN,
        ),
        (
            "/subject_type",
            metadata.subject_type == SubjectType::Pairwise,
            "must be public: pairwise subjects are not offered",
        ),
        (
            "/sector_identifier_uri",
            metadata.sector_identifier_uri.is_some(),
            "is not offered: it is for pairwise subjects; leave it out",
        ),
        (
            "/require_pushed_authorization_requests",
            metadata.require_pushed_authorization_requests,
            "must be false: this server takes no pushed authorization requests",
        ),
    ];
    for (pointer, is_asked, detail) in asked {
        found.when(is_asked, pointer, detail);
    }
}
