//! What was given, as it was written: from the file, then the environment, then flags; the later one wins. `X_FILE`
//! stands for the contents of a file in each of them.

use super::declared::Declared;
use super::file::{self, Contents};
use super::problem::{Origin, Problem};
use super::setting::{self, ENV_PREFIX, Setting};
use super::settings;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Largest file that `X_FILE` may name.
const MAX_SECRET_FILE: u64 = 64 << 10;

/// Where settings come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file named by `--config`; otherwise `grantor.toml` is read if it is there.
    pub file: Option<PathBuf>,
    /// Environment variables; those that do not start with `GRANTOR_` are not looked at.
    pub environment: Vec<(OsString, OsString)>,
    /// Settings given as flags, by their dotted name (or `name_file`).
    pub flags: Vec<(String, String)>,
    /// Whether the log goes to a terminal.
    pub terminal: bool,
}

/// A setting as it was written.
pub(super) struct Given {
    /// The dotted name.
    pub(super) key: String,
    /// The name as it was written.
    pub(super) name: String,
    pub(super) origin: Origin,
    pub(super) text: Zeroizing<String>,
}

/// A text of a scope.
pub(super) struct ScopeText {
    pub(super) scope: String,
    pub(super) language: String,
    pub(super) text: String,
    pub(super) name: String,
    pub(super) origin: Origin,
}

/// Everything that was given: one value per setting, all of them known by name.
#[derive(Default)]
pub(super) struct Collected {
    pub(super) values: BTreeMap<&'static str, Given>,
    pub(super) scopes: Vec<ScopeText>,
    pub(super) declared: Vec<Declared>,
    pub(super) problems: Vec<Problem>,
}

impl Sources {
    pub(super) fn collect(self) -> Collected {
        let mut collected = Collected::default();
        let Contents {
            given,
            scopes,
            declared,
            problems,
        } = file::read(self.file.as_deref());
        collected.scopes = scopes;
        collected.declared = declared;
        collected.problems = problems;
        collected.layer(given);
        let environment = collected.environment(self.environment);
        collected.layer(environment);
        let flags = self.flags.into_iter().map(|(key, text)| Given {
            name: format!("--{}", setting::flag(&key)),
            key,
            origin: Origin::Flag,
            text: Zeroizing::new(text),
        });
        collected.layer(flags.collect());
        collected
    }
}

impl Collected {
    /// Settings as pairs of name and value; the name is dotted or that of the environment variable.
    /// `scopes.NAME.description` and `scopes.NAME.description.LANGUAGE` give texts of scopes; see [`Declared::of_pair`]
    /// for what can be declared.
    pub(super) fn from_pairs(pairs: &[(&str, &str)]) -> Self {
        let mut collected = Self::default();
        let mut given = Vec::new();
        for (name, text) in pairs {
            if let Some(declared) = Declared::of_pair(name, text) {
                collected.declared.push(declared);
                continue;
            }
            let scope = name
                .strip_prefix("scopes.")
                .and_then(|rest| rest.rsplit_once(".description"));
            if let Some((scope, language)) = scope {
                collected.scopes.push(ScopeText {
                    scope: scope.to_owned(),
                    language: language.trim_start_matches('.').to_owned(),
                    text: (*text).to_owned(),
                    name: (*name).to_owned(),
                    origin: Origin::Program,
                });
                continue;
            }
            given.push(Given {
                key: key_of_variable(name).unwrap_or_else(|| (*name).to_owned()),
                name: (*name).to_owned(),
                origin: Origin::Program,
                text: Zeroizing::new((*text).to_owned()),
            });
        }
        collected.layer(given);
        collected
    }

    fn environment(&mut self, variables: Vec<(OsString, OsString)>) -> Vec<Given> {
        let mut given = Vec::new();
        for (name, text) in variables {
            let name = name.to_string_lossy().into_owned();
            if !name.starts_with(ENV_PREFIX) || is_injected(&name) {
                continue;
            }
            let Ok(text) = text.into_string() else {
                self.refuse(name, Origin::Environment, "is not UTF-8 text");
                continue;
            };
            given.push(Given {
                // A name that is no variable's spelling stays as it is, and is then unknown.
                key: key_of_variable(&name).unwrap_or_else(|| name.clone()),
                name,
                origin: Origin::Environment,
                text: Zeroizing::new(text),
            });
        }
        given.sort_by(|a, b| a.name.cmp(&b.name));
        given
    }

    /// Takes in one source; what it gives replaces what earlier ones gave.
    fn layer(&mut self, given: Vec<Given>) {
        let mut layer: BTreeMap<&'static str, Given> = BTreeMap::new();
        for mut one in given {
            let file_of = |key: &str| settings::find(key.strip_suffix("_file")?);
            let direct = settings::find(&one.key);
            let Some(setting) = direct.or_else(|| file_of(&one.key)) else {
                self.refuse_unknown(one);
                continue;
            };
            if let Some(other) = layer.get(setting.key) {
                let reason = format!("is given together with {}; give one of them", other.name);
                self.refuse(one.name, one.origin, &reason);
                continue;
            }
            if direct.is_none()
                && let Err(reason) = one.read_file()
            {
                self.refuse(one.name, one.origin, &reason);
                continue;
            }
            layer.insert(setting.key, one);
        }
        self.values.extend(layer);
    }

