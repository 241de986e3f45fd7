//! The table of settings: name, default, bounds, place in [`Config`](super::Config), purpose. A new setting is one row.

/// Whatever a parser makes of the text.
macro_rules! value {
    ($key:expr, $default:expr, $allowed:expr, $shown:ident, $($field:ident).+ = $parse:expr, $doc:literal) => {
        Setting {
            key: $key,
            default: $default,
            allowed: $allowed,
            doc: $doc,
            shown: Shown::$shown,
            apply: |draft, text| {
                draft.$($field).+ = $parse(text)?;
                Ok(())
            },
        }
    };
}

/// The same, for what may be absent.
macro_rules! optional {
    ($key:expr, $default:expr, $allowed:expr, $shown:ident, $($field:ident).+ = $parse:expr, $doc:literal) => {
        value!($key, $default, $allowed, $shown, $($field).+ = |text| $parse(text).map(Some), $doc)
    };
}

/// A whole number within bounds.
macro_rules! number {
    ($key:expr, $default:expr, $min:literal to $max:literal $unit:literal, $($field:ident).+, $doc:literal) => {
        value!(
            $key,
            $default,
            concat!(stringify!($min), " to ", stringify!($max), $unit),
            Plain,
            config.$($field).+ = |text| parse::number(text, $min, $max),
            $doc
        )
    };
}

mod device;
mod limits;
mod logout;
mod people;
mod registration;
mod requests;
mod server;
mod storage;
mod tokens;

use super::setting::{Default, Setting};

/// The rows, in the order in which `config show` lists them.
static GROUPS: &[&[Setting]] = &[
    server::ALL,
    storage::ALL,
    tokens::ALL,
    device::ALL,
    requests::ALL,
    people::ALL,
    registration::ALL,
    logout::ALL,
    limits::ALL,
];

/// Every setting, in the order in which `config show` lists them.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    GROUPS
        .iter()
        .copied()
        .flatten()
        .chain(limits::TIERS.iter().flatten())
}

/// The setting of that name.
pub fn find(key: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.key == key)
}

const fn is(text: &'static str) -> Default {
    Default::Value(text)
}

const NONE: Default = Default::Words("none");
const RANDOM: Default = Default::Words("random, printed once");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::draft::Draft;
    use std::collections::HashSet;

    #[test]
    fn every_default_is_allowed() {
        let mut draft = Draft::blank().unwrap();
        for setting in all() {
            // An empty list is the one default in words that is also a value.
            if let Default::Value(text) = setting.default {
                assert_eq!((setting.apply)(&mut draft, text), Ok(()), "{}", setting.key);
            }
            assert!(
                !setting.doc.is_empty() && !setting.allowed.is_empty(),
                "{}",
                setting.key
            );
        }
    }

    #[test]
    fn every_name_is_there_once_in_each_spelling() {
        let names: Vec<_> = all().collect();
        for spelling in [
            |setting: &Setting| setting.key.to_owned(),
            Setting::variable,
            Setting::flag,
        ] {
            let distinct: HashSet<_> = names.iter().map(|setting| spelling(setting)).collect();
            assert_eq!(distinct.len(), names.len());
        }
        assert!(
            names.iter().all(|setting| !setting.key.ends_with("_file")),
            "X_FILE means the contents of a file"
        );
    }

    #[test]
    fn the_ends_of_every_range_are_allowed_and_what_lies_beyond_is_not() {
        let mut draft = Draft::blank().unwrap();
        let mut seen = 0;
        for setting in all() {
            let mut words = setting.allowed.split([' ', ';']);
            let bounds = (words.next(), words.next(), words.next());
            let (Some(min), Some("to"), Some(max)) = bounds else {
                continue;
            };
            let (Ok(min), Ok(max)) = (min.parse::<i64>(), max.parse::<i64>()) else {
                continue;
            };
            if !setting.allowed.contains("character") && !setting.allowed.contains("times") {
                seen += 1;
                for (value, fits) in [(min - 1, false), (min, true), (max, true), (max + 1, false)] {
                    let result = (setting.apply)(&mut draft, &value.to_string());
                    assert_eq!(result.is_ok(), fits, "{} = {value}: {result:?}", setting.key);
                }
            }
        }
        assert!(seen > 40, "{seen}");
    }
}
