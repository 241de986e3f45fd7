//! `grantor registration-token …`, shown with the program itself.

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

fn json(run: &Run) -> Value {
    assert_eq!(run.code, 0, "{}", run.stderr);
    serde_json::from_str(&run.stdout).unwrap()
}

#[test]
fn a_token_is_made_listed_and_deleted() {
    let program = Program::new();
    assert_eq!(run(&program, "migrate").code, 0);
    let made = run(
        &program,
        "registration-token create --max-uses 5 --description Partners",
    );
    assert_eq!(made.code, 0, "{}", made.stderr);
    let mut lines = made.stdout.lines();
    let id = lines.next().unwrap().strip_prefix("id: ").unwrap().to_owned();
    let token = lines.next().unwrap().strip_prefix("token: ").unwrap().to_owned();
    assert!(token.starts_with("gia_") && lines.next().is_none());
    let bounded = json(&run(
        &program,
        "registration-token create --scope openid --grant authorization_code --redirect-host rp.example --expires-in 60 --json",
    ));
    assert_eq!(bounded["redirect_hosts"][0], "rp.example");
    assert!(bounded["token"].is_string());

    let listed = run(&program, "registration-token list --json");
    assert!(!listed.stdout.contains("gia_"));
    let listed = json(&listed);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(
        (&listed[1]["id"], &listed[1]["max_uses"]),
        (&id.as_str().into(), &5.into())
    );
    assert!(
        run(&program, "registration-token list")
            .stdout
            .contains("Partners")
    );

    assert_eq!(run(&program, &format!("registration-token delete {id}")).code, 0);
    for gone in [&*id, "x"] {
        let gone = run(&program, &format!("registration-token delete {gone}"));
        assert_eq!(gone.code, 1);
        assert!(
            gone.stderr.contains("there is no registration token"),
            "{}",
            gone.stderr
        );
    }
    let wrong = run(&program, "registration-token create --expires-in 59");
    assert_eq!(wrong.code, 1);
    assert!(
        wrong.stderr.contains("expires_in must be at least 60"),
        "{}",
        wrong.stderr
    );
}
