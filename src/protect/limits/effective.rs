//! The limits that hold right now: those of the configuration, what was changed while running, and plans.

use super::Tier;
use crate::config::{Limit, LimitConfig};
use crate::storage::limits::ChangedLimits;
use crate::storage::plans::{Plan, PlanTerms};
use crate::types::TenantId;
use std::collections::HashMap;

/// What a client without a quota of its own may do in a month, where its plan says nothing.
const USUAL_QUOTA: u32 = 50_000;
/// The same for requests in one second.
const USUAL_SPIKE: u32 = 10;

/// The limits that hold right now.
#[derive(Debug)]
pub(super) struct Effective {
    configured: LimitConfig,
    tiers: [Option<Limit>; Tier::ALL.len()],
    plans: HashMap<(TenantId, String), PlanTerms>,
    version: i64,
    plans_version: i64,
}

impl Effective {
    /// Nothing is changed.
    pub(super) fn of(configured: LimitConfig) -> Self {
        Self {
            tiers: Tier::ALL.map(|tier| tier.limit(&configured)),
            configured,
            plans: HashMap::new(),
            version: 0,
            plans_version: 0,
        }
    }

    /// With these changes and plans.
    pub(super) fn changed(configured: LimitConfig, changes: &ChangedLimits, plans: Vec<Plan>) -> Self {
        let limit = |tier: Tier| {
            let change = changes.overrides.get(tier.as_str()).copied();
            // A limit that is not configured is there once a rate is said.
            let base = tier
                .limit(&configured)
                .or_else(|| change?.rate.filter(|_| tier.is_changeable()).map(per_second))?;
            Some(change.map_or(base, |change| change.over(base)))
        };
        let plan = |plan: Plan| ((plan.tenant_id, plan.name), plan.terms.0);
        Self {
            tiers: Tier::ALL.map(limit),
            configured,
            plans: plans.into_iter().map(plan).collect(),
            version: changes.version,
            plans_version: changes.plans_version,
        }
    }

    pub(super) fn is_of(&self, changes: &ChangedLimits) -> bool {
        (self.version, self.plans_version) == (changes.version, changes.plans_version)
    }

    pub(super) fn configured(&self) -> &LimitConfig {
        &self.configured
    }

    /// A tier's limit, `None` where there is none.
    pub(super) fn tier(&self, tier: Tier) -> Option<Limit> {
        // The discriminants are the places in `Tier::ALL`.
        self.tiers.get(tier as usize).copied().flatten()
    }

    /// A tier's limit for a client that is on a plan. A plan that is gone is none.
    pub(super) fn for_client(&self, tier: Tier, plan: Option<&(TenantId, String)>) -> Option<Limit> {
        let terms = plan.and_then(|plan| self.plans.get(plan));
        if tier == Tier::Spike {
            let usual = terms.map(|_| USUAL_SPIKE);
            let said = terms.and_then(|terms| terms.spike_rate);
            return said.or(self.configured.spike_rate).or(usual).map(per_second);
        }
        let limit = self.tier(tier)?;
        let change = terms.and_then(|terms| match tier {
            Tier::Standard => terms.standard,
            Tier::Expensive => terms.expensive,
            Tier::Sensitive => terms.sensitive,
            Tier::PerKey => terms.per_key,
            _ => None,
        });
        Some(change.map_or(limit, |change| change.over(limit)))
    }

    /// How many requests a client that is on a plan may make in a month; `None` for any number.
    pub(super) fn quota(&self, plan: Option<&(TenantId, String)>) -> Option<u32> {
        let terms = plan.and_then(|plan| self.plans.get(plan));
        let usual = terms.map(|_| USUAL_QUOTA);
        terms
            .and_then(|terms| terms.monthly_quota)
            .or(self.configured.quota_month)
            .or(usual)
    }
}

/// So many in one second, and at once.
pub(super) fn per_second(rate: u32) -> Limit {
    Limit {
        rate,
        period_s: 1,
        burst: rate,
    }
}
