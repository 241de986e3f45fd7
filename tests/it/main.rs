//! Everything that is tested through more than one function: one binary, so that it is linked once and its tests run
//! side by side. Each test has its own database, clock and randomness; none depends on another or on their order.

// `support` comes first: it defines `on_both_engines!`.
#[macro_use]
mod support;

mod abuse;
mod account;
mod admin;
mod audit;
mod audit_outage;
mod backchannel_logout;
mod chromium;
mod cli;
mod cli_client;
mod cli_user;
mod client_authentication;
mod client_libraries;
mod client_registration;
mod config;
mod conformance;
mod crash;
mod delivery_model;
mod deployment;
mod documentation;
mod dump;
mod failure;
mod family_model;
mod fuzz_seeds;
mod harness;
mod http;
mod keys;
mod layering;
mod limit_stores;
mod oidc_core;
mod oidc_discovery;
mod openapi_contract;
mod prepare;
mod readme;
mod registration;
mod replicas;
mod repository;
mod reuse;
mod revocation_race;
mod rfc6749;
mod rfc6750;
mod rfc7009;
mod rfc7523;
mod rfc7591;
mod rfc7592;
mod rfc7636;
mod rfc7662;
mod rfc8252;
mod rfc8414;
mod rfc8628;
mod rfc8707;
mod rfc9068;
mod rfc9207;
mod rfc9700;
mod rotation_storm;
mod rp_initiated_logout;
mod storage;
mod surface;
mod telemetry;
mod tenants;
mod texts;
mod web;
