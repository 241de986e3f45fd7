//! `openapi`: the description of the HTTP API.

use super::context::Context;
use super::outcome::Outcome;
use super::print;
use crate::admin::openapi;
use clap::Args;

/// Print the description of the HTTP API (OpenAPI 3.1), as the server shows it at /openapi.json
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  grantor openapi --issuer https://id.example.com > openapi.json")]
pub(super) struct Openapi {}

impl Openapi {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        Ok(print::document(&openapi::document(&context.config.issuer))?)
    }
}
