//! OpenID Connect RP-Initiated Logout 1.0.

use crate::support::Engine;
use crate::support::people::Person;
use crate::support::provider::{Provider, history, refused};
use crate::support::relying_party::{RelyingParty, Tokens};
use crate::support::user_agent::{Browser, Page};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const BYE: &str = "https://rp.example/bye?x=1";

async fn provider() -> Provider {
    let mut p = Provider::new(Engine::Sqlite).await;
    p.rp = RelyingParty::with(&p.app, |metadata| {
        metadata.post_logout_redirect_uris = vec![BYE.to_owned(), "https://rp.example/other".to_owned()];
    })
    .await;
    p
}

fn logout(parameters: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish();
    format!("/oauth2/logout?{query}")
}

impl Provider {
    async fn is_signed_out(&self) -> bool {
        self.silent(&mut self.browser.clone()).await.as_deref() == Some("login_required")
    }
}

#[track_caller]
fn stays(page: &Page) {
    assert!(
        page.left_for.is_none(),
        "nothing is redirected: {:?}",
        page.left_for
    );
    assert!(page.answer.header("content-type").starts_with("text/html"));
}

/// §2: "OPs MUST support the use of the HTTP GET and POST methods […] at the Logout Endpoint." §3: "If the post_logout_redirect_uri
/// […] is registered […] the OP performs a redirect", "state […] If included in the logout request, the OP passes this value back to
/// the RP using the state parameter".
#[tokio::test]
async fn s2_s3_a_hint_and_a_registered_uri_end_the_session_and_lead_back() {
    let mut p = provider().await;
    for post in [false, true] {
        let tokens = p.sign_in().await;
        let parameters = [
            ("id_token_hint", &*tokens.id),
            ("post_logout_redirect_uri", BYE),
            ("state", "ä&="),
            ("logout_hint", "alice"),
            ("ui_locales", "de en"),
        ];
        let page = if post {
            let target = format!("{}/oauth2/logout", p.app.base).parse().unwrap();
            let page = p
                .browser
                .post_from(&target, &parameters, &[("sec-fetch-site", "cross-site")])
                .await;
            p.browser.follow(page).await
        } else {
            p.browser.open(&logout(&parameters)).await
        };
        assert!(
            page.left_for
                .clone()
                .unwrap()
                .as_str()
                .starts_with("https://rp.example/bye?x=1&state=")
        );
        assert_eq!(page.parameter("state").as_deref(), Some("ä&="));
        assert!(p.is_signed_out().await);
        assert!(p.browser.cookie("session").is_none(), "the cookie is removed");
        refused(p.rp.refresh(&p.app, &tokens.refresh).await, 400, "invalid_grant");
        assert!(!p.rp.is_active(&p.app, &tokens.access).await);
    }
    let tokens = p.sign_in().await;
    let page = p
        .browser
        .open(&logout(&[
            ("id_token_hint", &tokens.id),
            ("post_logout_redirect_uri", BYE),
        ]))
        .await;
    assert_eq!(page.left_for.unwrap().as_str(), BYE, "none was sent");
}

/// §2: "id_token_hint […] the OP SHOULD accept ID Tokens when the RP identified by the ID Token's aud claim and/or sid claim has a
/// current session or had a recent session at the OP, even when the exp time has passed."
#[tokio::test]
async fn s2_an_expired_hint_is_accepted() {
    let mut p = provider().await;
    let tokens = p.sign_in().await;
    p.app.advance(1700);
    let page = p
        .browser
        .open(&logout(&[
            ("id_token_hint", &tokens.id),
            ("post_logout_redirect_uri", BYE),
        ]))
        .await;
    assert!(page.left_for.is_some());
    assert!(p.is_signed_out().await);
    // Without a session there is nothing to ask: back at once.
    let page = p
        .browser
        .open(&logout(&[
            ("id_token_hint", &tokens.id),
            ("post_logout_redirect_uri", BYE),
        ]))
        .await;
    assert!(page.left_for.is_some());
}

