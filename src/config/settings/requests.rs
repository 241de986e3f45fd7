//! How applications ask.

use super::is;
use crate::config::parse;
use crate::config::setting::{Setting, Shown};

pub(super) static ALL: &[Setting] = &[
    value!(
        "par.required",
        is("false"),
        "true or false",
        Plain,
        config.par.required = parse::switch,
        "Takes authorization requests only if they were pushed (RFC 9126); clients can be told singly"
    ),
    number!("par.ttl_s", is("60"), 5 to 600 " seconds", par.ttl_s,
        "How long a pushed request may wait for its browser"),
    number!("par.max_per_client", is("10000"), 10 to 1000000 " requests", par.max_per_client,
        "Pushed requests of one confidential client that have no code yet"),
    number!("par.max_per_address", is("1000"), 10 to 1000000 " requests", par.max_per_address,
        "The same for public clients, by the address that pushes"),
];
