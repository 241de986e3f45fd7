//! Which tenant a URL is about. A path either shows a tenant's issuer in its one spelling or reaches nothing of it.

use super::bare_tenant;
use crate::support::source;
use crate::support::{Engine, TestApp};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const SETTINGS: &[(&str, &str)] = &[("tokens.algorithms", "ES256")];

/// What serves requests asks the exchange whose they are, never the configuration: which issuer, and which tenant.
#[test]
fn nothing_that_serves_requests_knows_of_one_tenant_alone() {
    const SERVING: [&str; 7] = [
        "src/oauth/",
        "src/oidc/",
        "src/web/",
        "src/federation/",
        "src/admin/",
        "src/bearer.rs",
        "src/visit.rs",
    ];
    // Decides what the first tenant cannot have done to it.
    const EXCEPTIONS: [&str; 1] = ["src/admin/tenants/manage.rs"];
    let serving = source::files().into_iter().filter(|file| {
        SERVING.iter().any(|path| file.path.starts_with(path)) && !EXCEPTIONS.contains(&file.path.as_str())
    });
    let mut wrong = Vec::new();
    for file in serving {
        for (position, token) in file.tokens.iter().enumerate() {
            let before = |distance: usize| {
                position
                    .checked_sub(distance)
                    .and_then(|at| file.tokens.get(at))
                    .and_then(|token| token.word())
            };
            let is_member = position > 0 && file.tokens[position - 1].kind == source::Kind::Mark('.');
            let issuer = token.is_word("issuer") && is_member && before(2) == Some("config");
            let first = token.is_word("FIRST") && before(3) == Some("TenantId");
            if issuer || first {
                wrong.push(format!("{}:{}", file.path, token.line));
            }
        }
    }
    assert!(wrong.is_empty(), "use exchange.tenant():\n{}", wrong.join("\n"));
}

/// Status and body of a request whose target is sent as it is written here.
async fn raw(app: &TestApp, target: &str) -> (u16, String) {
    send(app, target, "").await
}

/// The same with a bearer token.
async fn raw_with(app: &TestApp, target: &str, token: &str) -> (u16, String) {
    send(app, target, &format!("authorization: Bearer {token}\r\n")).await
}

