//! A tour of all pages, with people, applications and devices as they are in life.

use crate::support::peer::Peer;
use crate::support::people::{PASSWORD, Person};
use crate::support::provider::{PATIENT, execute};
use crate::support::relying_party::RelyingParty;
use crate::support::user_agent::Browser;
use crate::support::webdriver::Chromium;
use crate::support::{Engine, TestApp};
use crate::tenants::bare_tenant;
use grantor::types::{ApplicationType, AuthMethod, GrantType};
use serde_json::json;

const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_2 like Mac OS X) AppleWebKit/605.1.15 Version/18.2 Mobile/15E148 Safari/604.1";
const LAPTOP: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0";
const LOGO: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" rx="12" fill="#0b7a53"/><path d="M16 22h32l-4 22H20z" fill="#fff"/><circle cx="26" cy="50" r="4" fill="#fff"/><circle cx="40" cy="50" r="4" fill="#fff"/></svg>"##;

const ACME: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" width="120" height="32" viewBox="0 0 120 32"><rect width="120" height="32" rx="6" fill="#ffb400"/><path d="M12 24 20 8l8 16m-13-6h10M48 10a8 8 0 1 0 0 12m8 2V9l8 10 8-10v15m20-15H80v14h12m-12-7h9" fill="none" stroke="#1b1b1b" stroke-width="3"/></svg>"##;

/// What is kept about people beyond the standard claims: of each kind one, to see or to change.
const ATTRIBUTES: [(&str, &str); 21] = [
    ("attributes.department.type", "string"),
    ("attributes.department.user", "see"),
    ("attributes.department.description", "Department"),
    ("attributes.department.description.de", "Abteilung"),
    ("attributes.desk.type", "string"),
    ("attributes.desk.max_length", "20"),
    ("attributes.desk.user", "change"),
    ("attributes.desk.description", "Desk"),
    ("attributes.desk.description.de", "Schreibtisch"),
    ("attributes.diet.type", "string"),
    ("attributes.diet.values", "any,vegetarian,vegan"),
    ("attributes.diet.user", "change"),
    ("attributes.level.type", "number"),
    ("attributes.level.maximum", "9"),
    ("attributes.level.user", "change"),
    ("attributes.skills.type", "strings"),
    ("attributes.skills.user", "change"),
    ("attributes.skills.description", "Skills"),
    ("attributes.newsletter.type", "boolean"),
    ("attributes.newsletter.user", "change"),
    ("attributes.newsletter.description", "Newsletter"),
];

/// What the tour is given in: two servers, for one of them limits who signs in.
pub struct World {
    app: TestApp,
    strict: TestApp,
    shop: RelyingParty,
    photos: RelyingParty,
    terminal: RelyingParty,
    plain: RelyingParty,
    television: RelyingParty,
    alice: Person,
    peer: Peer,
}

