//! The audit log: what was decided about whom, provably complete.
//!
//! `docs/audit.md` tells the whole story. In short: every process writes a stream of its own, each record holds the hash
//! of its predecessor, and signed checkpoints tie the streams together.

mod alert;
mod anchor;
mod chain;
mod changes;
mod checkpoint;
mod delivery;
mod document;
mod keeper;
mod log;
mod prepare;
mod queue;
mod report;
mod signer;
mod ticket;
mod verify;
mod writer;

pub use self::anchor::Anchor;
pub use self::changes::differences;
pub use self::document::document;
pub use self::log::{Audit, CHECKPOINT_EVERY, Parts};
pub use self::report::{Finding, Report};
pub use self::signer::{AuditSigner, fingerprint};
pub use self::verify::{Lead, Verification, lead};
pub use crate::types::{Event, EventType, Outcome};
