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

pub(super) static ALL: &[Setting] = &[value!(
    "limits.authentication.count",
    is("all"),
    "all or failures",
    Plain,
    config.limits.count_failures_only = |text| parse::choice(text, &[("all", false), ("failures", true)]),
    "Which attempts at the sign-in page count in the authentication tier"
)];

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