/// §3: "The OP MUST NOT perform post-logout redirection if the post_logout_redirect_uri value supplied does not exactly match one
/// of the previously registered post_logout_redirect_uris values. The OP also MUST NOT perform post-logout redirection if
/// id_token_hint is […] invalid", §2: "An id_token_hint […] is RECOMMENDED" and without one a redirect cannot be trusted.
#[tokio::test]
async fn s3_nothing_is_redirected_that_does_not_match() {
    let mut p = provider().await;
    let tokens = p.sign_in().await;
    let parts: Vec<_> = tokens.id.split('.').collect();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let unsigned = format!("{none}.{}.", parts[1]);
    let foreign = format!("{}.{}.{}", parts[0], parts[1], "A".repeat(parts[2].len()));
    let hint = &*tokens.id;
    for parameters in [
        vec![
            ("id_token_hint", hint),
            ("post_logout_redirect_uri", "https://evil.example/"),
        ],
        vec![
            ("id_token_hint", hint),
            ("post_logout_redirect_uri", "https://rp.example/bye?x=1&y=2"),
        ],
        vec![
            ("id_token_hint", hint),
            ("post_logout_redirect_uri", "https://rp.example/bye"),
        ],
        vec![
            ("id_token_hint", hint),
            ("post_logout_redirect_uri", "https://rp.example/callback"),
        ],
        vec![("id_token_hint", &*unsigned), ("post_logout_redirect_uri", BYE)],
        vec![("id_token_hint", &*foreign), ("post_logout_redirect_uri", BYE)],
        vec![
            ("id_token_hint", &*tokens.access),
            ("post_logout_redirect_uri", BYE),
        ],
        vec![("id_token_hint", "x"), ("post_logout_redirect_uri", BYE)],
        vec![("post_logout_redirect_uri", BYE)],
        vec![("post_logout_redirect_uri", BYE), ("state", "x")],
    ] {
        let page = p.browser.open(&logout(&parameters)).await;
        stays(&page);
        assert_eq!(
            p.silent(&mut p.browser.clone()).await,
            None,
            "nobody was signed out without being asked"
        );
        if let Some(crate::support::user_agent::Ask::Decide(form)) = page.ask() {
            let done = p
                .browser
                .clone()
                .submit(&page, &form.press("decision", "allow"))
                .await;
            stays(&done);
            p.sign_in().await;
        }
    }
}

/// §2: "client_id OPTIONAL […] When both client_id and id_token_hint are present, the OP MUST verify that the Client Identifier
/// matches the one used when issuing the ID Token." §3: several `redirect` parameters of other clients do not count.
#[tokio::test]
async fn s2_client_id_has_to_fit_the_hint() {
    let mut p = provider().await;
    let other = RelyingParty::with(&p.app, |metadata| {
        metadata.post_logout_redirect_uris = vec!["https://other.example/bye".to_owned()];
    })
    .await;
    let tokens = p.sign_in().await;
    let crossed = [
        ("id_token_hint", &*tokens.id),
        ("client_id", &*other.client_id),
        ("post_logout_redirect_uri", "https://other.example/bye"),
    ];
    stays(&p.browser.open(&logout(&crossed)).await);
    let not_its_own = [
        ("id_token_hint", &*tokens.id),
        ("post_logout_redirect_uri", "https://other.example/bye"),
    ];
    stays(&p.browser.open(&logout(&not_its_own)).await);
    assert_eq!(p.silent(&mut p.browser.clone()).await, None);
    let fits = [
        ("id_token_hint", &*tokens.id),
        ("client_id", &*p.rp.client_id),
        ("post_logout_redirect_uri", BYE),
    ];
    assert!(p.browser.open(&logout(&fits)).await.left_for.is_some());
}

/// §2: "At the Logout Endpoint, the OP SHOULD ask the End-User whether to log out of the OP as well. Furthermore, the OP MUST ask the
/// End-User this question if an id_token_hint was not provided or if the supplied ID Token does not belong to the current OP
/// session".
#[tokio::test]
async fn s2_the_user_is_asked_where_the_hint_is_not_of_this_session() {
    let mut p = provider().await;
    let bob = Person::new(&p.app, "bob").await;
    let bobs =
        p.rp.sign_in(&p.app, &mut Browser::new(&p.app), &bob, "openid")
            .await;
    let earlier = p.sign_in().await;
    p.browser.forget();
    let tokens = p.sign_in().await;
    for parameters in [
        vec![],
        vec![("state", "x")],
        vec![("client_id", &*p.rp.client_id)],
        vec![("id_token_hint", &*bobs.id), ("post_logout_redirect_uri", BYE)],
        vec![("id_token_hint", &*earlier.id), ("post_logout_redirect_uri", BYE)],
    ] {
        let page = p.browser.open(&logout(&parameters)).await;
        stays(&page);
        page.decision_form();
        assert_eq!(p.silent(&mut p.browser.clone()).await, None, "{parameters:?}");
    }
    // Another site cannot answer for the person.
    let page = p.browser.open(&logout(&[])).await;
    let form = page.decision_form().press("decision", "allow");
    let target = page.url.join(&form.action).unwrap();
    let fields: Vec<_> = form
        .fields
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    p.browser
        .post_from(&target, &fields, &[("origin", "https://evil.example")])
        .await;
    p.browser
        .post_from(
            &target,
            &[("decision", "allow")],
            &[("origin", "null"), ("sec-fetch-site", "same-origin")],
        )
        .await;
    assert_eq!(p.silent(&mut p.browser.clone()).await, None);
    let done = p.browser.submit(&page, &form).await;
    stays(&done);
    assert!(p.is_signed_out().await);
    refused(p.rp.refresh(&p.app, &tokens.refresh).await, 400, "invalid_grant");
}

