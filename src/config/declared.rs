//! What a deployment declares beyond settings: attributes of people (`[attributes."department"]`) and the claims that
//! scopes give of them (`[scopes."hr"] claims`).

use super::problem::{Origin, Problem};
use super::resolve::is_language;
use crate::types::{
    Access, Attribute, AttributeKind, Attributes, MAX_ATTRIBUTES, MAX_NUMBER, MAX_TEXT, MAX_TEXTS, Scope,
    attribute_name, is_admin_scope,
};
use std::collections::BTreeMap;

/// Longest description of an attribute, in code points.
const MAX_DESCRIPTION: usize = 200;
/// Most values that an attribute may be limited to.
const MAX_VALUES: usize = 100;

/// What a member is declared of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Area {
    /// An attribute.
    Attribute,
    /// A scope.
    Scope,
}

/// A member of a declaration as it was written.
#[derive(Clone, Debug)]
pub(super) struct Declared {
    pub(super) area: Area,
    /// The attribute or scope.
    pub(super) subject: String,
    pub(super) member: String,
    /// Of a description.
    pub(super) language: String,
    pub(super) text: String,
    /// The name as it was written.
    pub(super) name: String,
    pub(super) origin: Origin,
}

impl Declared {
    /// A member by its name as a pair: `attributes.NAME.MEMBER`, `attributes.NAME.description.LANGUAGE`,
    /// `scopes.NAME.claims`.
    pub(super) fn of_pair(name: &str, text: &str) -> Option<Self> {
        let (area, subject, member) = if let Some(rest) = name.strip_prefix("attributes.") {
            let (subject, member) = rest.split_once('.')?;
            (Area::Attribute, subject, member)
        } else {
            let subject = name.strip_prefix("scopes.")?.strip_suffix(".claims")?;
            (Area::Scope, subject, "claims")
        };
        let (member, language) = member.split_once('.').unwrap_or((member, ""));
        Some(Self {
            area,
            subject: subject.to_owned(),
            member: member.to_owned(),
            language: language.to_owned(),
            text: text.to_owned(),
            name: name.to_owned(),
            origin: Origin::Program,
        })
    }
}

/// The claims of each scope that gives any.
pub(super) type ScopeClaims = BTreeMap<String, Vec<String>>;

/// Reads what was declared; what is wrong with it goes to `problems`.
pub(super) fn read(given: &[Declared], problems: &mut Vec<Problem>) -> (Attributes, ScopeClaims) {
    let mut by_name: BTreeMap<&str, Vec<&Declared>> = BTreeMap::new();
    for one in given.iter().filter(|one| one.area == Area::Attribute) {
        by_name.entry(&one.subject).or_default().push(one);
    }
    let mut attributes = Attributes::default();
    for (name, members) in by_name {
        let Some(first) = members.first() else { continue };
        match attribute(name, first, &members) {
            Ok(_) if attributes.0.len() == MAX_ATTRIBUTES => {
                problems.push(problem(
                    first,
                    "there are too many attributes",
                    "at most 100 attributes",
                ));
                return (attributes, ScopeClaims::new());
            }
            Ok(read) => {
                attributes.0.insert(name.to_owned(), read);
            }
            Err(wrong) => problems.push(wrong),
        }
    }
    let mut claims = ScopeClaims::new();
    for one in given.iter().filter(|one| one.area == Area::Scope) {
        match scope_claims(one, &attributes) {
            Ok(read) => {
                claims.insert(one.subject.clone(), read);
            }
            Err(wrong) => problems.push(wrong),
        }
    }
    (attributes, claims)
}

fn problem(one: &Declared, reason: &str, allowed: &str) -> Problem {
    Problem {
        name: one.name.clone(),
        origin: one.origin.clone(),
        reason: reason.to_owned(),
        allowed: allowed.to_owned(),
    }
}

fn scope_claims(one: &Declared, attributes: &Attributes) -> Result<Vec<String>, Problem> {
    if Scope::parse(&one.subject).is_err() || is_admin_scope(&one.subject) {
        let allowed = "1 to 64 printable ASCII characters without space, quote and backslash, no admin scope";
        return Err(problem(one, "that cannot be a scope with claims", allowed));
    }
    let claims: Vec<String> = list(&one.text);
    if claims.is_empty() || claims.iter().any(|claim| !attributes.0.contains_key(claim)) {
        let allowed = "names of attributes that [attributes.\"NAME\"] declares";
        return Err(problem(one, "names what is not declared", allowed));
    }
    Ok(claims)
}

/// The members of one attribute, while they are read.
#[derive(Default)]
struct Draft<'a> {
    kind: Option<&'a Declared>,
    max_length: Option<usize>,
    max_entries: Option<usize>,
    values: Vec<String>,
    minimum: Option<f64>,
    maximum: Option<f64>,
    personal: Option<bool>,
    user: Option<Access>,
    admin: Option<Access>,
    description: BTreeMap<String, String>,
}

