//! What pages say, in every language: `locales/TAG.ftl`, in the syntax of Project Fluent.
//!
//! A language is one file. Tests see to it that each file has the same messages with the same arguments, that each
//! message that templates and code name exists, and that templates hold no text of their own.

use super::Language;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use std::sync::LazyLock;

/// The languages, English first: tag and file.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/locales.rs"));

static CATALOGUES: LazyLock<Vec<Catalogue>> = LazyLock::new(|| {
    let files = FILES.iter();
    files.map(|(tag, file)| Catalogue::read(tag, file)).collect()
});

/// The texts of one language.
pub(super) struct Catalogue {
    /// The language's tag (RFC 5646), as its file is called.
    pub(super) tag: &'static str,
    bundle: FluentBundle<FluentResource>,
}

impl Catalogue {
    /// All of them, English first.
    pub(super) fn all() -> &'static [Self] {
        &CATALOGUES
    }

    fn read(tag: &'static str, file: &str) -> Self {
        let mut bundle = FluentBundle::new_concurrent(tag.parse().into_iter().collect());
        // The marks around arguments would be copied along with them; the stylesheet isolates what is emphasised.
        bundle.set_use_isolating(false);
        let (resource, errors) = match FluentResource::try_new(file.to_owned()) {
            Ok(resource) => (resource, Vec::new()),
            Err((resource, errors)) => (resource, errors),
        };
        for error in errors {
            tracing::error!("locales/{tag}.ftl cannot be read: {error}");
        }
        bundle.add_resource_overriding(resource);
        Self { tag, bundle }
    }

    /// A message with its arguments; `None` when the language does not have it.
    fn format(&self, key: &str, arguments: &FluentArgs<'_>) -> Option<String> {
        let pattern = self.bundle.get_message(key)?.value()?;
        let mut errors = Vec::new();
        let text = self.bundle.format_pattern(pattern, Some(arguments), &mut errors);
        for error in errors {
            tracing::error!("{key} of locales/{}.ftl: {error}", self.tag);
        }
        Some(text.into_owned())
    }
}

/// A message of the catalogue together with what it names, before it has a language.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    key: &'static str,
    arguments: Vec<(&'static str, FluentValue<'static>)>,
}

impl Text {
    /// A message by its key.
    pub const fn new(key: &'static str) -> Self {
        Self {
            key,
            arguments: Vec::new(),
        }
    }

    /// With a text that it names.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.arguments.push((name, FluentValue::from(value.into())));
        self
    }

    /// With a number that it counts.
    #[must_use]
    pub fn count(mut self, name: &'static str, number: u32) -> Self {
        self.arguments.push((name, FluentValue::from(number)));
        self
    }

    /// The message in a language, else in English. A key that does not exist is a defect and stands for itself.
    pub fn say(&self, language: Language) -> String {
        say(language, self.key, &self.arguments.iter().cloned().collect())
    }
}

/// A message in a language, else in English.
pub(super) fn say(language: Language, key: &str, arguments: &FluentArgs<'_>) -> String {
    let texts = [language, Language::default()].map(Language::catalogue);
    let found = texts
        .iter()
        .flatten()
        .find_map(|texts| texts.format(key, arguments));
    found.unwrap_or_else(|| {
        tracing::error!("no language has the text {key}");
        key.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a message consists of: its text with each argument in place of its value.
    #[test]
    fn every_file_can_be_read() {
        for (tag, file) in FILES {
            if let Err((_, errors)) = FluentResource::try_new((*file).to_owned()) {
                panic!("locales/{tag}.ftl: {errors:?}");
            }
        }
        assert_eq!(FILES[0].0, "en", "English is what others fall back to");
    }

    #[test]
    fn a_text_names_and_counts_in_its_language() {
        let (english, german) = (Language::default(), Language::find("de").unwrap());
        let asks = Text::new("consent-title").with("client", "Orders");
        assert_eq!(asks.say(english), "Give Orders access?");
        assert_eq!(asks.say(german), "Orders Zugriff geben?");
        let wait = |minutes| Text::new("error-429-advice").count("minutes", minutes);
        assert!(wait(1).say(english).contains("a minute"));
        assert!(wait(5).say(german).contains("5 Minuten"));
    }

    #[test]
    fn a_key_without_message_stands_for_itself() {
        assert_eq!(Text::new("no-such-key").say(Language::default()), "no-such-key");
    }
}
