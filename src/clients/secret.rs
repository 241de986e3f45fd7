//! Client secrets: 256 random bits, stored as SHA-256, replaced with an overlap.

use crate::entropy::Entropy;
use crate::fault::Fault;
use crate::storage::clients::Client;
use crate::types::{Secret, Timestamp, TokenHash};

/// What a client secret starts with, so that scanners find leaked ones.
pub const SECRET_PREFIX: &str = "gcs_";

/// How long a replaced secret may go on working at most: three days.
pub const MAX_GRACE_S: i64 = 259_200;

/// A secret that was just made: the text for the one answer that shows it, the hash for the row.
pub struct NewSecret {
    /// Shown once.
    pub secret: Secret,
    /// Stored.
    pub hash: TokenHash,
}

impl NewSecret {
    /// Makes a secret.
    pub fn make(entropy: &Entropy) -> Result<Self, Fault> {
        let secret = entropy.token(SECRET_PREFIX)?;
        let hash = TokenHash::of(secret.expose());
        Ok(Self { secret, hash })
    }
}

/// Puts a new secret in the place of a client's present one, which works for another `grace_s` seconds. The secret
/// before that one ends at once: there are never more than two.
pub fn rotate(client: &mut Client, new: TokenHash, grace_s: i64, now: Timestamp) {
    let present = client.secret_hash.replace(new);
    let keep = grace_s > 0 && present.is_some();
    client.previous_secret_hash = present.filter(|_| keep);
    client.previous_secret_expires_at = keep.then(|| now.plus_seconds(grace_s.min(MAX_GRACE_S)));
}

/// Whether a secret is the client's. Where there is no client, or it has no secret, a comparison is made all the same,
/// so that the time of the answer does not tell which it was.
pub fn secret_matches(client: Option<&Client>, presented: &Secret, now: Timestamp) -> bool {
    let presented = TokenHash::of(presented.expose());
    let nobodys = TokenHash::of("");
    let present = client.and_then(|client| client.secret_hash.as_ref());
    let previous = client
        .filter(|client| client.previous_secret_expires_at.is_some_and(|until| now < until))
        .and_then(|client| client.previous_secret_hash.as_ref());
    let is_present = present.unwrap_or(&nobodys).matches(&presented) & present.is_some();
    let is_previous = previous.unwrap_or(&nobodys).matches(&presented) & previous.is_some();
    is_present | is_previous
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::clients::ClientMetadata;
    use crate::types::{ClientId, TenantId};

    fn client() -> Client {
        Client::new(
            TenantId::FIRST,
            ClientId::parse("c").unwrap(),
            ClientMetadata::default(),
            None,
            Timestamp::from_seconds(0),
        )
    }

    #[test]
    fn a_replaced_secret_works_until_its_grace_is_over() {
        let entropy = Entropy::seeded(1);
        let (first, second) = (
            NewSecret::make(&entropy).unwrap(),
            NewSecret::make(&entropy).unwrap(),
        );
        let now = Timestamp::from_seconds(1_000);
        let mut client = client();
        rotate(&mut client, first.hash.clone(), 60, now);
        assert_eq!(client.previous_secret_expires_at, None, "there was none to keep");
        rotate(&mut client, second.hash.clone(), 60, now);
        let works =
            |secret: &NewSecret, s| secret_matches(Some(&client), &secret.secret, now.plus_seconds(s));
        assert!(works(&first, 59) && works(&second, 59));
        assert!(!works(&first, 60) && works(&second, 60));
        let mut at_once = client.clone();
        rotate(&mut at_once, first.hash.clone(), 0, now);
        assert!(!secret_matches(Some(&at_once), &second.secret, now));
    }

    #[test]
    fn nobody_has_the_empty_secret() {
        let empty = Secret::new(String::new());
        assert!(!secret_matches(None, &empty, Timestamp::from_seconds(0)));
        assert!(!secret_matches(
            Some(&client()),
            &empty,
            Timestamp::from_seconds(0)
        ));
    }
}