fn attribute(name: &str, first: &Declared, members: &[&Declared]) -> Result<Attribute, Problem> {
    let mut draft = Draft::default();
    for one in members {
        if let Err(malformed) = attribute_name(name) {
            return Err(problem(
                one,
                "that cannot be the name of an attribute",
                malformed.0,
            ));
        }
        draft
            .read(one)
            .map_err(|(reason, allowed)| problem(one, reason, allowed))?;
    }
    draft.finish(first)
}

impl<'a> Draft<'a> {
    fn read(&mut self, one: &'a Declared) -> Result<(), (&'static str, &'static str)> {
        const NUMBER: &str = "is not a number within the range";
        let text = one.text.as_str();
        let within = |most: usize| text.parse().ok().filter(|number| (1..=most).contains(number));
        let number = || text.parse::<f64>().ok().filter(|number| number.is_finite());
        match one.member.as_str() {
            "type" => self.kind = Some(one),
            "max_length" => {
                self.max_length = Some(within(MAX_TEXT).ok_or((NUMBER, "1 to 1000 characters"))?);
            }
            "max_entries" => {
                self.max_entries = Some(within(MAX_TEXTS).ok_or((NUMBER, "1 to 100 entries"))?);
            }
            "minimum" => self.minimum = Some(number().ok_or((NUMBER, "a number"))?),
            "maximum" => self.maximum = Some(number().ok_or((NUMBER, "a number"))?),
            "values" => self.values = values(text).ok_or(("has a value that cannot be", VALUES))?,
            "personal" => {
                self.personal = Some(text.parse().map_err(|_| ("is neither", "true or false"))?);
            }
            "user" => self.user = Some(access(text)?),
            "admin" => self.admin = Some(access(text)?),
            "description" => {
                let language = match one.language.as_str() {
                    "default" => String::new(),
                    tag => tag.to_lowercase(),
                };
                if !is_language(&language) {
                    return Err(("that is not a language", "a tag such as de or pt-BR, or default"));
                }
                if !shown(text, MAX_DESCRIPTION) {
                    return Err(("cannot be shown", "1 to 200 characters, no control characters"));
                }
                self.description.insert(language, text.to_owned());
            }
            _ => {
                return Err((
                    "an attribute has no such member",
                    "type, max_length, max_entries, values, minimum, maximum, personal, user, admin, description",
                ));
            }
        }
        Ok(())
    }

    fn finish(self, first: &Declared) -> Result<Attribute, Problem> {
        const TYPES: &str = "string, strings, number or boolean";
        let Some(kind) = self.kind else {
            return Err(problem(first, "the attribute has no type", TYPES));
        };
        let max_length = self.max_length.unwrap_or(200);
        let read = match kind.text.as_str() {
            "string" => AttributeKind::Text {
                max_length,
                values: self.values.clone(),
            },
            "strings" => AttributeKind::Texts {
                max_length,
                max_entries: self.max_entries.unwrap_or(20),
                values: self.values.clone(),
            },
            "number" => AttributeKind::Number {
                minimum: self.minimum.unwrap_or(-MAX_NUMBER),
                maximum: self.maximum.unwrap_or(MAX_NUMBER),
            },
            "boolean" => AttributeKind::Boolean,
            _ => return Err(problem(kind, "is not a type of attributes", TYPES)),
        };
        if let Some(reason) = self.contradiction(&read) {
            return Err(problem(
                kind,
                reason,
                "bounds that the type has, the least not above the greatest",
            ));
        }
        Ok(Attribute {
            kind: read,
            personal: self.personal.unwrap_or(true),
            user: self.user.unwrap_or(Access::None),
            admin: self.admin.unwrap_or(Access::Change),
            description: self.description,
        })
    }

    /// A bound that the type does not have, or bounds that leave nothing.
    fn contradiction(&self, kind: &AttributeKind) -> Option<&'static str> {
        let (text, texts, number) = match kind {
            AttributeKind::Text { .. } => (true, false, false),
            AttributeKind::Texts { .. } => (true, true, false),
            AttributeKind::Number { .. } => (false, false, true),
            AttributeKind::Boolean => (false, false, false),
        };
        let has_number = self.minimum.is_some() || self.maximum.is_some();
        if (self.max_length.is_some() || !self.values.is_empty()) && !text {
            return Some("has bounds of a text");
        }
        if self.max_entries.is_some() && !texts {
            return Some("has the bound of a list");
        }
        if has_number && !number {
            return Some("has bounds of a number");
        }
        match kind {
            AttributeKind::Number { minimum, maximum } if minimum > maximum => Some("leaves no number"),
            _ => None,
        }
    }
}

