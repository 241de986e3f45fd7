//! OpenID Connect RP-Initiated Logout 1.0, and what conformance.md says about it.

use super::CALLBACK;
use crate::support::client::TestClient;
use crate::support::user_agent::Browser;
use crate::support::{Engine, TestApp};
use grantor::storage::clients::Client;
use serde_json::{Value, json};

const AFTER: &str = "https://app.example.com/bye?lang=en";

async fn application(app: &TestApp) -> TestClient {
    app.web_app(|metadata| {
        metadata.require_consent = false;
        metadata.post_logout_redirect_uris = vec![AFTER.to_owned()];
    })
    .await
}

/// Signs in and lets the application have its ID token.
async fn id_token(app: &TestApp, browser: &mut Browser, client: &TestClient) -> String {
    let answer = browser.open(&app.authorization(client, &[])).await;
    let callback = answer.callback(CALLBACK);
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", callback["code"].as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", verifier),
    ];
    let call = app
        .http
        .post("/oauth2/token")
        .basic(&client.id, &client.secret)
        .form(&fields);
    let tokens = call.send().await.expect(200).json();
    tokens["id_token"].as_str().expect("an ID token").to_owned()
}

fn logout(fields: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(fields);
    format!("/oauth2/logout?{}", query.finish())
}

/// The token with another header or signature.
fn forged(token: &str, header: Option<&Value>) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let parts: Vec<_> = token.split('.').collect();
    match header {
        Some(header) => format!("{}.{}.", URL_SAFE_NO_PAD.encode(header.to_string()), parts[1]),
        None => format!("{}.{}.{}", parts[0], parts[1], URL_SAFE_NO_PAD.encode([7; 256])),
    }
}

/// Whether `prompt=none` finds nobody signed in.
async fn is_signed_out(app: &TestApp, browser: &mut Browser, client: &TestClient) -> bool {
    let answer = browser
        .open(&app.authorization(client, &[("prompt", "none")]))
        .await;
    let callback = answer.callback(CALLBACK);
    callback
        .get("error")
        .is_some_and(|error| error == "login_required")
}

async fn signed_in(engine: Engine) -> (TestApp, TestClient, Browser, String) {
    let app = TestApp::spawn_with(engine, &[("limits.authentication.rate", "1000")]).await;
    app.user("alice").await;
    let client = application(&app).await;
    let mut browser = Browser::new(&app);
    browser.sign_in("alice").await.expect(303);
    let token = id_token(&app, &mut browser, &client).await;
    (app, client, browser, token)
}

