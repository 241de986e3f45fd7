//! The device grant (RFC 8628).

use super::is;
use crate::config::parse;
use crate::config::setting::{Setting, Shown};

pub(super) static ALL: &[Setting] = &[
    number!("device.ttl_s", is("600"), 60 to 1800 " seconds", device.ttl_s,
        "Life of a device code and its user code: how long a person may take"),
    number!("device.interval_s", is("5"), 1 to 60 " seconds", device.interval_s,
        "How long a device waits between polls; each poll that comes too early adds five seconds"),
    number!("device.max_pending_per_client", is("1000"), 1 to 100000 " requests",
        device.max_pending_per_client, "Devices of one client that wait for a person at once"),
    number!("device.max_pending_per_address", is("50"), 1 to 100000 " requests",
        device.max_pending_per_address, "Devices behind one address that wait for a person at once"),
];
