//! The real program, killed while it works: nothing that it gave away is missing in its audit log.

use crate::support::Engine;
use crate::support::http::Http;
use crate::support::process::{ADMIN_SECRET, Installation};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::mpsc;

/// How often the server is killed. `GRANTOR_TEST_KILLS` asks for more.
const KILLS: u64 = 3;
/// How many clients ask at once.
const CLIENTS: usize = 8;

on_both_engines! {
    /// "`kill -9` during load, 20 times: every issued token has its audit event, and `grantor audit verify` passes."
    async fn every_token_that_left_before_a_kill_is_on_record(engine: Engine) {
        let kills = std::env::var("GRANTOR_TEST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
        let installation = Installation::new(engine, &[]).await;
        let mut issued = BTreeSet::new();
        for kill in 0..kills {
            let server = installation.serve().await;
            let (first, mut flowing) = mpsc::channel(1);
            let load: Vec<_> = (0..CLIENTS)
                .map(|_| tokio::spawn(ask_until_it_dies(server.http.clone(), first.clone())))
                .collect();
            drop(first);
            // Once tokens flow, and at another moment each time.
            flowing.recv().await.expect("a token is issued");
            tokio::time::sleep(Duration::from_millis(20 + 37 * kill)).await;
            server.kill();
            let before = issued.len();
            for tokens in load {
                issued.extend(tokens.await.expect("the load ends"));
            }
            assert!(issued.len() > before, "nothing was issued before kill {kill}");
        }
        let server = installation.serve().await;
        let recorded = recorded(&server.http).await;
        let missing: Vec<_> = issued.difference(&recorded).collect();
        assert!(missing.is_empty(), "{} of {} tokens are not on record", missing.len(), issued.len());
        assert!(server.terminate().success());
        let verify = installation.command(&["audit", "verify"]).output().expect("the program runs");
        let said = String::from_utf8_lossy(&verify.stdout).into_owned() + &String::from_utf8_lossy(&verify.stderr);
        assert!(verify.status.success(), "{said}");
    }
}

/// Asks for tokens, one after the other; the `jti` of each that was received whole.
async fn ask_until_it_dies(http: Http, first: mpsc::Sender<()>) -> Vec<String> {
    let mut received = Vec::new();
    let form = [("grant_type", "client_credentials"), ("scope", "clients:read")];
    while let Ok(answer) = http
        .post("/oauth2/token")
        .basic("admin", ADMIN_SECRET)
        .form(&form)
        .try_send()
        .await
    {
        let answer = answer.expect(200).json();
        let token = answer["access_token"].as_str().expect("a token");
        let claims = token.split('.').nth(1).expect("claims");
        let claims: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).expect("base64url")).expect("JSON");
        received.push(claims["jti"].as_str().expect("a jti").to_owned());
        let _ = first.try_send(());
    }
    received
}

/// The `jti` of every token that the audit log knows of, read as an auditor would.
async fn recorded(http: &Http) -> BTreeSet<String> {
    let form = [("grant_type", "client_credentials"), ("scope", "audit:read")];
    let token = http
        .post("/oauth2/token")
        .basic("admin", ADMIN_SECRET)
        .form(&form)
        .send()
        .await
        .expect(200)
        .json();
    let token = token["access_token"].as_str().expect("a token").to_owned();
    let mut found = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/admin/v1/audit?event_type=token_issued&limit=100{cursor}");
        let page = http.get(&path).bearer(&token).send().await.expect(200).json();
        for event in page["items"].as_array().expect("items") {
            found.extend(event["metadata"]["jti"].as_str().map(str::to_owned));
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}
