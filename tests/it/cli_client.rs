//! `grantor client …` and `grantor openapi`, shown with the program itself.

use crate::support::program::{Program, Run};
use serde_json::Value;

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

fn run(program: &Program, arguments: &str) -> Run {
    let arguments: Vec<_> = arguments.split_whitespace().collect();
    program.run_with(SETTINGS, &arguments)
}

fn json(run: &Run) -> Value {
    assert_eq!(run.code, 0, "{}", run.stderr);
    serde_json::from_str(&run.stdout).unwrap()
}

#[test]
fn a_client_is_made_listed_shown_and_deleted() {
    let program = migrated();
    let made = run(
        &program,
        "client create orders --grant client_credentials --scope orders:read",
    );
    assert_eq!(made.code, 0, "{}", made.stderr);
    let mut lines = made.stdout.lines();
    assert_eq!(lines.next(), Some("client_id: orders"));
    let secret = lines
        .next()
        .unwrap()
        .strip_prefix("client_secret: ")
        .unwrap()
        .to_owned();
    assert!(secret.starts_with("gcs_") && lines.next().is_none());

    let shown = run(&program, "client show orders --json");
    assert!(!shown.stdout.contains(&secret));
    assert_eq!(json(&shown)["consumer_class"], "service");
    let listed = json(&run(&program, "client list --json"));
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert!(run(&program, "client list").stdout.contains("orders"));
    assert!(run(&program, "client show orders").stdout.contains("orders:read"));

    assert_eq!(run(&program, "client delete orders").code, 0);
    let gone = run(&program, "client show orders");
    assert_eq!(gone.code, 1);
    assert!(
        gone.stderr.contains("there is no client \"orders\""),
        "{}",
        gone.stderr
    );
}

#[test]
fn a_document_is_taken_whole_and_held_to_the_rules() {
    let program = migrated();
    program.file(
        "web.json",
        r#"{"client_name": "Shop", "redirect_uris": ["https://shop.example/cb"]}"#,
    );
    let made = json(&run(
        &program,
        "client create shop --document web.json --scope openid --json",
    ));
    assert_eq!(
        (&made["client_name"], &made["scope"]),
        (&"Shop".into(), &"openid".into())
    );
    for (content, says) in [
        (
            r#"{"redirect_uris": ["http://shop.example/cb"]}"#,
            "redirect_uris/0",
        ),
        (
            r#"{"surprise": 1, "client_name": ""}"#,
            "surprise is not a known member",
        ),
        (
            r#"{"client_id": "shop", "grant_types": ["client_credentials"]}"#,
            "client_id: There is a client",
        ),
        (
            r#"{"client_name": "a", "client_name": "b"}"#,
            "without repeated members",
        ),
        ("[]", "must be a JSON object"),
    ] {
        program.file("bad.json", content);
        let refused = run(&program, "client create --document bad.json");
        assert_eq!(refused.code, 1, "{content}");
        assert!(refused.stderr.contains(says), "{content}: {}", refused.stderr);
    }
    let refused = run(&program, "client create --grant password");
    assert!(
        refused.stderr.contains("grant_types/0 must be one of"),
        "{}",
        refused.stderr
    );
}

#[test]
fn the_description_is_printed_without_a_database() {
    let program = Program::new();
    let printed = run(&program, "openapi --issuer https://id.example.com");
    let document = json(&printed);
    assert_eq!(document["servers"][0]["url"], "https://id.example.com");
    assert!(!program.folder().join("data").exists());
}
