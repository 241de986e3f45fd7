//! How a tenant's pages look, by its settings; and what else every site has.

use crate::support::provider::execute;
use crate::support::user_agent::Browser;
use crate::support::{Engine, TestApp};
use crate::tenants::bare_tenant;

const SETTINGS: &str = r##"{"display_name": "Acme & Co", "logo_uri": "https://cdn.acme.example/logo.svg",
    "accent_color": "#ffcc00", "default_locale": "de"}"##;

/// Where the page's second stylesheet is.
fn own_stylesheet(html: &str) -> Option<&str> {
    let links = html.split("<link rel=\"stylesheet\" href=\"").skip(1);
    links
        .filter_map(|link| link.split('"').next())
        .find(|href| href.contains("/assets/look-"))
}

on_both_engines! {
    async fn a_tenants_pages_have_its_name_logo_colour_and_language(engine: Engine) {
        let app = TestApp::spawn(engine).await;
        bare_tenant(&app, "acme", true).await;
        execute(&app.db.main, &format!("UPDATE tenants SET settings = '{SETTINGS}' WHERE name = 'acme'")).await;
        app.app.tenants.invalidate();
        let mut browser = Browser::new(&app);
        let page = browser.get("/t/acme/login").await.expect(200);
        let html = page.html();
        assert!(html.contains(" · Acme &#38; Co</title>"), "{html}");
        assert!(html.contains("src=\"https://cdn.acme.example/logo.svg\" alt=\"Acme &#38; Co\""), "{html}");
        assert!(html.contains("<html lang=\"de\">"), "for those who state no other");
        let policy = page.header("content-security-policy");
        assert!(policy.contains("img-src 'self' https://cdn.acme.example;"), "{policy}");
        let href = own_stylesheet(&html).expect("a stylesheet of its own").to_owned();
        assert!(href.starts_with("/t/acme/assets/look-"));
        let sheet = browser.get(&href).await.expect(200);
        assert_eq!(sheet.header("content-type"), "text/css; charset=utf-8");
        assert!(sheet.header("cache-control").contains("immutable"));
        assert!(sheet.html().contains("--accent: #ffcc00; "), "{}", sheet.html());
        // An error is told in the same look.
        let error = browser.get("/t/acme/login?interaction=x").await.expect(400);
        assert!(error.html().contains("Acme &#38; Co") && own_stylesheet(&error.html()).is_some());
        assert!(error.header("content-security-policy").contains("https://cdn.acme.example;"));
        // A page from before a change gets the present one, once.
        let old = browser.get("/t/acme/assets/look-0000000000000000.css").await.expect(200);
        assert_eq!(old.header("cache-control"), "no-store");
        // No other tenant's pages are changed by it.
        let first = browser.get("/login").await.expect(200);
        assert!(first.html().contains(" · grantor</title>") && own_stylesheet(&first.html()).is_none());
        assert!(first.header("content-security-policy").contains("img-src 'self';"));
        browser.get(href.trim_start_matches("/t/acme")).await.expect(404);
    }
}

#[tokio::test]
async fn robots_and_icons_are_answered() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let mut browser = Browser::new(&app);
    let robots = browser.get("/robots.txt").await.expect(200);
    assert_eq!(robots.html(), "User-agent: *\nDisallow: /\n");
    assert_eq!(robots.header("content-type"), "text/plain; charset=utf-8");
    for path in ["/favicon.ico", "/favicon.svg"] {
        let icon = browser.get(path).await.expect(200);
        assert_eq!(icon.header("content-type"), "image/svg+xml");
        assert!(icon.header("cache-control").contains("max-age"));
    }
    let change = browser.get("/.well-known/change-password").await.expect(303);
    assert_eq!(change.header("location"), "/account/password");
}
