//! "Session management": in a real browser, which runs the frame's script.

use crate::support::Engine;
use crate::support::peer::Peer;
use crate::support::people::{PASSWORD, Person};
use crate::support::provider::{PATIENT, Provider};
use crate::support::relying_party::RelyingParty;
use crate::support::webdriver::Chromium;
use serde_json::{Value, json};
use url::Url;

/// Loads the frame, sends it messages and gives its answers, as an application's own frame does (section 3.1).
const ASK: &str = "
    const frame = document.createElement('iframe');
    const loaded = new Promise(done => frame.onload = done);
    frame.src = parameters.frame;
    document.body.append(frame);
    await loaded;
    const answers = [];
    for (const message of parameters.messages) {
        const heard = new Promise(done => window.addEventListener('message', event => {
            done(event.source === frame.contentWindow && event.origin === parameters.op ? event.data : 'from elsewhere');
        }, {once: true}));
        frame.contentWindow.postMessage(message, parameters.op);
        answers.push(await heard);
    }
    return answers;";

struct Scene {
    p: Provider,
    chromium: Chromium,
    peer: Peer,
    frame: String,
}

impl Scene {
    async fn new() -> Option<Self> {
        let chromium = Chromium::start(true).await?;
        let mut p = Provider::with(Engine::Sqlite, &[PATIENT, ("session.management", "true")]).await;
        let peer = Peer::start().await;
        for page in ["/callback", "/"] {
            peer.serve(
                page,
                "text/html",
                "<!doctype html><title>App</title><body></body>",
            );
        }
        // Another origin than the server's, of one site with it: browsers keep other sites' cookies from frames.
        let callback = format!("{}/callback", peer.base);
        p.rp = RelyingParty::with(&p.app, |metadata| metadata.redirect_uris = vec![callback]).await;
        let metadata = p.app.metadata().await;
        let frame = metadata["check_session_iframe"]
            .as_str()
            .expect("a frame")
            .to_owned();
        Some(Self {
            p,
            chromium,
            peer,
            frame,
        })
    }

    /// Signs somebody in and gives `session_state` of the authorization response.
    async fn sign_in(&self, person: &Person, prompt: &str) -> String {
        let asked = self.p.rp.ask_for(&self.p.app, &[("prompt", prompt)]);
        self.chromium.go(&asked.url).await;
        self.chromium.find("input[name=password]").await;
        if self.chromium.find_now("input[name=username]").await.is_some() {
            self.chromium.clear("input[name=username]").await;
            self.chromium
                .type_into("input[name=username]", &person.username)
                .await;
        }
        self.chromium.type_into("input[name=password]", PASSWORD).await;
        self.chromium.click("button[type=submit]").await;
        let mut back = self
            .chromium
            .arrives_at(&format!("{}/callback", self.peer.base))
            .await;
        if self.chromium.find_now("button[value=allow]").await.is_some() {
            self.chromium.click("button[value=allow]").await;
            back = self.chromium.arrives_at(&self.p.rp.redirect_uri).await;
        }
        let back: Url = back.parse().unwrap();
        let state = back.query_pairs().find(|(name, _)| name == "session_state");
        state.expect("session_state").1.into_owned()
    }

    /// What the frame answers on a page.
    async fn ask(&self, page: &str, messages: &[Value]) -> Value {
        self.chromium.go(page).await;
        let parameters = json!({"frame": self.frame, "op": self.p.app.base, "messages": messages});
        self.chromium.run(ASK, &parameters).await
    }

    fn message(&self, session_state: &str) -> Value {
        format!("{} {session_state}", self.p.rp.client_id).into()
    }
}

/// "needs `check_session_iframe` and `session_state` in the authorization response; the iframe answers `unchanged`, after logout
/// `changed`".
#[tokio::test]
async fn session_management_the_frame_answers() {
    let Some(scene) = Scene::new().await else { return };
    let alice = scene.p.alice.clone();
    let state = scene.sign_in(&alice, "login").await;
    let message = scene.message(&state);
    let home = format!("{}/", scene.peer.base);
    assert_eq!(
        scene.ask(&home, &[message.clone(), message.clone()]).await,
        json!(["unchanged", "unchanged"])
    );
    // Section 3.2: what is no question is an error.
    let malformed = [
        json!(""),
        json!(scene.p.rp.client_id),
        json!(format!("{} {state} x", scene.p.rp.client_id)),
        json!(format!(" {state}")),
        json!({"client_id": scene.p.rp.client_id}),
        json!("x".repeat(1000)),
    ];
    assert_eq!(
        scene.ask(&home, &malformed).await,
        json!(vec!["error"; malformed.len()])
    );
    // An origin is told about itself alone, whatever it has come to know.
    let stranger = Peer::start().await;
    stranger.serve("/", "text/html", "<!doctype html><body></body>");
    assert_eq!(
        scene
            .ask(&format!("{}/", stranger.base), std::slice::from_ref(&message))
            .await,
        json!(["changed"])
    );
    let other = format!("other-client {state}");
    assert_eq!(scene.ask(&home, &[other.into()]).await, json!(["changed"]));

    scene
        .chromium
        .go(&format!("{}/oauth2/logout", scene.p.app.base))
        .await;
    scene.chromium.click("button[name=decision][value=allow]").await;
    scene.chromium.find("h1").await;
    assert_eq!(
        scene.ask(&home, std::slice::from_ref(&message)).await,
        json!(["changed"])
    );
    // The next person's session is another one.
    let bob = Person::new(&scene.p.app, "bob").await;
    let bobs = scene.message(&scene.sign_in(&bob, "login").await);
    assert_eq!(
        scene.ask(&home, &[message, bobs]).await,
        json!(["changed", "unchanged"])
    );
    scene.chromium.quit().await;
}
