//! OpenID Connect Session Management 1.0.

use crate::support::html;
use crate::support::people::Person;
use crate::support::provider::Provider;
use crate::support::user_agent::{Browser, Page};
use crate::support::{Engine, TestApp};

const ON: (&str, &str) = ("session.management", "true");
const ORIGIN: &str = "https://rp.example";

async fn provider() -> Provider {
    Provider::with(Engine::Sqlite, &[ON]).await
}

/// What the frame would say, by the same computation as its script (§3.2).
fn judge(browser: &Browser, client: &str, origin: &str, session_state: &str) -> &'static str {
    let (hash, salt) = session_state.split_once('.').expect("hash.salt");
    let state = browser.cookie("state").map_or("", |cookie| &cookie.value);
    let text = format!("{client} {origin} {state} {salt}");
    let expected = hex::encode(openssl::sha::sha256(text.as_bytes()));
    if hash == expected { "unchanged" } else { "changed" }
}

/// Signs in and gives `session_state`.
async fn signed_in(p: &mut Provider, person: &Person, more: &[(&str, &str)]) -> String {
    let asked = p.rp.ask_for(&p.app, more);
    let page = p.browser.authorize(&asked.url, person).await;
    page.code();
    page.parameter("session_state").expect("session_state")
}

async fn sign_out(p: &mut Provider) -> Page {
    let page = p.browser.open("/oauth2/logout").await;
    p.browser
        .submit(&page, &page.decision_form().press("decision", "allow"))
        .await
}

/// Off by default: no frame, no cookie, no parameter, nothing in the metadata.
#[tokio::test]
async fn it_is_off_unless_it_is_configured() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let asked = p.rp.ask_for(&p.app, &[]);
    let page = p.browser.authorize(&asked.url, &p.alice).await;
    assert_eq!(page.parameter("session_state"), None);
    assert!(p.browser.cookie("state").is_none());
    p.app.http.get("/oauth2/check_session").send().await.expect(404);
    let metadata = p.app.metadata().await;
    assert!(metadata.get("check_session_iframe").is_none());
}

/// §3.3: "check_session_iframe REQUIRED".
#[tokio::test]
async fn s3_3_metadata_names_the_frame() {
    let app = TestApp::spawn_with(Engine::Sqlite, &[ON]).await;
    let metadata = app.metadata().await;
    assert_eq!(
        metadata["check_session_iframe"],
        format!("{}/oauth2/check_session", app.issuer())
    );
}

/// §2: "session_state […] REQUIRED if session management is supported", "a salted cryptographic hash of Client ID, origin URL, and OP
/// User Agent state", "MUST NOT include the space (" ") character". §3.2: "unchanged" while the session is, "changed" after logout and
/// for whoever signs in next.
#[tokio::test]
async fn s2_s3_2_the_state_changes_with_the_session() {
    let mut p = provider().await;
    let (alice, client) = (p.alice.clone(), p.rp.client_id.clone());
    let first = signed_in(&mut p, &alice, &[]).await;
    assert!(!first.contains(' '));
    assert_eq!(judge(&p.browser, &client, ORIGIN, &first), "unchanged");
    // Bound to the client and its origin.
    assert_eq!(judge(&p.browser, "other", ORIGIN, &first), "changed");
    assert_eq!(
        judge(&p.browser, &client, "https://evil.example", &first),
        "changed"
    );
    // Proving again who one is is no other session.
    let again = signed_in(&mut p, &alice, &[("prompt", "login")]).await;
    assert_ne!(first, again, "salted");
    assert_eq!(judge(&p.browser, &client, ORIGIN, &first), "unchanged");
    let form = signed_in_by_form(&mut p).await;
    assert_eq!(judge(&p.browser, &client, ORIGIN, &form), "unchanged");
    let bob = Person::new(&p.app, "bob").await;
    let bobs = signed_in(&mut p, &bob, &[("prompt", "login")]).await;
    assert_eq!(judge(&p.browser, &client, ORIGIN, &first), "changed");
    assert_eq!(judge(&p.browser, &client, ORIGIN, &bobs), "unchanged");
    sign_out(&mut p).await;
    assert!(p.browser.cookie("state").is_none());
    assert_eq!(judge(&p.browser, &client, ORIGIN, &bobs), "changed");
}

/// The answer of `form_post` has it too.
async fn signed_in_by_form(p: &mut Provider) -> String {
    let asked = p.rp.ask_for(&p.app, &[("response_mode", "form_post")]);
    let page = p.browser.open(&asked.url).await;
    let form = html::forms(&page.html()).into_iter().next().expect("a form");
    form.value("session_state").expect("session_state").to_owned()
}