impl World {
    /// Makes it.
    pub async fn new() -> Self {
        let mut settings = vec![PATIENT];
        settings.extend(ATTRIBUTES);
        let app = TestApp::spawn_with(Engine::Sqlite, &settings).await;
        let peer = Peer::start().await;
        peer.serve("/logo.svg", "image/svg+xml", LOGO);
        peer.serve("/acme.svg", "image/svg+xml", ACME);
        peer.serve(
            "/signed-out",
            "text/html",
            "<!doctype html><html lang=en><title>Signed out</title>",
        );
        let here = peer.base.replace("127.0.0.1", "localhost");
        let signed_out = format!("{}/signed-out", peer.base);
        let (logo, site) = (format!("{}/logo.svg", peer.base), "https://shop.example.com");
        let shop = RelyingParty::with(&app, |metadata| {
            metadata.client_name = Some("Green Grocer".to_owned());
            metadata.redirect_uris = vec![format!("{site}/callback")];
            metadata.logo_uri = Some(logo);
            metadata.client_uri = Some(site.to_owned());
            metadata.tos_uri = Some(format!("{site}/terms"));
            metadata.policy_uri = Some(format!("{site}/privacy"));
            metadata.require_consent = true;
        });
        let photos = RelyingParty::with(&app, |metadata| {
            metadata.client_name = Some("Photo Prints & Frames".to_owned());
            metadata.redirect_uris = vec![format!("{here}/callback")];
            metadata.require_consent = true;
            metadata.post_logout_redirect_uris = vec![signed_out.clone()];
            metadata.frontchannel_logout_uri = Some(signed_out);
        });
        let terminal = RelyingParty::with(&app, |metadata| {
            metadata.client_name = Some("Terminal".to_owned());
            metadata.application_type = ApplicationType::Native;
            metadata.token_endpoint_auth_method = AuthMethod::None;
            metadata.redirect_uris = vec!["com.example.terminal:/callback".to_owned()];
        });
        let plain = RelyingParty::with(&app, |metadata| {
            metadata.client_name = Some("Team Calendar".to_owned());
            metadata.redirect_uris = vec![format!("{here}/callback")];
        });
        let television = RelyingParty::with(&app, |metadata| {
            metadata.client_name = Some("Living Room TV".to_owned());
            metadata.grant_types = vec![GrantType::DeviceCode, GrantType::RefreshToken];
            metadata.token_endpoint_auth_method = AuthMethod::None;
            metadata.redirect_uris = Vec::new();
            metadata.client_uri = Some(site.to_owned());
        });
        let television = television.await;
        let (shop, photos) = (shop.await, photos.await);
        let (terminal, plain) = (terminal.await, plain.await);
        // No language of her own: the browser's is what the tour is about.
        let alice = Person::with(
            &app,
            "alice",
            json!({
                "locale": null, "roles": ["editor", "reader"],
                "attributes": {
                    "department": "Produce and fresh herbs", "desk": "3rd floor, 17", "diet": "vegetarian",
                    "level": 7, "skills": ["Bookkeeping", "First aid"], "newsletter": true,
                },
            }),
        )
        .await;
        let world = Self {
            strict: TestApp::spawn_with(Engine::Sqlite, &[("session.samesite", "strict")]).await,
            app,
            shop,
            photos,
            terminal,
            plain,
            television,
            alice,
            peer,
        };
        world.live().await;
        bare_tenant(&world.app, "acme", true).await;
        let settings = format!(
            r##"{{"display_name": "Acme", "logo_uri": "{}/acme.svg", "accent_color": "#ffb400"}}"##,
            world.peer.base
        );
        let sql = format!("UPDATE tenants SET settings = '{settings}' WHERE name = 'acme'");
        execute(&world.app.db.main, &sql).await;
        world.app.app.tenants.invalidate();
        world
    }

    /// What alice has done before: two more devices, two applications.
    async fn live(&self) {
        let app = &self.app;
        let mut phone = Browser::new(app).named(PHONE);
        let scope = "openid profile email offline_access";
        self.photos.sign_in(app, &mut phone, &self.alice, scope).await;
        app.advance(3 * 60);
        let mut laptop = Browser::new(app).named(LAPTOP);
        self.shop
            .sign_in(app, &mut laptop, &self.alice, "openid email address")
            .await;
        app.advance(7 * 60);
    }

    /// Makes somebody whose password was set by an administrator.
    async fn newcomer(&self, username: &str) {
        use grantor::account::Credential;
        use grantor::types::{EventType, Outcome, Secret, TenantId};
        let person = Person::new(&self.app, username).await;
        let (accounts, now) = (&self.app.app.accounts, self.app.now());
        let user = accounts.find(TenantId::FIRST, username).await.unwrap().unwrap();
        assert_eq!(user.id, person.id);
        let event = self.app.app.event(
            now,
            EventType::UserPasswordChanged,
            Outcome::Success,
            TenantId::FIRST,
        );
        let credential = Credential::Password {
            password: Secret::new(PASSWORD.to_owned()),
            temporary: true,
        };
        let set = accounts
            .set_password(&user, credential, event.unwrap(), now)
            .await;
        set.unwrap().unwrap();
    }
}

/// Leads a browser whose user reads `language` through all pages, and calls `look` at each, with its name.
pub async fn tour(
    world: &World,
    chromium: &Chromium,
    language: &str,
    look: &mut impl AsyncFnMut(&Chromium, &str),
) {
    chromium.devtools("Network.enable", &json!({})).await;
    let headers = json!({"headers": {"Accept-Language": language}});
    chromium.devtools("Network.setExtraHTTPHeaders", &headers).await;
    signing_in(world, chromium, language, look).await;
    consent(world, chromium, look).await;
    account(world, chromium, look).await;
    device(world, chromium, look).await;
    passing_through(world, chromium, language, look).await;
    signing_out(world, chromium, look).await;
    errors(world, chromium, look).await;
}

async fn fresh(chromium: &Chromium) {
    chromium.devtools("Network.clearBrowserCookies", &json!({})).await;
}

async fn sign_in(chromium: &Chromium, username: &str, password: &str) {
    chromium.clear("#username").await;
    chromium.type_into("#username", username).await;
    chromium.type_into("#password", password).await;
    chromium.click("main button[type=submit]").await;
}

