//! Subject identifiers (OIDC Core §8).

use crate::fault::Fault;
use crate::keys::{Purpose, TenantKeys};
use crate::sealed::aad;
use crate::storage::clients::Client;
use crate::types::{UserId, base64url};

/// The `sub` by which a client knows a user, in everything that it is given: ID token, UserInfo, access token,
/// introspection, logout token. For subject type `public` the user's id; for `pairwise` another one for each sector,
/// from which nobody without the tenant's key gets to the user or to another sector's (§8.1: "The Subject Identifier
/// value MUST NOT be reversible by any party other than the OpenID Provider").
///
/// # Errors
/// When a pairwise client has no sector, which registration does not allow.
pub fn of(keys: &TenantKeys, client: &Client, user: UserId) -> Result<String, Fault> {
    if !client.metadata.is_pairwise() {
        return Ok(user.to_string());
    }
    let sector = client.metadata.sector().ok_or_else(|| {
        Fault::internal(format!(
            "the client {} has pairwise subjects but its redirect URIs have no host in common, and there is no \
             sector_identifier_uri",
            client.client_id
        ))
    })?;
    let mac = keys
        .purpose(Purpose::Pairwise)?
        .mac(&aad(&["sub", &sector, &user.to_string()]));
    Ok(base64url(&mac))
}

/// Whether two clients know people by the same subjects: both by public ones, or as members of one sector.
pub fn same_subjects(one: &Client, other: &Client) -> bool {
    match (one.metadata.is_pairwise(), other.metadata.is_pairwise()) {
        (false, false) => true,
        (true, true) => one.metadata.sector() == other.metadata.sector(),
        _ => one.client_id == other.client_id,
    }
}