/// The cookie that scripts may read opens nothing: it is not the session's, and cannot be made from anything that is known.
#[tokio::test]
async fn the_browser_state_is_no_session() {
    let mut p = provider().await;
    let alice = p.alice.clone();
    signed_in(&mut p, &alice, &[]).await;
    let state = p.browser.cookie("state").expect("a cookie").clone();
    let session = p.browser.cookie("session").expect("a cookie").clone();
    assert_ne!(state.value, session.value);
    assert!(!state.line.contains("HttpOnly"), "{}", state.line);
    assert!(session.line.contains("HttpOnly"), "{}", session.line);
    let mut thief = Browser::new(&p.app);
    let mut forged = session.clone();
    forged.value = state.value.clone();
    thief.put(&forged);
    assert_eq!(p.silent(&mut thief).await.as_deref(), Some("login_required"));
}

/// §3.2: the state is that of a session of the browser; one that was ended elsewhere is found when an application's page loads
/// the frame, and one whose time is over needs nothing at all.
#[tokio::test]
async fn s3_2_a_session_that_was_ended_elsewhere_is_changed_once_the_frame_is_loaded() {
    let mut p = provider().await;
    let (alice, client) = (p.alice.clone(), p.rp.client_id.clone());
    let state = signed_in(&mut p, &alice, &[]).await;
    let cookie = p.browser.cookie("state").expect("a cookie").clone();
    assert!(cookie.line.contains("; Max-Age=28800"), "{}", cookie.line);
    p.app.advance(600);
    // Nobody has ended anything.
    let frame = p.browser.get("/oauth2/check_session").await.answer.expect(200);
    assert!(frame.headers.get("set-cookie").is_none());
    assert_eq!(judge(&p.browser, &client, ORIGIN, &state), "unchanged");

    let admin = p.app.admin_token("users:write").await;
    let revoke = format!("/admin/v1/users/{}/revoke", alice.id);
    p.app.http.post(&revoke).bearer(&admin).send().await.expect(204);
    p.browser.get("/oauth2/check_session").await.answer.expect(200);
    assert!(p.browser.cookie("state").is_none());
    assert_eq!(judge(&p.browser, &client, ORIGIN, &state), "changed");

    // Who signs in again has less and less of the session's time left, and what nobody has issued is no session.
    let again = signed_in(&mut p, &alice, &[]).await;
    p.app.advance(600);
    signed_in(&mut p, &alice, &[("prompt", "login")]).await;
    let renewed = p.browser.cookie("state").expect("a cookie").clone();
    assert!(renewed.line.contains("; Max-Age=28200"), "{}", renewed.line);
    assert_eq!(judge(&p.browser, &client, ORIGIN, &again), "unchanged");
    let (id, mac) = renewed.value.split_once('.').expect("id.mac");
    for forged in [
        format!("{id}.{}", mac.to_ascii_uppercase()),
        id.to_owned(),
        "x.y".to_owned(),
        cookie.value,
    ] {
        let mut browser = Browser::new(&p.app);
        let mut put = renewed.clone();
        put.value = forged;
        browser.put(&put);
        browser.get("/oauth2/check_session").await.answer.expect(200);
        assert!(browser.cookie("state").is_none());
    }
}

/// §3.2: the frame is loaded "from the OP" by pages of other origins; its script is a file, and it may do nothing else.
#[tokio::test]
async fn s3_2_the_frame_may_be_framed_and_do_nothing_else() {
    let p = provider().await;
    let answer = p.app.http.get("/oauth2/check_session").send().await.expect(200);
    let policy = answer.header("content-security-policy").to_owned();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self';"),
        "{policy}"
    );
    assert!(
        policy.contains("frame-ancestors https:") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert!(answer.headers.get("x-frame-options").is_none());
    let html = answer.text();
    let tags = html::tags(&html);
    let script = tags
        .iter()
        .find(|tag| tag.name == "script")
        .and_then(|tag| tag.get("src"))
        .expect("a file");
    let file = p.app.http.get(script).send().await.expect(200);
    assert!(file.header("content-type").starts_with("text/javascript"));
    for word in ["unchanged", "changed", "error", "event.origin"] {
        assert!(file.text().contains(word), "{word}");
    }
    for path in ["/login", "/oauth2/logout"] {
        let page = p.app.http.get(path).send().await.expect(200);
        assert_eq!(page.header("x-frame-options"), "DENY", "{path}");
    }
}
