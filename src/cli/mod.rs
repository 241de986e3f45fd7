//! The command line: one file per family of commands.
//!
//! A command is a struct with clap's attributes and `async fn run(self, …) -> Outcome`, a variant of `Command`, and an
//! arm in `dispatch`. Every setting is a flag of every command.

mod args;
mod at;
mod audit;
mod client;
mod config;
mod context;
mod first_start;
mod health;
mod keys;
mod limits;
mod migrate;
mod openapi;
mod outcome;
mod print;
mod record;
mod registration_token;
mod restored;
mod serve;
mod tenant;
mod tenant_settings;
mod user;

pub use self::context::Context;
pub use self::outcome::{Failure, Outcome};

use crate::config::Sources;
use clap::{FromArgMatches as _, Parser, Subcommand};
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// An OAuth 2.1 and OpenID Connect authorization server.
///
/// Without a command it serves. Settings come from grantor.toml, from environment variables GRANTOR_… and from flags, the
/// later ones winning; `grantor config show` lists them with their values and where those come from.
#[derive(Debug, Parser)]
#[command(name = "grantor", version, after_help = EXAMPLES)]
struct Cli {
    /// Configuration file [default: grantor.toml, if it is there]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

const EXAMPLES: &str = "Examples:
  grantor                                      serve on http://localhost:8080, keep everything in ./data
  GRANTOR_DATABASE_URL=postgres://… grantor    the same on PostgreSQL
  grantor config check                         say what is wrong with the configuration

Exit codes: 0 done, 1 refused or found something, 2 usage.";

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Migrate(migrate::Migrate),
    Config(config::Config),
    Keys(keys::Keys),
    Audit(audit::Audit),
    Health(health::Health),
    Restored(restored::Restored),
    Client(client::Client),
    User(user::User),
    #[command(subcommand)]
    RegistrationToken(registration_token::RegistrationToken),
    #[command(subcommand)]
    Tenant(tenant::Tenant),
    Limits(limits::Limits),
    Openapi(openapi::Openapi),
}

/// Runs the command that the arguments name and gives the code to exit with.
pub async fn run(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> ExitCode {
    let parsed = args::command::<Cli>()
        .try_get_matches_from(arguments)
        .and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, args::given(&matches))));
    let (cli, flags) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // Help and version come this way too, with the code 0.
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            return if error.print().is_ok() {
                code.into()
            } else {
                ExitCode::FAILURE
            };
        }
    };
    let sources = Sources {
        file: cli.config,
        environment: environment.into_iter().collect(),
        flags,
        terminal: std::io::stdout().is_terminal(),
    };
    let command = cli
        .command
        .unwrap_or_else(|| Command::Serve(serve::Serve::default()));
    outcome::report(dispatch(command, sources).await)
}

async fn dispatch(command: Command, sources: Sources) -> Outcome {
    match command {
        Command::Config(command) => command.run(sources),
        Command::Serve(command) => command.run(Context::for_server(sources)?).await,
        Command::Migrate(command) => command.run(Context::for_command(sources)?).await,
        Command::Keys(command) => command.run(Context::for_command(sources)?).await,
        Command::Audit(command) => command.run(Context::for_command(sources)?).await,
        Command::Health(command) => command.run(&Context::for_command(sources)?).await,
        Command::Restored(command) => command.run(Context::for_command(sources)?).await,
        Command::Client(command) => command.run(Context::for_command(sources)?).await,
        Command::User(command) => command.run(Context::for_command(sources)?).await,
        Command::RegistrationToken(command) => command.run(Context::for_command(sources)?).await,
        Command::Tenant(command) => command.run(Context::for_command(sources)?).await,
        Command::Limits(command) => command.run(Context::for_command(sources)?).await,
        Command::Openapi(command) => command.run(&Context::for_command(sources)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        args::command::<Cli>().debug_assert();
    }
}
