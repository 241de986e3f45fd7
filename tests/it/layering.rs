//! The form of the crate: modules use only what the map in `src/lib.rs` allows, and files stay short.

use crate::support::source::{self, SourceFile, Token, closing};
use std::collections::{BTreeMap, BTreeSet};

/// A file is split at this length, tests included.
const LONGEST_FILE: usize = 500;

#[test]
fn arrows_point_one_way() {
    let map = Map::read();
    let mut wrong = Vec::new();
    for file in source::files() {
        let Some(module) = module_of(&file.path) else {
            continue;
        };
        let Some(own) = map.rank(module) else {
            wrong.push(format!("{} is not in the map of src/lib.rs", file.path));
            continue;
        };
        for (line, target) in uses(&file) {
            match map.rank(&target) {
                None => wrong.push(format!(
                    "{}:{line} uses `{target}`, which is not in the map",
                    file.path
                )),
                Some(rank) if rank > own => wrong.push(format!(
                    "{}:{line} `{module}` uses `{target}`, which stands to its right",
                    file.path
                )),
                Some(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn modules_of_one_group_have_no_cycle() {
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in source::files() {
        if let Some(module) = module_of(&file.path) {
            let targets = uses(&file).into_iter().map(|(_, target)| target);
            arrows
                .entry(module.to_owned())
                .or_default()
                .extend(targets.filter(|target| target != module));
        }
    }
    for start in arrows.keys() {
        if let Some(cycle) = cycle_from(start, &arrows, &mut vec![start.clone()]) {
            panic!("modules use each other in a circle: {}", cycle.join(" → "));
        }
    }
}

#[test]
fn files_are_short() {
    let long: Vec<_> = source::files()
        .into_iter()
        .filter(|file| file.lines > LONGEST_FILE)
        .map(|file| format!("{}: {} lines", file.path, file.lines))
        .collect();
    assert!(
        long.is_empty(),
        "split files of more than {LONGEST_FILE} lines:\n{}",
        long.join("\n")
    );
}

#[test]
fn an_arrow_is_found_however_it_is_written() {
    let tokens = source::tokens(
        "use crate::storage::{Store, clients}; use crate::{fault::Fault, types::{Scope, x}};
         // crate::comment
         fn f() { crate::oauth::post(); let text = \"crate::text\"; }",
    );
    let file = SourceFile {
        path: "src/x.rs".into(),
        lines: 3,
        tokens,
    };
    let found: Vec<_> = uses(&file).into_iter().map(|(_, target)| target).collect();
    assert_eq!(found, ["storage", "fault", "types", "oauth"]);
}

/// Groups from left to right, as the crate's documentation lists them.
struct Map(Vec<Vec<String>>);

impl Map {
    fn read() -> Self {
        let text = std::fs::read_to_string(source::root().join("src/lib.rs")).expect("src/lib.rs is read");
        let block: String = text
            .lines()
            .skip_while(|line| !line.starts_with("//! ```text"))
            .skip(1)
            .take_while(|line| !line.starts_with("//! ```"))
            .map(|line| line.trim_start_matches("//!"))
            .collect();
        let groups = block
            .split('←')
            .map(|group| group.split(',').map(|name| name.trim().to_owned()).collect());
        let map = Self(groups.collect());
        assert!(map.0.len() > 5, "the map in src/lib.rs was not understood");
        map
    }

    fn rank(&self, module: &str) -> Option<usize> {
        self.0
            .iter()
            .position(|group| group.iter().any(|name| name == module))
    }
}

/// `src/storage/mod.rs` and `src/storage.rs` are `storage`; `src/lib.rs` is no module.
fn module_of(path: &str) -> Option<&str> {
    let below = path.strip_prefix("src/")?;
    let name = below.split('/').next()?;
    let name = name.strip_suffix(".rs").unwrap_or(name);
    (name != "lib").then_some(name)
}

/// The modules that a file names after `crate::` (or, in `main.rs`, after `grantor::`), with the line.
fn uses(file: &SourceFile) -> Vec<(usize, String)> {
    let tokens = &file.tokens;
    let is_root =
        |token: &Token| token.is_word("crate") || (file.path == "src/main.rs" && token.is_word("grantor"));
    let mut found = Vec::new();
    for start in 0..tokens.len().saturating_sub(3) {
        let is_path =
            is_root(&tokens[start]) && tokens[start + 1].is_mark(':') && tokens[start + 2].is_mark(':');
        if !is_path {
            continue;
        }
        let first = start + 3;
        if tokens[first].is_mark('{') {
            found.extend(names_of_group(tokens, first));
        } else if let Some(word) = tokens[first].word() {
            found.push((tokens[first].line, word.to_owned()));
        }
    }
    found
}

/// The first names of a `use crate::{a::x, b}` group.
fn names_of_group(tokens: &[Token], open: usize) -> Vec<(usize, String)> {
    let end = closing(tokens, open);
    let mut names = Vec::new();
    let mut index = open + 1;
    let mut expects_name = true;
    while index < end {
        let token = &tokens[index];
        if token.is_mark('{') {
            index = closing(tokens, index);
        } else if token.is_mark(',') {
            expects_name = true;
        } else if let (true, Some(word)) = (expects_name, token.word()) {
            names.push((token.line, word.to_owned()));
            expects_name = false;
        }
        index += 1;
    }
    names
}

fn cycle_from(
    module: &str,
    arrows: &BTreeMap<String, BTreeSet<String>>,
    path: &mut Vec<String>,
) -> Option<Vec<String>> {
    for target in arrows.get(module).into_iter().flatten() {
        if *target == path[0] {
            path.push(target.clone());
            return Some(path.clone());
        }
        if !path.contains(target) {
            path.push(target.clone());
            if let Some(cycle) = cycle_from(target, arrows, path) {
                return Some(cycle);
            }
            path.pop();
        }
    }
    None
}
