//! Attributes: what a deployment keeps about people beyond the claims of OpenID Connect Core §5.1, as it declares them.

use super::Malformed;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Most attributes that can be declared.
pub const MAX_ATTRIBUTES: usize = 100;
/// Longest text that an attribute may allow, in code points.
pub const MAX_TEXT: usize = 1_000;
/// Most texts that an attribute of several may allow.
pub const MAX_TEXTS: usize = 100;
/// Largest number, and the smallest below zero, where the declaration says nothing else.
pub const MAX_NUMBER: f64 = 1e15;

/// Names that mean something already: claims of the IANA registry "JSON Web Token Claims", of OpenID Connect, members of
/// introspection answers (RFC 7662), and what this server puts into tokens. An attribute must not take their place.
const RESERVED: &[&str] = &[
    "acr",
    "act",
    "active",
    "address",
    "amr",
    "at_hash",
    "at_use_nbr",
    "attest",
    "aud",
    "auth_time",
    "authorization_details",
    "azp",
    "birthdate",
    "birthplace",
    "c_hash",
    "cdniets",
    "cdnistd",
    "cdnistt",
    "cdniuc",
    "cdniv",
    "client_id",
    "cnf",
    "crit",
    "dest",
    "div",
    "email",
    "email_verified",
    "entitlements",
    "events",
    "exi",
    "exp",
    "family_name",
    "gender",
    "gid",
    "given_name",
    "groups",
    "htm",
    "htu",
    "iat",
    "iss",
    "jcard",
    "jti",
    "locale",
    "may_act",
    "mgt",
    "middle_name",
    "msgi",
    "name",
    "nationalities",
    "nbf",
    "nickname",
    "nonce",
    "nonce_supported",
    "opt",
    "org",
    "orig",
    "origid",
    "phone_number",
    "phone_number_verified",
    "picture",
    "preferred_username",
    "profile",
    "rcd",
    "rcdi",
    "roles",
    "rph",
    "s_hash",
    "scope",
    "sid",
    "sip_callid",
    "sip_cseq_num",
    "sip_date",
    "sip_from_tag",
    "sip_via_branch",
    "status",
    "sub",
    "sub_id",
    "sub_jwk",
    "submods",
    "tenant",
    "tid",
    "toe",
    "token_introspection",
    "token_type",
    "txn",
    "ueid",
    "updated_at",
    "username",
    "vc",
    "verified_claims",
    "vot",
    "vp",
    "vtm",
    "website",
    "zoneinfo",
];

/// What an attribute holds.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributeKind {
    /// A text.
    Text {
        /// Longest text, in code points.
        max_length: usize,
        /// The only texts there are; empty for any.
        values: Vec<String>,
    },
    /// Several texts, none twice.
    Texts {
        /// Longest of them, in code points.
        max_length: usize,
        /// Most of them.
        max_entries: usize,
        /// The only texts there are; empty for any.
        values: Vec<String>,
    },
    /// A number.
    Number {
        /// The least.
        minimum: f64,
        /// The greatest.
        maximum: f64,
    },
    /// Yes or no.
    Boolean,
}

/// What somebody may do with an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Not even know of it.
    None,
    /// See it.
    See,
    /// See and change it.
    Change,
}

/// Who wants to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The person that it is about.
    User,
    /// An administrator of users.
    Admin,
}

/// A declared attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    /// What it holds.
    pub kind: AttributeKind,
    /// Whether it is personal data, and so sealed in the database.
    pub personal: bool,
    /// What the person may do.
    pub user: Access,
    /// What administrators of users may do.
    pub admin: Access,
    /// What it is, for people: by language tag in lower case, empty for the default.
    pub description: BTreeMap<String, String>,
}

/// Every declared attribute by its name, which is that of its claim.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes(pub BTreeMap<String, Attribute>);

/// What is wrong with an attribute: its name, and what would be right.
pub type Wrong = (String, String);

/// Accepts what an attribute may be called: a plain name, or a URI where it has to be nobody else's (RFC 7519 §4.2).
///
/// # Errors
/// For another form, and for a name that means something already.
pub fn attribute_name(name: &str) -> Result<(), Malformed> {
    let fits = (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':' | b'/'));
    if !fits {
        return Err(Malformed(
            "must be 1 to 64 characters out of A-Z a-z 0-9 _ - . : / and begin with a letter",
        ));
    }
    if RESERVED.contains(&name) {
        return Err(Malformed(
            "is the name of a registered claim or of one of this server",
        ));
    }
    Ok(())
}

impl Attribute {
    /// What somebody may do with it.
    pub fn access(&self, who: Audience) -> Access {
        match who {
            Audience::User => self.user,
            Audience::Admin => self.admin,
        }
    }

