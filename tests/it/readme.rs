//! The README's lines are run as they stand there, on a fresh installation.

use crate::support::Engine;
use crate::support::process::Installation;
use crate::support::source::root;
use std::io::Write as _;
use std::process::Command;

on_both_engines! {
    async fn its_lines_lead_to_a_token_and_its_verification(engine: Engine) {
        let readme = std::fs::read_to_string(root().join("README.md")).expect("the README is read");
        let installation = Installation::new(engine, &[]).await;
        let mut start = installation.command(&["serve"]);
        start.env_remove("GRANTOR_BOOTSTRAP_CLIENT_SECRET");
        let port = installation.base.rsplit(':').next().expect("a port").to_owned();
        let _server = installation.serve_on(&port, start).await;
        let printed = installation.output();
        let secret = printed.split("client_secret: ").nth(1).and_then(|rest| rest.lines().next()).expect("a secret");

        let mut script = String::from("set -eu\n");
        script.push_str(&blocks(&readme, "sh").join("\n").replace("gcs_...", secret));
        let verifies = python_can_verify();
        if verifies {
            let python = blocks(&readme, "python").join("\n");
            script.push_str(&format!("\npython3 - <<'PYTHON'\n{python}\nPYTHON\n"));
        }
        let script = script.replace("http://localhost:8080", &installation.base);
        let run = Command::new("bash").arg("-c").arg(script).output().expect("bash runs");
        let out = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success(), "{out}{}", String::from_utf8_lossy(&run.stderr));
        assert!(out.contains("eyJ"), "no token: {out}");
        assert!(!verifies || out.contains(" may orders:read"), "not verified: {out}");
    }
}

/// Whether PyJWT is there, which the README asks its reader to install.
fn python_can_verify() -> bool {
    let import = Command::new("python3")
        .args(["-c", "import jwt, cryptography"])
        .output();
    let can = import.is_ok_and(|run| run.status.success());
    if !can {
        let _ = writeln!(
            std::io::stderr(),
            "left out: the README's verification, because python3 has no PyJWT (scripts/test has)"
        );
    }
    can
}

/// The contents of the fenced blocks of one language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(&fence)
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect()
}