on_both_engines! {
    async fn s2_a_hint_of_this_session_and_a_registered_uri_go_straight_back(engine: Engine) {
        let (app, client, mut browser, token) = signed_in(engine).await;
        let cookie = browser.value_of("session").unwrap();
        let target = logout(&[("id_token_hint", &token), ("post_logout_redirect_uri", AFTER), ("state", "s t&")]);
        let answer = browser.get(&target).await.expect(303);
        assert_eq!(answer.header("location"), format!("{AFTER}&state=s+t%26"));
        assert_eq!(browser.value_of("session"), None, "the cookie is taken away");
        assert!(is_signed_out(&app, &mut browser, &client).await);
        // R-SSO-09: the saved cookie is worth nothing.
        browser.sign_in("alice").await.expect(303);
        browser.set_cookie("session", &cookie);
        browser.get("/account").await.expect(303);
        let log = app.audit_log().await;
        let event = log.iter().find(|event| event.event_type == "logout").expect("it is recorded");
        assert_eq!(event.client_id.as_deref(), Some(client.id.as_str()));
    }

    /// "No redirect back, but an error or confirmation page": then the person decides, and stays here.
    async fn s3_what_does_not_show_who_asks_is_asked_and_not_sent_back(engine: Engine) {
        let (app, client, mut browser, token) = signed_in(engine).await;
        let foreign = forged(&token, None);
        let unsigned = forged(&token, Some(&json!({"alg": "none", "typ": "JWT"})));
        let added = format!("{AFTER}&more=1");
        let back = ("post_logout_redirect_uri", AFTER);
        for fields in [
            &[("id_token_hint", token.as_str()), ("post_logout_redirect_uri", "https://evil.example/")][..],
            &[("id_token_hint", &token), ("post_logout_redirect_uri", &added)],
            &[("id_token_hint", &foreign), back],
            &[("id_token_hint", &unsigned), back],
            &[("id_token_hint", "rubbish"), back],
            &[("id_token_hint", &token), ("client_id", "admin"), back],
            &[back],
            &[("client_id", &client.id), back],
            &[("state", "s")],
            &[],
        ] {
            let page = browser.get(&logout(fields)).await.expect(200);
            let form = page.form("/oauth2/logout");
            browser.get("/account").await.expect(200);
            let answer = browser.send_form(&form, &[("decision", "allow")]).await;
            let status = answer.answer.status;
            assert!(status == 200 || status == 400, "{fields:?}");
            assert!(answer.html().contains("You are signed out"), "{fields:?}");
            assert!(is_signed_out(&app, &mut browser, &client).await, "{fields:?}");
            browser.sign_in("alice").await.expect(303);
        }
    }

    async fn s2_an_expired_hint_is_as_good(engine: Engine) {
        let (app, _, mut browser, token) = signed_in(engine).await;
        for _ in 0..4 {
            app.advance(25 * 60);
            browser.get("/account").await.expect(200);
        }
        let fields = [("id_token_hint", token.as_str()), ("post_logout_redirect_uri", AFTER)];
        let answer = browser.get(&logout(&fields)).await.expect(303);
        assert_eq!(answer.header("location"), AFTER, "without state, since none was sent");
        // When nobody is signed in there is nothing to ask.
        let answer = browser.get(&logout(&fields)).await.expect(303);
        assert_eq!(answer.header("location"), AFTER);
        let answer = browser.get(&logout(&[])).await.expect(200);
        assert!(answer.html().contains("You are signed out"));
    }

    /// §3: "if the End-User […] is not the one identified by the ID Token", it is asked; the application may have its
    /// browser back afterwards.
    async fn s3_a_hint_of_another_session_is_asked(engine: Engine) {
        let (app, client, mut browser, token) = signed_in(engine).await;
        app.user("bob").await;
        let mut other = Browser::new(&app);
        other.sign_in("bob").await.expect(303);
        let target = logout(&[("id_token_hint", &token), ("post_logout_redirect_uri", AFTER), ("state", "s")]);
        let page = other.get(&target).await.expect(200);
        let policy = page.header("content-security-policy");
        assert!(policy.contains("form-action 'self' https://app.example.com;"), "{policy}");
        let answer = other.send_form(&page.form("/oauth2/logout"), &[("decision", "allow")]).await.expect(303);
        assert_eq!(answer.header("location"), format!("{AFTER}&state=s"));
        assert!(is_signed_out(&app, &mut other, &client).await);
        assert!(!is_signed_out(&app, &mut browser, &client).await, "the other session goes on");
    }

    async fn an_application_may_post(engine: Engine) {
        let (app, _, mut browser, token) = signed_in(engine).await;
        let fields = [("id_token_hint", token.as_str()), ("post_logout_redirect_uri", AFTER)];
        // From its own site, where a form brings no cookie along.
        let call = app.http.post("/oauth2/logout").header("origin", "https://app.example.com");
        let answer = call.header("sec-fetch-site", "cross-site").form(&fields).send().await.expect(303);
        let target = answer.header("location").to_owned();
        assert!(target.starts_with("/oauth2/logout?id_token_hint="), "{target}");
        assert_eq!(browser.get(&target).await.expect(303).header("location"), AFTER);
        browser.get("/account").await.expect(303);
    }
}

#[tokio::test]
async fn nobody_is_signed_out_by_a_form_of_another_site() {
    let (app, _, mut browser, _) = signed_in(Engine::Sqlite).await;
    let form = browser.get("/oauth2/logout").await.form("/oauth2/logout");
    let mut other = Browser::new(&app);
    other.sign_in("alice").await.expect(303);
    let foreign = other.get("/oauth2/logout").await.form("/oauth2/logout");
    browser
        .send_form(&form, &[("csrf", foreign.field("csrf")), ("decision", "allow")])
        .await
        .expect(403);
    browser
        .send_form(&form, &[("csrf", "x"), ("decision", "allow")])
        .await
        .expect(403);
    // The form without the button's value asks once more.
    browser
        .send_form(&form, &[])
        .await
        .expect(200)
        .form("/oauth2/logout");
    browser.get("/account").await.expect(200);
    let mut twice = form.clone();
    twice.fields.push(("state".to_owned(), "a".to_owned()));
    twice.fields.push(("state".to_owned(), "b".to_owned()));
    browser.send_form(&twice, &[]).await.expect(400);
}

/// A client that was disabled says nothing about where to go.
#[tokio::test]
async fn a_disabled_application_gets_nobody_back() {
    let (app, client, mut browser, token) = signed_in(Engine::Sqlite).await;
    let id = grantor::types::ClientId::parse(&client.id).unwrap();
    let mut conn = app.db.main.write().await.unwrap();
    let found: Option<Client> =
        grantor::storage::clients::find(&mut conn, grantor::types::TenantId::FIRST, &id)
            .await
            .unwrap();
    let disabled = Client {
        enabled: false,
        ..found.unwrap()
    };
    grantor::storage::clients::update(&mut conn, &disabled, true, app.now())
        .await
        .unwrap();
    drop(conn);
    app.app.clients.invalidate();
    let fields = [
        ("id_token_hint", token.as_str()),
        ("post_logout_redirect_uri", AFTER),
    ];
    browser
        .get(&logout(&fields))
        .await
        .expect(200)
        .form("/oauth2/logout");
}