on_both_engines! {
    /// §2: "the OP […] logs out the End-User": what the session granted is over everywhere, apart from what was granted to outlive
    /// it, and the log tells of it.
    async fn s2_logout_ends_what_the_session_granted(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let other_replica = p.app.replica().await;
        let shop = RelyingParty::new(&p.app).await;
        let here = p.sign_in().await;
        let there = shop.sign_in(&p.app, &mut p.browser, &p.alice, "openid").await;
        let offline = p.sign_in_for("openid offline_access").await;
        let mut elsewhere = Browser::new(&p.app);
        let other_session = p.rp.sign_in(&p.app, &mut elsewhere, &p.alice, "openid").await;
        let stolen = p.browser.cookie("session").unwrap().clone();
        let page = p.browser.open("/oauth2/logout").await;
        p.browser.submit(&page, &page.decision_form().press("decision", "allow")).await;
        let mut thief = Browser::new(&other_replica);
        thief.put(&stolen);
        assert_eq!(p.silent(&mut thief).await.as_deref(), Some("login_required"), "R-SSO-09");
        refused(p.rp.refresh(&other_replica, &here.refresh).await, 400, "invalid_grant");
        refused(shop.refresh(&other_replica, &there.refresh).await, 400, "invalid_grant");
        assert!(!shop.is_active(&other_replica, &there.access).await);
        Tokens::of(p.rp.refresh(&other_replica, &offline.refresh).await);
        Tokens::of(p.rp.refresh(&other_replica, &other_session.refresh).await);
        assert_eq!(p.silent(&mut elsewhere).await, None, "another browser's session goes on");
        let log = p.app.audit_log().await;
        assert!(log.iter().any(|record| record.event_type == "logout" && record.outcome == "success"));
        assert!(!history(&p.app, &here.family()).await.is_empty());
    }
}

/// §2: "OPs MUST ignore" what they do not know: "Any parameters used that are not understood MUST be ignored by the OP". What comes
/// twice is no request (RFC 6749 §3.1 says so of its own), and signs nobody out.
#[tokio::test]
async fn s2_unknown_parameters_are_ignored_and_repeated_ones_refused() {
    let mut p = provider().await;
    let tokens = p.sign_in().await;
    let hint = ("id_token_hint", &*tokens.id);
    for repeated in [
        vec![hint, hint],
        vec![
            hint,
            ("post_logout_redirect_uri", BYE),
            ("post_logout_redirect_uri", "https://rp.example/other"),
        ],
        vec![
            hint,
            ("post_logout_redirect_uri", BYE),
            ("state", "a"),
            ("state", "b"),
        ],
    ] {
        let page = p.browser.open(&logout(&repeated)).await;
        stays(&page);
        assert_eq!(page.answer.status.as_u16(), 400);
        assert_eq!(p.silent(&mut p.browser.clone()).await, None);
    }
    let unknown = [
        hint,
        ("post_logout_redirect_uri", BYE),
        ("colour", "blue"),
        ("redirect_uri", "https://evil.example/"),
    ];
    let page = p.browser.open(&logout(&unknown)).await;
    assert_eq!(page.left_for.unwrap().as_str(), BYE);
    assert!(p.is_signed_out().await);
}

/// §3.1: "post_logout_redirect_uris […] MUST NOT" be guessed at: what is registered is an absolute address, https for web
/// applications but on loopback, without a fragment, and is compared as it is written.
#[tokio::test]
async fn s3_1_what_may_be_registered() {
    let admin = crate::admin::Admin::new(crate::support::TestApp::spawn(Engine::Sqlite).await).await;
    let body = |uri: &str| serde_json::json!({"redirect_uris": ["https://rp.example/cb"], "post_logout_redirect_uris": [uri]});
    for good in [BYE, "http://localhost:3000/bye", "https://other.example/bye"] {
        admin.post("/clients", &body(good)).await.expect(201);
    }
    for bad in [
        "https://rp.example/bye#x",
        "http://rp.example/bye",
        "/bye",
        "javascript:alert(1)",
        "https://*.example/",
    ] {
        let refused = admin.post("/clients", &body(bad)).await;
        assert_eq!(
            crate::admin::pointers(&refused),
            ["/post_logout_redirect_uris/0"],
            "{bad}"
        );
    }
}