async fn signing_in(
    world: &World,
    chromium: &Chromium,
    language: &str,
    look: &mut impl AsyncFnMut(&Chromium, &str),
) {
    let app = &world.app;
    fresh(chromium).await;
    chromium.go(&format!("{}/login", app.base)).await;
    look(chromium, "sign-in").await;
    chromium.go(&format!("{}/t/acme/login", app.base)).await;
    look(chromium, "sign-in-at-a-tenant").await;
    chromium.go(&world.shop.ask(app).url).await;
    look(chromium, "sign-in-for-application").await;
    sign_in(chromium, "alice@example.com", "not her password").await;
    chromium.find("#refused").await;
    look(chromium, "sign-in-refused").await;
    let newcomer = format!("newcomer-{language}");
    world.newcomer(&newcomer).await;
    sign_in(chromium, &newcomer, PASSWORD).await;
    chromium.find("#new_password").await;
    look(chromium, "new-password").await;
    chromium.type_into("#password", PASSWORD).await;
    chromium.type_into("#new_password", "password").await;
    chromium.type_into("#new_password_again", "password").await;
    chromium.click("main button[type=submit]").await;
    chromium.find("#new-problem").await;
    look(chromium, "new-password-refused").await;
}

async fn consent(world: &World, chromium: &Chromium, look: &mut impl AsyncFnMut(&Chromium, &str)) {
    let app = &world.app;
    fresh(chromium).await;
    let scope = ("scope", "openid profile email address offline_access orders:read");
    chromium.go(&world.shop.ask_for(app, &[scope]).url).await;
    sign_in(chromium, "alice", PASSWORD).await;
    chromium.find("button[name=decision]").await;
    look(chromium, "consent").await;
    chromium
        .run("document.querySelector('[name=csrf]').value = 'x'", &json!({}))
        .await;
    chromium.click("button[name=decision]").await;
    chromium.find("[role=alert]").await;
    look(chromium, "form-outdated").await;
    chromium
        .go(&world
            .terminal
            .ask_for(app, &[("scope", "openid phone roles")])
            .url)
        .await;
    chromium.find("button[name=decision]").await;
    look(chromium, "consent-for-an-app").await;
    // What was agreed to goes on at once.
    chromium.go(&world.photos.ask(app).url).await;
    chromium
        .go(&world.photos.ask_for(app, &[("prompt", "login")]).url)
        .await;
    chromium.find("#password").await;
    look(chromium, "sign-in-once-more").await;
    chromium.go(&format!("{}/consent", app.base)).await;
    look(chromium, "nothing-asked").await;
}

async fn account(world: &World, chromium: &Chromium, look: &mut impl AsyncFnMut(&Chromium, &str)) {
    let base = &world.app.base;
    chromium.go(&format!("{base}/account?done=profile")).await;
    chromium.find("[role=status]").await;
    look(chromium, "account").await;
    chromium.go(&format!("{base}/account/profile")).await;
    look(chromium, "profile").await;
    chromium.clear("#birthdate").await;
    chromium.type_into("#birthdate", "28 February").await;
    chromium.click("main button[type=submit]").await;
    chromium.find("#birthdate-problem").await;
    look(chromium, "profile-refused").await;
    chromium.go(&format!("{base}/account/attributes")).await;
    look(chromium, "attributes").await;
    chromium.clear("[name='attribute:level']").await;
    chromium.type_into("[name='attribute:level']", "ten").await;
    chromium.click("main button[type=submit]").await;
    chromium.find("[role=alert]").await;
    look(chromium, "attributes-refused").await;
    chromium.go(&format!("{base}/account/password")).await;
    look(chromium, "password").await;
    for (present, again, problem) in [
        ("wrong", "a quite different phrase 9", "#present-problem"),
        (PASSWORD, "another", "#again-problem"),
    ] {
        chromium.type_into("#password", present).await;
        chromium
            .type_into("#new_password", "a quite different phrase 9")
            .await;
        chromium.type_into("#new_password_again", again).await;
        chromium.click("main button[type=submit]").await;
        chromium.find(problem).await;
        look(chromium, &format!("password{}", problem.replace('#', "-"))).await;
    }
}

