//! Pages for people, as a browser sees them.

mod account;
mod consent;
mod forms;
mod login;
mod logout;
