//! OAuth scopes (RFC 6749 §3.3).

use super::{Malformed, is_admin_scope};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One scope token: 1 to 64 characters of `%x21 / %x23-5B / %x5D-7E`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(String);

impl Scope {
    /// Accepts a single scope token.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let fits = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(Malformed(
                "a scope is 1 to 64 printable ASCII characters without space, quote and backslash",
            ))
        }
    }

    /// The scope as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Scopes without repetition, in the order in which they were named. Written with single spaces between them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScopeSet(Vec<Scope>);

impl ScopeSet {
    /// How many scopes one set may hold.
    pub const MAX: usize = 100;

    /// No scope at all.
    pub const fn empty() -> Self {
        Self(Vec::new())
    }

    /// Accepts scopes separated by single spaces; an empty text is an empty set.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut scopes: Vec<Scope> = Vec::new();
        if text.is_empty() {
            return Ok(Self(scopes));
        }
        for token in text.split(' ') {
            let scope = Scope::parse(token)?;
            if !scopes.contains(&scope) {
                if scopes.len() == Self::MAX {
                    return Err(Malformed("at most 100 scopes"));
                }
                scopes.push(scope);
            }
        }
        Ok(Self(scopes))
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the scope is in the set.
    pub fn has(&self, scope: &str) -> bool {
        self.0.iter().any(|own| own.0 == scope)
    }

    /// Whether every scope of this set is in the other one.
    pub fn is_subset(&self, of: &Self) -> bool {
        self.0.iter().all(|scope| of.0.contains(scope))
    }

    /// The scopes in order.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }

    /// The scopes for which `keep` holds, in order.
    pub fn filter(&self, keep: impl Fn(&Scope) -> bool) -> Self {
        Self(self.0.iter().filter(|scope| keep(scope)).cloned().collect())
    }

    /// The scopes of the admin API that are in the set.
    pub fn admin(&self) -> Self {
        self.filter(|scope| is_admin_scope(scope.as_str()))
    }

    /// This set and what the other one adds to it.
    pub fn union(&self, other: &Self) -> Self {
        let mut scopes = self.0.clone();
        scopes.extend(other.0.iter().filter(|scope| !self.0.contains(scope)).cloned());
        Self(scopes)
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, scope) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            f.write_str(&scope.0)?;
        }
        Ok(())
    }
}

impl TryFrom<String> for ScopeSet {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        Self::parse(&text)
    }
}

impl From<ScopeSet> for String {
    fn from(set: ScopeSet) -> Self {
        set.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn malformed_scopes_are_refused() {
        for bad in [
            " ",
            "a  b",
            " a",
            "a ",
            "a\"",
            "a\\",
            "é",
            "a\tb",
            &"x".repeat(65),
        ] {
            assert!(ScopeSet::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(ScopeSet::parse("b a b").unwrap().to_string(), "b a");
    }

    proptest! {
        #[test]
        fn text_and_set_are_inverse(tokens in proptest::collection::vec("[!#-\\[\\]-~]{1,8}", 0..8)) {
            let set = ScopeSet::parse(&tokens.join(" ")).unwrap();
            prop_assert_eq!(&ScopeSet::parse(&set.to_string()).unwrap(), &set);
            prop_assert!(set.is_subset(&set.union(&ScopeSet::parse("x").unwrap())));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = ScopeSet::parse(&text);
        }
    }
}
