//! When keys change, in seconds.

use crate::config::Config;
use crate::storage::purpose_keys::{Purpose, PurposeKeyRow};
use crate::storage::signing_keys::SigningKeyRow;
use crate::types::{Algorithm, Timestamp};

/// How long a replica may work with keys that another one has changed, with room for what is under way.
const SPREAD_S: i64 = 10;
/// The longest life of any token that a signing key signs (access tokens of third parties), and the largest leeway.
const LONGEST_TOKEN_S: i64 = 3600 + 60;
/// The longest life of anything that a purpose key authenticates or seals: a refresh token's 7 days, and one more, in
/// which a token that was replaced is still told from a forged one.
const LONGEST_PURPOSE_S: i64 = 8 * 86_400;
/// How long a public key is kept for `id_token_hint` after it left the published set.
const HINT_S: i64 = 30 * 86_400;

/// The settings that decide when keys change.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    /// Algorithms that have keys.
    pub(super) algorithms: Vec<Algorithm>,
    /// Modulus of new RSA keys.
    pub(super) rsa_bits: u32,
    rotation_s: i64,
    data_rotation_s: i64,
    publish_s: i64,
}

impl Schedule {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            algorithms: config.tokens.algorithms.clone(),
            rsa_bits: config.keys.rsa_bits,
            rotation_s: config.keys.rotation_days.saturating_mul(86_400),
            data_rotation_s: config.keys.data_rotation_days.saturating_mul(86_400),
            // A key that signs has been published for longer than any verifier keeps the set without it.
            publish_s: config.keys.prepublish_s.max(config.keys.jwks_cache_s + SPREAD_S),
        }
    }

    /// What became active at this instant or before is due for replacement.
    pub(super) fn active_since(&self, now: Timestamp) -> Timestamp {
        now.plus_seconds(-self.rotation_s)
    }

    /// The same for the key that seals personal data.
    pub(super) fn data_active_since(&self, now: Timestamp) -> Timestamp {
        now.plus_seconds(-self.data_rotation_s)
    }

    /// From when on a published key may sign.
    pub(super) fn usable_at(&self, published_at: Timestamp) -> Timestamp {
        published_at.plus_seconds(self.publish_s)
    }

    /// When `next` takes the place of `active`: by age, or when somebody asked for it.
    pub(super) fn activates_at(&self, active: &SigningKeyRow, next: &SigningKeyRow) -> Timestamp {
        let by_age = active
            .activated_at
            .unwrap_or(active.created_at)
            .plus_seconds(self.rotation_s);
        next.activates_at
            .unwrap_or(by_age)
            .min(by_age)
            .max(self.usable_at(next.created_at))
    }

    /// Whether the `next` purpose key takes the place of the `active` one.
    pub(super) fn is_purpose_due(
        &self,
        active: &PurposeKeyRow,
        next: &PurposeKeyRow,
        now: Timestamp,
    ) -> bool {
        let since = active.activated_at.unwrap_or(active.created_at);
        let due = match active.purpose {
            Purpose::Data => self.data_active_since(now),
            _ => self.active_since(now),
        };
        since <= due && purpose_known_at(next.created_at) <= now
    }
}

/// From when on every replica knows a purpose key that was made at `created_at`.
pub(super) fn purpose_known_at(created_at: Timestamp) -> Timestamp {
    created_at.plus_seconds(SPREAD_S)
}

/// When a signing key that stops at `now` leaves the published set.
pub(super) fn unpublished_at(now: Timestamp) -> Timestamp {
    now.plus_seconds(LONGEST_TOKEN_S + SPREAD_S)
}

/// When a signing key that leaves the published set at `now` is forgotten.
pub(super) fn forgotten_at(now: Timestamp) -> Timestamp {
    now.plus_seconds(HINT_S)
}

/// When a purpose key that goes out of use at `now` is removed.
pub(super) fn purpose_removed_at(now: Timestamp) -> Timestamp {
    now.plus_seconds(LONGEST_PURPOSE_S + SPREAD_S)
}
