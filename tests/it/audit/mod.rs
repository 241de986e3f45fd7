//! The audit log: nothing that was acknowledged is lost, nothing that was changed goes unnoticed.

mod append_only;
mod log;
mod support;
mod verify;
