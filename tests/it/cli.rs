//! The command line, shown with the program itself.

use crate::support::program::Program;
use grantor::config::settings;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

/// Every command, found through the help of its parent.
fn commands(program: &Program, above: &[String]) -> Vec<Vec<String>> {
    let mut arguments: Vec<_> = above.iter().map(String::as_str).collect();
    arguments.push("-h");
    let help = program.run(&arguments).stdout;
    let mut found = vec![above.to_vec()];
    let names = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help");
    for name in names {
        let mut command = above.to_vec();
        command.push(name.to_owned());
        found.extend(commands(program, &command));
    }
    found
}

#[test]
fn every_command_has_help_with_an_example_and_every_setting() {
    let program = Program::new();
    let all = commands(&program, &[]);
    for known in [
        "serve",
        "migrate",
        "config show",
        "config check",
        "health",
        "keys list",
        "keys reseal",
    ] {
        assert!(
            all.iter().any(|command| command.join(" ") == known),
            "{known} is missing: {all:?}"
        );
    }
    for command in all {
        let mut arguments: Vec<_> = command.iter().map(String::as_str).collect();
        arguments.push("--help");
        let run = program.run(&arguments);
        assert_eq!(run.code, 0, "{command:?}: {}", run.stderr);
        let has_commands = run.stdout.contains("\nCommands:\n");
        assert!(
            run.stdout.contains("Example") || has_commands,
            "{command:?} has no example"
        );
        for setting in settings::all() {
            assert!(
                run.stdout.contains(&format!("--{} ", setting.flag())),
                "{command:?} lacks {}",
                setting.key
            );
        }
        arguments.pop();
        arguments.push("-h");
        assert!(
            !program.run(&arguments).stdout.contains("--session-idle-s"),
            "{command:?}: short help is short"
        );
    }
}

#[test]
fn wrong_usage_is_2_and_a_refusal_is_1() {
    let program = Program::new();
    for wrong in [
        &["no-such-command"][..],
        &["serve", "--no-such-flag"],
        &["config"],
        &["--log"],
    ] {
        assert_eq!(program.run(wrong).code, 2, "{wrong:?}");
    }
    assert_eq!(program.run(&["--log", "loud", "migrate"]).code, 1);
    assert_eq!(program.run(&["--version"]).code, 0);
}

#[test]
fn migrate_says_what_it_did_and_can_be_repeated() {
    let program = Program::new();
    let first = program.run(&["migrate"]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert!(first.stdout.ends_with("migrations applied\n"), "{}", first.stdout);
    assert_eq!(program.run(&["migrate"]).stdout, "nothing to apply\n");
    for file in ["data/grantor.db", "data/audit.db"] {
        assert!(program.folder().join(file).exists(), "{file}");
    }
}

#[test]
fn without_migrations_an_old_schema_is_refused() {
    let program = Program::new();
    let run = program.run(&["serve", "--no-migrate"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stderr.contains("grantor migrate"), "{}", run.stderr);
}

#[test]
fn a_configuration_that_is_refused_starts_nothing() {
    let program = Program::new();
    let run = program.run_with(&[("GRANTOR_ISSUER", "http://id.example")], &[]);
    assert_eq!(run.code, 1);
    assert!(
        run.stderr.contains("GRANTOR_ISSUER (environment): must be https"),
        "{}",
        run.stderr
    );
    assert!(!program.folder().join("data").exists());
}

#[test]
fn health_asks_the_management_listener() {
    let program = Program::new();
    for (answer, code, says) in [
        ("HTTP/1.1 200 OK\r\n\r\nready", 0, "ready"),
        (
            "HTTP/1.1 503 Service Unavailable\r\n\r\ndatabase",
            1,
            "503 database",
        ),
        ("nonsense", 1, "not HTTP"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener
            .local_addr()
            .expect("the listener has an address")
            .to_string();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("somebody asks");
            let mut request = [0; 1024];
            let length = stream.read(&mut request).expect("there is a request");
            stream.write_all(answer.as_bytes()).expect("the answer is sent");
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let run = program.run(&["health", "--management-listen", &address]);
        assert!(
            server
                .join()
                .expect("the server ends")
                .starts_with("GET /health/ready HTTP/1.1\r\n")
        );
        assert_eq!(run.code, code, "{}", run.stderr);
        assert!(
            format!("{}{}", run.stdout, run.stderr).contains(says),
            "{}{}",
            run.stdout,
            run.stderr
        );
    }
    let run = program.run(&["health", "--json", "--management-listen", "127.0.0.1:1"]);
    assert_eq!(run.code, 1);
    assert!(run.stdout.contains("\"ready\": false"), "{}", run.stdout);
}

#[cfg(unix)]
#[test]
fn the_master_key_file_is_private_and_a_file_that_is_not_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let program = Program::new();
    std::fs::create_dir(program.folder().join("data")).expect("the folder is made");
    let key = program.file(
        "data/master.key",
        "a:Zk3vV0d9sO1pQmYx4u7wB2n6c8r5t1a0Zk3vV0d9sO0=\n",
    );
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("the mode is set");
    let run = program.run(&["serve"]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("chmod 600"), "{}", run.stderr);
}
