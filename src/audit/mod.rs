//! The audit log: what was decided about whom, provably complete.

mod event;

pub use self::event::{Event, EventType, Outcome};