const VALUES: &str = "1 to 100 different texts of 1 to 200 characters, without comma and control characters";

fn values(text: &str) -> Option<Vec<String>> {
    let values = list(text);
    let distinct: std::collections::BTreeSet<_> = values.iter().collect();
    let fit = (1..=MAX_VALUES).contains(&values.len())
        && distinct.len() == values.len()
        && values.iter().all(|value| shown(value, 200));
    fit.then_some(values)
}

fn list(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .map(str::to_owned)
        .collect()
}

fn shown(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count())
        && !text.contains(|c: char| c.is_control() || matches!(c, '<' | '>'))
}

fn access(text: &str) -> Result<Access, (&'static str, &'static str)> {
    match text {
        "none" => Ok(Access::None),
        "see" => Ok(Access::See),
        "change" => Ok(Access::Change),
        _ => Err(("is no right", "none, see or change")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_pairs(pairs: &[(&str, &str)]) -> (Attributes, ScopeClaims, Vec<Problem>) {
        let given: Vec<_> = pairs
            .iter()
            .map(|(name, text)| Declared::of_pair(name, text).unwrap())
            .collect();
        let mut problems = Vec::new();
        let (attributes, claims) = read(&given, &mut problems);
        (attributes, claims, problems)
    }

    #[test]
    fn attributes_are_declared_and_given_by_scopes() {
        let (attributes, claims, problems) = read_pairs(&[
            ("attributes.department.type", "string"),
            ("attributes.department.values", "sales, hr"),
            ("attributes.department.personal", "false"),
            ("attributes.department.user", "see"),
            ("attributes.department.description", "Department"),
            ("attributes.department.description.de", "Abteilung"),
            ("attributes.level.type", "number"),
            ("attributes.level.minimum", "-1.5"),
            ("scopes.hr.claims", "department,level"),
        ]);
        assert!(problems.is_empty(), "{problems:?}");
        let department = &attributes.0["department"];
        assert_eq!(
            department.kind,
            AttributeKind::Text {
                max_length: 200,
                values: vec!["sales".to_owned(), "hr".to_owned()]
            }
        );
        assert_eq!(
            (department.user, department.admin, department.personal),
            (Access::See, Access::Change, false)
        );
        assert_eq!(
            (
                department.description[""].as_str(),
                department.description["de"].as_str()
            ),
            ("Department", "Abteilung")
        );
        let level = &attributes.0["level"];
        assert_eq!(
            level.kind,
            AttributeKind::Number {
                minimum: -1.5,
                maximum: 1e15
            }
        );
        assert_eq!(
            (level.user, level.personal),
            (Access::None, true),
            "what is not said is said for safety"
        );
        assert_eq!(claims["hr"], ["department", "level"]);
    }

    #[test]
    fn what_cannot_be_declared_is_a_problem_with_its_place() {
        for (pairs, name) in [
            (
                &[("attributes.email.type", "string")][..],
                "attributes.email.type",
            ),
            (&[("attributes.gid.type", "string")], "attributes.gid.type"),
            (&[("attributes.a.type", "text")], "attributes.a.type"),
            (&[("attributes.a.user", "see")], "attributes.a.user"),
            (
                &[("attributes.a.type", "string"), ("attributes.a.user", "all")],
                "attributes.a.user",
            ),
            (
                &[("attributes.a.type", "string"), ("attributes.a.length", "1")],
                "attributes.a.length",
            ),
            (
                &[
                    ("attributes.a.type", "string"),
                    ("attributes.a.max_length", "1001"),
                ],
                "attributes.a.max_length",
            ),
            (
                &[("attributes.a.type", "number"), ("attributes.a.max_length", "1")],
                "attributes.a.type",
            ),
            (
                &[("attributes.a.type", "boolean"), ("attributes.a.minimum", "1")],
                "attributes.a.type",
            ),
            (
                &[
                    ("attributes.a.type", "number"),
                    ("attributes.a.minimum", "2"),
                    ("attributes.a.maximum", "1"),
                ],
                "attributes.a.type",
            ),
            (
                &[("attributes.a.type", "string"), ("attributes.a.values", "x,x")],
                "attributes.a.values",
            ),
            (
                &[
                    ("attributes.a.type", "string"),
                    ("attributes.a.description.q", "x"),
                ],
                "attributes.a.description.q",
            ),
            (&[("scopes.hr.claims", "department")], "scopes.hr.claims"),
            (
                &[("attributes.a.type", "string"), ("scopes.users:read.claims", "a")],
                "scopes.users:read.claims",
            ),
        ] {
            let (.., problems) = read_pairs(pairs);
            let names: Vec<_> = problems.iter().map(|problem| problem.name.as_str()).collect();
            assert_eq!(names, [name], "{pairs:?}");
        }
    }
}
