//! What follows from a client's registration at the time of use. Nothing that is stored is trusted because it was
//! checked once: bounds are applied and URIs are parsed again.

use crate::config::TokenConfig;
use crate::storage::clients::ClientMetadata;
use crate::types::{Algorithm, ConsumerClass, GrantType, RedirectUri};

/// Longest life of an access token, in seconds.
pub(super) const MAX_ACCESS_TTL_S: i64 = 900;
/// Longest life of an access token of a third party, which names no user.
pub(super) const MAX_THIRD_PARTY_TTL_S: i64 = 3600;
/// Longest life of a token family.
pub(super) const MAX_REFRESH_TTL_S: i64 = 604_800;
/// Longest retry window of a refresh token.
pub(super) const MAX_RETRY_S: i64 = 60;
/// The same for a public client, which anybody may claim to be.
pub(super) const MAX_PUBLIC_RETRY_S: i64 = 10;

/// The grants that clients of a class may have.
pub(super) const fn grants_of(class: ConsumerClass) -> &'static [GrantType] {
    match class {
        ConsumerClass::WebMobile | ConsumerClass::EnterpriseSso => &[
            GrantType::AuthorizationCode,
            GrantType::RefreshToken,
            GrantType::ClientCredentials,
            GrantType::DeviceCode,
        ],
        ConsumerClass::Service | ConsumerClass::ThirdParty => &[GrantType::ClientCredentials],
        ConsumerClass::WebhookReceiver => &[],
    }
}

/// The longest life that an access token of a class may have.
pub(super) const fn max_access_ttl_s(class: ConsumerClass, tokens: &TokenConfig) -> i64 {
    match class {
        ConsumerClass::ThirdParty if !tokens.strict_15min => MAX_THIRD_PARTY_TTL_S,
        _ => MAX_ACCESS_TTL_S,
    }
}

impl ClientMetadata {
    /// Life of an access token in seconds.
    pub fn effective_access_token_ttl(&self, tokens: &TokenConfig) -> i64 {
        let class = self.class();
        let default = match class {
            ConsumerClass::ThirdParty => tokens.third_party_ttl_s,
            _ => tokens.access_ttl_s,
        };
        self.access_token_ttl
            .unwrap_or(default)
            .clamp(5, max_access_ttl_s(class, tokens))
    }

    /// Life of a token family in seconds from sign-in.
    pub fn effective_refresh_token_ttl(&self, tokens: &TokenConfig) -> i64 {
        self.refresh_token_ttl
            .unwrap_or(tokens.refresh_ttl_s)
            .clamp(60, MAX_REFRESH_TTL_S)
    }

    /// What signs its access tokens. An algorithm that is no longer offered gives way to the default.
    pub fn access_token_alg(&self, tokens: &TokenConfig) -> Algorithm {
        offered(self.access_token_signed_response_alg, tokens).unwrap_or(tokens.default_algorithm)
    }

    /// What signs its ID tokens: RS256 where nothing is registered (OpenID Connect Dynamic Client Registration §2).
    pub fn id_token_alg(&self, tokens: &TokenConfig) -> Algorithm {
        offered(self.id_token_signed_response_alg, tokens).unwrap_or_else(|| usual(tokens))
    }

    /// What signs UserInfo answers, where the client wants them signed. One that is no longer offered gives way to
    /// another, never to an unsigned answer.
    pub fn userinfo_alg(&self, tokens: &TokenConfig) -> Option<Algorithm> {
        self.userinfo_signed_response_alg
            .map(|alg| offered(Some(alg), tokens).unwrap_or_else(|| usual(tokens)))
    }

    /// What signs introspection answers: RS256 where nothing is registered (RFC 9701 §6).
    pub fn introspection_alg(&self, tokens: &TokenConfig) -> Algorithm {
        offered(self.introspection_signed_response_alg, tokens).unwrap_or_else(|| usual(tokens))
    }

    /// Whether each use of a refresh token yields a new one. RFC 9700 §2.2.2: "Refresh tokens for public clients MUST
    /// be sender-constrained or use refresh token rotation".
    pub fn rotates(&self) -> bool {
        self.refresh_token_rotation || self.is_public()
    }

    /// How long the preceding refresh token yields the same successor again, in seconds.
    pub fn retry_window_s(&self) -> i64 {
        let most = if self.is_public() {
            MAX_PUBLIC_RETRY_S
        } else {
            MAX_RETRY_S
        };
        self.refresh_token_retry_seconds.clamp(0, most)
    }

