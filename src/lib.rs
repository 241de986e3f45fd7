//! grantor: an OAuth 2.1 and OpenID Connect authorization server in one binary.
//!
//! Folders are capabilities. Each may use only what stands to its left, which `tests/it/layering.rs` checks:
//!
//! ```text
//! types ← clock, entropy, fault, page, config, sealed, jose, surface ← outgoing, storage, telemetry ← tenants
//!       ← keys, audit, protect ← clients, account ← app ← bearer, visit ← oidc ← oauth, federation ← admin, web, jobs ← server, cli ← main
//! ```
//!
//! `docs/architecture.md` shows the way of a request through them.
#![forbid(unsafe_code)]

pub mod account;
pub mod admin;
pub mod app;
pub mod audit;
pub mod bearer;
pub mod cli;
pub mod clients;
pub mod clock;
pub mod config;
pub mod entropy;
pub mod fault;
pub mod jobs;
pub mod jose;
pub mod keys;
pub mod oauth;
pub mod oidc;
pub mod outgoing;
pub mod page;
pub mod protect;
pub mod sealed;
pub mod server;
pub mod storage;
pub mod surface;
pub mod telemetry;
pub mod tenants;
pub mod types;
pub mod visit;
pub mod web;
