//! The request log: one line per request, with the true status, and nothing that is secret.

use super::{Ground, read_to_end};
use crate::support::source::root;
use serde_json::{Map, Value};
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// The lines of all tests of this process; each looks for those of its own requests.
fn lines() -> &'static Mutex<Vec<Value>> {
    static LINES: OnceLock<Mutex<Vec<Value>>> = OnceLock::new();
    LINES.get_or_init(|| {
        // Server threads have no subscriber of their own: only a global one hears them.
        let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Lines));
        Mutex::new(Vec::new())
    })
}

struct Lines;

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "grantor::request" {
            let mut fields = Fields(Map::new());
            event.record(&mut fields);
            let mut lines = lines().lock().unwrap_or_else(PoisonError::into_inner);
            lines.push(Value::Object(fields.0));
        }
    }
}

struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0
            .insert(field.name().to_owned(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

/// The one line whose member has this value.
async fn line(member: &str, value: &str) -> Value {
    for _ in 0..500 {
        let found: Vec<Value> = {
            let lines = lines().lock().unwrap_or_else(PoisonError::into_inner);
            lines
                .iter()
                .filter(|line| line[member] == value)
                .cloned()
                .collect()
        };
        match found.as_slice() {
            [] => tokio::time::sleep(Duration::from_millis(10)).await,
            [line] => return line.clone(),
            more => panic!("{} lines", more.len()),
        }
    }
    panic!("no line with {member} {value}");
}

fn id(n: u32) -> String {
    format!("0190a5a0-2222-4000-8000-{n:012}")
}

/// R-LOG-01, -02, -03, -05, -06, -08, -10, -17.
#[tokio::test]
async fn r_log_01_a_line_says_who_what_and_how_it_ended() {
    lines();
    let ground = Ground::new(&[("trusted_proxies", "127.0.0.1")]).await;
    let answer = ground
        .http()
        .post("/oauth2/token?ui=canary-query")
        .form(&[("client", "one"), ("extra", "canary-body")])
        .header("x-correlation-id", &id(1))
        .header(
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
        .header("authorization", "Bearer canary-token")
        .header("cookie", "session=canary-cookie")
        .header("user-agent", &"agent".repeat(2000))
        .header("x-forwarded-for", "2001:db8::9")
        .send()
        .await
        .expect(200);
    let line = line("request_id", &id(1)).await;
    assert!(!line.to_string().contains("canary"), "{line}");
    assert!(line["duration_ms"].as_f64().unwrap() >= 0.0);
    let expected = [
        ("method", "POST".into()),
        ("route", "/oauth2/token".into()),
        ("path", "/oauth2/token".into()),
        ("status", 200.into()),
        ("request_bytes", "client=one&extra=canary-body".len().into()),
        ("response_bytes", answer.body.len().into()),
        ("client_id", "one".into()),
        ("tenant", "00000000-0000-0000-0000-000000000001".into()),
        ("address", "2001:db8::9".into()),
        ("trace_id", "0af7651916cd43dd8448eb211c80319c".into()),
    ];
    for (member, value) in expected {
        assert_eq!(line[member], Value::clone(&value), "{member}");
    }
    assert_eq!(line["user_agent"].as_str().unwrap().len(), 256);
    assert_eq!(line["user_id"], Value::Null);
}

/// R-LOG-04: "keys match published log schema".
#[tokio::test]
async fn r_log_04_the_members_of_a_line_are_those_of_the_documentation() {
    lines();
    let ground = Ground::new(&[("limits.per_user.rate", "1")]).await;
    let user = "0190a5a0-0000-7000-8000-000000000001";
    let http = ground.http();
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for n in [30, 31] {
        let call = http
            .get("/admin/v1/things")
            .header("x-correlation-id", &id(n))
            .header("traceparent", trace)
            .header("user-agent", "x");
        call.header("x-client", "one").header("x-user", user).send().await;
    }
    let line = line("request_id", &id(31)).await;
    let page = std::fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let table = page.split_once("The line of a request").unwrap().1;
    let rows = table.split("\n\n").nth(1).unwrap().lines().skip(2);
    let mut documented: Vec<_> = rows
        .flat_map(|row| row.split('|').nth(1).unwrap().split(','))
        .map(|name| name.trim().trim_matches('`').to_owned())
        .collect();
    documented.sort_unstable();
    let mut members: Vec<_> = line.as_object().unwrap().keys().cloned().collect();
    members.retain(|name| name != "message");
    // Only in the line of an answer that was not sent to its end.
    members.push("sent_status".to_owned());
    members.sort_unstable();
    assert_eq!(members, documented);
}

#[tokio::test]
async fn r_log_03_every_status_gives_one_line() {
    lines();
    let ground = Ground::new(&[("limits.public.rate", "1")]).await;
    let http = ground.http();
    let table = [
        (10, "/nothing", 404, "unknown"),
        (11, "/fault/internal", 500, "/fault/{kind}"),
        (12, "/panic", 500, "/panic"),
        (13, "/.well-known/document", 200, "/.well-known/document"),
        (14, "/.well-known/document", 429, "/.well-known/document"),
        (15, "/oauth2/token", 405, "/oauth2/token"),
    ];
    for (n, path, status, route) in table {
        let call = http.get(path).header("x-correlation-id", &id(n));
        let answer = call.send().await.expect(status);
        let line = line("request_id", &id(n)).await;
        assert_eq!(line["status"], status, "{path}");
        assert_eq!(line["route"], route);
        assert_eq!(line["response_bytes"], answer.body.len());
        let limited = (status == 429).then_some("public");
        assert_eq!(line["limited_by"].as_str(), limited);
        assert_eq!(line["limited_key"].as_str(), limited.map(|_| "address"));
    }
}

#[tokio::test]
async fn a_sender_who_goes_away_gives_a_line_too() {
    lines();
    let ground = Ground::new(&[]).await;
    let mut stream = ground.connect().await;
    let request = format!(
        "GET /slow HTTP/1.1\r\nHost: a\r\nX-Correlation-ID: {}\r\n\r\n",
        id(20)
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let management = ground.management();
    while !management
        .get("/metrics")
        .send()
        .await
        .text()
        .contains("grantor_http_requests_in_flight 1")
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // A reset, so that the server notices at once.
    socket2::SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(stream);
    assert_eq!(line("request_id", &id(20)).await["status"], 499);
}

#[tokio::test]
async fn what_is_no_request_gives_a_line_too() {
    lines();
    let ground = Ground::new(&[]).await;
    let mut stream = ground.connect().await;
    let request = "GET /oauth2/unread-canary?code=canary HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    let line = line("path", "/oauth2/unread-canary").await;
    assert_eq!(line["status"], 400);
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    assert_eq!(line["response_bytes"], body.len());
    assert!(answer.contains(line["request_id"].as_str().unwrap()));
}
