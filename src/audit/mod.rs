//! The audit log: what was decided about whom, provably complete.
//!
//! `docs/audit.md` tells the whole story. In short: every process writes a stream of its own, each record holds the hash
//! of its predecessor, and signed checkpoints tie the streams together.

mod chain;
mod delivery;
mod log;
mod prepare;
mod queue;
mod ticket;
mod writer;

pub use self::log::{Audit, Parts};
pub use crate::types::{Event, EventType, Outcome};
