//! `grantor user …`, shown with the program itself.

use crate::support::program::{Program, Run};
use std::io::Write as _;
use std::process::Stdio;

/// Small keys, so that the first run does not take its time to make them.
const SETTINGS: &[(&str, &str)] = &[
    ("GRANTOR_TOKENS__ALGORITHMS", "ES256"),
    ("GRANTOR_TOKEN__ALG", "ES256"),
];

fn migrated() -> Program {
    let program = Program::new();
    let run = program.run_with(SETTINGS, &["migrate"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    program
}

fn run(program: &Program, arguments: &[&str]) -> Run {
    program.run_with(SETTINGS, arguments)
}

/// Runs with a text on standard input.
fn run_with_input(program: &Program, arguments: &[&str], input: &str) -> Run {
    let mut command = program.command(arguments);
    command.envs(SETTINGS.iter().copied());
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

fn line<'a>(run: &'a Run, name: &str) -> &'a str {
    let found = run
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    found.unwrap_or_else(|| panic!("no {name} in {} {}", run.stdout, run.stderr))
}

#[test]
fn a_made_account_is_listed_and_its_password_printed_once() {
    let program = migrated();
    let made = run(
        &program,
        &[
            "user",
            "create",
            "alice",
            "--email",
            "alice@wonder.example",
            "--admin",
        ],
    );
    assert_eq!(made.code, 0, "{}", made.stderr);
    let password = line(&made, "password").to_owned();
    assert_eq!(password.len(), 23);
    let id = line(&made, "id").to_owned();

    let list = run(&program, &["user", "list", "--json"]);
    let users: serde_json::Value = serde_json::from_str(&list.stdout).unwrap();
    assert_eq!(users[0]["id"], id);
    assert_eq!(users[0]["username"], "alice");
    assert_eq!(users[0]["email"], "alice@wonder.example");
    assert_eq!(users[0]["roles"], serde_json::json!(["admin"]));
    assert!(!list.stdout.contains(&password) && !list.stdout.contains("argon2"));
    let table = run(&program, &["user", "list"]).stdout;
    assert!(table.starts_with("ID ") && table.contains("alice"), "{table}");

    let again = run(&program, &["user", "create", "ALICE"]);
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("another user's"), "{}", again.stderr);
    assert_eq!(again.stdout, "");
}

#[test]
fn a_password_comes_from_standard_input_and_is_held_to_the_rules() {
    let program = migrated();
    let create = ["user", "create", "alice", "--password-stdin"];
    let weak = run_with_input(&program, &create, "password123\n");
    assert_eq!(weak.code, 1);
    assert!(
        weak.stderr.contains("password is commonly used"),
        "{}",
        weak.stderr
    );
    let good = run_with_input(&program, &create, "down the rabbit hole\n");
    assert_eq!(good.code, 0, "{}", good.stderr);
    assert!(!good.stdout.contains("password"), "{}", good.stdout);

    let set = ["user", "set-password", "Alice", "--password-stdin", "--temporary"];
    let changed = run_with_input(&program, &set, "through a looking glass");
    assert_eq!(
        (changed.code, changed.stdout.as_str()),
        (0, ""),
        "{}",
        changed.stderr
    );
    let users: serde_json::Value =
        serde_json::from_str(&run(&program, &["user", "list", "--json"]).stdout).unwrap();
    assert_eq!(users[0]["password_temporary"], true);
    let made = run(&program, &["user", "set-password", "alice"]);
    assert_eq!(line(&made, "password").len(), 23);
}

#[test]
fn a_hash_of_another_system_is_taken_over() {
    let program = migrated();
    let create = ["user", "create", "alice", "--password-stdin", "--hashed"];
    let bcrypt = "$2b$05$abcdefghijklmnopqrstuumjF9vOtpiPtlBb5h9MIT6pklVMdOJoi\n";
    assert_eq!(run_with_input(&program, &create, bcrypt).code, 0);
    let strange = run_with_input(
        &program,
        &["user", "create", "bob", "--password-stdin", "--hashed"],
        "md5:x\n",
    );
    assert_eq!(strange.code, 1);
    assert!(
        strange.stderr.contains("must be a hash of argon2id"),
        "{}",
        strange.stderr
    );
}

#[test]
fn unlocking_says_what_it_did() {
    let program = migrated();
    run(&program, &["user", "create", "alice"]);
    let unlocked = run(&program, &["user", "unlock", "alice", "--address", "203.0.113.7"]);
    assert_eq!(unlocked.code, 0, "{}", unlocked.stderr);
    assert_eq!(
        unlocked.stdout,
        "the account is enabled\nno attempts of the address are known\n"
    );
    assert_eq!(run(&program, &["user", "unlock"]).code, 2);
    let nobody = run(&program, &["user", "unlock", "nobody"]);
    assert_eq!(nobody.code, 1);
    assert!(nobody.stderr.contains("there is no user nobody"));
}

#[test]
fn a_database_that_was_never_migrated_is_refused_with_the_way_out() {
    let program = Program::new();
    let run = run(&program, &["user", "list"]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("grantor migrate"), "{}", run.stderr);
}
