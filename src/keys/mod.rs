//! The key ring: every key that the server itself has, by tenant.
//!
//! *Signing keys* sign tokens and are published. Each algorithm has one `active` key and one `next` key, which is
//! published long before it signs, so that every verifier knows it by then; a `retiring` key stays published until the
//! last token that it signed has expired. *Purpose keys* never leave the server. Both lie in the database wrapped by the
//! master key. Every change of state is one guarded statement: whichever replica comes first, all agree on the outcome.

mod compromise;
mod ensure;
mod purpose;
mod reseal;
mod ring;
mod rotation;
mod schedule;
mod signing;
mod tenant;

pub use self::compromise::Replaced;
pub use self::ensure::NewKeys;
pub use self::purpose::PurposeKey;
pub use self::reseal::Resealed;
pub use self::ring::{AuditKey, KeyRing};
pub use self::rotation::{PurposeRotated, PurposeRotation};
pub use self::signing::{KeyChange, KeyInfo};
pub use self::tenant::TenantKeys;
pub use crate::storage::purpose_keys::Purpose;
pub use crate::storage::signing_keys::KeyState;
