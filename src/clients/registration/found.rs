//! What is wrong with a registration, as it is found.

use super::MAX_LIST;
use crate::types::Violation;
use std::collections::HashSet;

/// Everything found so far.
pub(super) struct Found(pub(super) Vec<Violation>);

impl Found {
    pub(super) fn at(&mut self, pointer: &str, detail: &'static str) {
        self.0.push(Violation::new(pointer, detail));
    }

    pub(super) fn when(&mut self, wrong: bool, pointer: &str, detail: &'static str) {
        if wrong {
            self.at(pointer, detail);
        }
    }

    pub(super) fn member<'m>(
        &mut self,
        pointer: &str,
        member: impl Into<Option<&'m String>>,
        check: impl Fn(&str) -> Option<&'static str>,
    ) {
        if let Some(detail) = member.into().and_then(|text| check(text)) {
            self.at(pointer, detail);
        }
    }

    /// Checks a list: its length, its entries, and that none comes twice.
    pub(super) fn list<'m, T: AsRef<str> + 'm + ?Sized>(
        &mut self,
        pointer: &str,
        entries: impl IntoIterator<Item = &'m T>,
        check: impl Fn(&str) -> Option<&'static str>,
    ) {
        let mut seen = HashSet::new();
        for (position, entry) in entries.into_iter().enumerate() {
            if position == MAX_LIST {
                self.at(pointer, "at most 100 entries");
                return;
            }
            let entry = entry.as_ref();
            if let Some(detail) = check(entry) {
                self.at(&format!("{pointer}/{position}"), detail);
            } else if !seen.insert(entry) {
                self.at(&format!("{pointer}/{position}"), "must not come twice");
            }
        }
    }
}