    /// Whether authorization requests need PKCE. RFC 9700 §2.1.1: "Public clients MUST use PKCE".
    pub fn needs_pkce(&self) -> bool {
        self.require_pkce || self.is_public()
    }

    /// Whether the client may introspect tokens at all.
    pub fn may_introspect(&self) -> bool {
        !self.is_public()
    }

    /// The registered redirect URI that a requested one matches.
    pub fn redirect_uri(&self, requested: &str) -> Option<RedirectUri> {
        matching(&self.redirect_uris, requested, self.is_native())
    }

    /// The registered post-logout redirect URI that a requested one matches.
    pub fn post_logout_redirect_uri(&self, requested: &str) -> Option<RedirectUri> {
        matching(&self.post_logout_redirect_uris, requested, self.is_native())
    }

    /// The origins whose scripts may read answers that this client gets.
    pub fn cors_origins(&self) -> Vec<String> {
        if !self.allowed_cors_origins.is_empty() {
            return self.allowed_cors_origins.clone();
        }
        let mut origins: Vec<String> = self
            .redirect_uris
            .iter()
            .filter_map(|uri| RedirectUri::parse(uri, self.is_native()).ok()?.origin())
            .collect();
        origins.sort();
        origins.dedup();
        origins
    }

    /// Whether scripts of an origin may read answers that this client gets.
    pub fn allows_origin(&self, origin: &str) -> bool {
        origin != "null" && self.cors_origins().iter().any(|own| own == origin)
    }
}

fn offered(alg: Option<Algorithm>, tokens: &TokenConfig) -> Option<Algorithm> {
    alg.filter(|alg| tokens.algorithms.contains(alg))
}

/// RS256, which every specification has as its default, or what this server has in its place.
fn usual(tokens: &TokenConfig) -> Algorithm {
    offered(Some(Algorithm::RS256), tokens).unwrap_or(tokens.default_algorithm)
}

/// The requested URI, if it matches a registered one that would be accepted today.
fn matching(registered: &[String], requested: &str, native: bool) -> Option<RedirectUri> {
    let matches = registered.iter().any(|uri| {
        RedirectUri::parse(uri, native).is_ok_and(|registered| registered.matches(requested, native))
    });
    if matches {
        RedirectUri::parse(requested, native).ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{ApplicationType, AuthMethod};

    #[test]
    fn a_stored_redirect_uri_is_not_trusted_because_it_is_stored() {
        let client = ClientMetadata {
            redirect_uris: vec![
                "javascript:alert(1)".to_owned(),
                "https://app.example/cb".to_owned(),
            ],
            ..ClientMetadata::default()
        };
        assert_eq!(client.redirect_uri("javascript:alert(1)"), None);
        assert!(client.redirect_uri("https://app.example/cb").is_some());
        assert_eq!(client.redirect_uri("https://app.example/cb/"), None);
    }

    #[test]
    fn rfc8252_s7_3_the_requested_port_is_kept() {
        let client = ClientMetadata {
            redirect_uris: vec!["http://127.0.0.1/cb".to_owned()],
            application_type: ApplicationType::Native,
            ..ClientMetadata::default()
        };
        let matched = client.redirect_uri("http://127.0.0.1:4711/cb").unwrap();
        assert_eq!(matched.as_str(), "http://127.0.0.1:4711/cb");
    }

    #[test]
    fn a_public_client_is_held_to_its_rules_whatever_is_stored() {
        let client = ClientMetadata {
            token_endpoint_auth_method: AuthMethod::None,
            refresh_token_rotation: false,
            refresh_token_retry_seconds: 60,
            require_pkce: false,
            ..ClientMetadata::default()
        };
        assert!(client.rotates() && client.needs_pkce() && !client.may_introspect());
        assert_eq!(client.retry_window_s(), 10);
    }

    #[test]
    fn origins_come_from_redirect_uris_and_are_never_null() {
        let client = ClientMetadata {
            redirect_uris: vec![
                "https://app.example:8443/cb".to_owned(),
                "com.example.app:/cb".to_owned(),
            ],
            application_type: ApplicationType::Native,
            ..ClientMetadata::default()
        };
        assert_eq!(client.cors_origins(), ["https://app.example:8443"]);
        assert!(!client.allows_origin("null") && !client.allows_origin("https://app.example"));
    }
}
