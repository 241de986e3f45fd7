//! The client with which a tenant's administration begins.

use super::complete;
use crate::fault::Fault;
use crate::storage::clients::{Client, ClientMetadata};
use crate::types::{
    ADMIN_SCOPES, AuthMethod, ClientId, FIRST_TENANT_SCOPES, GrantType, ScopeSet, TenantId, Timestamp,
    TokenHash,
};

/// A client that may get a token with every admin scope that its tenant has.
///
/// # Errors
/// Never, unless the scopes of this release are no scopes.
pub fn first_admin(
    tenant: TenantId,
    client_id: ClientId,
    secret: TokenHash,
    now: Timestamp,
) -> Result<Client, Fault> {
    let scopes = ADMIN_SCOPES
        .into_iter()
        .filter(|scope| tenant == TenantId::FIRST || !FIRST_TENANT_SCOPES.contains(scope));
    let scopes: Vec<&str> = scopes.collect();
    let mut metadata = ClientMetadata {
        client_name: Some("First admin client".to_owned()),
        grant_types: vec![GrantType::ClientCredentials],
        token_endpoint_auth_method: AuthMethod::ClientSecretBasic,
        scope: ScopeSet::parse(&scopes.join(" ")).map_err(|why| Fault::internal(why.0))?,
        ..ClientMetadata::default()
    };
    complete(&mut metadata);
    Ok(Client::new(tenant, client_id, metadata, Some(secret), now))
}
