//! Where settings come from and what is refused, shown with the program itself.

use crate::support::program::{Program, Run};
use serde_json::Value;

/// `config show --json`, by setting.
fn shown(run: &Run) -> impl Fn(&str) -> (Value, String) + use<> {
    assert_eq!(run.code, 0, "{}", run.stderr);
    let rows: Vec<Value> = serde_json::from_str(&run.stdout).expect("config show --json prints JSON");
    move |setting| {
        let row = rows
            .iter()
            .find(|row| row["setting"] == setting)
            .expect("the setting is listed");
        (
            row["value"].clone(),
            row["origin"].as_str().expect("there is an origin").to_owned(),
        )
    }
}

fn refused(run: &Run, says: &[&str]) {
    assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
    for part in says {
        assert!(run.stderr.contains(part), "{part:?} is not in {}", run.stderr);
    }
}

const SHOW: &[&str] = &["config", "show", "--json"];
const CHECK: &[&str] = &["config", "check"];

#[test]
fn without_anything_the_defaults_hold() {
    let program = Program::new();
    let value = shown(&program.run(SHOW));
    assert_eq!(
        value("issuer"),
        ("http://localhost:8080".into(), "default".to_owned())
    );
    assert_eq!(
        value("bootstrap_client_secret"),
        (Value::Null, "default".to_owned())
    );
    assert_eq!(program.run(CHECK).stdout, "the configuration is valid\n");
}

#[test]
fn the_file_gives_way_to_the_environment_and_that_to_flags() {
    let program = Program::new();
    program.file(
        "grantor.toml",
        "[session]\nidle_s = 600\nsamesite = \"strict\"\n[code]\nttl_s = 30\n[token]\nleeway_s = 1\n",
    );
    let environment = [("GRANTOR_SESSION__IDLE_S", "700"), ("GRANTOR_CODE__TTL_S", "40")];
    let value = shown(&program.run_with(
        &environment,
        &["config", "show", "--json", "--session-idle-s", "800"],
    ));
    assert_eq!(value("session.idle_s"), ("800".into(), "flag".to_owned()));
    assert_eq!(value("code.ttl_s"), ("40".into(), "environment".to_owned()));
    assert_eq!(
        value("session.samesite"),
        ("strict".into(), "grantor.toml:3".to_owned())
    );
    assert_eq!(value("refresh.ttl_s"), ("604800".into(), "default".to_owned()));
}

#[test]
fn a_flag_stands_before_the_command_or_after_it() {
    let program = Program::new();
    for arguments in [
        ["--code-ttl-s", "20", "config", "show", "--json"],
        ["config", "--code-ttl-s", "20", "show", "--json"],
        ["config", "show", "--json", "--code-ttl-s", "20"],
    ] {
        let value = shown(&program.run(&arguments));
        assert_eq!(
            value("code.ttl_s"),
            ("20".into(), "flag".to_owned()),
            "{arguments:?}"
        );
    }
}

#[test]
fn another_file_can_be_named_and_must_be_there() {
    let program = Program::new();
    program.file("grantor.toml", "code.ttl_s = 10\n");
    program.file("other.toml", "code.ttl_s = 20\n");
    let value = shown(&program.run(&["config", "show", "--json", "--config", "other.toml"]));
    assert_eq!(value("code.ttl_s"), ("20".into(), "other.toml:1".to_owned()));
    refused(
        &program.run(&["config", "check", "--config", "none.toml"]),
        &["none.toml", "cannot be read"],
    );
}

