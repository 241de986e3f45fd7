//! In which language pages speak.

use super::CALLBACK;
use crate::support::people::PASSWORD;
use crate::support::user_agent::{Browser, Page};
use crate::support::{Engine, TestApp};

impl Page {
    /// Asserts the page's language, in the page and in its head.
    #[track_caller]
    fn speaks(self, tag: &str) -> Self {
        assert!(
            self.html().contains(&format!("<html lang=\"{tag}\">")),
            "{}",
            self.html()
        );
        assert_eq!(self.header("content-language"), tag);
        let vary = self.answer.headers.get_all("vary").iter();
        assert!(vary.into_iter().any(|value| value == "Accept-Language"));
        self
    }
}

on_both_engines! {
    /// OpenID Connect Core §3.1.2.1, `ui_locales`: "End-User's preferred languages and scripts for the user interface".
    async fn ui_locales_hold_from_the_request_to_the_last_page(engine: Engine) {
        let app = TestApp::spawn(engine).await;
        app.user_with("alice", true, |_| {}).await;
        let client = app.web_app(|_| {}).await;
        let mut browser = Browser::new(&app).reads("en-GB, en;q=0.8");
        let wishes = [("ui_locales", "ja de-AT en")];
        let page = browser.open(&app.authorization(&client, &wishes)).await.expect(200).speaks("de");
        assert!(page.html().contains("weiter zu <strong>Orders</strong>"), "{}", page.html());
        let form = page.form("/login");
        let wrong = [("username", "alice"), ("password", "wrong")];
        let page = browser.send_form(&form, &wrong).await.expect(400).speaks("de");
        assert!(page.html().contains("Benutzername oder Passwort stimmt nicht"));
        let right = [("username", "alice"), ("password", PASSWORD)];
        let page = browser.send_form(&page.form("/login"), &right).await.expect(200).speaks("de");
        let weak = [("password", PASSWORD), ("new_password", "password"), ("new_password_again", "password")];
        let page = browser.send_form(&page.form("/login/password"), &weak).await.expect(400).speaks("de");
        assert!(page.html().contains("Es gehört zu den zehn häufigsten Passwörtern."), "{}", page.html());
        let new = "a quite different phrase 9";
        let fields = [("password", PASSWORD), ("new_password", new), ("new_password_again", new)];
        let answer = browser.send_form(&page.form("/login/password"), &fields).await.expect(303);
        let page = browser.follow(answer).await.expect(200).speaks("de");
        assert!(page.html().contains("Orders Zugriff geben?"));
        assert!(page.html().contains("Ihren Namen, Ihr Bild"), "scopes too");
        let outdated = browser.send_form(&page.form("/consent"), &[("csrf", "x")]).await.expect(403).speaks("de");
        assert!(outdated.html().contains("Dieses Formular ist veraltet"));
        let answer = browser.send_form(&page.form("/consent"), &[("decision", "allow")]).await.expect(303);
        assert!(browser.follow(answer).await.callback(CALLBACK).contains_key("code"));
        // What belongs to no request speaks as the browser wishes.
        browser.get("/account").await.expect(200).speaks("en");
        browser.get("/account?ui_locales=de").await.expect(200).speaks("de");
    }
}

/// RFC 9110 §12.5.4: "a quality value representing an estimate of the user's preference for that language".
#[tokio::test]
async fn rfc9110_s12_5_4_a_browser_is_answered_in_its_language() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    for (accepted, tag) in [
        ("de", "de"),
        ("de-CH-1996, en;q=0.9", "de"),
        ("en;q=0.5, de;q=0.7", "de"),
        ("de;q=0, en", "en"),
        ("ja, *", "en"),
        ("", "en"),
        ("\"><script>", "en"),
    ] {
        let mut browser = Browser::new(&app).reads(accepted);
        browser.get("/login").await.expect(200).speaks(tag);
    }
    Browser::new(&app).get("/login").await.expect(200).speaks("en");
}

