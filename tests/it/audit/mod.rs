//! The audit log: nothing that was acknowledged is lost, nothing that was changed goes unnoticed.

mod append_only;
mod command;
mod log;
mod model;
mod outage;
mod read;
mod support;
mod verify;
