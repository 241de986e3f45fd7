//! What a client says to people in several languages: `client_name#de` beside `client_name` (RFC 7591 §2.2, OpenID Connect
//! Dynamic Client Registration §2.1). Outside they are members like others; inside they are one member.

use crate::storage::clients::ClientMetadata;
use crate::types::{Violation, is_language_tag};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The members that may have a language.
pub const LOCALIZED: [&str; 5] = ["client_name", "client_uri", "logo_uri", "tos_uri", "policy_uri"];
/// Most of them with a language, all together.
pub const MAX_LOCALIZED: usize = 50;

/// Where they are kept.
const KEPT: &str = "localized";

/// The member and the language of a name such as `client_name#de`; `None` for any other.
pub fn split(name: &str) -> Option<(&str, &str)> {
    let (member, tag) = name.split_once('#')?;
    (LOCALIZED.contains(&member) && is_language_tag(tag)).then_some((member, tag))
}

/// Takes the members with a language out of a document, to where they are kept.
///
/// # Errors
/// For one that is no text, and for languages that are named twice: they are the same in any case (RFC 5646 §2.1.1).
pub(super) fn fold(document: &mut Map<String, Value>) -> Result<(), Vec<Violation>> {
    let mut kept = Map::new();
    let mut found = Vec::new();
    let names: Vec<String> = document
        .keys()
        .filter(|name| split(name).is_some())
        .cloned()
        .collect();
    for name in names {
        let detail = match document.remove(&name) {
            Some(Value::String(text)) => {
                if !kept.keys().any(|own: &String| own.eq_ignore_ascii_case(&name)) {
                    kept.insert(name, Value::String(text));
                    continue;
                }
                "names a language that another member names too"
            }
            _ => "must be a string",
        };
        found.push(Violation::new(format!("/{name}"), detail));
    }
    document.insert(KEPT.to_owned(), Value::Object(kept));
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// Puts them back as members like others.
pub(super) fn unfold(members: &mut Map<String, Value>) {
    if let Some(Value::Object(kept)) = members.remove(KEPT) {
        members.extend(kept);
    }
}

/// What a client says to people in one language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said<'m> {
    /// Its name.
    pub client_name: Option<&'m str>,
    /// Its home page.
    pub client_uri: Option<&'m str>,
    /// Its logo.
    pub logo_uri: Option<&'m str>,
    /// Its terms of service.
    pub tos_uri: Option<&'m str>,
    /// Its privacy policy.
    pub policy_uri: Option<&'m str>,
}

impl ClientMetadata {
    /// What the client says on a page in this language: what is said in it or in one of its kinds (`de-AT` on a page in `de`),
    /// else what is said in no language in particular, else whatever there is.
    pub fn said_in(&self, language: &str) -> Said<'_> {
        let said = |member, plain| pick(&self.localized, member, plain, language);
        Said {
            client_name: said("client_name", self.client_name.as_deref()),
            client_uri: said("client_uri", self.client_uri.as_deref()),
            logo_uri: said("logo_uri", self.logo_uri.as_deref()),
            tos_uri: said("tos_uri", self.tos_uri.as_deref()),
            policy_uri: said("policy_uri", self.policy_uri.as_deref()),
        }
    }
}

fn pick<'m>(
    localized: &'m BTreeMap<String, String>,
    member: &str,
    plain: Option<&'m str>,
    language: &str,
) -> Option<&'m str> {
    let tagged = || {
        localized.iter().filter_map(|(name, text)| {
            let (own, tag) = split(name)?;
            (own == member).then_some((tag, text.as_str()))
        })
    };
    let find = |fits: &dyn Fn(&str) -> bool| tagged().find(|(tag, _)| fits(tag)).map(|(_, text)| text);
    let is_kind = |tag: &str| {
        let (head, rest) = tag.split_at_checked(language.len()).unwrap_or_default();
        head.eq_ignore_ascii_case(language) && rest.starts_with('-')
    };
    find(&|tag| tag.eq_ignore_ascii_case(language))
        .or_else(|| find(&is_kind))
        .or(plain)
        .or_else(|| find(&|_| true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(document: &Value) -> Result<ClientMetadata, Vec<String>> {
        let mut document = document.as_object().unwrap().clone();
        match fold(&mut document) {
            Ok(()) => Ok(serde_json::from_value(Value::Object(document)).unwrap()),
            Err(found) => Err(found.into_iter().map(|violation| violation.pointer).collect()),
        }
    }

    #[test]
    fn the_language_of_the_page_decides() {
        let metadata = read(&json!({
            "client_name": "Shop", "client_name#de-AT": "Gesch\u{e4}ft", "client_name#DE": "Laden", "client_name#fr": "Magasin",
            "tos_uri#de-CH": "https://shop.example/ch", "logo_uri": "https://shop.example/logo",
        }))
        .unwrap();
        let name = |language| metadata.said_in(language).client_name;
        assert_eq!(name("de"), Some("Laden"));
        assert_eq!(name("de-AT"), Some("Gesch\u{e4}ft"));
        assert_eq!(name("en"), Some("Shop"));
        assert_eq!(name("d"), Some("Shop"));
        assert_eq!(metadata.said_in("de").tos_uri, Some("https://shop.example/ch"));
        assert_eq!(
            metadata.said_in("en").tos_uri,
            Some("https://shop.example/ch"),
            "there is no other"
        );
        assert_eq!(metadata.said_in("de").logo_uri, Some("https://shop.example/logo"));
        assert_eq!(metadata.said_in("de").policy_uri, None);
    }

    #[test]
    fn what_went_in_comes_out() {
        let document = json!({"client_name#de": "Laden", "policy_uri#ja-Hani-JP": "https://shop.example/ja"});
        let metadata = read(&document).unwrap();
        let Value::Object(mut members) = serde_json::to_value(&metadata).unwrap() else {
            panic!("no object");
        };
        assert!(members.contains_key(KEPT));
        unfold(&mut members);
        for (name, value) in document.as_object().unwrap() {
            assert_eq!(&members[name], value);
        }
        assert!(!members.contains_key(KEPT));
    }

    #[test]
    fn only_texts_and_each_language_once() {
        assert_eq!(
            read(&json!({"client_name#de": 7})),
            Err(vec!["/client_name#de".to_owned()])
        );
        let twice = read(&json!({"client_name#de": "a", "client_name#DE": "b"}));
        assert_eq!(twice.unwrap_err().len(), 1);
        // Nobody brings the inner member along.
        let inner =
            read(&json!({"localized": {"client_name#de": "<b>"}, "scope#de": "x", "client_name#d": "x"}))
                .unwrap();
        assert!(inner.localized.is_empty());
    }
}
