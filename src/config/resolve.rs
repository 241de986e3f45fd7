//! From what was given to a [`Config`]: defaults first, then every given value, then what must hold between them.

use super::check::Check;
use super::draft::Draft;
use super::problem::{ConfigErrors, Origin, Problem};
use super::raw::{Collected, ScopeText, Sources};
use super::setting::{Default, Setting, Shown};
use super::{Config, declared, settings};
use crate::types::Scope;
use std::collections::BTreeMap;
use std::sync::Arc;
use url::Url;

/// A configuration together with what each setting is and where it came from.
#[derive(Debug)]
pub struct Resolved {
    /// The configuration.
    pub config: Config,
    /// One entry per setting, then one per text of a scope.
    pub entries: Vec<Entry>,
}

/// One line of `config show`.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The dotted name.
    pub setting: String,
    /// The value, where there is one that can be written down; a secret is hidden.
    pub value: Option<String>,
    /// Where it was given.
    pub origin: Origin,
    /// The setting itself; none for texts of scopes.
    pub about: Option<&'static Setting>,
}

impl Config {
    /// Reads every source.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(sources: Sources) -> Result<Resolved, ConfigErrors> {
        let terminal = sources.terminal;
        resolve(sources.collect(), terminal)
    }

    /// A configuration from names and values alone, without file, environment and flags. Names are dotted
    /// (`session.idle_s`) or those of environment variables; `scopes.NAME.description[.LANGUAGE]` gives texts of scopes.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn from_pairs(pairs: &[(&str, &str)]) -> Result<Self, ConfigErrors> {
        resolve(Collected::from_pairs(pairs), false).map(|resolved| resolved.config)
    }
}

fn resolve(mut collected: Collected, terminal: bool) -> Result<Resolved, ConfigErrors> {
    let mut problems = std::mem::take(&mut collected.problems);
    let mut draft = Draft::blank().map_err(|error| ConfigErrors(vec![defect(&error.to_string())]))?;
    let mut wrong = Vec::new();
    for setting in settings::all() {
        if let Default::Value(text) = setting.default
            && let Err(reason) = (setting.apply)(&mut draft, text)
        {
            problems.push(defect(&format!("the default of {}: {reason}", setting.key)));
        }
        let Some(given) = collected.values.get(setting.key) else {
            continue;
        };
        let result = if given.text.chars().any(char::is_control) {
            Err("must not hold control characters, line breaks included".to_owned())
        } else {
            (setting.apply)(&mut draft, &given.text)
        };
        if let Err(reason) = result {
            wrong.push(setting.key);
            problems.push(Problem {
                name: given.name.clone(),
                origin: given.origin.clone(),
                reason,
                allowed: setting.allowed.to_owned(),
            });
        }
    }
    draft.config.scopes = scope_texts(&collected.scopes, &mut problems);
    let (attributes, scope_claims) = declared::read(&collected.declared, &mut problems);
    draft.config.attributes = Arc::new(attributes);
    draft.config.scope_claims = scope_claims;
    let mut check = Check::new(&collected, wrong);
    check.draft(&draft);
    let mut config = draft.finish(terminal);
    check.config(&config);
    problems.append(&mut check.problems);
    if !problems.is_empty() {
        return Err(ConfigErrors(problems));
    }
    config.warnings = check.warnings;
    let entries = entries(&collected);
    Ok(Resolved { config, entries })
}

fn defect(reason: &str) -> Problem {
    Problem {
        name: "grantor".to_owned(),
        origin: Origin::Default,
        reason: reason.to_owned(),
        allowed: String::new(),
    }
}

