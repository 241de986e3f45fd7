//! OpenID Connect Front-Channel Logout 1.0.

use crate::support::html::{self, Tag};
use crate::support::provider::Provider;
use crate::support::relying_party::{RelyingParty, Tokens, claims_of};
use crate::support::user_agent::{Browser, Page};
use crate::support::{Engine, TestApp};
use url::Url;

const BYE: &str = "https://rp.example/bye";
const FRAME: &str = "https://rp.example/signed-out?from=op";

/// A client with a page that signs out in a frame.
async fn framed(app: &TestApp, frame: &str, origin: &str) -> RelyingParty {
    let (frame, callback) = (frame.to_owned(), format!("{origin}/callback"));
    let mut party = RelyingParty::with(app, |metadata| {
        metadata.redirect_uris = vec![callback.clone()];
        metadata.post_logout_redirect_uris = vec![BYE.to_owned()];
        metadata.frontchannel_logout_uri = Some(frame);
        metadata.frontchannel_logout_session_required = true;
    })
    .await;
    party.redirect_uri = callback;
    party
}

async fn provider(engine: Engine) -> Provider {
    let mut p = Provider::new(engine).await;
    p.rp = framed(&p.app, FRAME, "https://rp.example").await;
    p
}

fn logout(tokens: &Tokens, more: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("id_token_hint", &tokens.id)
        .extend_pairs(more)
        .finish();
    format!("/oauth2/logout?{query}")
}

fn frames(page: &Page) -> Vec<String> {
    let tags = html::tags(&page.html());
    let frames = tags.iter().filter(|tag| tag.name == "iframe");
    frames
        .map(|tag| tag.get("src").expect("a source").to_owned())
        .collect()
}

fn parameter(url: &str, name: &str) -> Option<String> {
    let url = Url::parse(url).expect("a URL");
    url.query_pairs()
        .find(|(own, _)| own == name)
        .map(|(_, value)| value.into_owned())
}

/// Seconds and target of the refresh, which works without scripts.
fn refresh(page: &Page) -> Option<(u32, String)> {
    let tags = html::tags(&page.html());
    let is_refresh = |tag: &&Tag| tag.name == "meta" && tag.get("http-equiv") == Some("refresh");
    let content = tags.iter().find(is_refresh)?.get("content")?.to_owned();
    let (seconds, target) = content.split_once(";url=").expect("a target");
    Some((seconds.parse().expect("seconds"), target.to_owned()))
}

