//! How a command ends: 0 done, 1 refused or found something, 2 usage.

use super::print;
use crate::clients::Unregistered;
use crate::config::ConfigErrors;
use crate::fault::Fault;
use crate::types::Violation;
use std::process::ExitCode;

/// What a command gives back.
pub type Outcome = Result<(), Failure>;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// It was refused, or something was found: 1. The text goes to standard error.
    Refused(String),
    /// The same, when everything has been said already.
    Found,
    /// The arguments do not go together: 2.
    Usage(String),
}

impl Failure {
    /// Everything that is wrong with a document, a line for each member.
    pub(super) fn invalid(violations: &[Violation]) -> Self {
        let said = violations.iter().map(|violation| {
            let member = violation.pointer.trim_start_matches('/');
            format!("{member} {}", violation.detail)
        });
        Self::Refused(said.collect::<Vec<_>>().join("\n"))
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault.to_string())
    }
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        Self::Refused(errors.to_string())
    }
}

impl From<Unregistered> for Failure {
    fn from(unregistered: Unregistered) -> Self {
        match unregistered {
            Unregistered::Invalid(violations) => Self::invalid(&violations),
            Unregistered::Taken { pointer, detail } => {
                Self::Refused(format!("{}: {detail}", pointer.trim_start_matches('/')))
            }
            Unregistered::NotAllowed(client_id) => Self::Refused(format!("{client_id} cannot be registered")),
            Unregistered::Fault(fault) => fault.into(),
        }
    }
}

/// A reader of standard output that goes away, as `head` does, is no failure of the command.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Self::Found
        } else {
            Self::Refused(format!("writing failed: {error}"))
        }
    }
}

/// Says why, and turns it into the code to exit with.
pub(super) fn report(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Refused(text)) => {
            print::error(&text);
            ExitCode::from(1)
        }
        Err(Failure::Found) => ExitCode::from(1),
        Err(Failure::Usage(text)) => {
            print::error(&text);
            ExitCode::from(2)
        }
    }
}
