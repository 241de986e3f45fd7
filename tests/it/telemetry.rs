//! The log of a whole process, hence tests that run this test binary once more.

use grantor::clock::Clock;
use grantor::config::Config;
use grantor::telemetry::{self, Output};
use serde_json::Value;
use std::process::Command;

/// Set in the process that the test starts.
const CHILD: &str = "LOG_OF_A_PROCESS";
const CANARY: &str = "cAnArY-in-a-panic";

/// R-SEC-13: a panic's text may hold a secret; only its place is logged.
#[test]
fn a_panic_is_logged_by_its_place_alone() {
    if std::env::var_os(CHILD).is_some() {
        let config = Config::from_pairs(&[("log", "debug")]).expect("the configuration is valid");
        telemetry::start(&config.log, Clock::System, Output::Stdout);
        tracing::debug!(target: "grantor::test", user_id = 5, target = "mine", "before");
        panic!("{CANARY}");
    }
    let own = std::env::current_exe().expect("a test knows its binary");
    let output = Command::new(own)
        .args([
            "--exact",
            "telemetry::a_panic_is_logged_by_its_place_alone",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .output()
        .expect("the test binary starts");
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(!output.status.success());
    assert!(
        !stdout.contains(CANARY) && !stderr.contains(CANARY),
        "{stdout}{stderr}"
    );
    // The harness writes its own words before the first line.
    let lines: Vec<Value> = stdout
        .lines()
        .filter_map(|line| serde_json::from_str(line.get(line.find('{')?..)?).ok())
        .collect();
    let [before, panic] = lines.as_slice() else {
        panic!("two lines are expected: {stdout}");
    };
    assert_eq!(
        (&before["message"], &before["level"]),
        (&"before".into(), &"DEBUG".into())
    );
    assert_eq!(
        (&before["user_id"], &before["target_"]),
        (&5.into(), &"mine".into())
    );
    assert_eq!(
        (&panic["message"], &panic["level"]),
        (&"a thread panicked".into(), &"ERROR".into())
    );
    let place = panic["location"].as_str().expect("the place is logged");
    assert!(place.contains("telemetry.rs:"), "{place}");
}
