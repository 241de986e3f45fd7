//! Clients: what may be registered, what follows from it, and how a client proves who it is.

pub mod authentication;
mod cache;
mod origins;
mod policy;
mod registration;
mod secret;
mod uris;

pub use self::cache::ClientCache;
pub use self::origins::ClientOrigins;
pub use self::registration::{Rules, complete, violations};
pub use self::secret::{MAX_GRACE_S, NewSecret, SECRET_PREFIX, rotate, secret_matches};