#[test]
fn a_file_can_hold_any_value_and_loses_one_final_newline() {
    let program = Program::new();
    let secret = "Zk3vV0d9sO1pQmYx4u7wB2n6c8r5t1a0";
    for contents in [format!("{secret}\n"), format!("{secret}\r\n"), secret.to_owned()] {
        let path = program.file("secret", &contents);
        let path = path.to_str().expect("the path is text");
        for run in [
            program.run_with(&[("GRANTOR_BOOTSTRAP_CLIENT_SECRET_FILE", path)], SHOW),
            program.run(&["config", "show", "--json", "--bootstrap-client-secret-file", path]),
        ] {
            let (value, origin) = shown(&run)("bootstrap_client_secret");
            assert_eq!(value, "(hidden)");
            assert!(origin.starts_with(path), "{origin}");
        }
        program.file(
            "grantor.toml",
            &format!("bootstrap_client_secret_file = {path:?}\n"),
        );
        assert_eq!(shown(&program.run(SHOW))("bootstrap_client_secret").0, "(hidden)");
        std::fs::remove_file(program.folder().join("grantor.toml")).expect("the file is removed");
    }
    let path = program.file("secret", &format!("{secret}\n\n"));
    let environment = [(
        "GRANTOR_BOOTSTRAP_CLIENT_SECRET_FILE",
        path.to_str().expect("the path is text"),
    )];
    refused(
        &program.run_with(&environment, CHECK),
        &["GRANTOR_BOOTSTRAP_CLIENT_SECRET_FILE", "control characters"],
    );
    let environment = [("GRANTOR_LOG_FILE", "/nowhere/log")];
    refused(
        &program.run_with(&environment, CHECK),
        &["GRANTOR_LOG_FILE (environment): the file cannot be read"],
    );
}

#[test]
fn a_value_together_with_its_file_is_refused() {
    let program = Program::new();
    let environment = [("GRANTOR_LOG", "info"), ("GRANTOR_LOG_FILE", "/dev/null")];
    refused(
        &program.run_with(&environment, CHECK),
        &["GRANTOR_LOG_FILE", "given together with GRANTOR_LOG"],
    );
}

