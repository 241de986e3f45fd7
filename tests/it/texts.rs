//! The catalogue of texts: each language says everything, what pages say is in the catalogue, and nothing else is.

use crate::support::source::root;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Messages of which the code makes the key out of a number.
const MADE: [&str; 1] = ["month-"];

/// The messages of a file, with the arguments that each names.
type Messages = BTreeMap<String, BTreeSet<String>>;

#[test]
fn every_language_has_every_text_with_the_same_arguments() {
    let languages = languages();
    let english = &languages["en"];
    assert!(languages.len() > 1 && english.len() > 100);
    for (tag, messages) in &languages {
        let missing: Vec<_> = english
            .keys()
            .filter(|key| !messages.contains_key(*key))
            .collect();
        assert!(missing.is_empty(), "locales/{tag}.ftl does not have {missing:?}");
        for (key, arguments) in messages {
            assert_eq!(
                Some(arguments),
                english.get(key),
                "{key} in locales/{tag}.ftl and in English"
            );
        }
    }
}

#[test]
fn every_text_that_is_named_exists_and_every_text_is_named() {
    let english = &languages()["en"];
    let mut named = BTreeSet::new();
    for (path, text) in templates() {
        for key in keys_in(&text) {
            assert!(
                english.contains_key(&key),
                "{path} says {key}, which no language has"
            );
            named.insert(key);
        }
    }
    let sources = sources(Path::new("src"));
    for (path, text) in &sources {
        // Tests at the end of a file may name what does not exist.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for key in keys_in(code) {
            assert!(
                english.contains_key(&key),
                "{path} says {key}, which no language has"
            );
        }
    }
    let unused: Vec<_> = english
        .keys()
        .filter(|key| !named.contains(*key) && !MADE.iter().any(|made| key.starts_with(made)))
        .filter(|key| !sources.values().any(|text| text.contains(&format!("\"{key}\""))))
        .collect();
    assert!(unused.is_empty(), "nobody says {unused:?}");
}

#[test]
fn templates_hold_no_text_of_their_own() {
    for (path, text) in templates() {
        let left = words_outside_of_tags(&text);
        assert!(
            left.is_empty(),
            "{path} holds the text {left:?}: move it to locales/"
        );
        for attribute in [
            "alt",
            "title",
            "placeholder",
            "aria-label",
            "content=\"0;url",
            "label",
        ] {
            for value in text.split(&format!(" {attribute}=\"")).skip(1) {
                let value = value.split('"').next().unwrap_or_default();
                let said = without(value, "{{", "}}");
                assert!(
                    !said.contains(char::is_alphabetic),
                    "{path}: {attribute}=\"{value}\""
                );
            }
        }
    }
}

/// `locales/*.ftl`, by tag.
fn languages() -> BTreeMap<String, Messages> {
    let files = fs::read_dir(root().join("locales")).unwrap();
    files
        .map(|entry| {
            let path = entry.unwrap().path();
            let tag = path.file_stem().unwrap().to_string_lossy().into_owned();
            (tag, messages(&fs::read_to_string(&path).unwrap()))
        })
        .collect()
}

/// Messages begin at the start of a line; what belongs to them is indented.
fn messages(file: &str) -> Messages {
    let mut messages = Messages::new();
    let mut current = String::new();
    for line in file.lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let (key, _) = line.split_once('=').unwrap_or_else(|| panic!("{line}"));
            key.trim().clone_into(&mut current);
            let twice = messages.insert(current.clone(), BTreeSet::new());
            assert_eq!(twice, None, "{current} stands there twice");
        }
        for argument in line.split('$').skip(1) {
            let end = argument.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let name = &argument[..end.unwrap_or(argument.len())];
            messages.get_mut(&current).unwrap().insert(name.to_owned());
        }
    }
    messages
}

fn templates() -> BTreeMap<String, String> {
    let templates = sources(Path::new("templates"));
    assert!(templates.len() > 10);
    templates
}

/// The texts of all files below a folder, by path.
fn sources(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let name = folder.join(entry.unwrap().file_name());
        let path = root().join(&name);
        if path.is_dir() {
            found.append(&mut sources(&name));
        } else {
            found.insert(name.display().to_string(), fs::read_to_string(path).unwrap());
        }
    }
    found
}

/// The keys in `say("…")`, `with("…"`, `strong("…"` and `Text::new("…")`.
fn keys_in(text: &str) -> Vec<String> {
    let mut keys = Vec::new();
    for call in [
        "layout.say(",
        "language.say(",
        "layout.with(",
        "layout.strong(",
        "Text::new(",
    ] {
        for after in text.split(call).skip(1) {
            let Some(literal) = after.trim_start().strip_prefix('"') else {
                continue;
            };
            keys.push(literal.split('"').next().unwrap_or_default().to_owned());
        }
    }
    keys
}

/// Letters that a reader would see: outside of tags and of askama's marks.
fn words_outside_of_tags(template: &str) -> String {
    // A class of the stylesheet, not a text.
    let mut text = without(template, "{% block width %}", "{% endblock %}");
    for (open, close) in [("{#", "#}"), ("{%", "%}"), ("{{", "}}"), ("<", ">")] {
        text = without(&text, open, close);
    }
    text.chars().filter(|c| c.is_alphabetic()).collect()
}

fn without(text: &str, open: &str, close: &str) -> String {
    let mut rest = text;
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once(open) {
        kept.push_str(before);
        rest = after.split_once(close).map_or("", |(_, rest)| rest);
    }
    kept + rest
}

#[test]
fn the_checks_find_what_they_look_for() {
    let file = "a-b = Hi { $name }\n# c = d\nmany =\n    { $n ->\n        [one] { $x }\n    }\n";
    let messages = messages(file);
    assert_eq!(messages["a-b"], BTreeSet::from(["name".to_owned()]));
    assert_eq!(messages["many"], BTreeSet::from(["n".to_owned(), "x".to_owned()]));
    assert_eq!(messages.len(), 2);
    assert_eq!(
        words_outside_of_tags("<p class=\"x\">{{ a }}{% if b > c %} · Hi</p>"),
        "Hi"
    );
    assert_eq!(
        keys_in("{{ layout.with(\"a\", \"n\", x) }} Text::new(\n\"b\")"),
        ["a", "b"]
    );
}
