//! How a client obtains tokens and proves who it is.

use super::Rules;
use super::found::Found;
use crate::clients::policy::{MAX_PUBLIC_RETRY_S, grants_of};
use crate::clients::uris;
use crate::jose::JwkSet;
use crate::storage::clients::ClientMetadata;
use crate::types::{
    Algorithm, AuthMethod, ConsumerClass, GrantType, IntrospectionRight, ResponseType, Violation,
};

pub(super) fn grants(metadata: &ClientMetadata, found: &mut Found) {
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
        metadata.has_grant(GrantType::RefreshToken)
            && !metadata
                .grant_types
                .iter()
                .any(|grant| grant.is_given_by_a_person()),
        "/grant_types",
        "refresh_token needs authorization_code or the device grant: nothing else yields a refresh token",
    );
    // RFC 7591 §2.1: "authorization_code" goes with "code".
    found.when(
        code != metadata.response_types.contains(&ResponseType::Code),
        "/response_types",
        "must hold code exactly when grant_types holds authorization_code (RFC 7591 section 2.1)",
    );
}

pub(super) fn authentication(metadata: &ClientMetadata, rules: &Rules<'_>, found: &mut Found) {
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
pub(super) fn public(metadata: &ClientMetadata, found: &mut Found) {
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
