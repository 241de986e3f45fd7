//! What is registered for a client, in the form in which it is stored and answered.

use crate::types::{
    Algorithm, ApplicationType, AssertionAudience, AuthMethod, ConsumerClass, ContentEncryption, GrantType,
    IntrospectionRight, KeyManagement, Resource, ResponseType, ScopeSet, SubjectType,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The members of a client's registration: those of RFC 7591, OpenID Connect Dynamic Client Registration, the logout
/// specifications, RFC 9101, RFC 9126 and RFC 9701 under their registered names, then this server's own.
///
/// URIs are kept as text: whatever acts on one parses it again, since a row may be older than a rule or changed by
/// hand. A `None` follows the deployment's setting or the client's class at the time of use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientMetadata {
    /// Where a browser may be sent back to; compared by [`crate::types::RedirectUri::matches`].
    pub redirect_uris: Vec<String>,
    /// How the client proves who it is.
    pub token_endpoint_auth_method: AuthMethod,
    /// The only algorithm that its assertions may use; any that its keys fit where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_signing_alg: Option<Algorithm>,
    /// How it may obtain tokens.
    pub grant_types: Vec<GrantType>,
    /// What the authorization endpoint may answer; follows from the grant types.
    pub response_types: Vec<ResponseType>,
    /// Its name, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// Its home page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    /// Its logo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    /// Its terms of service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<String>,
    /// Its privacy policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<String>,
    /// What of these it says in several languages, by names such as `client_name#de`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub localized: BTreeMap<String, String>,
    /// How to reach the people responsible for it.
    pub contacts: Vec<String>,
    /// The most that it may be granted.
    pub scope: ScopeSet,
    /// Its public keys by value; never together with `jwks_uri`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// Its public keys by reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// The software that the client is an installation of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_id: Option<String>,
    /// That software's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,

    /// Web or native: which redirect URIs are allowed and how they match.
    pub application_type: ApplicationType,
    /// Whether all clients see the same `sub`.
    pub subject_type: SubjectType,
    /// Names the sector of pairwise subjects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sector_identifier_uri: Option<String>,
    /// Signs its ID tokens; RS256 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token_signed_response_alg: Option<Algorithm>,
    /// JWE key management of its ID tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token_encrypted_response_alg: Option<KeyManagement>,
    /// JWE content encryption of its ID tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token_encrypted_response_enc: Option<ContentEncryption>,
    /// Signs UserInfo answers; plain JSON where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo_signed_response_alg: Option<Algorithm>,
    /// JWE key management of UserInfo answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo_encrypted_response_alg: Option<KeyManagement>,
    /// JWE content encryption of UserInfo answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo_encrypted_response_enc: Option<ContentEncryption>,
    /// The only algorithm that its request objects may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_object_signing_alg: Option<Algorithm>,
    /// JWE key management of its request objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_object_encryption_alg: Option<KeyManagement>,
    /// JWE content encryption of its request objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_object_encryption_enc: Option<ContentEncryption>,
    /// Where its request objects may be fetched from.
    pub request_uris: Vec<String>,
    /// `max_age` of authorization requests that name none, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<i64>,
    /// Whether every ID token has `auth_time`.
    pub require_auth_time: bool,
    /// `acr_values` of authorization requests that name none.
    pub default_acr_values: Vec<String>,
    /// Where a third party may send somebody to have them sign in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initiate_login_uri: Option<String>,
    /// Where a browser may be sent after logout.
    pub post_logout_redirect_uris: Vec<String>,
    /// Loaded in a frame at logout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frontchannel_logout_uri: Option<String>,
    /// Whether that frame's URL has `iss` and `sid`.
    pub frontchannel_logout_session_required: bool,
    /// Gets logout tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_uri: Option<String>,
    /// Whether those have `sid`.
    pub backchannel_logout_session_required: bool,
    /// Whether its authorization requests must be pushed (RFC 9126 §6).
    pub require_pushed_authorization_requests: bool,
    /// Whether its authorization requests must be signed (RFC 9101 §10.5).
    pub require_signed_request_object: bool,
    /// Signs its introspection answers (RFC 9701 §6).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection_signed_response_alg: Option<Algorithm>,
    /// JWE key management of its introspection answers (RFC 9701 §6).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection_encrypted_response_alg: Option<KeyManagement>,
    /// JWE content encryption of its introspection answers (RFC 9701 §6).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection_encrypted_response_enc: Option<ContentEncryption>,

    /// What the client is for, in the operator's words; shown to administrators only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who the client is to the deployment. Where absent, [`ClientMetadata::class`] derives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer_class: Option<ConsumerClass>,
    /// Resources that it may ask tokens for (RFC 8707); the first is the default, none means the issuer.
    pub resources: Vec<Resource>,
    /// Resources that the client itself is: it may introspect tokens for them.
    pub resource_identifiers: Vec<Resource>,
    /// Whose tokens it may introspect.
    pub introspection: IntrospectionRight,
    /// Granted when a request names no scope.
    pub default_scope: ScopeSet,
    /// Signs its access tokens; the server's default where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token_signed_response_alg: Option<Algorithm>,
    /// Life of its access tokens in seconds: 5 to 900, third parties to 3600.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token_ttl: Option<i64>,
    /// Life of its token families in seconds from sign-in: 60 to 604800.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token_ttl: Option<i64>,
    /// Whether each use of a refresh token yields a new one; false is for confidential clients.
    pub refresh_token_rotation: bool,
    /// How long the preceding refresh token yields the same successor again, 0 to 60 s.
    pub refresh_token_retry_seconds: i64,
    /// Whether authorization requests need PKCE; false is for confidential clients.
    pub require_pkce: bool,
    /// Whether people are asked before it gets tokens for them.
    pub require_consent: bool,
    /// What the `aud` of its assertions has to be.
    pub client_assertion_audience: AssertionAudience,
    /// Attributes of people that it is told whatever the scopes, besides those that scopes give.
    pub attributes: Vec<String>,
    /// The plan whose limits it has; set by administrators only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Origins whose scripts may read answers; the origins of its redirect URIs where empty.
    pub allowed_cors_origins: Vec<String>,
}

