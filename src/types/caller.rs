//! Who sent a request, as far as the connection tells.

use std::net::{IpAddr, Ipv4Addr};
use uuid::Uuid;

/// Where a request came from; part of every audit record and log line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The request's id: from a valid `X-Correlation-ID` or `traceparent`, otherwise made. In every answer and log line.
    pub request_id: Uuid,
    /// The client's address: the peer's, or what a trusted proxy says.
    pub address: IpAddr,
    /// `User-Agent` without control characters, cut to 256 characters; may be empty.
    pub user_agent: String,
}

impl Caller {
    /// The server itself: jobs and commands.
    pub fn system(request_id: Uuid) -> Self {
        Self {
            request_id,
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            user_agent: String::new(),
        }
    }
}
