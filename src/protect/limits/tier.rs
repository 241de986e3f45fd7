//! The classes of requests that have a limit each.

use super::effective::per_second;
use crate::config::{Limit, LimitConfig};

/// A class of requests with a limit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tier {
    /// Ordinary requests: by client once it is authenticated, else by address.
    Standard,
    /// Exports, reports, key generation: by client.
    Expensive,
    /// Attempts with a secret, by address. Counted in the database (see [`crate::protect::attempts`]); a route of this
    /// tier counts as `Standard` besides.
    Authentication,
    /// Sensitive operations: by operation and caller.
    Sensitive,
    /// Metadata, JWKS and static files, by address.
    Public,
    /// All requests of one user.
    PerUser,
    /// All requests of one API key.
    PerKey,
    /// All requests together.
    Global,
    /// A client or address in one second, where that is set.
    PerSecond,
    /// All requests of a tenant's clients in one second, where that is set.
    PerTenant,
    /// A client in one second, where its plan or the configuration says so: smooths what comes all at once.
    Spike,
    /// A client in a calendar month (see [`super::quota`]).
    Quota,
}

impl Tier {
    /// Every tier.
    pub const ALL: [Self; 12] = [
        Self::Standard,
        Self::Expensive,
        Self::Authentication,
        Self::Sensitive,
        Self::Public,
        Self::PerUser,
        Self::PerKey,
        Self::Global,
        Self::PerSecond,
        Self::PerTenant,
        Self::Spike,
        Self::Quota,
    ];

    /// The name in `RateLimit-Policy`, in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Expensive => "expensive",
            Self::Authentication => "authentication",
            Self::Sensitive => "sensitive",
            Self::Public => "public",
            Self::PerUser => "per_user",
            Self::PerKey => "per_key",
            Self::Global => "global",
            Self::PerSecond => "per_second",
            Self::PerTenant => "per_tenant",
            Self::Spike => "spike",
            Self::Quota => "quota",
        }
    }

    /// Whether the admin API changes it for everybody; the others are matters of plans.
    pub const fn is_changeable(self) -> bool {
        !matches!(self, Self::Spike | Self::Quota)
    }

    /// The configured limit, `None` where there is none.
    pub(super) fn limit(self, config: &LimitConfig) -> Option<Limit> {
        Some(match self {
            Self::Standard => config.standard,
            Self::Expensive => config.expensive,
            Self::Authentication => config.authentication,
            Self::Sensitive => config.sensitive,
            Self::Public => config.public,
            Self::PerUser => config.per_user,
            Self::PerKey => config.per_key,
            Self::Global => config.global,
            Self::PerSecond => per_second(config.per_second_cap?),
            Self::PerTenant => per_second(config.per_tenant_cap?),
            Self::Spike | Self::Quota => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_stand_at_their_places() {
        for (index, tier) in Tier::ALL.into_iter().enumerate() {
            assert_eq!(tier as usize, index);
        }
    }
}