    /// Whether it may have this value.
    ///
    /// # Errors
    /// Says what it may have.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        match (&self.kind, value) {
            (AttributeKind::Boolean, Value::Bool(_)) => Ok(()),
            (AttributeKind::Boolean, _) => Err("must be true or false".to_owned()),
            (AttributeKind::Number { minimum, maximum }, value) => value
                .as_f64()
                .filter(|number| (*minimum..=*maximum).contains(number))
                .map(|_| ())
                .ok_or_else(|| format!("must be a number from {minimum} to {maximum}")),
            (AttributeKind::Text { max_length, values }, Value::String(text)) => {
                text_fits(text, *max_length, values)
            }
            (AttributeKind::Text { .. }, _) => Err("must be a text".to_owned()),
            (
                AttributeKind::Texts {
                    max_length,
                    max_entries,
                    values,
                },
                Value::Array(entries),
            ) => {
                if entries.len() > *max_entries {
                    return Err(format!("must have at most {max_entries} entries"));
                }
                for (position, entry) in entries.iter().enumerate() {
                    let text = entry.as_str().ok_or("must be a list of texts")?;
                    text_fits(text, *max_length, values)?;
                    if entries.iter().take(position).any(|other| other == entry) {
                        return Err("must not have an entry twice".to_owned());
                    }
                }
                Ok(())
            }
            (AttributeKind::Texts { .. }, _) => Err("must be a list of texts".to_owned()),
        }
    }
}

