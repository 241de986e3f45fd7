//! Subject identifiers (OIDC Core §8).

use crate::storage::clients::Client;
use crate::types::UserId;

/// The `sub` by which a client knows a user: the same for all clients (subject type `public`, §8).
pub fn of(_client: &Client, user: UserId) -> String {
    user.to_string()
}
