//! R-HDR-15, R-HDR-16: forms are bound to browser and purpose; cookies are out of reach.

use crate::support::people::PASSWORD;
use crate::support::user_agent::Browser;
use crate::support::{Engine, TestApp};

const SIGN_IN: [(&str, &str); 2] = [("username", "alice"), ("password", PASSWORD)];

async fn app() -> TestApp {
    let app = TestApp::spawn_with(Engine::Sqlite, &[("limits.authentication.rate", "1000")]).await;
    app.user("alice").await;
    app
}

#[tokio::test]
async fn a_form_without_its_token_is_refused_with_the_way_on() {
    let app = app().await;
    let mut browser = Browser::new(&app);
    let form = browser.get("/login").await.form("/login");
    let mut stranger = Browser::new(&app);
    let foreign = stranger.get("/login").await.form("/login");
    let token = form.field("csrf").to_owned();
    assert!(!token.is_empty() && token != foreign.field("csrf"));
    let cut = &token[..token.len() - 1];
    for bad in ["", "x", "a.b", cut, foreign.field("csrf")] {
        let answer = browser
            .send_form(&form.with(&[("csrf", bad)]), &SIGN_IN)
            .await
            .expect(403);
        assert!(answer.html().contains("Open the page again"), "{}", answer.html());
        assert_eq!(browser.value_of("session"), None, "{bad}");
    }
    browser.send_form(&form, &SIGN_IN).await.expect(303);
}

#[tokio::test]
async fn a_token_is_good_for_its_own_form_only() {
    let app = app().await;
    let mut browser = Browser::new(&app);
    let login = browser.get("/login").await.form("/login");
    browser.send_form(&login, &SIGN_IN).await.expect(303);
    let account = browser.get("/account").await.expect(200);
    let sign_out = account.form("/oauth2/logout");
    let password = browser.get("/account/password").await.form("/account/password");
    for wrong in [login.field("csrf"), sign_out.field("csrf")] {
        browser.send_form(&password, &[("csrf", wrong)]).await.expect(403);
    }
    browser
        .send_form(
            &sign_out,
            &[("csrf", password.field("csrf")), ("decision", "allow")],
        )
        .await
        .expect(403);
    // A new session is another one, also of the same user.
    browser.send_form(&sign_out, &[("decision", "allow")]).await;
    browser.sign_in("alice").await.expect(303);
    browser.send_form(&password, &[]).await.expect(403);
}

#[tokio::test]
async fn a_form_from_another_site_is_refused() {
    let app = app().await;
    let mut browser = Browser::new(&app);
    let form = browser.get("/login").await.form("/login").with(&SIGN_IN);
    let fields: Vec<_> = form
        .fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let name = "grantor-browser-000000000001";
    let cookie = format!("{name}={}", browser.value_of("browser").unwrap());
    let post = |headers: &[(&str, &str)]| {
        let mut call = app.http.post("/login").form(&fields).header("cookie", &cookie);
        for (name, value) in headers {
            call = call.header(name, value);
        }
        call.send()
    };
    let own = app.base.as_str();
    for headers in [
        &[("origin", "https://evil.example")][..],
        &[("origin", "null")],
        &[
            ("origin", "https://evil.example"),
            ("sec-fetch-site", "cross-site"),
        ],
        &[("origin", "null"), ("sec-fetch-site", "cross-site")],
        &[("origin", own), ("sec-fetch-site", "same-site")],
    ] {
        let answer = post(headers).await.expect(403);
        assert!(answer.text().contains("sent from elsewhere"), "{headers:?}");
    }
    post(&[("origin", "null"), ("sec-fetch-site", "same-origin")])
        .await
        .expect(303);
    post(&[]).await.expect(303);
}

#[tokio::test]
async fn a_browser_without_cookies_is_told_that_they_are_needed() {
    let app = app().await;
    let mut browser = Browser::new(&app);
    let form = browser.get("/login").await.form("/login");
    browser.forget();
    let answer = browser.send_form(&form, &SIGN_IN).await.expect(403);
    assert!(answer.html().contains("Cookies are needed"), "{}", answer.html());
}

#[tokio::test]
async fn every_cookie_is_out_of_reach_of_scripts_and_of_other_sites() {
    let app = app().await;
    let mut browser = Browser::new(&app);
    let page = browser.get("/login").await;
    let signed_in = browser.send_form(&page.form("/login"), &SIGN_IN).await;
    for answer in [page, signed_in] {
        let cookie = answer.header("set-cookie");
        assert!(
            cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Lax"),
            "{cookie}"
        );
        assert!(
            cookie.contains("; Path=/") && !cookie.contains("Domain"),
            "{cookie}"
        );
    }
    let https = [
        ("issuer", "https://id.example.com"),
        ("session.samesite", "strict"),
    ];
    let app = TestApp::spawn_with(Engine::Sqlite, &https).await;
    let page = app.http.get("/login").send().await.expect(200);
    let cookie = page.header("set-cookie");
    assert!(cookie.starts_with("__Host-"), "{cookie}");
    assert!(
        cookie.contains("; Secure") && cookie.contains("; SameSite=Strict"),
        "{cookie}"
    );
}

/// A link on another site brings no `SameSite=Strict` cookie: the page that goes on by itself does.
#[tokio::test]
async fn strict_cookies_are_waited_for() {
    let app = TestApp::spawn_with(Engine::Sqlite, &[("session.samesite", "strict")]).await;
    for path in [
        "/login",
        "/account",
        "/consent?interaction=x",
        "/oauth2/logout?state=a&client_id=b",
    ] {
        let page = app
            .http
            .get(path)
            .header("sec-fetch-site", "cross-site")
            .send()
            .await
            .expect(200);
        let target = path.replace('&', "&#38;");
        assert!(
            page.text().contains(&format!("content=\"0;url={target}\"")),
            "{}",
            page.text()
        );
        assert!(
            !page.headers.contains_key("set-cookie"),
            "the cookies that are there stay"
        );
    }
    let page = app
        .http
        .get("/login")
        .header("sec-fetch-site", "same-origin")
        .send()
        .await;
    assert!(page.expect(200).text().contains("action=\"/login\""));
}

#[tokio::test]
async fn the_way_in_leads_to_the_account() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    for (path, target) in [
        ("/", "/account"),
        ("/.well-known/change-password", "/account/password"),
    ] {
        let answer = app.http.get(path).send().await.expect(303);
        assert_eq!(answer.header("location"), target);
    }
    let answer = app.http.get("/account").send().await.expect(303);
    assert_eq!(answer.header("location"), "/login");
    let answer = app.http.get("/account/password").send().await.expect(303);
    assert_eq!(answer.header("location"), "/login?next=password");
}