    fn refuse(&mut self, name: String, origin: Origin, reason: &str) {
        self.problems.push(Problem {
            name,
            origin,
            reason: reason.to_owned(),
            allowed: String::new(),
        });
    }

    fn refuse_unknown(&mut self, given: Given) {
        let written: fn(&Setting) -> String = match given.origin {
            Origin::Environment => Setting::variable,
            Origin::Flag => |setting| format!("--{}", setting.flag()),
            _ => |setting| setting.key.to_owned(),
        };
        let mut reason = "there is no such setting".to_owned();
        let mut allowed = "the settings that `grantor config show` lists".to_owned();
        if let Some(nearest) = nearest(&given.key) {
            reason = format!("{reason}; did you mean {}?", written(nearest));
            allowed.clear();
        } else if given.origin == Origin::Environment && looks_injected(&given.name) {
            reason.push_str(
                "; Kubernetes may have injected it for a service of that name: set enableServiceLinks to false",
            );
        }
        self.problems.push(Problem {
            name: given.name,
            origin: given.origin,
            reason,
            allowed,
        });
    }
}

impl Given {
    /// Puts the contents of the named file in the place of its name, without one final newline.
    fn read_file(&mut self) -> Result<(), String> {
        let path = PathBuf::from(self.text.as_str());
        if path == Path::new("") {
            return Err("names no file".to_owned());
        }
        let contents =
            file::text_of(&path, MAX_SECRET_FILE).map_err(|reason| format!("the file {reason}"))?;
        let text = contents.strip_suffix('\n').unwrap_or(&contents);
        let text = text.strip_suffix('\r').unwrap_or(text);
        self.text = Zeroizing::new(text.to_owned());
        self.origin = Origin::ContentsOf(path, Box::new(self.origin.clone()));
        Ok(())
    }
}

/// `GRANTOR_SESSION__IDLE_S` as `session.idle_s`; `None` for what is not spelt like a variable of ours.
fn key_of_variable(name: &str) -> Option<String> {
    let rest = name.strip_prefix(ENV_PREFIX)?;
    let spelt = rest
        .bytes()
        .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    spelt.then(|| rest.replace("__", ".").to_lowercase())
}

/// What orchestrators put into the environment of a service called grantor.
fn is_injected(name: &str) -> bool {
    name == "GRANTOR_PORT" || name.starts_with("GRANTOR_PORT_") || name.starts_with("GRANTOR_SERVICE_")
}

/// The same for a service whose name only begins with grantor.
fn looks_injected(name: &str) -> bool {
    name.ends_with("_PORT")
        || ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT_"]
            .iter()
            .any(|part| name.contains(part))
}

/// The setting whose name is most like this one, if any is like it at all: few edits away, longer or shorter by a word.
fn nearest(key: &str) -> Option<&'static Setting> {
    let key = key_of_variable(key).unwrap_or_else(|| key.to_lowercase());
    let plain = |key: &str| key.replace(['.', '_', '-', '"'], "");
    let wanted = plain(&key);
    settings::all()
        .map(|setting| {
            let own = plain(setting.key);
            let goes_on = |rest: &str| rest.starts_with(['.', '_', '-']);
            let by_a_word = setting.key.strip_prefix(key.as_str()).is_some_and(goes_on)
                || key.strip_prefix(setting.key).is_some_and(goes_on);
            let edits = distance(&wanted, &own);
            let edits = if by_a_word { edits.min(2) } else { edits };
            (edits, (own.len() / 3).max(1), setting)
        })
        .filter(|(edits, most, _)| edits <= most)
        .min_by_key(|(edits, ..)| *edits)
        .map(|(.., setting)| setting)
}

/// How many characters must be put in, taken out or changed (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(200).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (to, above) in b.iter().zip(row.iter_mut().skip(1)) {
            let change = diagonal + usize::from(*to != from);
            diagonal = *above;
            left = change.min(left + 1).min(*above + 1);
            *above = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (a, b, edits) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "ac", 1),
            ("abc", "axc", 1),
            ("kitten", "sitting", 3),
            ("", "abc", 3),
        ] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }

    #[test]
    fn a_misspelt_name_finds_its_setting() {
        for (written, meant) in [
            ("session.idle", "session.idle_s"),
            ("sesion.idle_s", "session.idle_s"),
            ("issuer_url", "issuer"),
            ("token.algorithms", "tokens.algorithms"),
            ("limits.standard.period", "limits.standard.period_seconds"),
        ] {
            assert_eq!(
                nearest(written).map(|setting| setting.key),
                Some(meant),
                "{written}"
            );
        }
        assert!(nearest("completely.different").is_none());
    }

    #[test]
    fn a_variable_has_one_spelling() {
        assert_eq!(
            key_of_variable("GRANTOR_SESSION__IDLE_S").as_deref(),
            Some("session.idle_s")
        );
        assert_eq!(key_of_variable("GRANTOR_session__idle_s"), None);
        assert_eq!(key_of_variable("session.idle_s"), None);
    }
}
