//! What scopes mean, for people.

use crate::page::{self, Language, Text};
use crate::types::{ScopeSet, is_admin_scope};
use std::collections::BTreeMap;

/// The standard scopes (OIDC Core §5.4, §11) and this server's own, with their texts in the catalogue.
const BUILT_IN: [(&str, &str); 7] = [
    ("openid", "scope-openid"),
    ("profile", "scope-profile"),
    ("email", "scope-email"),
    ("address", "scope-address"),
    ("phone", "scope-phone"),
    ("roles", "scope-roles"),
    ("offline_access", "scope-offline_access"),
];

/// The configured texts: scope, language tag in lower case (empty for the default), text.
pub type Texts = BTreeMap<String, BTreeMap<String, String>>;

/// What each scope means, in the first of `languages` that there is a text for.
pub fn describe(texts: &Texts, scope: &ScopeSet, languages: &[String]) -> Vec<String> {
    let text_of = |scope: &str| {
        texts
            .get(scope)
            .and_then(|texts| in_language(texts, languages))
            .map_or_else(|| built_in(scope, Language::of(languages)), ToOwned::to_owned)
    };
    scope.iter().map(|scope| text_of(scope.as_str())).collect()
}

/// Lookup of RFC 4647 §3.4: a tag is shortened from its end until there is a text.
pub(super) fn in_language<'t>(texts: &'t BTreeMap<String, String>, languages: &[String]) -> Option<&'t str> {
    let tags = languages.iter().flat_map(|tag| page::ranges(tag));
    let mut found = tags.filter_map(|tag| texts.get(&tag.to_ascii_lowercase()));
    found.next().or_else(|| texts.get("")).map(String::as_str)
}

fn built_in(scope: &str, language: Language) -> String {
    if let Some((_, key)) = BUILT_IN.iter().find(|(name, _)| *name == scope) {
        return language.say(key);
    }
    if is_admin_scope(scope) {
        return Text::new("scope-admin").with("scope", scope).say(language);
    }
    scope.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Texts {
        let of = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            pairs
                .map(|(tag, text)| ((*tag).to_owned(), (*text).to_owned()))
                .collect()
        };
        Texts::from([
            (
                "orders:read".to_owned(),
                of(&[("", "See orders"), ("de", "Bestellungen sehen")]),
            ),
            ("email".to_owned(), of(&[("fr", "Voir l'adresse")])),
        ])
    }

    fn of(scope: &str, languages: &[&str]) -> Vec<String> {
        let languages: Vec<String> = languages.iter().map(|tag| (*tag).to_owned()).collect();
        describe(&texts(), &ScopeSet::parse(scope).unwrap(), &languages)
    }

    #[test]
    fn a_scope_is_told_in_the_best_language() {
        assert_eq!(of("orders:read", &["de-AT", "en"]), ["Bestellungen sehen"]);
        assert_eq!(of("orders:read", &["ja", "de"]), ["Bestellungen sehen"]);
        assert_eq!(of("orders:read", &["ja"]), ["See orders"]);
        assert_eq!(of("email", &["fr-CA"]), ["Voir l'adresse"]);
    }

    #[test]
    fn a_scope_without_text_has_the_built_in_one_or_its_name() {
        assert_eq!(of("email", &[]), ["See your e-mail address"]);
        assert_eq!(of("phone", &["de-CH"]), ["Ihre Telefonnummer sehen"]);
        assert_eq!(of("stock:write", &["de"]), ["stock:write"]);
        assert!(of("clients:write", &[])[0].contains("clients:write"));
    }
}