async fn device(world: &World, chromium: &Chromium, look: &mut impl AsyncFnMut(&Chromium, &str)) {
    let app = &world.app;
    chromium.go(&format!("{}/device", app.base)).await;
    look(chromium, "device").await;
    chromium.type_into("#user_code", "BCDF-GHJK").await;
    chromium.click("main button[type=submit]").await;
    chromium.find("#problem").await;
    look(chromium, "device-wrong-code").await;
    let scope = [("scope", "openid profile offline_access")];
    let asked = world
        .television
        .post(app, "/oauth2/device_authorization", &scope)
        .await;
    let asked = asked.expect(200).json();
    chromium
        .go(asked["verification_uri_complete"].as_str().expect("a URL"))
        .await;
    look(chromium, "device-by-link").await;
    chromium.click("main button[type=submit]").await;
    chromium.find("button[name=decision]").await;
    look(chromium, "device-approval").await;
    chromium.click("button[value=allow]").await;
    chromium.find(".notice.good").await;
    look(chromium, "device-connected").await;
}

/// Pages that go on by themselves, held fast.
async fn passing_through(
    world: &World,
    chromium: &Chromium,
    language: &str,
    look: &mut impl AsyncFnMut(&Chromium, &str),
) {
    let app = &world.app;
    let scripts = |off: bool| json!({"value": off});
    chromium
        .devtools("Emulation.setScriptExecutionDisabled", &scripts(true))
        .await;
    let asked = world.plain.ask_for(app, &[("response_mode", "form_post")]);
    chromium.go(&asked.url).await;
    chromium.find("#answer").await;
    chromium
        .devtools("Emulation.setScriptExecutionDisabled", &scripts(false))
        .await;
    look(chromium, "back-by-form").await;
    // Where cookies are strict, whoever comes from another site is sent on to the same address at once.
    let call = world.strict.http.get("/oauth2/authorize?client_id=x");
    let call = call.header("sec-fetch-site", "cross-site");
    let moment = call.header("accept-language", language).send().await.expect(200);
    hold(world, chromium, &moment.text()).await;
    look(chromium, "one-moment").await;
    // After signing out, with the way back to an application.
    let mut browser = Browser::new(app).reads(language);
    let tokens = world
        .photos
        .sign_in(app, &mut browser, &world.alice, "openid")
        .await;
    let back = format!("{}/signed-out", world.peer.base);
    let url = format!(
        "/oauth2/logout?id_token_hint={}&post_logout_redirect_uri={back}",
        tokens.id
    );
    let page = browser.open(&url).await;
    hold(world, chromium, &page.html()).await;
    chromium.find("iframe").await;
    look(chromium, "signed-out-going-on").await;
}

/// Shows a page of the server without what makes it go on by itself.
async fn hold(world: &World, chromium: &Chromium, html: &str) {
    let (before, rest) = html
        .split_once("<meta http-equiv=\"refresh\"")
        .expect("it goes on");
    let (_, after) = rest.split_once('>').expect("the end of the element");
    chromium.go(&format!("{}/nothing/here", world.app.base)).await;
    let tree = chromium.devtools("Page.getFrameTree", &json!({})).await;
    let parameters = json!({"frameId": tree["frameTree"]["frame"]["id"], "html": format!("{before}{after}")});
    chromium.devtools("Page.setDocumentContent", &parameters).await;
}

async fn signing_out(world: &World, chromium: &Chromium, look: &mut impl AsyncFnMut(&Chromium, &str)) {
    let base = &world.app.base;
    chromium
        .go(&format!(
            "{base}/oauth2/logout?post_logout_redirect_uri=https://x.example/"
        ))
        .await;
    look(chromium, "sign-out-not-back").await;
    chromium.go(&format!("{base}/oauth2/logout")).await;
    look(chromium, "sign-out").await;
    chromium.click("button[name=decision]").await;
    // The photo shop is told in a frame; the page waits for it without going anywhere.
    chromium.find("iframe").await;
    look(chromium, "signed-out-of-applications").await;
    chromium.go(&format!("{base}/oauth2/logout")).await;
    look(chromium, "signed-out").await;
}

async fn errors(world: &World, chromium: &Chromium, look: &mut impl AsyncFnMut(&Chromium, &str)) {
    let app = &world.app;
    chromium.go(&format!("{}/nothing/here", app.base)).await;
    look(chromium, "not-found").await;
    chromium
        .go(&format!("{}/oauth2/authorize?client_id=nobody", app.base))
        .await;
    look(chromium, "unknown-application").await;
    chromium.go(&format!("{}/login?interaction=x", app.base)).await;
    look(chromium, "expired").await;
    chromium.go(&format!("{}/login", world.strict.base)).await;
    for _ in 0..6 {
        sign_in(chromium, "alice", "wrong").await;
        chromium.find("[role=alert]").await;
        if chromium.find_now("#username").await.is_none() {
            break;
        }
    }
    look(chromium, "too-many-attempts").await;
}