#[tokio::test]
async fn errors_speak_to_people_and_tell_developers_in_english() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let client = app.web_app(|_| {}).await;
    let mut browser = Browser::new(&app).reads("de");
    let unregistered = app.authorization(&client, &[("redirect_uri", "https://evil.example/")]);
    let page = browser.get(&unregistered).await.expect(400).speaks("de");
    assert!(page.html().contains("Diese Anmeldung kann nicht weitergehen"));
    assert!(page.html().contains("<p lang=\"en\">"), "{}", page.html());
    assert!(page.html().contains("redirect_uri"), "{}", page.html());
    // The application's wish counts although the request is wrong.
    let wished = app.authorization(
        &client,
        &[("redirect_uri", "https://evil.example/"), ("ui_locales", "en")],
    );
    browser.get(&wished).await.expect(400).speaks("en");
    let old = browser.get("/login?interaction=x").await.expect(400).speaks("de");
    assert!(old.html().contains("Diese Seite ist abgelaufen"));
    let old = browser
        .get("/oauth2/authorize?interaction=x")
        .await
        .expect(400)
        .speaks("de");
    assert!(old.html().contains("in einem anderen Browser begonnen"));
}

#[tokio::test]
async fn too_many_attempts_are_told_in_the_readers_language() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let mut browser = Browser::new(&app).reads("de");
    let form = browser.get("/login").await.form("/login");
    let fields = [("username", "alice"), ("password", "wrong")];
    for _ in 0..5 {
        browser.send_form(&form, &fields).await.expect(400);
    }
    let page = browser.send_form(&form, &fields).await.expect(429).speaks("de");
    assert!(page.html().contains("Zu viele Anmeldeversuche"));
    assert!(
        page.html().contains("in den nächsten 15 Minuten"),
        "{}",
        page.html()
    );
}

#[tokio::test]
async fn a_person_who_has_a_locale_is_spoken_to_in_it() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    app.user_with("alice", false, |profile| {
        profile.locale = Some("de-CH".to_owned())
    })
    .await;
    let mut browser = Browser::new(&app).reads("en");
    browser.sign_in("alice").await.expect(303);
    let page = browser.get("/account").await.expect(200).speaks("de");
    assert!(page.html().contains("Wo Sie angemeldet sind"));
    browser.get("/account/password").await.expect(200).speaks("de");
    browser
        .get("/account?ui_locales=en")
        .await
        .expect(200)
        .speaks("en");
}

/// OpenID Connect RP-Initiated Logout §2, `ui_locales`.
#[tokio::test]
async fn signing_out_speaks_the_language_that_was_wished_for() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    app.user("alice").await;
    let mut browser = Browser::new(&app).reads("en");
    browser.sign_in("alice").await.expect(303);
    let page = browser
        .get("/oauth2/logout?ui_locales=de")
        .await
        .expect(200)
        .speaks("de");
    let form = page.form("/oauth2/logout");
    assert_eq!(form.field("ui_locales"), "de");
    let page = browser
        .send_form(&form, &[("decision", "allow")])
        .await
        .expect(200)
        .speaks("de");
    assert!(page.html().contains("Sie sind abgemeldet"));
}

#[tokio::test]
async fn the_metadata_name_the_languages() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let metadata = Browser::new(&app).get("/.well-known/openid-configuration").await;
    let languages = metadata.answer.json()["ui_locales_supported"].clone();
    assert_eq!(languages, serde_json::json!(["en", "de"]));
}