on_both_engines! {
    /// §3: "the OP […] renders a page with an iframe for each of the RPs that the End-User is logged in to", with "iss" and "sid" in the
    /// query; §2: "The iss […] and sid […] are added". The page goes on by itself (contract: after at most 3 s, without JavaScript).
    async fn s3_the_page_has_a_frame_for_each_client_and_goes_on(engine: Engine) {
        let mut p = provider(engine).await;
        let blog = framed(&p.app, "https://blog.example:8443/out", "https://blog.example:8443").await;
        let plain = RelyingParty::new(&p.app).await;
        let absent = framed(&p.app, "https://absent.example/out", "https://absent.example").await;
        absent.sign_in(&p.app, &mut Browser::new(&p.app), &p.alice, "openid").await;
        let tokens = p.sign_in().await;
        let at_blog = blog.sign_in(&p.app, &mut p.browser, &p.alice, "openid").await;
        plain.sign_in(&p.app, &mut p.browser, &p.alice, "openid").await;
        let page = p.browser.open(&logout(&tokens, &[("post_logout_redirect_uri", BYE), ("state", "ä&=\"'<")])).await;
        assert_eq!(page.answer.status.as_u16(), 200);
        let mut found = frames(&page);
        found.sort();
        let [at_b, at_r] = found.as_slice() else { panic!("{found:?}") };
        assert!(at_r.starts_with("https://rp.example/signed-out?from=op&") && at_b.starts_with("https://blog.example:8443/out?"));
        for (frame, tokens) in [(at_r, &tokens), (at_b, &at_blog)] {
            assert_eq!(parameter(frame, "iss").as_deref(), Some(p.app.issuer()));
            assert_eq!(parameter(frame, "sid"), claims_of(&tokens.id)["sid"].as_str().map(str::to_owned));
        }
        let (seconds, target) = refresh(&page).expect("it goes on");
        assert!((1..=3).contains(&seconds), "{seconds}");
        assert!(target.starts_with(BYE), "{target}");
        assert_eq!(parameter(&target, "state").as_deref(), Some("ä&=\"'<"));
        let policy = page.answer.header("content-security-policy");
        assert!(policy.contains("; frame-src https://blog.example:8443 https://rp.example;"), "{policy}");
        assert!(policy.contains("default-src 'none'") && !policy.contains("script-src"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "the page itself is framed by nobody: {policy}");
        assert!(!page.html().contains("<script"));
        assert!(p.browser.cookie("session").is_none(), "the cookie is removed");
        assert_eq!(p.silent(&mut p.browser.clone()).await.as_deref(), Some("login_required"));
    }
}

/// §3: without anywhere to go back to, the page says that the person is signed out, with the frames.
#[tokio::test]
async fn s3_without_an_address_the_page_stays() {
    let mut p = provider(Engine::Sqlite).await;
    p.sign_in().await;
    let page = p.browser.open("/oauth2/logout").await;
    assert_eq!(frames(&page).len(), 0, "a question tells nobody");
    let page = p
        .browser
        .submit(&page, &page.decision_form().press("decision", "allow"))
        .await;
    assert_eq!(frames(&page).len(), 1);
    assert!(refresh(&page).is_none());
    assert!(page.html().contains("You are signed out"));
    // Once the session is over there is nobody left to tell.
    let again = p.browser.open("/oauth2/logout").await;
    assert_eq!(frames(&again).len(), 0);
}

/// RP-Initiated Logout §3: "MUST NOT perform post-logout redirection" to what is not registered: the frames' page does not either.
#[tokio::test]
async fn s3_the_page_goes_nowhere_that_is_not_registered() {
    let mut p = provider(Engine::Sqlite).await;
    let tokens = p.sign_in().await;
    let page = p
        .browser
        .open(&logout(
            &tokens,
            &[("post_logout_redirect_uri", "https://evil.example/")],
        ))
        .await;
    let page = p
        .browser
        .submit(&page, &page.decision_form().press("decision", "allow"))
        .await;
    assert_eq!((frames(&page).len(), refresh(&page)), (1, None));
    assert!(!page.html().contains("evil.example"));
}

/// One page has a bounded number of frames.
#[tokio::test]
async fn the_number_of_frames_is_bounded() {
    let mut p = provider(Engine::Sqlite).await;
    for n in 0..52 {
        let origin = format!("https://rp{n}.example");
        let party = framed(&p.app, &format!("{origin}/out"), &origin).await;
        party.sign_in(&p.app, &mut p.browser, &p.alice, "openid").await;
    }
    let page = p.browser.open("/oauth2/logout").await;
    let page = p
        .browser
        .submit(&page, &page.decision_form().press("decision", "allow"))
        .await;
    assert_eq!(frames(&page).len(), 50);
}

/// §3: "frontchannel_logout_supported", "frontchannel_logout_session_supported".
#[tokio::test]
async fn s3_metadata_says_so() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let metadata = app.metadata().await;
    assert_eq!(metadata["frontchannel_logout_supported"], true);
    assert_eq!(metadata["frontchannel_logout_session_supported"], true);
}

/// §2: "The domain, port, and scheme of this URL MUST be the same as that of a registered Redirection URI value."
#[tokio::test]
async fn s2_the_frame_is_of_a_redirect_uris_origin() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let admin = crate::admin::Admin::new(app).await;
    let body = |frame: &str| {
        serde_json::json!({
            "redirect_uris": ["https://rp.example/callback"], "frontchannel_logout_uri": frame,
            "frontchannel_logout_session_required": true,
        })
    };
    admin
        .post("/clients", &body("https://rp.example/out?a=b"))
        .await
        .expect(201);
    for bad in [
        "https://other.example/out",
        "https://rp.example:8443/out",
        "http://rp.example/out",
        "https://rp.example/out#fragment",
        "javascript:alert(1)",
        "/out",
    ] {
        let refused = admin.post("/clients", &body(bad)).await;
        assert_eq!(
            crate::admin::pointers(&refused),
            ["/frontchannel_logout_uri"],
            "{bad}"
        );
    }
}
