//! The documentation's claims that a machine can check: links lead somewhere, generated pages are up to date.

use crate::support::source::root;
use grantor::config::settings;
use grantor::types::EventType;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[test]
fn links_lead_to_files_and_headings() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).expect("a page is read");
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => page.clone(),
                path => page.parent().expect("a page is in a folder").join(path),
            };
            let leads = target.exists() && (heading.is_empty() || has_heading(&target, heading));
            if !leads {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn every_setting_stands_in_the_table() {
    let mut page = String::from(
        "# Settings\n\n\
         Each can be given in `grantor.toml` (or `--config FILE`), as an environment variable, as a flag, or as `…_FILE` naming a\n\
         file that holds it; later ones win, in this order: file, environment, flags. `grantor config show` tells what holds and\n\
         where it comes from, `grantor config check` what is wrong.\n\n\
         | file | environment | default | allowed | |\n| --- | --- | --- | --- | --- |\n",
    );
    for setting in settings::all() {
        let cell = |text: &str| text.replace('|', "\\|");
        writeln!(
            page,
            "| `{}` | `{}` | {} | {} | {} |",
            setting.key,
            setting.variable(),
            cell(setting.default.text()),
            cell(setting.allowed),
            cell(setting.doc),
        )
        .expect("a string grows");
    }
    assert_up_to_date("docs/settings.md", &page);
}

#[test]
fn every_audit_event_is_explained() {
    let page = std::fs::read_to_string(root().join("docs/audit.md")).expect("the page is read");
    let names: Vec<_> = EventType::ALL.iter().map(|event| event.as_str()).collect();
    let untold: Vec<_> = names
        .iter()
        .filter(|name| !page.contains(&format!("`{name}`")))
        .collect();
    assert!(untold.is_empty(), "docs/audit.md does not explain {untold:?}");
    let rows = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let strange: Vec<_> = rows
        .filter(|(name, _)| name.contains('_') && !names.contains(name))
        .collect();
    assert!(
        strange.is_empty(),
        "docs/audit.md explains what is never written: {strange:?}"
    );
}

/// A generated page is stored, so that it can be read without building and its changes are reviewed.
pub fn assert_up_to_date(path: &str, content: &str) {
    let file = root().join(path);
    if std::fs::read_to_string(&file).is_ok_and(|stored| stored == content) {
        return;
    }
    if std::env::var_os("GRANTOR_TEST_UPDATE").is_some() {
        std::fs::write(&file, content).expect("the page is written");
        return;
    }
    panic!("{path} is out of date: GRANTOR_TEST_UPDATE=1 cargo test --test it documentation");
}

fn pages() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in [root(), root().join("docs"), root().join("docs/adr")] {
        let entries = std::fs::read_dir(folder).expect("a folder is read");
        let paths = entries.map(|entry| entry.expect("an entry is read").path());
        found.extend(paths.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    assert!(found.len() > 5);
    found
}

/// The targets of `[text](target)` outside of code blocks.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let prose = text.lines().filter(|line| !line.starts_with("    "));
    prose.flat_map(|line| line.split("](").skip(1).filter_map(|rest| rest.split(')').next()))
}

fn has_heading(page: &Path, anchor: &str) -> bool {
    let text = std::fs::read_to_string(page).unwrap_or_default();
    text.lines()
        .filter_map(|line| Some(line.strip_prefix('#')?.trim_start_matches('#').trim()))
        .any(|heading| {
            let words = heading.to_lowercase().replace(' ', "-");
            words
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
                .eq(anchor.chars())
        })
}
