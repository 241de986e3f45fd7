//! How relying parties hear that a session is over.

use super::is;
use crate::config::parse;
use crate::config::setting::{Setting, Shown};

pub(super) static ALL: &[Setting] = &[
    value!(
        "session.management",
        is("false"),
        "true or false",
        Plain,
        config.session.management = parse::switch,
        "Lets applications watch the session in a frame (OpenID Connect Session Management)"
    ),
    number!("logout.tries", is("40"), 1 to 100 " attempts", logout.tries,
        "Attempts at delivering a logout token, over some nine hours, before it is a dead letter"),
];
