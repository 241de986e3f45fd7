//! `grantor tenant …` and `--tenant`, shown with the program itself.

use crate::support::program::{Program, Run};
use serde_json::Value;

const SETTINGS: &[(&str, &str)] = &[
    ("GRANTOR_TOKENS__ALGORITHMS", "ES256"),
    ("GRANTOR_TOKEN__ALG", "ES256"),
];

fn run(program: &Program, arguments: &str) -> Run {
    let arguments: Vec<_> = arguments.split_whitespace().collect();
    program.run_with(SETTINGS, &arguments)
}

fn succeeds(program: &Program, arguments: &str) -> String {
    let run = run(program, arguments);
    assert_eq!(run.code, 0, "{arguments}: {}", run.stderr);
    run.stdout
}

fn json(program: &Program, arguments: &str) -> Value {
    serde_json::from_str(&succeeds(program, arguments)).unwrap()
}

#[test]
fn a_tenant_is_made_looked_after_and_deleted() {
    let program = Program::new();
    succeeds(&program, "migrate");
    let made = succeeds(
        &program,
        "tenant create acme --display-name Acme --admin-username alice",
    );
    let members: Vec<_> = made.lines().map(|line| line.split_once(": ").unwrap()).collect();
    let names: Vec<_> = members.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        ["issuer", "client_id", "client_secret", "username", "password"]
    );
    assert_eq!(members[0].1, "http://localhost:8080/t/acme");
    assert!(members[2].1.starts_with("gcs_"));

    succeeds(
        &program,
        "client create orders --grant client_credentials --tenant acme",
    );
    let names = |of: &str| {
        let listed = json(&program, &format!("client list --json{of}"));
        let clients = listed.as_array().unwrap().iter();
        clients
            .map(|client| client["client_id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(" --tenant acme"), ["orders", "admin"]);
    assert_eq!(names(""), [""; 0], "nothing of it is in the first tenant");
    assert!(succeeds(&program, "user list --tenant acme").contains("alice"));
    let kids = |of: &str| json(&program, &format!("keys list --json{of}"));
    assert_ne!(kids(""), kids(" --tenant acme"));
    succeeds(&program, "keys rotate --immediate --tenant acme");

    assert_eq!(succeeds(&program, "tenant disable acme").trim(), "disabled: acme");
    assert_eq!(json(&program, "tenant show acme --json")["enabled"], false);
    succeeds(&program, "tenant enable acme");
    assert!(succeeds(&program, "tenant list").contains("http://localhost:8080/t/acme"));
    assert_eq!(succeeds(&program, "tenant delete acme").trim(), "deleted: acme");
    for (arguments, says) in [
        ("tenant show acme", "there is no tenant acme"),
        ("client list --tenant acme", "there is no tenant acme"),
        ("tenant delete default", "neither disabled nor deleted"),
        ("tenant create default", "there is a tenant of this name"),
        ("tenant create a --accent-color #fff", "accent_color must match"),
    ] {
        let refused = run(&program, arguments);
        assert_eq!(refused.code, 1, "{arguments}");
        assert!(refused.stderr.contains(says), "{arguments}: {}", refused.stderr);
    }
    assert_eq!(run(&program, "tenant create Acme").code, 2);
}
