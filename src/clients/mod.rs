//! Clients: what may be registered, what follows from it, and how a client proves who it is.

pub mod authentication;
mod cache;
mod change;
pub mod document;
mod encryption;
mod first;
pub mod localized;
mod origins;
mod policy;
mod registrar;
mod registration;
mod request_objects;
mod secret;
mod sector;
pub mod self_registration;
mod uris;

pub use self::cache::ClientCache;
pub use self::change::apply;
pub use self::encryption::{Encryption, NotEncrypted};
pub use self::first::first_admin;
pub use self::origins::ClientOrigins;
pub use self::registrar::{Registered, Registrar, Unregistered};
pub use self::registration::{Rules, complete, violations};
pub use self::request_objects::{RequestObjects, Unfetched};
pub use self::secret::{MAX_GRACE_S, NewSecret, SECRET_PREFIX, rotate, secret_matches};
