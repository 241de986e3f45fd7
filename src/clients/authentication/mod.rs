//! How a client proves who it is (RFC 6749 §2.3, RFC 7523), the same at every endpoint that asks for it.

mod assertion;
mod client_keys;
mod credentials;

pub use self::client_keys::ClientKeys;
pub use self::credentials::{Credentials, JWT_BEARER, Presented};

use crate::clients::{ClientCache, secret_matches};
use crate::fault::Fault;
use crate::storage::Store;
use crate::storage::clients::Client;
use crate::types::{AuthMethod, ClientId, Issuer, Secret, TenantId, Timestamp};
use std::sync::Arc;

/// A client that has proved who it is; a public one has only named itself.
#[derive(Clone, Debug)]
pub struct AuthenticatedClient {
    /// The client.
    pub client: Arc<Client>,
    /// How it proved it.
    pub method: AuthMethod,
}

/// Why a client was refused. The words are for the audit log; outside, all that lead to `invalid_client` look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Nothing names a client.
    NoCredentials,
    /// More than one method at once.
    SeveralMethods,
    /// `client_id` names another client than the credentials.
    ClientIdMismatch,
    /// A `Basic` header that cannot be read.
    MalformedBasic,
    /// An `Authorization` header of another scheme.
    OtherScheme,
    /// `client_assertion` without its type, of another type, or the type without it.
    AssertionType,
    /// There is no such client.
    UnknownClient,
    /// The client is disabled.
    DisabledClient,
    /// The client is registered for another method.
    OtherMethod,
    /// The secret is wrong, or its grace is over.
    WrongSecret,
    /// The assertion cannot be read, or its signature does not match: the token error's own reason.
    Assertion(crate::jose::JwtError),
    /// `iss` and `sub` are not both the client (RFC 7523 §3, items 1 and 2).
    AssertionSubject,
    /// `aud` is not the issuer.
    AssertionAudience,
    /// `exp` is more than five minutes ahead.
    AssertionTooLong,
    /// There is no usable `jti`.
    AssertionWithoutJti,
    /// The `jti` was used before.
    AssertionReplayed,
    /// Another algorithm than the registered one.
    AssertionAlgorithm,
    /// The client's `jwks_uri` leads to where the server must not go.
    KeysForbidden,
    /// The client's `jwks_uri` gave no usable keys.
    KeysUnavailable,
}

impl Reason {
    /// The reason in the audit log (`failure_reason`).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoCredentials => "no_credentials",
            Self::SeveralMethods => "several_methods",
            Self::ClientIdMismatch => "client_id_mismatch",
            Self::MalformedBasic => "malformed_basic",
            Self::OtherScheme => "other_scheme",
            Self::AssertionType => "assertion_type",
            Self::UnknownClient => "unknown_client",
            Self::DisabledClient => "disabled_client",
            Self::OtherMethod => "other_method",
            Self::WrongSecret => "wrong_secret",
            Self::Assertion(error) => error.reason(),
            Self::AssertionSubject => "assertion_subject",
            Self::AssertionAudience => "assertion_audience",
            Self::AssertionTooLong => "assertion_too_long",
            Self::AssertionWithoutJti => "assertion_without_jti",
            Self::AssertionReplayed => "assertion_replayed",
            Self::AssertionAlgorithm => "assertion_algorithm",
            Self::KeysForbidden => "keys_forbidden",
            Self::KeysUnavailable => "keys_unavailable",
        }
    }

    /// Whether the request itself is wrong (`invalid_request`), whoever sent it. All else is `invalid_client`.
    pub const fn is_invalid_request(self) -> bool {
        matches!(self, Self::SeveralMethods | Self::ClientIdMismatch)
    }
}

/// A refused authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticationFailure {
    /// Why, for the audit log.
    pub reason: Reason,
    /// Which client was claimed, if its form allows to repeat it.
    pub claimed: Option<ClientId>,
    /// The method that was tried.
    pub method: Option<AuthMethod>,
}

/// What stands in the way of an authenticated client.
#[derive(Debug)]
pub enum AuthenticationError {
    /// The client did not prove who it is.
    Refused(AuthenticationFailure),
    /// We could not find out.
    Fault(Fault),
}