async fn send(app: &TestApp, target: &str, more: &str) -> (u16, String) {
    let address = app.base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("GET {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{more}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

on_both_engines! {
    async fn each_tenant_has_its_own_metadata_and_keys(engine: Engine) {
        let app = TestApp::spawn_with(engine, SETTINGS).await;
        bare_tenant(&app, "acme", true).await;
        bare_tenant(&app, "beta", true).await;
        let mut kids = Vec::new();
        for base in ["", "/t/acme", "/t/beta"] {
            let issuer = format!("{}{base}", app.base);
            let mut documents = Vec::new();
            for document in ["openid-configuration", "oauth-authorization-server"] {
                for path in [format!("{base}/.well-known/{document}"), format!("/.well-known/{document}{base}")] {
                    documents.push(app.http.get(&path).send().await.expect(200).json());
                }
            }
            assert!(documents.iter().all(|document| *document == documents[0]), "{base}");
            let document = documents[0].as_object().unwrap();
            assert_eq!(document["issuer"], issuer);
            for (member, url) in document {
                if let Some(url) = url.as_str().filter(|url| url.starts_with("http")) {
                    let below = url.strip_prefix(&issuer).unwrap_or_else(|| panic!("{member}: {url}"));
                    assert!(member == "issuer" || below.starts_with('/') && !below.starts_with("/t/"), "{url}");
                }
            }
            let jwks = app.http.get(document["jwks_uri"].as_str().unwrap()).send().await.expect(200).json();
            kids.extend(jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].to_string()));
        }
        let count = kids.len();
        kids.sort();
        kids.dedup();
        assert!(count >= 6 && kids.len() == count, "no key stands in two sets: {kids:?}");
    }

    async fn an_issuer_with_a_path_has_its_tenants_below_it(engine: Engine) {
        let issuer = "https://id.example/id";
        let settings = [SETTINGS[0], ("issuer", issuer)];
        let app = TestApp::spawn_with(engine, &settings).await;
        bare_tenant(&app, "acme", true).await;
        for (path, of) in [
            ("/id/.well-known/openid-configuration", ""),
            ("/.well-known/openid-configuration/id", ""),
            ("/.well-known/oauth-authorization-server/id", ""),
            ("/id/t/acme/.well-known/openid-configuration", "/t/acme"),
            ("/.well-known/openid-configuration/id/t/acme", "/t/acme"),
            ("/.well-known/oauth-authorization-server/id/t/acme", "/t/acme"),
        ] {
            let document = app.http.get(path).send().await.expect(200).json();
            assert_eq!(document["issuer"], format!("{issuer}{of}"), "{path}");
        }
        for path in [
            "/.well-known/openid-configuration",
            "/.well-known/openid-configuration/t/acme",
            "/t/acme/.well-known/openid-configuration",
            "/oauth2/jwks",
            "/idx/oauth2/jwks",
        ] {
            app.http.get(path).send().await.expect(404);
        }
        let page = app.http.get("/id/t/acme/login").send().await.expect(200).text();
        assert!(page.contains("/id/t/acme/assets/"), "{page}");
        let home = app.http.get("/id/t/acme").send().await.expect(303);
        assert_eq!(home.header("location"), "/id/t/acme/account");
    }

    async fn a_crafted_path_reaches_no_other_tenant_than_the_one_that_it_shows(engine: Engine) {
        let app = TestApp::spawn_with(engine, SETTINGS).await;
        for name in ["acme", "beta"] {
            bare_tenant(&app, name, true).await;
        }
        let keys = |of: &str| format!("{of}/oauth2/jwks");
        let first = app.http.get(&keys("")).send().await.expect(200).text();
        let acme = app.http.get(&keys("/t/acme")).send().await.expect(200).text();
        // What a browser or proxy may well clean up reaches us as it is, or cleaned up: never as something third.
        for target in [
            "/t/ACME/oauth2/jwks",
            "/T/acme/oauth2/jwks",
            "/%74/acme/oauth2/jwks",
            "/t/%61cme/oauth2/jwks",
            "/t/acme%2foauth2/jwks",
            "/t%2facme/oauth2/jwks",
            "//t/acme/oauth2/jwks",
            "/t//acme/oauth2/jwks",
            "/t/acme//oauth2/jwks",
            "/t/acme/t/beta/oauth2/jwks",
            "/t/acme/t/acme/oauth2/jwks",
            "/t/acme/../beta/oauth2/jwks",
            "/t/acme/../../oauth2/jwks",
            "/t/acme/%2e%2e/beta/oauth2/jwks",
            "/t/acme/..%2f..%2foauth2/jwks",
            "/t/../oauth2/jwks",
            "/t/./oauth2/jwks",
            "/t//oauth2/jwks",
            "/t/acme;beta/oauth2/jwks",
            "/t/acme\\..\\beta/oauth2/jwks",
            "/t/acme%00/oauth2/jwks",
            "/t/acme./oauth2/jwks",
            "/t/acme /oauth2/jwks",
            // A Cyrillic and a full-width letter, a combining mark, a zero-width space, a Kelvin sign; overlong UTF-8.
            "/t/%D0%B0cme/oauth2/jwks",
            "/t/%EF%BD%81cme/oauth2/jwks",
            "/t/acme%CC%81/oauth2/jwks",
            "/t/acme%E2%80%8B/oauth2/jwks",
            "/t/%E2%84%AAacme/oauth2/jwks",
            "/t/%C1%A1cme/oauth2/jwks",
            "/t/acme%0a/oauth2/jwks",
            "/t/acme%23/oauth2/jwks",
            "/t/acme%3f/oauth2/jwks",
            "/t/acme%252f..%252f/oauth2/jwks",
            "/oauth2/jwks/t/acme",
            "/t/default/oauth2/jwks",
            "/t/00000000-0000-0000-0000-000000000001/oauth2/jwks",
            "/t/nobody/oauth2/jwks",
            "/t/acme/oauth2/jwks/",
            "/t/acme?/oauth2/jwks",
            "/t/acme/.well-known/openid-configuration/t/beta",
            "/.well-known/openid-configuration/t/acme/",
            "/.well-known/openid-configuration/t/acme/t/beta",
            "/.well-known/openid-configuration/t/default",
        ] {
            let (status, body) = raw(&app, target).await;
            assert!(matches!(status, 303 | 400 | 404), "{target}: {status} {body}");
            assert!(!body.contains("\"keys\"") && !body.contains("\"issuer\""), "{target}: {body}");
        }
        // The spellings of what is below the issuer are those of the first tenant, and change nothing about whose it is.
        for (target, expected) in [
            ("/oauth2/%6awks", &first),
            ("/t/acme/oauth2/%6awks", &acme),
            ("/t/acme/oauth2/jwks?t=/t/beta", &acme),
            ("/oauth2/jwks?/t/acme", &first),
        ] {
            assert_eq!(raw(&app, target).await, (200, expected.clone()), "{target}");
        }
        let absolute = format!("http://{}/t/acme/oauth2/jwks", "elsewhere.example");
        let (status, body) = raw(&app, &absolute).await;
        assert!(status == 200 && body == acme || status == 400, "{status} {body}");
    }

    /// R-ATZ-18: the same with what opens a door: however the path is written, a token works at its own tenant or nowhere.
    async fn a_crafted_path_takes_no_administrator_to_another_tenant(engine: Engine) {
        let app = TestApp::spawn_with(engine, SETTINGS).await;
        let (acme, beta) = (app.make_tenant("acme").await, app.make_tenant("beta").await);
        let list = "/admin/v1/clients";
        for (own, own_path) in [(&app, ""), (&acme, "/t/acme"), (&beta, "/t/beta")] {
            let token = own.admin_token("clients:read").await;
            for prefix in ["", "/t/acme", "/t/beta", "/t/ACME", "/T/acme", "//t/acme", "/t//acme", "/t/acme/t/beta", "/t/beta/t/acme",
                "/t/acme/..", "/t/acme/../beta", "/t/acme/%2e%2e/beta", "/t/acme/..%2fbeta", "/t/beta;/t/acme", "/%74/acme", "/t%2facme",
                "/t/default", "/t/acme/.", "/./t/acme", "/t/acme%2f", "/t/%61cme"] {
                for target in [format!("{prefix}{list}"), format!("{prefix}{list}/"), format!("{list}{prefix}"), format!("{prefix}/{list}")] {
                    let (status, body) = raw_with(&app, &target, &token).await;
                    if status == 200 {
                        assert_eq!(target, format!("{own_path}{list}"), "{body}");
                    } else {
                        assert!(matches!(status, 400 | 401 | 404), "{target}: {status} {body}");
                        assert!(!body.contains("\"items\""), "{target}: {body}");
                    }
                }
            }
        }
    }

    async fn who_is_unknown_or_disabled_serves_nothing_in_the_format_of_the_surface(engine: Engine) {
        let app = TestApp::spawn_with(engine, SETTINGS).await;
        bare_tenant(&app, "off", false).await;
        for (name, status) in [("nobody", 404), ("OFF", 404), ("off", 403)] {
            let at = |path: &str| format!("/t/{name}{path}");
            let token = app.http.post(&at("/oauth2/token")).form(&[("a", "b")]).send().await;
            assert_eq!(token.status.as_u16(), status);
            let body: Value = token.json();
            assert_eq!(body["error"], "invalid_request", "{body}");
            for path in ["/admin/v1/clients", "/.well-known/openid-configuration", "/oauth2/jwks", "/openapi.json"] {
                let answer = app.http.get(&at(path)).bearer("x").send().await.expect(status);
                assert_eq!(answer.json()["status"], status, "{path}");
                assert_eq!(answer.header("content-type"), "application/problem+json");
            }
            let page = app.http.get(&at("/login")).header("accept", "text/html").send().await.expect(status);
            assert!(page.header("content-type").starts_with("text/html"));
            assert!(page.text().contains(page.header("x-correlation-id")));
            app.http.get(&at("/nothing")).send().await.expect(status);
        }
    }
}
