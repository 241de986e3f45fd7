//! What a tenant's settings may say.

use crate::page::Color;
use crate::storage::tenants::TenantSettings;
use crate::types::{ScopeSet, Violation, absolute_uri};

/// Everything that is wrong with settings whose members have the lengths that the API's description says.
pub fn violations(settings: &TenantSettings) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut check =
        |pointer: &'static str, value: &Option<String>, rule: fn(&str) -> Option<&'static str>| {
            found.extend(
                value
                    .as_deref()
                    .and_then(rule)
                    .map(|detail| Violation::new(pointer, detail)),
            );
        };
    check("/display_name", &settings.display_name, display_name);
    check("/logo_uri", &settings.logo_uri, logo_uri);
    check("/accent_color", &settings.accent_color, accent_color);
    check("/default_locale", &settings.default_locale, default_locale);
    let admin = settings.registration.scope.as_ref().map(ScopeSet::admin);
    if admin.is_some_and(|admin| !admin.is_empty()) {
        let detail = "must not hold a scope of the admin API, which only an administrator gives";
        found.push(Violation::new("/registration/scope", detail));
    }
    found
}

fn display_name(text: &str) -> Option<&'static str> {
    let fits = !text.trim().is_empty() && !text.chars().any(char::is_control);
    (!fits).then_some("must be text without control characters")
}

fn logo_uri(text: &str) -> Option<&'static str> {
    let fits = absolute_uri(text)
        .is_ok_and(|url| url.scheme() == "https" && url.username().is_empty() && url.password().is_none());
    (!fits).then_some("must be an https URL without user information")
}

fn accent_color(text: &str) -> Option<&'static str> {
    Color::parse(text).err().map(|malformed| malformed.0)
}

/// RFC 5646 §2.1, as far as its form goes.
fn default_locale(text: &str) -> Option<&'static str> {
    let mut parts = text.split('-');
    let is_language =
        |part: &str| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic());
    let is_subtag =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    let fits = parts.next().is_some_and(is_language) && parts.all(is_subtag);
    (!fits).then_some("must be a language tag such as en or de-AT (BCP 47)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(member: &str, value: &str) -> bool {
        let settings = serde_json::from_value(serde_json::json!({member: value})).unwrap();
        let found = violations(&settings);
        assert!(
            found
                .iter()
                .all(|violation| violation.pointer == format!("/{member}"))
        );
        !found.is_empty()
    }

    #[test]
    fn an_accent_is_any_colour() {
        for good in ["#0b5cad", "#000000", "#ffcc00", "#AA0000"] {
            assert!(!wrong("accent_color", good), "{good}");
        }
        for bad in ["0b5cad", "#0b5ca", "#0b5cadff", "red", "#gggggg", "#0b5ca;"] {
            assert!(wrong("accent_color", bad), "{bad}");
        }
    }

    #[test]
    fn a_logo_is_loaded_over_tls_and_cannot_leave_its_attribute() {
        assert!(!wrong("logo_uri", "https://cdn.example/logo.svg?v=1"));
        for bad in [
            "http://cdn.example/logo.svg",
            "data:image/png;base64,AA",
            "//cdn.example/logo",
            "https://user@cdn.example/l",
            "https://cdn.example/a b",
            "https://cdn.example/\"onload",
            "https:///x",
        ] {
            assert!(wrong("logo_uri", bad), "{bad}");
        }
    }

    #[test]
    fn a_locale_is_a_language_tag() {
        for good in ["en", "de-AT", "zh-Hant-TW", "sr-Latn"] {
            assert!(!wrong("default_locale", good), "{good}");
        }
        for bad in ["e", "de_AT", "de-", "-de", "1a", "de-toolongsubtag"] {
            assert!(wrong("default_locale", bad), "{bad}");
        }
    }

    #[test]
    fn a_name_is_text() {
        assert!(!wrong("display_name", "Åcme & Söhne"));
        assert!(wrong("display_name", "  ") && wrong("display_name", "a\u{7}b"));
    }
}