fn scope_texts(
    given: &[ScopeText],
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, BTreeMap<String, String>> {
    const MAX_TEXT: usize = 200;
    let mut scopes: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for one in given {
        let mut refuse = |reason: &str, allowed: &str| {
            problems.push(Problem {
                name: one.name.clone(),
                origin: one.origin.clone(),
                reason: reason.to_owned(),
                allowed: allowed.to_owned(),
            });
        };
        let language = match one.language.as_str() {
            "default" => String::new(),
            tag => tag.to_lowercase(),
        };
        if Scope::parse(&one.scope).is_err() {
            refuse(
                "that cannot be the name of a scope",
                "1 to 64 printable ASCII characters without space, quote and backslash",
            );
        } else if !is_language(&language) {
            refuse("that is not a language", "a tag such as de or pt-BR, or default");
        } else if !(1..=MAX_TEXT).contains(&one.text.chars().count())
            || one.text.chars().any(char::is_control)
        {
            refuse(
                "the text has the wrong length or control characters",
                "1 to 200 characters",
            );
        } else {
            scopes
                .entry(one.scope.clone())
                .or_default()
                .insert(language, one.text.clone());
        }
    }
    scopes
}

/// Whether a text is empty or looks like a language tag (RFC 5646).
pub(super) fn is_language(tag: &str) -> bool {
    tag.is_empty()
        || tag.split('-').enumerate().all(|(i, part)| match i {
            0 => (2..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic()),
            _ => (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()),
        })
}

fn entries(collected: &Collected) -> Vec<Entry> {
    let mut entries: Vec<_> = settings::all()
        .map(|setting| {
            let given = collected.values.get(setting.key);
            let default = match setting.default {
                Default::Value(text) => Some(text.to_owned()),
                Default::Words(_) => None,
            };
            Entry {
                setting: setting.key.to_owned(),
                value: given.map_or(default, |given| Some(show(setting.shown, &given.text))),
                origin: given.map_or(Origin::Default, |given| given.origin.clone()),
                about: Some(setting),
            }
        })
        .collect();
    entries.extend(collected.declared.iter().map(|member| Entry {
        setting: member.name.clone(),
        value: Some(member.text.clone()),
        origin: member.origin.clone(),
        about: None,
    }));
    entries.extend(collected.scopes.iter().map(|text| Entry {
        setting: text.name.clone(),
        value: Some(text.text.clone()),
        origin: text.origin.clone(),
        about: None,
    }));
    entries
}

fn show(shown: Shown, text: &str) -> String {
    const HIDDEN: &str = "(hidden)";
    match shown {
        Shown::Plain => text.to_owned(),
        Shown::Hidden => HIDDEN.to_owned(),
        Shown::Url if text.starts_with("sqlite:") || !text.contains("://") => text.to_owned(),
        Shown::Url => Url::parse(text).map_or_else(
            |_| HIDDEN.to_owned(),
            |mut url| {
                // Everything that may hold a password: the one in the authority, and the query.
                let hides = url.password().is_some() && url.set_password(Some("hidden")).is_err();
                if url.query().is_some() {
                    url.set_query(Some("hidden"));
                }
                if hides { HIDDEN.to_owned() } else { url.to_string() }
            },
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        let shown = show(
            Shown::Url,
            "postgres://grantor:canary@db:5432/grantor?password=canary",
        );
        assert_eq!(shown, "postgres://grantor:hidden@db:5432/grantor?hidden");
        assert_eq!(show(Shown::Url, "sqlite://data/x.db"), "sqlite://data/x.db");
        assert_eq!(show(Shown::Hidden, "canary"), "(hidden)");
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let errors = Config::from_pairs(&[
            ("GRANTOR_SESSION__IDLE_S", "5"),
            ("sesion.idle_s", "600"),
            ("token.alg", "none"),
            ("master_key", "canary"),
        ])
        .unwrap_err();
        let text = errors.to_string();
        assert_eq!(errors.0.len(), 4, "{text}");
        for part in [
            "GRANTOR_SESSION__IDLE_S (program): 5 is out of range; allowed: 300 to 28800 seconds",
            "did you mean session.idle_s?",
            "token.alg (program): must be one of RS256, PS256, ES256, EdDSA",
            "master_key (program): entry 1 must have the form",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
        assert!(!text.contains("canary"));
    }

    #[test]
    fn a_value_and_a_file_for_it_exclude_each_other() {
        let errors = Config::from_pairs(&[("log", "info"), ("GRANTOR_LOG_FILE", "/dev/null")]).unwrap_err();
        assert!(
            errors
                .to_string()
                .contains("GRANTOR_LOG_FILE (program): is given together with log"),
            "{errors}"
        );
    }

    #[test]
    fn control_characters_are_in_no_value() {
        for bad in ["info\n", "in\0fo", "\u{85}info"] {
            assert!(Config::from_pairs(&[("log", bad)]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn texts_of_scopes_have_a_default_and_languages() {
        let config = Config::from_pairs(&[
            ("scopes.https://x.example/read.description", "Read"),
            ("scopes.https://x.example/read.description.pt-BR", "Ler"),
            ("scopes.orders:read.description.default", "See orders"),
        ])
        .unwrap();
        assert_eq!(config.scopes["https://x.example/read"]["pt-br"], "Ler");
        assert_eq!(config.scopes["https://x.example/read"][""], "Read");
        assert_eq!(config.scopes["orders:read"][""], "See orders");
        for (name, text) in [
            ("scopes.a b.description", "x"),
            ("scopes.a.description.english language", "x"),
            ("scopes.a.description", ""),
            ("scopes.a.description", "a\nb"),
        ] {
            assert!(Config::from_pairs(&[(name, text)]).is_err(), "{name}");
        }
    }
}
