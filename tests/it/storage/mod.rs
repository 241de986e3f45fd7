//! Storage contracts: each statement group on both engines.

mod sessions;
mod users;