/// OpenID Connect Dynamic Client Registration §2.1: what a client says in the language of the page is shown on it, else what it says in
/// none.
#[tokio::test]
async fn registration_s2_1_a_client_speaks_the_language_of_the_page() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    app.user("alice").await;
    let client = app
        .web_app(|metadata| {
            metadata.require_consent = true;
            metadata.client_name = Some("Orders".to_owned());
            metadata.tos_uri = Some("https://shop.example/terms".to_owned());
            metadata.policy_uri = Some("https://shop.example/privacy".to_owned());
            for (name, said) in [
                ("client_name#de-AT", "Bestellungen"),
                ("tos_uri#de", "https://shop.example/agb"),
                ("logo_uri#de", "https://bilder.example/logo.png"),
                ("client_uri#fr", "https://shop.example/fr"),
            ] {
                metadata.localized.insert(name.to_owned(), said.to_owned());
            }
        })
        .await;
    for (language, name, terms, has_logo) in [
        ("de", "Bestellungen", "https://shop.example/agb", true),
        ("en", "Orders", "https://shop.example/terms", true),
    ] {
        let mut browser = Browser::new(&app).reads(language);
        let page = browser
            .open(&app.authorization(&client, &[("prompt", "consent")]))
            .await
            .expect(200);
        assert!(
            page.html().contains(&format!("<strong>{name}</strong>")),
            "{}",
            page.html()
        );
        let form = page.form("/login");
        let answer = browser
            .send_form(&form, &[("username", "alice"), ("password", PASSWORD)])
            .await;
        let page = browser.follow(answer).await;
        let page = page.expect(200).speaks(language);
        let html = page.html();
        assert!(html.contains(&format!("<strong>{name}</strong>")), "{html}");
        assert!(html.contains(&format!("href=\"{terms}\"")), "{html}");
        assert!(
            html.contains("href=\"https://shop.example/privacy\""),
            "in no language in particular"
        );
        assert!(
            html.contains("href=\"https://shop.example/fr\""),
            "there is no other"
        );
        assert_eq!(html.contains("src=\"https://bilder.example/logo.png\""), has_logo);
        let policy = page.answer.header("content-security-policy");
        assert!(policy.contains("https://bilder.example"), "{policy}");
        let form = page.form("/consent");
        browser.send_form(&form, &[("decision", "allow")]).await;
        let account = browser.get("/account").await.expect(200);
        assert!(account.html().contains(name), "{}", account.html());
    }
}

/// What was wished for at `/device` holds to its last page, through the sign-in.
#[tokio::test]
async fn the_device_pages_remember_what_was_wished_for() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    app.user_with("alice", true, |_| {}).await;
    let television = crate::support::relying_party::RelyingParty::with(&app, |metadata| {
        metadata.grant_types = vec![grantor::types::GrantType::DeviceCode];
        metadata.token_endpoint_auth_method = grantor::types::AuthMethod::None;
        metadata.redirect_uris = Vec::new();
        metadata.client_name = Some("Television".to_owned());
        metadata
            .localized
            .insert("client_name#de".to_owned(), "Fernseher".to_owned());
    })
    .await;
    let asked = television
        .post(&app, "/oauth2/device_authorization", &[("scope", "openid")])
        .await;
    let code = asked.expect(200).json()["user_code"].as_str().unwrap().to_owned();
    let mut browser = Browser::new(&app).reads("en");
    let page = browser
        .get("/device?ui_locales=de-AT")
        .await
        .expect(200)
        .speaks("de");
    let wrong = browser
        .send_form(&page.form("/device"), &[("user_code", "BCDFGHJK")])
        .await
        .expect(400)
        .speaks("de");
    let answer = browser
        .send_form(&wrong.form("/device"), &[("user_code", &code)])
        .await;
    let page = browser.follow(answer).await.expect(200).speaks("de");
    let wrong = [("username", "alice"), ("password", "wrong")];
    let page = browser
        .send_form(&page.form("/login"), &wrong)
        .await
        .expect(400)
        .speaks("de");
    let right = [("username", "alice"), ("password", PASSWORD)];
    let page = browser
        .send_form(&page.form("/login"), &right)
        .await
        .expect(200)
        .speaks("de");
    let new = "a quite different phrase 9";
    let weak = [
        ("password", PASSWORD),
        ("new_password", new),
        ("new_password_again", new),
    ];
    let answer = browser.send_form(&page.form("/login/password"), &weak).await;
    let page = browser.follow(answer).await.expect(200).speaks("de");
    assert!(page.html().contains("Fernseher"), "{}", page.html());
    let answer = browser
        .send_form(&page.form("/device"), &[("decision", "allow")])
        .await;
    let page = browser.follow(answer).await.expect(200).speaks("de");
    assert!(page.html().contains("Fernseher"), "{}", page.html());
}