fn text_fits(text: &str, max_length: usize, values: &[String]) -> Result<(), String> {
    if !values.is_empty() {
        return if values.iter().any(|value| value == text) {
            Ok(())
        } else {
            Err(format!("must be one of {}", values.join(", ")))
        };
    }
    if !(1..=max_length).contains(&text.chars().count()) {
        return Err(format!("must be 1 to {max_length} characters"));
    }
    // As for all that is shown to people: no markup, nothing that is unseen or turns the direction of writing.
    let refused = |c: char| {
        c.is_control()
            || matches!(c, '<' | '>' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(refused) {
        return Err("must not contain <, > or control characters".to_owned());
    }
    Ok(())
}

impl Attributes {
    /// What of it somebody may see.
    pub fn seen_by(&self, who: Audience, all: &Map<String, Value>) -> Map<String, Value> {
        let may_see = |name: &str| {
            let attribute = self.0.get(name);
            attribute.is_some_and(|attribute| attribute.access(who) >= Access::See)
        };
        all.iter()
            .filter(|(name, _)| may_see(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// What can be told to clients: what is declared and keeps to its declaration today.
    pub fn sound(&self, all: &Map<String, Value>) -> Map<String, Value> {
        let sound = |name: &str, value: &Value| {
            attribute_name(name).is_ok()
                && self
                    .0
                    .get(name)
                    .is_some_and(|attribute| attribute.check(value).is_ok())
        };
        all.iter()
            .filter(|(name, value)| sound(name, value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// All that is kept after somebody has put `proposed` in the place of what that one sees of `before`. What that one
    /// may not change stays.
    ///
    /// # Errors
    /// Everything that is wrong or not allowed.
    pub fn changed_by(
        &self,
        who: Audience,
        before: &Map<String, Value>,
        proposed: Map<String, Value>,
    ) -> Result<Map<String, Value>, Vec<Wrong>> {
        let mut wrong = Vec::new();
        let mut after: Map<String, Value> = before
            .iter()
            .filter(|(name, _)| self.access(who, name) < Access::Change)
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let seen = self.seen_by(who, before);
        let kept = |name: &str| self.access(who, name) == Access::See;
        for name in seen
            .keys()
            .filter(|name| kept(name) && !proposed.contains_key(*name))
        {
            wrong.push((name.clone(), "can be seen, not changed".to_owned()));
        }
        for (name, value) in proposed {
            let attribute = self
                .0
                .get(&name)
                .filter(|attribute| attribute.access(who) >= Access::See);
            match attribute {
                None => wrong.push((name, "is not a declared attribute".to_owned())),
                Some(attribute) if attribute.access(who) == Access::See => {
                    if seen.get(&name) != Some(&value) {
                        wrong.push((name, "can be seen, not changed".to_owned()));
                    }
                }
                Some(attribute) => match attribute.check(&value) {
                    Err(why) => wrong.push((name, why)),
                    // An empty list says what its absence says.
                    Ok(()) if value.as_array().is_some_and(Vec::is_empty) => {}
                    Ok(()) => {
                        after.insert(name, value);
                    }
                },
            }
        }
        if wrong.is_empty() { Ok(after) } else { Err(wrong) }
    }

    /// Whether an attribute is sealed. One that is no longer declared is: nobody says that it is harmless.
    pub fn is_personal(&self, name: &str) -> bool {
        self.0.get(name).is_none_or(|attribute| attribute.personal)
    }

    fn access(&self, who: Audience, name: &str) -> Access {
        self.0
            .get(name)
            .map_or(Access::None, |attribute| attribute.access(who))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(kind: AttributeKind, user: Access, admin: Access) -> Attribute {
        Attribute {
            kind,
            personal: false,
            user,
            admin,
            description: BTreeMap::new(),
        }
    }

    fn text(max_length: usize, values: &[&str]) -> AttributeKind {
        AttributeKind::Text {
            max_length,
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        }
    }

    #[test]
    fn a_name_takes_no_registered_place() {
        for good in [
            "department",
            "costCenter",
            "https://hr.example/grade",
            "urn:x:y",
            "a",
        ] {
            assert!(attribute_name(good).is_ok(), "{good}");
        }
        let long = "x".repeat(65);
        for bad in [
            "", "1a", "_a", "a b", "ä", "a\"b", &long, "sub", "roles", "groups", "gid", "tenant", "email",
        ] {
            assert!(attribute_name(bad).is_err(), "{bad}");
        }
        assert!(RESERVED.is_sorted(), "so that a name is found by eye");
    }

    #[test]
    fn a_value_keeps_to_its_declaration() {
        let see = |kind| of(kind, Access::See, Access::See);
        let number = see(AttributeKind::Number {
            minimum: 0.0,
            maximum: 9.5,
        });
        let texts = see(AttributeKind::Texts {
            max_length: 3,
            max_entries: 2,
            values: Vec::new(),
        });
        let table = [
            (see(text(3, &[])), json!("abc"), true),
            (see(text(3, &[])), json!("äöü"), true),
            (see(text(3, &[])), json!("abcd"), false),
            (see(text(3, &[])), json!(""), false),
            (see(text(30, &[])), json!("<b>"), false),
            (see(text(30, &[])), json!("a\nb"), false),
            (see(text(30, &[])), json!(1), false),
            (see(text(3, &["a", "longer"])), json!("longer"), true),
            (see(text(3, &["a"])), json!("b"), false),
            (number.clone(), json!(0), true),
            (number.clone(), json!(9.5), true),
            (number.clone(), json!(-1), false),
            (number, json!("1"), false),
            (see(AttributeKind::Boolean), json!(true), true),
            (see(AttributeKind::Boolean), json!("true"), false),
            (texts.clone(), json!(["a", "b"]), true),
            (texts.clone(), json!(["a", "a"]), false),
            (texts.clone(), json!(["a", "b", "c"]), false),
            (texts.clone(), json!([1]), false),
            (texts, json!("a"), false),
        ];
        for (attribute, value, fits) in table {
            assert_eq!(attribute.check(&value).is_ok(), fits, "{attribute:?} {value}");
        }
    }

    #[test]
    fn each_changes_what_is_theirs_and_the_rest_stays() {
        let declared = Attributes(BTreeMap::from([
            ("theirs".to_owned(), of(text(9, &[]), Access::Change, Access::See)),
            ("ours".to_owned(), of(text(9, &[]), Access::See, Access::Change)),
            (
                "hidden".to_owned(),
                of(text(9, &[]), Access::None, Access::Change),
            ),
        ]));
        let map = |value: Value| value.as_object().unwrap().clone();
        let before = map(json!({"theirs": "a", "ours": "b", "hidden": "c", "undeclared": "d"}));
        assert_eq!(
            declared.seen_by(Audience::User, &before),
            map(json!({"theirs": "a", "ours": "b"}))
        );
        let after = declared
            .changed_by(Audience::User, &before, map(json!({"theirs": "x", "ours": "b"})))
            .unwrap();
        assert_eq!(
            after,
            map(json!({"theirs": "x", "ours": "b", "hidden": "c", "undeclared": "d"}))
        );
        let after = declared
            .changed_by(Audience::User, &before, map(json!({"ours": "b"})))
            .unwrap();
        assert_eq!(after, map(json!({"ours": "b", "hidden": "c", "undeclared": "d"})));
        for (proposed, name) in [
            (json!({"theirs": "a", "ours": "x"}), "ours"),
            (json!({"theirs": "a"}), "ours"),
            (json!({"ours": "b", "hidden": "c"}), "hidden"),
            (json!({"ours": "b", "undeclared": "d"}), "undeclared"),
            (json!({"ours": "b", "theirs": "far too long"}), "theirs"),
        ] {
            let wrong = declared
                .changed_by(Audience::User, &before, map(proposed))
                .unwrap_err();
            assert_eq!(wrong.len(), 1, "{wrong:?}");
            assert_eq!(wrong[0].0, name);
        }
        assert_eq!(declared.sound(&before).len(), 3);
    }
}
