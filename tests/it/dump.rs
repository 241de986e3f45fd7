//! What a thief of the database or of the log gets: no secret, no token, no private key, no personal data in clear.

use crate::support::Engine;
use crate::support::db::database_url;
use crate::support::http::Http;
use crate::support::process::{ADMIN_SECRET, Installation};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use std::io::Write as _;
use std::process::Stdio;

/// Personal data and a password, as somebody would type them.
const EMAIL: &str = "canary.person@mail.example";
const PASSWORD: &str = "canary correct horse battery staple";

on_both_engines! {
    async fn nothing_secret_lies_in_the_databases_or_in_the_log(engine: Engine) {
        let installation = Installation::new(engine, &[("GRANTOR_LOG", "debug")]).await;
        let server = installation.serve().await;
        let mut canaries = vec![ADMIN_SECRET.to_owned(), PASSWORD.to_owned()];
        create_person(&installation);
        let tokens = leave_traces(&server.http).await;
        canaries.extend(tokens);
        assert!(server.terminate().success());
        let master = std::fs::read_to_string(installation.program.folder().join("data/master.key")).expect("the key");
        let master = master.trim().split_once(':').expect("id:key").1.to_owned();
        canaries.push(master);

        let dump = dump(&installation).await;
        let text = String::from_utf8_lossy(&dump);
        let log = installation.output();
        assert!(text.contains("canary"), "the databases were not looked at: usernames are in clear");
        assert!(log.contains("\"route\":\"/oauth2/authorize\""), "the log was not looked at");
        for canary in &canaries {
            for form in forms(canary) {
                assert!(!text.contains(&form), "the database holds {canary}");
                assert!(!log.contains(&form), "the log holds {canary}");
            }
        }
        for form in forms(EMAIL) {
            assert!(!text.contains(&form) && !log.contains(&form), "somebody's address");
        }
        // PKCS#8 in clear would show its algorithm's identifier: rsaEncryption, id-ecPublicKey, Ed25519.
        let identifiers: [&[u8]; 3] = [b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01", b"\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20"];
        for identifier in identifiers {
            let in_binary = dump.windows(identifier.len()).any(|bytes| bytes == identifier);
            assert!(!in_binary && !text.contains(&hex::encode(identifier)), "a private key");
        }
        assert!(!text.contains("PRIVATE KEY") && !log.contains("eyJ"));
    }
}

fn create_person(installation: &Installation) {
    let arguments = ["user", "create", "canary", "--email", EMAIL, "--password-stdin"];
    let mut child = installation
        .command(&arguments)
        .stdin(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("its input");
    input.write_all(PASSWORD.as_bytes()).expect("it reads");
    drop(input);
    assert!(child.wait().expect("it ends").success());
}

/// Uses the server in ways that touch secrets, and gives those that came back.
async fn leave_traces(http: &Http) -> Vec<String> {
    let mut secrets = Vec::new();
    let token = async |id: &str, secret: &str, scope: &str| -> String {
        let form = [("grant_type", "client_credentials"), ("scope", scope)];
        let answer = http
            .post("/oauth2/token")
            .basic(id, secret)
            .form(&form)
            .send()
            .await
            .expect(200)
            .json();
        answer["access_token"].as_str().expect("a token").to_owned()
    };
    let admin = token("admin", ADMIN_SECRET, "clients:write audit:read").await;
    let client: Value = http
        .post("/admin/v1/clients")
        .bearer(&admin)
        .json(&json!({"grant_types": ["client_credentials"], "scope": "orders:read"}))
        .send()
        .await
        .expect(201)
        .json();
    let id = client["client_id"].as_str().expect("an id");
    let secret = client["client_secret"].as_str().expect("a secret");
    let own = token(id, secret, "orders:read").await;
    let rotate = http
        .post(&format!("/admin/v1/clients/{id}/secret"))
        .bearer(&admin)
        .json(&json!({"grace_seconds": 60}));
    let rotated: Value = rotate.send().await.expect(200).json();
    // Refusals are recorded too, without what was presented.
    let wrong = "gcs_a-secret-that-was-guessed-and-is-wrong";
    http.post("/oauth2/token")
        .basic(id, wrong)
        .form(&[("grant_type", "client_credentials")])
        .send()
        .await
        .expect(401);
    http.get("/admin/v1/clients")
        .bearer(&own)
        .send()
        .await
        .expect(403);
    http.post("/oauth2/introspect")
        .basic(id, secret)
        .form(&[("token", &own)])
        .send()
        .await
        .expect(200);
    http.post("/oauth2/revoke")
        .basic(id, secret)
        .form(&[("token", &own)])
        .send()
        .await
        .expect(200);
    http.get(&format!(
        "/oauth2/authorize?client_id={id}&login_hint={EMAIL}&id_token_hint={own}"
    ))
    .send()
    .await;
    secrets.extend([admin, own, secret.to_owned(), wrong.to_owned()]);
    secrets.push(rotated["client_secret"].as_str().expect("a secret").to_owned());
    secrets
}

/// Everything that the databases hold, as bytes.
async fn dump(installation: &Installation) -> Vec<u8> {
    let Some(name) = &installation.database else {
        let data = installation.program.folder().join("data");
        let files = std::fs::read_dir(data).expect("the data folder");
        let paths = files.map(|file| file.expect("an entry").path());
        return paths
            .filter(|path| path.file_name().is_some_and(|name| name != "master.key"))
            .flat_map(|path| std::fs::read(path).expect("a file"))
            .collect();
    };
    const TABLES: &str = "SELECT table_schema || '.' || table_name AS name FROM information_schema.tables
        WHERE table_schema IN ('public', 'audit') AND table_type = 'BASE TABLE'";
    let mut conn = PgConnection::connect(&database_url(name))
        .await
        .expect("a connection");
    let tables = sqlx::query(TABLES)
        .fetch_all(&mut conn)
        .await
        .expect("the tables");
    let mut all = Vec::new();
    for table in tables {
        let table: String = table.get("name");
        let sql = AssertSqlSafe(format!("SELECT t::text FROM {table} t"));
        let rows: Vec<String> = sqlx::query_scalar(sql)
            .fetch_all(&mut conn)
            .await
            .expect("its rows");
        all.extend(rows.iter().flat_map(|row| row.bytes()));
    }
    all
}

/// The ways in which a text could be written down.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned(), hex::encode(secret)];
    // Without the last characters, which depend on what follows.
    for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
        let text = engine.encode(secret);
        forms.push(text[..text.len() - 4].to_owned());
    }
    forms
}
