//! What must not lie in the repository.

use crate::support::source::root;
use std::path::{Path, PathBuf};

/// Folders that are not part of it.
const APART: [&str; 5] = ["target", ".git", "data", "secrets", "corpus"];

/// What PEM blocks begin with; no line of this file holds it together with what follows.
const BEGIN: &str = "-----BEGIN ";

/// R-CI-02: no credential and no private key, in any file. Tests make theirs.
#[test]
fn no_secret_lies_in_the_repository() {
    let mut found = Vec::new();
    for path in files(&root()) {
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            if let Some(what) = secret_in(line) {
                found.push(format!("{}:{}: {what}", path.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn planted_secrets_are_found() {
    let made = "x".repeat(20) + &"Y7".repeat(12);
    let key = format!("{BEGIN}PRIVATE KEY-----");
    for planted in [
        format!("secret = \"gcs_{made}\""),
        key,
        format!("AKIA{}", "ABCDEFGH12345678"),
        format!("ghp_{made}"),
    ] {
        assert!(secret_in(&planted).is_some(), "{planted}");
    }
    for innocent in [
        "client_secret: gcs_...",
        "a prefix such as grt_ or gcs_",
        "PRIVATE KEY",
    ] {
        assert!(secret_in(innocent).is_none(), "{innocent}");
    }
}

/// What kind of secret a line holds.
fn secret_in(line: &str) -> Option<&'static str> {
    let is_key = line.contains(BEGIN) && line.contains("PRIVATE KEY");
    if is_key {
        return Some("a private key");
    }
    let prefixes = [
        ("gcs_", 43, "a client secret"),
        ("grt_", 60, "a refresh token"),
        ("gac_", 60, "an authorization code"),
        ("gak_", 43, "an API key"),
        ("AKIA", 16, "an AWS key"),
        ("ghp_", 36, "a GitHub token"),
    ];
    prefixes.into_iter().find_map(|(prefix, length, what)| {
        let rest = line.split(prefix).nth(1)?;
        let token: String = rest
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
            .collect();
        // What was made at random has digits and capitals.
        let has = |test: fn(char) -> bool| token.chars().any(test);
        let is_random =
            token.len() >= length && has(|c| c.is_ascii_digit()) && has(|c| c.is_ascii_uppercase());
        let is_example = token.contains("AAAA") || token.contains("EXAMPLE");
        (is_random && !is_example).then_some(what)
    })
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder is read") {
        let path = entry.expect("an entry is read").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            if !APART.contains(&name.as_str()) {
                found.extend(files(&path));
            }
        } else {
            found.push(path);
        }
    }
    found
}