impl From<Fault> for AuthenticationError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Authenticates clients. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Authenticator {
    store: Store,
    clients: ClientCache,
    keys: ClientKeys,
}

/// Where and when a client proves who it is.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// Whose client it is to be.
    pub tenant: TenantId,
    /// The tenant's issuer: the audience of assertions.
    pub issuer: &'a Issuer,
    /// The URL of the endpoint: their audience in the weak mode.
    pub endpoint: &'a str,
    /// The present instant.
    pub now: Timestamp,
}

impl Authenticator {
    /// Puts the parts together.
    pub fn new(store: Store, clients: ClientCache, keys: ClientKeys) -> Self {
        Self { store, clients, keys }
    }

    /// The keys that clients publish, for what else is done with them.
    pub fn keys(&self) -> &ClientKeys {
        &self.keys
    }

    /// Authenticates the client that presents something.
    ///
    /// # Errors
    /// When it fails, with the reason for the audit log; when a client has to be looked up and cannot be.
    pub async fn authenticate(
        &self,
        occasion: &Occasion<'_>,
        presented: &Presented<'_>,
    ) -> Result<AuthenticatedClient, AuthenticationError> {
        let credentials = Credentials::sort_out(presented).map_err(|reason| refused(reason, None, None))?;
        match &credentials {
            Credentials::Basic { client_id, secret } => {
                self.by_secret(occasion, client_id, secret, AuthMethod::ClientSecretBasic)
                    .await
            }
            Credentials::Post { client_id, secret } => {
                self.by_secret(occasion, client_id, secret, AuthMethod::ClientSecretPost)
                    .await
            }
            Credentials::Assertion { client_id, assertion } => {
                self.by_assertion(occasion, client_id.as_deref(), assertion.expose())
                    .await
            }
            Credentials::Public { client_id } => self.by_name(occasion, client_id).await,
        }
    }

    /// Whatever is wrong, the same is done: the client is looked up and a secret is compared.
    async fn by_secret(
        &self,
        occasion: &Occasion<'_>,
        claimed: &str,
        secret: &Secret,
        method: AuthMethod,
    ) -> Result<AuthenticatedClient, AuthenticationError> {
        let client = self.find(occasion.tenant, claimed).await?;
        let matches = secret_matches(client.as_deref(), secret, occasion.now);
        let client = acceptable(client, claimed, method)?;
        if !matches {
            return Err(refused(Reason::WrongSecret, Some(claimed), Some(method)));
        }
        Ok(AuthenticatedClient { client, method })
    }

    async fn by_name(
        &self,
        occasion: &Occasion<'_>,
        claimed: &str,
    ) -> Result<AuthenticatedClient, AuthenticationError> {
        let client = self.find(occasion.tenant, claimed).await?;
        let client = acceptable(client, claimed, AuthMethod::None)?;
        Ok(AuthenticatedClient {
            client,
            method: AuthMethod::None,
        })
    }

    async fn find(&self, tenant: TenantId, claimed: &str) -> Result<Option<Arc<Client>>, Fault> {
        match ClientId::parse(claimed) {
            Ok(client_id) => self.clients.find(tenant, &client_id).await,
            Err(_) => Ok(None),
        }
    }
}

/// The client, if it is there, enabled, and registered for the method.
fn acceptable(
    client: Option<Arc<Client>>,
    claimed: &str,
    method: AuthMethod,
) -> Result<Arc<Client>, AuthenticationError> {
    let refusal = |reason| Err(refused(reason, Some(claimed), Some(method)));
    match client {
        None => refusal(Reason::UnknownClient),
        Some(client) if !client.enabled => refusal(Reason::DisabledClient),
        Some(client) if client.metadata.token_endpoint_auth_method != method => refusal(Reason::OtherMethod),
        Some(client) => Ok(client),
    }
}

fn refused(reason: Reason, claimed: Option<&str>, method: Option<AuthMethod>) -> AuthenticationError {
    AuthenticationError::Refused(AuthenticationFailure {
        reason,
        claimed: claimed.and_then(|text| ClientId::parse(text).ok()),
        method,
    })
}
