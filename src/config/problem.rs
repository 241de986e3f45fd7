//! What is wrong with a configuration, said so that it can be put right: which setting, where it was set, why it is
//! refused and what would pass. Values are never repeated, since any of them may be a secret.

use std::fmt;
use std::path::PathBuf;

/// Where the value of a setting was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere.
    Default,
    /// In the configuration file, with the line.
    File(PathBuf, usize),
    /// In the environment.
    Environment,
    /// On the command line.
    Flag,
    /// By a test, or by a program that uses the library.
    Program,
    /// In a file of its own, which is named by `X_FILE` in one of the others.
    ContentsOf(PathBuf, Box<Self>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment => f.write_str("environment"),
            Self::Flag => f.write_str("flag"),
            Self::Program => f.write_str("program"),
            Self::ContentsOf(path, named_in) => write!(f, "{}, named in {named_in}", path.display()),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The setting as it is written in its source: `GRANTOR_SESSION__IDLE_S`, `session.idle_s`, `--session-idle-s`.
    pub name: String,
    /// Where it was set.
    pub origin: Origin,
    /// Why it is refused.
    pub reason: String,
    /// What would pass; empty where the reason says it already.
    pub allowed: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.name, self.origin, self.reason)?;
        if !self.allowed.is_empty() {
            write!(f, "; allowed: {}", self.allowed)?;
        }
        Ok(())
    }
}

/// Everything that is wrong, found in one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<Problem>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is not valid:")?;
        for problem in &self.0 {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