impl Default for ClientMetadata {
    fn default() -> Self {
        Self {
            redirect_uris: Vec::new(),
            token_endpoint_auth_method: AuthMethod::ClientSecretBasic,
            token_endpoint_auth_signing_alg: None,
            grant_types: Vec::new(),
            response_types: Vec::new(),
            client_name: None,
            client_uri: None,
            logo_uri: None,
            tos_uri: None,
            policy_uri: None,
            localized: BTreeMap::new(),
            contacts: Vec::new(),
            scope: ScopeSet::empty(),
            jwks: None,
            jwks_uri: None,
            software_id: None,
            software_version: None,
            application_type: ApplicationType::Web,
            subject_type: SubjectType::Public,
            sector_identifier_uri: None,
            id_token_signed_response_alg: None,
            id_token_encrypted_response_alg: None,
            id_token_encrypted_response_enc: None,
            userinfo_signed_response_alg: None,
            userinfo_encrypted_response_alg: None,
            userinfo_encrypted_response_enc: None,
            request_object_signing_alg: None,
            request_object_encryption_alg: None,
            request_object_encryption_enc: None,
            request_uris: Vec::new(),
            default_max_age: None,
            require_auth_time: false,
            default_acr_values: Vec::new(),
            initiate_login_uri: None,
            post_logout_redirect_uris: Vec::new(),
            frontchannel_logout_uri: None,
            frontchannel_logout_session_required: false,
            backchannel_logout_uri: None,
            backchannel_logout_session_required: false,
            require_pushed_authorization_requests: false,
            require_signed_request_object: false,
            introspection_signed_response_alg: None,
            introspection_encrypted_response_alg: None,
            introspection_encrypted_response_enc: None,
            description: None,
            consumer_class: None,
            resources: Vec::new(),
            resource_identifiers: Vec::new(),
            introspection: IntrospectionRight::Audience,
            default_scope: ScopeSet::empty(),
            access_token_signed_response_alg: None,
            access_token_ttl: None,
            refresh_token_ttl: None,
            refresh_token_rotation: true,
            refresh_token_retry_seconds: 0,
            require_pkce: true,
            require_consent: true,
            client_assertion_audience: AssertionAudience::Issuer,
            attributes: Vec::new(),
            plan: None,
            allowed_cors_origins: Vec::new(),
        }
    }
}

impl ClientMetadata {
    /// The class: as registered, otherwise `service` for a client that has only `client_credentials` and `web_mobile`
    /// for every other.
    pub fn class(&self) -> ConsumerClass {
        self.consumer_class.unwrap_or(match self.grant_types.as_slice() {
            [GrantType::ClientCredentials] => ConsumerClass::Service,
            _ => ConsumerClass::WebMobile,
        })
    }

    /// Whether the client can keep no secret (RFC 6749 §2.1).
    pub fn is_public(&self) -> bool {
        self.token_endpoint_auth_method == AuthMethod::None
    }

    /// Whether it authenticates with a secret.
    pub fn has_secret(&self) -> bool {
        matches!(
            self.token_endpoint_auth_method,
            AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost
        )
    }

    /// Whether it may use a grant.
    pub fn has_grant(&self, grant: GrantType) -> bool {
        self.grant_types.contains(&grant)
    }

    /// Whether it is a native application (RFC 8252).
    pub fn is_native(&self) -> bool {
        self.application_type == ApplicationType::Native
    }
}
