//! What a setting is, and its names.

use super::draft::Draft;
use super::parse::Reason;

/// Prefix of every environment variable that is a setting.
pub(super) const ENV_PREFIX: &str = "GRANTOR_";

/// One setting. The table of all of them is in `settings.rs`.
#[derive(Debug)]
pub struct Setting {
    /// The name in the configuration file, dotted: `session.idle_s`.
    pub key: &'static str,
    /// What holds where nothing is given.
    pub default: Default,
    /// What is allowed, for people.
    pub allowed: &'static str,
    /// What it is for, in one line.
    pub doc: &'static str,
    /// How its value may be shown.
    pub shown: Shown,
    /// Puts a value where it belongs.
    pub(super) apply: fn(&mut Draft, &str) -> Result<(), Reason>,
}

/// What holds where nothing is given.
#[derive(Clone, Copy, Debug)]
pub enum Default {
    /// This value.
    Value(&'static str),
    /// Something that depends on other settings or on the machine, in words.
    Words(&'static str),
}

impl Default {
    /// The value, or the words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Value(text) | Self::Words(text) => text,
        }
    }
}

/// How a value may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// As it is.
    Plain,
    /// Without the password in it.
    Url,
    /// Not at all.
    Hidden,
}

impl Setting {
    /// The environment variable: `GRANTOR_SESSION__IDLE_S`.
    pub fn variable(&self) -> String {
        variable(self.key)
    }

    /// The flag without its dashes: `session-idle-s`.
    pub fn flag(&self) -> String {
        flag(self.key)
    }
}

pub(super) fn variable(key: &str) -> String {
    format!("{ENV_PREFIX}{}", key.replace('.', "__").to_uppercase())
}

pub(super) fn flag(key: &str) -> String {
    key.replace(['.', '_'], "-")
}
