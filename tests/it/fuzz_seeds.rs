//! The fuzz targets on stable Rust: each target's seeds, and some thousand changed ones, the same in every run.

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use crate::support::source::root;
use grantor::entropy::Entropy;
use std::collections::BTreeSet;
use targets::{TARGETS, Target};

/// Changed inputs per target.
const ROUNDS: usize = 4_000;

/// What parsers treat specially.
const MORSELS: &[&[u8]] = &[
    b"\0",
    b"\r\n",
    b"%00",
    b"%",
    b"&",
    b"=",
    b";",
    b",",
    b"\"",
    b"\\",
    b"{",
    b"[",
    b"]",
    b"}",
    b"..",
    b"://",
    b"@",
    b"#",
    b"*",
    b"\xff\xfe",
    "\u{202e}".as_bytes(),
    "\u{ff0e}".as_bytes(),
    b"18446744073709551616",
    b"-1",
    b"1e999",
    b"null",
    b"AAAA",
    b"=",
    b"'",
    b"<",
    b"\x7f",
    b"for=",
    b"::1",
    b"127.0.0.1",
];

#[test]
fn no_input_breaks_a_parser() {
    for target in TARGETS {
        for seed in target.seeds {
            (target.run)(seed.as_bytes());
        }
        run_changed(target);
    }
}

#[test]
fn every_target_is_there_for_cargo_fuzz_too() {
    let files: BTreeSet<String> = std::fs::read_dir(root().join("fuzz/fuzz_targets"))
        .expect("the targets' folder is read")
        .map(|entry| {
            entry
                .expect("an entry is read")
                .file_name()
                .to_string_lossy()
                .replace(".rs", "")
        })
        .collect();
    let names: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(files, names);
    let manifest = std::fs::read_to_string(root().join("fuzz/Cargo.toml")).expect("the manifest is read");
    for name in names {
        assert!(
            manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")),
            "{name}"
        );
    }
}

fn run_changed(target: &Target) {
    let mut dice = Dice(Entropy::seeded(target.name.len() as u64));
    for _ in 0..ROUNDS {
        let seed = target.seeds[dice.below(target.seeds.len())].as_bytes();
        let mut input = seed.to_vec();
        for _ in 0..=dice.below(4) {
            change(&mut input, target.seeds, &mut dice);
        }
        let input_before = input.clone();
        if std::panic::catch_unwind(|| (target.run)(&input)).is_err() {
            panic!("{}: {}", target.name, input_before.escape_ascii());
        }
    }
}

fn change(input: &mut Vec<u8>, seeds: &[&str], dice: &mut Dice) {
    let at = dice.below(input.len() + 1);
    match dice.below(7) {
        0 => input.truncate(at),
        1 => input.insert(at, dice.byte()),
        2 => drop(input.splice(at..at, MORSELS[dice.below(MORSELS.len())].iter().copied())),
        3 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
        }
        4 if at < input.len() => drop(input.remove(at)),
        5 => {
            let other = seeds[dice.below(seeds.len())].as_bytes();
            let part = &other[dice.below(other.len() + 1)..];
            input.truncate(at);
            input.extend_from_slice(part);
        }
        _ => {
            let part = input[at..].to_vec();
            for _ in 0..dice.below(64) {
                input.extend_from_slice(&part);
            }
            input.truncate(64 * 1024);
        }
    }
}

/// Numbers that a seed determines.
struct Dice(Entropy);

impl Dice {
    fn byte(&mut self) -> u8 {
        self.0.bytes::<1>().expect("seeded")[0]
    }

    fn below(&mut self, bound: usize) -> usize {
        let number = u32::from_be_bytes(self.0.bytes().expect("seeded"));
        number as usize % bound.max(1)
    }
}
