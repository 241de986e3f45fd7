//! Storage contracts: each statement group on both engines.

mod clients;
mod sessions;
pub(crate) mod users;
