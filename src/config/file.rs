//! The configuration file: TOML, taken apart into settings, texts of scopes, and what is declared.

use super::declared::{Area, Declared};
use super::problem::{Origin, Problem};
use super::raw::{Given, ScopeText};
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

/// Where the file is looked for when none is named.
pub const DEFAULT_FILE: &str = "grantor.toml";

/// Largest file that is read.
const MAX_LENGTH: u64 = 1 << 20;

/// What a file says: settings by name, texts of scopes, and declarations. Names are not checked here.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) given: Vec<Given>,
    pub(super) scopes: Vec<ScopeText>,
    pub(super) declared: Vec<Declared>,
    pub(super) problems: Vec<Problem>,
}

/// Reads the named file, or [`DEFAULT_FILE`] if it is there.
pub(super) fn read(named: Option<&Path>) -> Contents {
    let path = named.map_or_else(|| PathBuf::from(DEFAULT_FILE), Path::to_owned);
    if named.is_none() && !path.exists() {
        return Contents::default();
    }
    match text_of(&path, MAX_LENGTH) {
        Ok(text) => parse(&path, &text),
        Err(reason) => Contents {
            problems: vec![Problem {
                name: path.display().to_string(),
                origin: Origin::Flag,
                reason,
                allowed: String::new(),
            }],
            ..Contents::default()
        },
    }
}

/// Reads a small text file.
pub(super) fn text_of(path: &Path, max: u64) -> Result<Zeroizing<String>, String> {
    let length = std::fs::metadata(path)
        .map_err(|error| format!("cannot be read: {error}"))?
        .len();
    if length > max {
        return Err(format!("has more than {max} bytes"));
    }
    let bytes = Zeroizing::new(std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?);
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err("is not UTF-8 text".to_owned()),
    }
}

fn parse(path: &Path, text: &str) -> Contents {
    let mut walk = Walk {
        path,
        text,
        contents: Contents::default(),
    };
    match DeTable::parse(text) {
        Ok(table) => walk.table(&mut Vec::new(), table.get_ref()),
        Err(error) => {
            // The parser's own rendering quotes the line, which may hold a secret: only its sentence is used.
            let place = error.span().map_or(0, |span| span.start);
            walk.problem(&path.display().to_string(), place, error.message(), "TOML 1.0");
        }
    }
    walk.contents
}

struct Walk<'a> {
    path: &'a Path,
    text: &'a str,
    contents: Contents,
}

impl Walk<'_> {
    fn table(&mut self, above: &mut Vec<String>, table: &DeTable<'_>) {
        for (key, value) in table {
            above.push(key.get_ref().to_string());
            let place = key.span().start;
            match (above.as_slice(), value.get_ref()) {
                ([root, scope, rest @ ..], value) if root == "scopes" => {
                    let (scope, rest) = (scope.clone(), rest.to_vec());
                    self.scope(&scope, &rest, place, value);
                }
                ([root, attribute, rest @ ..], value) if root == "attributes" => {
                    let (attribute, rest) = (attribute.clone(), rest.to_vec());
                    self.attribute(&attribute, &rest, place, value);
                }
                (_, DeValue::Table(inner)) => self.table(above, inner),
                (_, value) => self.setting(&dotted(above), place, value),
            }
            above.pop();
        }
    }

    fn setting(&mut self, name: &str, place: usize, value: &DeValue<'_>) {
        match scalar(value) {
            Some(text) => self.contents.given.push(Given {
                key: name.to_owned(),
                name: name.to_owned(),
                origin: self.origin(place),
                text,
            }),
            None => self.problem(
                name,
                place,
                "must be a text, a whole number, true or false, or a list of texts",
                "",
            ),
        }
    }

    /// `[scopes."x"] description = "…"`, or a table of descriptions by language in its place.
    fn scope(&mut self, scope: &str, rest: &[String], place: usize, value: &DeValue<'_>) {
        let name = |rest: &[String]| {
            let all: Vec<_> = ["scopes".to_owned(), scope.to_owned()]
                .into_iter()
                .chain(rest.iter().cloned())
                .collect();
            dotted(&all)
        };
        match (rest, value) {
            ([], DeValue::Table(table)) => {
                for (key, value) in table {
                    self.scope(
                        scope,
                        &[key.get_ref().to_string()],
                        key.span().start,
                        value.get_ref(),
                    );
                }
            }
            ([member], DeValue::Table(table)) if member == "description" => {
                for (key, value) in table {
                    let rest = [member.clone(), key.get_ref().to_string()];
                    self.scope(scope, &rest, key.span().start, value.get_ref());
                }
            }
            ([member, language @ ..], DeValue::String(text)) if member == "description" => {
                self.contents.scopes.push(ScopeText {
                    scope: scope.to_owned(),
                    language: language.first().cloned().unwrap_or_default(),
                    text: text.to_string(),
                    name: name(rest),
                    origin: self.origin(place),
                });
            }
            ([member], value) if member == "claims" && scalar(value).is_some() => {
                self.declare(Area::Scope, scope, rest, place, value);
            }
            _ => self.problem(
                &name(rest),
                place,
                "a scope has only a description and claims",
                "description = \"…\", or description.LANGUAGE = \"…\" for each language; claims = [\"…\"]",
            ),
        }
    }

    /// `[attributes."x"]` with its members; the description may be a table of descriptions by language.
    fn attribute(&mut self, attribute: &str, rest: &[String], place: usize, value: &DeValue<'_>) {
        match (rest, value) {
            ([], DeValue::Table(table)) => {
                for (key, value) in table {
                    let rest = [key.get_ref().to_string()];
                    self.attribute(attribute, &rest, key.span().start, value.get_ref());
                }
            }
            ([member], DeValue::Table(table)) if member == "description" => {
                for (key, value) in table {
                    let rest = [member.clone(), key.get_ref().to_string()];
                    self.attribute(attribute, &rest, key.span().start, value.get_ref());
                }
            }
            ([_] | [_, _], value) => self.declare(Area::Attribute, attribute, rest, place, value),
            _ => self.problem(
                &dotted(&["attributes".to_owned(), attribute.to_owned()]),
                place,
                "an attribute is a table",
                "type = \"string\" and further members",
            ),
        }
    }

    fn declare(&mut self, area: Area, subject: &str, rest: &[String], place: usize, value: &DeValue<'_>) {
        let root = match area {
            Area::Attribute => "attributes",
            Area::Scope => "scopes",
        };
        let all: Vec<_> = [root.to_owned(), subject.to_owned()]
            .into_iter()
            .chain(rest.iter().cloned())
            .collect();
        let text = match value {
            DeValue::Float(number) => Some(Zeroizing::new(number.as_str().to_owned())),
            value => scalar(value),
        };
        let Some(text) = text else {
            let reason = "must be a text, a number, true or false, or a list of texts without comma";
            self.problem(&dotted(&all), place, reason, "");
            return;
        };
        self.contents.declared.push(Declared {
            area,
            subject: subject.to_owned(),
            member: rest.first().cloned().unwrap_or_default(),
            language: rest.get(1).cloned().unwrap_or_default(),
            text: text.to_string(),
            name: dotted(&all),
            origin: self.origin(place),
        });
    }

    fn problem(&mut self, name: &str, place: usize, reason: &str, allowed: &str) {
        let origin = self.origin(place);
        self.contents.problems.push(Problem {
            name: name.to_owned(),
            origin,
            reason: reason.to_owned(),
            allowed: allowed.to_owned(),
        });
    }

    fn origin(&self, place: usize) -> Origin {
        let line = self.text.bytes().take(place).filter(|b| *b == b'\n').count() + 1;
        Origin::File(self.path.to_owned(), line)
    }
}

