//! Every route, given what no client sends: the answer is a refusal in the route's own format, never a fault of ours, and
//! never a word of what is inside (R-CI-06).

use crate::support::http::Answer;
use crate::support::{Engine, TestApp};
use grantor::protect::routes::{Body, RouteInfo, Routes};
use grantor::server::Service;
use grantor::types::ADMIN_SCOPES;

/// What errors of the inside would show.
const INSIDE: [&str; 9] = [
    "panicked",
    "sqlx",
    "src/",
    ".rs:",
    "SELECT ",
    "INSERT ",
    "unwrap",
    "stack backtrace",
    "RowNotFound",
];

#[tokio::test]
async fn no_input_makes_a_fault() {
    let app = TestApp::spawn_with(Engine::Sqlite, &[("limits.authentication.rate", "1000000")]).await;
    let admin = app.admin_token(&ADMIN_SCOPES.join(" ")).await;
    for route in routes(&app) {
        for path in paths(&route) {
            for (content_type, body) in bodies(&route) {
                let call = app
                    .http
                    .call(route.method.clone().as_str().parse().expect("a method"), &path);
                let call = if body.is_empty() {
                    call
                } else {
                    call.body(content_type, body.clone())
                };
                let answer = call.bearer(&admin).send().await;
                is_no_fault(&route, &path, &body, &answer);
            }
        }
    }
    // And it lives.
    app.admin_token("clients:read").await;
}

#[track_caller]
fn is_no_fault(route: &RouteInfo, path: &str, body: &[u8], answer: &Answer) {
    let shown = String::from_utf8_lossy(body.get(..200).unwrap_or(body)).into_owned();
    let place = format!("{} {path} with {shown}", route.method);
    assert!(
        answer.status.as_u16() < 500,
        "{place}: {} {}",
        answer.status,
        answer.text()
    );
    if answer.status.as_u16() >= 400 {
        let text = answer.text();
        for word in INSIDE {
            assert!(!text.contains(word), "{place}: {text}");
        }
    }
}

/// The route's path with odd things in the places of parameters, and with odd queries.
fn paths(route: &RouteInfo) -> Vec<String> {
    let odd = [
        "%00",
        "..%2f..%2fetc%2fpasswd",
        "'%20OR%201=1--",
        "%ff%fe",
        "null",
    ];
    let with = |value: &str| -> String {
        let parts = route
            .path
            .split('/')
            .map(|part| if part.starts_with('{') { value } else { part });
        parts.collect::<Vec<_>>().join("/")
    };
    let mut paths = vec![with("none")];
    if route.path.contains('{') {
        paths.extend(odd.iter().map(|value| with(value)));
        paths.push(with(&"a".repeat(5_000)));
    }
    for query in [
        "?limit=-1&cursor=%00",
        "?a=1&a=2&limit=99999999999999999999",
        "?%ff=%zz",
        "?since=yesterday&cursor=AAAA",
    ] {
        paths.push(with("none") + query);
    }
    paths
}

/// Bodies of the kind that the route wants, and what is wrong with them.
fn bodies(route: &RouteInfo) -> Vec<(&'static str, Vec<u8>)> {
    let json = "application/json";
    let form = "application/x-www-form-urlencoded";
    match route.policy.body {
        _ if route.method == "GET" => vec![("", Vec::new())],
        Body::None => vec![("", Vec::new()), (json, b"{}".to_vec())],
        Body::Json | Body::MergePatch => [
            &b"{}"[..], b"", b"{", b"[]", b"null", b"\xff\xfe{}", b"{\"a\":1,\"a\":2}", b"{\"client_name\":\"\\u0000\"}",
            b"{\"redirect_uris\":[{}],\"scope\":[],\"enabled\":\"yes\",\"access_token_ttl\":1e400}",
            b"{\"grace_seconds\":-1,\"alg\":\"none\",\"immediate\":0}", b"{\"client_id\":\"../../x\",\"grant_types\":[\"password\"]}",
        ]
        .into_iter()
        .map(<[u8]>::to_vec)
        .chain([nested(100_000), format!("{{\"client_name\":\"{}\"}}", "a".repeat(2 << 20)).into_bytes()])
        .map(|body| (json, body))
        .collect(),
        Body::Form | Body::FormIfAny => [
            &b"a=b"[..], b"", b"%zz=%", b"=&=", b"\xff\xfe=\x00", b"grant_type=client_credentials&grant_type=x", b"token=%00",
            b"grant_type=authorization_code&code=gac_AAAA&redirect_uri=%00", b"grant_type=refresh_token&refresh_token=grt_",
            b"client_assertion=a.b.c&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer",
        ]
        .into_iter()
        .map(<[u8]>::to_vec)
        .chain(["a=b&".repeat(10_000).into_bytes(), format!("token={}", "a".repeat(2 << 20)).into_bytes()])
        .map(|body| (form, body))
        .collect(),
    }
}

fn nested(depth: usize) -> Vec<u8> {
    let mut body = b"{\"a\":".to_vec();
    body.extend(std::iter::repeat_n(b'[', depth));
    body
}

fn routes(app: &TestApp) -> Vec<RouteInfo> {
    let config = &app.app.config;
    let mut routes = Routes::new(config.http.cors_max_age_s);
    (Service::of(&app.app, None).routes)(&mut routes);
    routes.infos().cloned().collect()
}
