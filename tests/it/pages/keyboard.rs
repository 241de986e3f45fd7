//! The way through the pages by keyboard alone, in a browser without JavaScript.

use crate::support::Engine;
use crate::support::people::PASSWORD;
use crate::support::provider::Provider;
use crate::support::relying_party::RelyingParty;
use crate::support::webdriver::Chromium;

/// As WebDriver names the keys.
const TAB: &str = "\u{E004}";
const ENTER: &str = "\u{E007}";
/// A page has fewer stops than this.
const MAX_STOPS: usize = 40;

impl Chromium {
    /// Goes on with Tab until the focus is on what has this attribute.
    async fn tab_to(&self, attribute: &str, value: &str) {
        let mut seen = Vec::new();
        for _ in 0..MAX_STOPS {
            let focused = self.focused(attribute).await;
            if focused == value || (attribute == "href" && focused.ends_with(value)) {
                return;
            }
            seen.push(focused);
            self.press(TAB).await;
        }
        panic!(
            "Tab does not lead to {attribute}={value}: {seen:?}: {}",
            self.source().await
        );
    }

    /// Types into the field of this id, come to with Tab.
    async fn fill(&self, id: &str, text: &str) {
        self.tab_to("id", id).await;
        self.press(text).await;
    }
}

/// Signing in, consent, the account, the password, and signing out.
#[tokio::test]
async fn everything_can_be_done_without_mouse_and_javascript() {
    let Some(chromium) = Chromium::start(false).await else {
        return;
    };
    let mut p = Provider::new(Engine::Sqlite).await;
    p.rp = RelyingParty::with(&p.app, |metadata| metadata.require_consent = true).await;
    let base = &p.app.base;

    // The first field has the focus; a wrong password brings it to the one that has to be typed again.
    chromium.go(&p.rp.ask(&p.app).url).await;
    chromium.find("#username").await;
    assert_eq!(chromium.focused("id").await, "username");
    chromium.press("alice").await;
    chromium.fill("password", "wrong").await;
    chromium.press(ENTER).await;
    chromium.find("#refused").await;
    assert_eq!(chromium.focused("id").await, "password");
    chromium.press(PASSWORD).await;
    chromium.press(ENTER).await;

    // Nothing is agreed to by pressing Enter on arrival; "deny" comes after "allow".
    chromium.find("button[value=allow]").await;
    chromium.tab_to("value", "allow").await;
    chromium.tab_to("value", "deny").await;
    chromium.go(&p.rp.ask(&p.app).url).await;
    chromium.find("button[value=allow]").await;
    chromium.tab_to("value", "allow").await;
    chromium.press(ENTER).await;
    chromium.leaves_for("rp.example").await;

    // Each page begins with the way past its head.
    chromium.go(&format!("{base}/account")).await;
    chromium.press(TAB).await;
    assert_eq!(chromium.focused("class").await, "skip");
    chromium.press(ENTER).await;
    chromium.press(TAB).await;
    assert_eq!(
        chromium.focused("value").await,
        "allow",
        "the first in main: signing out"
    );

    chromium.tab_to("href", "/account/profile").await;
    chromium.press(ENTER).await;
    chromium.find("#nickname").await;
    chromium.fill("nickname", "x").await;
    chromium.press(ENTER).await;
    chromium.find("[role=status]").await;

    chromium.tab_to("href", "/account/password").await;
    chromium.press(ENTER).await;
    chromium.find("#new_password").await;
    chromium.fill("password", PASSWORD).await;
    chromium.fill("new_password", "a quite different phrase 9").await;
    chromium
        .fill("new_password_again", "a quite different phrase 9")
        .await;
    chromium.press(ENTER).await;
    chromium.find("[role=status]").await;

    chromium.tab_to("value", "allow").await;
    chromium.press(ENTER).await;
    chromium.find("a.button[href$='/login']").await;
    chromium.quit().await;
}
