//! CORS as contract.md says: by route, without credentials.

use super::{Ground, OWN, REGISTERED};
use reqwest::Method;

#[tokio::test]
async fn a_preflight_is_answered_for_any_origin_where_clients_may_call() {
    let ground = Ground::new(&[]).await;
    let http = ground.http();
    let any = "https://anywhere.example";
    let table = [
        ("/oauth2/token", "POST", any, any),
        ("/oauth2/token", "POST", "null", ""),
        ("/oauth2/token", "POST", "https://x/path", ""),
        ("/.well-known/document", "GET", any, "*"),
        ("/oauth2/register", "POST", any, "*"),
        ("/admin/v1/things", "POST", any, ""),
        ("/login", "POST", any, ""),
        ("/nothing", "GET", any, ""),
    ];
    for (path, method, origin, allowed) in table {
        let call = http.call(Method::OPTIONS, path).header("origin", origin);
        let answer = call
            .header("access-control-request-method", method)
            .header("access-control-request-headers", "authorization, x-evil")
            .send()
            .await;
        assert_eq!(
            answer.header("access-control-allow-origin"),
            allowed,
            "{path} {origin}"
        );
        assert_eq!(answer.header("access-control-allow-credentials"), "");
        if path == "/nothing" {
            continue;
        }
        assert_eq!(answer.status.as_u16(), 204);
        assert!(answer.header("allow").contains(method), "{path}");
        let headers = answer.header("access-control-allow-headers");
        if allowed.is_empty() {
            assert_eq!(headers, "");
        } else {
            assert_eq!(headers, "authorization, content-type, dpop");
            assert_eq!(answer.header("access-control-max-age"), "86400");
            assert!(answer.header("access-control-allow-methods").contains(method));
        }
    }
}

#[tokio::test]
async fn an_answer_may_be_read_by_the_clients_origins() {
    let ground = Ground::new(&[]).await;
    let http = ground.http();
    type Form = &'static [(&'static str, &'static str)];
    let table: [(Form, &str, bool); 8] = [
        // The client is known: its own origins only.
        (&[("client", "spa")], OWN, true),
        (&[("client", "spa")], REGISTERED, false),
        (&[("client", "other")], OWN, false),
        // It is not known yet: any that is registered in the tenant.
        (&[], REGISTERED, true),
        (&[("secret", "wrong")], OWN, true),
        (&[], "https://registered.example.evil.example", false),
        (&[], "https://evil-registered.example", false),
        (&[], "null", false),
    ];
    for (form, origin, allowed) in table {
        let answer = http
            .post("/oauth2/token")
            .form(form)
            .header("origin", origin)
            .send()
            .await;
        let expected = if allowed { origin } else { "" };
        assert_eq!(
            answer.header("access-control-allow-origin"),
            expected,
            "{form:?} {origin}"
        );
        assert_eq!(answer.header("access-control-allow-credentials"), "");
        let exposed = answer.header("access-control-expose-headers");
        for name in [
            "WWW-Authenticate",
            "DPoP-Nonce",
            "Retry-After",
            "RateLimit",
            "RateLimit-Policy",
            "X-RateLimit-Limit",
        ] {
            assert_eq!(
                exposed.split(", ").any(|exposed| exposed == name),
                allowed,
                "{name}"
            );
        }
    }
    let document = http.get("/.well-known/document").send().await;
    assert_eq!(document.header("access-control-allow-origin"), "*");
    let admin = http
        .get("/admin/v1/things")
        .header("origin", REGISTERED)
        .send()
        .await;
    assert_eq!(admin.header("access-control-allow-origin"), "");
}
