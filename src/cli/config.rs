//! `config check` and `config show`.

use super::outcome::{Failure, Outcome};
use super::print;
use crate::config::{Config as Configuration, Entry, Problem, Sources};
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

/// Check the configuration, or show it
#[derive(Debug, Args)]
pub(super) struct Config {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say everything that is wrong with the configuration, and what is unwise
    #[command(after_help = "Example:\n  GRANTOR_ISSUER=https://id.example.com grantor config check")]
    Check {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Show every setting, its value and where that was given; secrets stay hidden
    #[command(after_help = "Example:\n  grantor config show --json")]
    Show {
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
}

impl Config {
    pub(super) fn run(self, sources: Sources) -> Outcome {
        match self.command {
            Command::Check { json } => check(sources, json),
            Command::Show { json } => show(sources, json),
        }
    }
}

fn check(sources: Sources, json: bool) -> Outcome {
    let result = Configuration::load(sources);
    if json {
        let (problems, warnings) = match &result {
            Ok(resolved) => (Vec::new(), resolved.config.warnings.clone()),
            Err(errors) => (errors.0.iter().map(problem).collect(), Vec::new()),
        };
        print::document(&json!({"valid": result.is_ok(), "problems": problems, "warnings": warnings}))?;
        return result.map(|_| ()).map_err(|_| Failure::Found);
    }
    for warning in result?.config.warnings {
        print::line(&format!("warning: {warning}"))?;
    }
    print::line("the configuration is valid")?;
    Ok(())
}

fn problem(problem: &Problem) -> serde_json::Value {
    json!({
        "setting": problem.name,
        "origin": problem.origin.to_string(),
        "reason": problem.reason,
        "allowed": problem.allowed,
    })
}

fn show(sources: Sources, json: bool) -> Outcome {
    let resolved = Configuration::load(sources)?;
    let rows: Vec<_> = resolved.entries.iter().map(Row::from).collect();
    print::records(
        &rows,
        &[
            ("SETTING", |row| row.setting.clone()),
            ("VALUE", |row| {
                row.value
                    .clone()
                    .unwrap_or_else(|| format!("({})", row.default.unwrap_or("none")))
            }),
            ("ORIGIN", |row| row.origin.clone()),
        ],
        json,
    )?;
    Ok(())
}

/// One setting as it is shown.
#[derive(Serialize)]
struct Row {
    setting: String,
    value: Option<String>,
    origin: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    variable: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'static str>,
}

impl From<&Entry> for Row {
    fn from(entry: &Entry) -> Self {
        let about = entry.about;
        Self {
            setting: entry.setting.clone(),
            value: entry.value.clone(),
            origin: entry.origin.to_string(),
            variable: about.map(|setting| setting.variable()),
            flag: about.map(|setting| format!("--{}", setting.flag())),
            default: about.map(|setting| setting.default.text()),
            allowed: about.map(|setting| setting.allowed),
            description: about.map(|setting| setting.doc),
        }
    }
}