/// A name as TOML would write it: parts that are not plain words are quoted, so that none looks like two.
fn dotted(parts: &[String]) -> String {
    let quoted: Vec<_> = parts
        .iter()
        .map(|part| {
            let bare = !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
            if bare { part.clone() } else { format!("{part:?}") }
        })
        .collect();
    quoted.join(".")
}

/// A value as the text that an environment variable would hold.
fn scalar(value: &DeValue<'_>) -> Option<Zeroizing<String>> {
    let text = match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
        DeValue::Boolean(switch) => switch.to_string(),
        DeValue::Array(entries) => {
            let texts: Option<Vec<_>> = entries
                .iter()
                .map(|entry| match entry.get_ref() {
                    DeValue::String(text) if !text.contains(',') => Some(text.to_string()),
                    _ => None,
                })
                .collect();
            texts?.join(",")
        }
        _ => return None,
    };
    Some(Zeroizing::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Contents {
        parse(Path::new("grantor.toml"), text)
    }

    #[test]
    fn tables_nest_and_lines_are_known() {
        let contents = read_text(
            "issuer = \"https://id.example\"\n\n[session]\nidle_s = 600\n[limits.standard]\nrate = 5\n[tokens]\nalgorithms = [\"ES256\", \"RS256\"]\n",
        );
        let seen: Vec<_> = contents
            .given
            .iter()
            .map(|given| format!("{}={} {}", given.key, *given.text, given.origin))
            .collect();
        assert_eq!(
            seen,
            [
                "issuer=https://id.example grantor.toml:1",
                "limits.standard.rate=5 grantor.toml:6",
                "session.idle_s=600 grantor.toml:4",
                "tokens.algorithms=ES256,RS256 grantor.toml:8",
            ]
        );
    }

    #[test]
    fn scopes_have_one_text_or_one_per_language() {
        let contents = read_text(
            "[scopes.\"orders:read\"]\ndescription = \"See your orders\"\n[scopes.\"a.b\".description]\nde = \"Lesen\"\ndefault = \"Read\"\n[scopes.\"a.c\"]\ndescription.de = \"Schreiben\"\n",
        );
        assert!(contents.problems.is_empty() && contents.given.is_empty());
        let mut seen: Vec<_> = contents
            .scopes
            .iter()
            .map(|text| format!("{} [{}] {}", text.scope, text.language, text.text))
            .collect();
        seen.sort();
        assert_eq!(
            seen,
            [
                "a.b [de] Lesen",
                "a.b [default] Read",
                "a.c [de] Schreiben",
                "orders:read [] See your orders",
            ]
        );
        assert_eq!(read_text("[scopes.x]\ntitle = \"y\"\n").problems.len(), 1);
        assert_eq!(read_text("[scopes.x]\ndescription = 3\n").problems.len(), 1);
    }

    #[test]
    fn a_quoted_name_is_not_a_nested_one() {
        let contents = read_text("\"session.idle_s\" = 600\n");
        assert_eq!(contents.given[0].key, "\"session.idle_s\"");
    }

    #[test]
    fn a_file_that_is_no_toml_is_refused_without_being_quoted() {
        let contents = read_text("issuer = \"x\"\nmaster_key = hidden value\n");
        let text = contents.problems[0].to_string();
        assert!(
            text.contains("grantor.toml:2") && !text.contains("hidden"),
            "{text}"
        );
    }

    #[test]
    fn values_of_other_kinds_are_refused() {
        for bad in [
            "listen = 1.5",
            "listen = 2020-01-01",
            "listen = [1]",
            "listen = 0x10",
        ] {
            assert_eq!(read_text(bad).problems.len(), 1, "{bad}");
        }
    }
}