#[test]
fn unknown_settings_are_refused_wherever_they_stand() {
    let program = Program::new();
    program.file("grantor.toml", "[sesion]\nidle_s = 600\n");
    let environment = [
        ("GRANTOR_ISSUR", "https://id.example"),
        ("GRANTOR_REDIS_URI", "redis://x"),
        ("OTHER", "x"),
    ];
    let run = program.run_with(&environment, CHECK);
    refused(
        &run,
        &[
            "sesion.idle_s (grantor.toml:2): there is no such setting; did you mean session.idle_s?",
            "GRANTOR_ISSUR (environment): there is no such setting; did you mean GRANTOR_ISSUER?",
            "GRANTOR_REDIS_URI (environment): there is no such setting",
        ],
    );
    let run = Program::new().run(&["config", "check", "--session-idle", "600"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("--session-idle-s"), "{}", run.stderr);
}

#[test]
fn what_orchestrators_inject_is_ignored() {
    let environment = [
        ("GRANTOR_SERVICE_HOST", "10.0.0.1"),
        ("GRANTOR_SERVICE_PORT_HTTP", "80"),
        ("GRANTOR_PORT", "tcp://10.0.0.1:80"),
        ("GRANTOR_PORT_80_TCP_ADDR", "10.0.0.1"),
    ];
    assert_eq!(Program::new().run_with(&environment, CHECK).code, 0);
}

#[test]
fn a_value_out_of_range_is_refused_with_name_reason_and_range() {
    let program = Program::new();
    program.file("grantor.toml", "[token]\naccess_ttl_s = 901\n");
    let environment = [
        ("GRANTOR_LIMITS__STANDARD__RATE", "0"),
        ("GRANTOR_TLS__MIN", "1.1"),
    ];
    let run = program.run_with(&environment, &["--code-ttl-s", "61", "config", "check"]);
    refused(
        &run,
        &[
            "token.access_ttl_s (grantor.toml:2): 901 is out of range; allowed: 5 to 900 seconds",
            "GRANTOR_LIMITS__STANDARD__RATE (environment): 0 is out of range; allowed: 1 to 1000000000 requests",
            "GRANTOR_TLS__MIN (environment)",
            "allowed: 1.2 or 1.3",
            "--code-ttl-s (flag): 61 is out of range; allowed: 5 to 60 seconds",
        ],
    );
}

#[test]
fn no_output_holds_a_secret() {
    let canary = "cAnArY0d9sO1pQmYx4u7wB2n6c8r5t1a0";
    let url = format!("postgres://grantor:{canary}@127.0.0.1/grantor?sslpassword={canary}");
    let program = Program::new();
    let environment = [
        ("GRANTOR_BOOTSTRAP_CLIENT_SECRET", canary),
        ("GRANTOR_BOOTSTRAP_PASSWORD", canary),
        ("GRANTOR_MANAGEMENT_TOKEN", canary),
        ("GRANTOR_DATABASE_URL", &url),
    ];
    for arguments in [SHOW, &["config", "show"], CHECK] {
        let run = program.run_with(&environment, arguments);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert!(
            !format!("{}{}", run.stdout, run.stderr).contains(canary),
            "{arguments:?}: {}",
            run.stdout
        );
    }
    // Refused values are not repeated either, nor is the line of a file that is no TOML.
    let environment = [
        ("GRANTOR_MASTER_KEY", canary),
        ("GRANTOR_BOOTSTRAP_CLIENT_SECRET", "cAnArY"),
        ("GRANTOR_DATABASE_URL", "mysql://u:cAnArY@db/x"),
    ];
    let run = program.run_with(&environment, CHECK);
    refused(
        &run,
        &[
            "GRANTOR_MASTER_KEY",
            "GRANTOR_BOOTSTRAP_CLIENT_SECRET",
            "GRANTOR_DATABASE_URL",
        ],
    );
    assert!(!run.stderr.contains("cAnArY"), "{}", run.stderr);
    program.file("grantor.toml", "master_key = cAnArY\n");
    let run = program.run(CHECK);
    refused(&run, &["grantor.toml:1"]);
    assert!(!run.stderr.contains("cAnArY"), "{}", run.stderr);
}

#[test]
fn r_sec_02_in_production_no_secret_stands_in_the_configuration_file() {
    let program = Program::new();
    program.file(
        "grantor.toml",
        "issuer = \"https://id.example\"\nbootstrap_client_secret = \"Zk3vV0d9sO1pQmYx4u7wB2n6c8r5t1a0\"\n",
    );
    refused(
        &program.run(CHECK),
        &[
            "bootstrap_client_secret (grantor.toml:2)",
            "GRANTOR_BOOTSTRAP_CLIENT_SECRET_FILE",
        ],
    );
    program.file(
        "grantor.toml",
        "issuer = \"https://id.example\"\ndatabase_url = \"sqlite://data/x.db\"\n",
    );
    assert_eq!(program.run(CHECK).code, 0);
}

#[test]
fn check_has_a_form_for_programs() {
    let program = Program::new();
    let run = program.run_with(&[("GRANTOR_CODE__TTL_S", "0")], &["config", "check", "--json"]);
    assert_eq!(run.code, 1);
    let answer: Value = serde_json::from_str(&run.stdout).expect("config check --json prints JSON");
    assert_eq!(answer["valid"], false);
    assert_eq!(answer["problems"][0]["setting"], "GRANTOR_CODE__TTL_S");
    assert_eq!(answer["problems"][0]["allowed"], "5 to 60 seconds");
    let run = program.run_with(
        &[("GRANTOR_LISTEN", "0.0.0.0:8080")],
        &["config", "check", "--json"],
    );
    let answer: Value = serde_json::from_str(&run.stdout).expect("config check --json prints JSON");
    assert!(
        answer["valid"] == true && answer["warnings"][0].as_str().is_some(),
        "{answer}"
    );
}

#[test]
fn texts_of_scopes_are_shown_with_their_lines() {
    let program = Program::new();
    program.file(
        "grantor.toml",
        "[scopes.\"orders:read\".description]\nde = \"Bestellungen sehen\"\n",
    );
    let value = shown(&program.run(SHOW));
    let name = "scopes.\"orders:read\".description.de";
    assert_eq!(
        value(name),
        ("Bestellungen sehen".into(), "grantor.toml:2".to_owned())
    );
}
