//! What stands between the socket and the endpoints, the same for all of them: who asks, how often, how much, from
//! which origin, and what is written down about it.
//!
//! [`routes::Routes`] is the only way in: a module registers its endpoints there with a [`routes::Policy`], so that none
//! is without a limit, security headers, a bound on its body and a line in the log. An endpoint learns of its request
//! through [`Exchange`].

pub mod address;
pub mod attempts;
pub mod body;
mod caller;
mod charge;
pub mod cookies;
pub mod cors;
pub mod csrf;
mod edge;
mod exchange;
mod head;
pub mod headers;
pub mod limits;
mod load;
mod metrics;
pub mod news;
mod place;
pub mod proxy_protocol;
mod reader;
mod refusals;
mod request_log;
pub mod routes;
mod secrets;
mod suspicion;
mod unread;

pub use self::caller::CallerInfo;
pub use self::edge::{Edge, outermost};
pub use self::exchange::Exchange;
pub use self::metrics::{Gauges, Metrics, Resting};
pub use self::request_log::Logged;
pub use self::unread::unread;
