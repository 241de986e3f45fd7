//! How much anybody may ask for.

use super::is;
use crate::config::parse;
use crate::config::setting::{Default, Setting, Shown};

/// The three settings of a tier of limits.
macro_rules! tier {
    ($name:literal, $tier:ident, $rate:literal, $period:literal, $doc:literal) => {
        [
            number!(
                concat!("limits.", $name, ".rate"), is($rate), 1 to 1000000000 " requests per period",
                limits.$tier.rate, $doc
            ),
            number!(
                concat!("limits.", $name, ".period_seconds"), is($period), 1 to 86400 " seconds",
                limits.$tier.period_s, $doc
            ),
            number!(
                concat!("limits.", $name, ".burst"), Default::Words("the rate"), 1 to 1000000000 " requests at once",
                limits.$tier.burst, $doc
            ),
        ]
    };
}

pub(super) static ALL: &[Setting] = &[
    value!(
        "limits.authentication.count",
        is("all"),
        "all or failures",
        Plain,
        config.limits.count_failures_only = |text| parse::choice(text, &[("all", false), ("failures", true)]),
        "Which attempts at the sign-in page count in the authentication tier"
    ),
    value!(
        "limit.per_second_cap",
        is("off"),
        "off, or 1 to 1000000000 requests",
        Plain,
        config.limits.per_second_cap = |text| parse::number_or_off(text, 1, 1_000_000_000),
        "Requests of a client or address in one second"
    ),
    value!(
        "limit.per_tenant_cap",
        is("off"),
        "off, or 1 to 1000000000 requests",
        Plain,
        config.limits.per_tenant_cap = |text| parse::number_or_off(text, 1, 1_000_000_000),
        "Requests of all clients of a tenant in one second"
    ),
    optional!(
        "quota.month",
        Default::Words("none; 50000 for clients on a plan that names none"),
        "1 to 1000000000 requests",
        Plain,
        config.limits.quota_month = |text| parse::number(text, 1, 1_000_000_000),
        "Requests of each client in a calendar month (UTC), where its plan names no quota"
    ),
    optional!(
        "spike.rate",
        Default::Words("none; 10 for clients on a plan that names none"),
        "1 to 1000 requests",
        Plain,
        config.limits.spike_rate = |text| parse::number(text, 1, 1_000),
        "Requests of each client in one second and at once, where its plan names no rate"
    ),
    number!("throttle.start_pct", is("80"), 50 to 99 " percent", limits.throttle_start_percent,
        "From how much of a limit on answers are delayed, the more the less is left"),
    number!("throttle.max_delay_ms", is("500"), 0 to 5000 " milliseconds", limits.throttle_max_delay_ms,
        "The longest such delay; 0 delays nothing"),
    value!(
        "adaptive.tighten_factor",
        is("0.5"),
        "0.1 to 0.9",
        Plain,
        config.limits.tighten_percent = |text| parse::percent(text, 10, 90),
        "What is left of an address's limits after a burst of refused credentials (401)"
    ),
    number!("adaptive.cooldown_s", is("900"), 60 to 86400 " seconds", limits.cooldown_s,
        "For how long; every further burst begins it anew"),
];

/// By tier.
pub(super) static TIERS: [[Setting; 3]; 8] = [
    tier!(
        "standard",
        standard,
        "100",
        "60",
        "Ordinary requests, by client or address"
    ),
    tier!(
        "expensive",
        expensive,
        "10",
        "60",
        "Exports, reports and key generation"
    ),
    tier!(
        "authentication",
        authentication,
        "5",
        "900",
        "Attempts with a secret, by address"
    ),
    tier!(
        "sensitive",
        sensitive,
        "10",
        "60",
        "Sensitive operations, each by caller"
    ),
    tier!("public", public, "100", "60", "Metadata and JWKS, by address"),
    tier!("per_user", per_user, "100", "60", "All requests of one user"),
    tier!("per_key", per_key, "100", "60", "All requests of one API key"),
    tier!("global", global, "10000", "1", "All requests together"),
];
