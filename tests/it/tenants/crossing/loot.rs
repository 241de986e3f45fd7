//! What a thief could carry from one tenant to another.

use super::{SCOPE, TWIN, World};
use crate::support::html;
use crate::support::relying_party::{Pkce, Tokens, claims_of};
use crate::support::request_object::ClientKey;
use crate::support::user_agent::Cookie;
use grantor::entropy::Entropy;
use grantor::jobs;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Everything that a tenant has issued, by name. All of it is good at its tenant.
#[derive(Clone, Default)]
pub struct Loot {
    texts: BTreeMap<&'static str, String>,
    /// An object of each resource of the admin API, by the path of its list.
    objects: BTreeMap<String, String>,
    /// The browser's cookies by their word, in the name of the tenant.
    cookies: BTreeMap<&'static str, Cookie>,
}

/// The resources of the admin API whose objects are in the loot.
const LISTS: [&str; 11] = [
    "/admin/v1/clients",
    "/admin/v1/plans",
    "/admin/v1/users",
    "/admin/v1/sessions",
    "/admin/v1/grants",
    "/admin/v1/consents",
    "/admin/v1/deliveries",
    "/admin/v1/keys",
    "/admin/v1/registration-tokens",
    "/admin/v1/tenants",
    "/admin/v1/audit",
];

impl Loot {
    /// Lets a person and clients do everything that makes the tenant issue something.
    pub async fn of(world: &mut World, key: &ClientKey) -> Self {
        let mut loot = Self::default();
        loot.add("admin", &world.admin);
        loot.add("client", &world.rp.client_id);
        loot.add("secret", world.rp.secret.as_ref().unwrap());
        loot.user(world).await;
        loot.registrations(world).await;
        loot.requests(world).await;
        loot.device(world).await;
        loot.assertion(world, key);
        loot.ended_session(world).await;
        loot.objects(world).await;
        loot
    }

    /// A text by its name.
    #[track_caller]
    pub fn get(&self, name: &str) -> &str {
        self.texts
            .get(name)
            .unwrap_or_else(|| panic!("there is no {name} in the loot"))
    }

    /// An object that a route with an id could be about.
    pub fn object(&self, list: &str) -> Option<&str> {
        self.objects.get(list).map(String::as_str)
    }

    /// The cookies as a browser sends them: under their own names, and under those of the tenant whose cookies are given.
    pub fn cookies(&self, names_of: &Self) -> String {
        let mut pairs = Vec::new();
        for (word, own) in &self.cookies {
            let foreign = &names_of.cookies[word].name;
            pairs.push(format!("{}={}", own.name, own.value));
            // Twice under one name counts as none.
            if *foreign != own.name {
                pairs.push(format!("{foreign}={}", own.value));
            }
        }
        pairs.join("; ")
    }

    /// The same with a letter of each text changed: what nobody has issued.
    pub fn spoiled(&self) -> Self {
        let mut spoiled = self.clone();
        let texts = spoiled.texts.values_mut().chain(spoiled.objects.values_mut());
        texts.for_each(|text| *text = spoil(text));
        for cookie in spoiled.cookies.values_mut() {
            cookie.value = spoil(&cookie.value);
        }
        spoiled
    }

    /// A page or address without what was presented, and without what is random in every answer.
    pub fn without(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let cookies = self.cookies.values().map(|cookie| &cookie.value);
        for own in self.texts.values().chain(self.objects.values()).chain(cookies) {
            text = text.replace(own.as_str(), "…");
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '…');
        let words = text.split_inclusive(|c| !is_part(c));
        let anonymous = words.map(|word| match word.trim_end_matches(|c| !is_part(c)) {
            random if random.len() >= 24 => word.replace(random, "…"),
            _ => word.to_owned(),
        });
        anonymous.collect()
    }

    fn add(&mut self, name: &'static str, text: &str) {
        assert!(!text.is_empty(), "{name} is empty");
        self.texts.insert(name, text.to_owned());
    }

    /// Tokens, cookies, forms, and a code that waits for its client.
    async fn user(&mut self, world: &mut World) {
        let World {
            app,
            rp,
            person,
            browser,
            ..
        } = world;
        let tokens = rp.sign_in(app, browser, person, SCOPE).await;
        self.add("access", &tokens.access);
        self.add("refresh", &tokens.refresh);
        self.add("id", &tokens.id);
        self.add("user", &person.id.to_string());
        self.add("family", &tokens.family());
        let asked = rp.ask_for(app, &[("scope", SCOPE)]);
        let page = browser.authorize(&asked.url, person).await;
        self.add("code", &page.code());
        self.add("verifier", &asked.pkce.verifier);
        self.add("session_state", &page.parameter("session_state").unwrap());
        for word in ["browser", "session", "state", "device"] {
            self.cookies.insert(word, browser.cookie(word).unwrap().clone());
        }
        let page = browser.open("/account").await;
        let forms = html::forms(&page.html());
        let form = |action: &str| forms.iter().find(|form| form.action.ends_with(action)).unwrap();
        self.add("account form", form("/account/grants").value("csrf").unwrap());
        self.add("logout form", form("/oauth2/logout").value("csrf").unwrap());
        for (name, path) in [
            ("profile form", "/account/profile"),
            ("password form", "/account/password"),
        ] {
            let page = browser.open(path).await;
            let form = html::forms(&page.html())
                .into_iter()
                .find(|form| form.has("csrf"))
                .unwrap();
            self.add(name, form.value("csrf").unwrap());
        }
    }

    async fn registrations(&mut self, world: &World) {
        let app = &world.app;
        let plan = json!({"name": format!("plan-of-{}", world.person.username), "monthly_quota": 1_000_000});
        let made = app.http.post("/admin/v1/plans").bearer(&world.admin).json(&plan);
        made.send().await.expect(201);
        let expires = json!({"expires_at": app.now().plus_seconds(3600).to_string(), "max_uses": 2});
        let made = app
            .http
            .post("/admin/v1/registration-tokens")
            .bearer(&world.admin);
        let made = made.json(&expires).send().await.expect(201).json();
        self.add("initial", made["token"].as_str().unwrap());
        let register = app.http.post("/oauth2/register").bearer(self.get("initial"));
        let body = json!({"redirect_uris": ["https://rp.example/cb"]});
        let registered = register.json(&body).send().await.expect(201).json();
        self.add("registered", registered["client_id"].as_str().unwrap());
        self.add(
            "registration",
            registered["registration_access_token"].as_str().unwrap(),
        );
    }

    /// Requests under way: one that was pushed, and one that waits for a sign-in in this browser.
    async fn requests(&mut self, world: &World) {
        let (app, rp) = (&world.app, &world.rp);
        let pushed = rp.push(app, &rp.ask(app)).await.expect(201).json();
        self.add("request_uri", pushed["request_uri"].as_str().unwrap());
        let mut browser = world.browser.clone();
        let page = browser.open(&rp.ask_for(app, &[("prompt", "login")]).url).await;
        let form = page.sign_in_form();
        self.add("interaction", form.value("interaction").unwrap());
        self.add("sign-in form", form.value("csrf").unwrap());
    }

    /// A device's codes, and the ticket of a browser in which its code was typed.
    async fn device(&mut self, world: &World) {
        let app = &world.app;
        let fields = [("scope", "openid")];
        let codes = world
            .device
            .post(app, "/oauth2/device_authorization", &fields)
            .await;
        let codes = codes.expect(200).json();
        self.add("device_code", codes["device_code"].as_str().unwrap());
        self.add("user_code", codes["user_code"].as_str().unwrap());
        let mut browser = world.browser.clone();
        let page = browser.open("/device").await;
        let form = html::forms(&page.html())
            .into_iter()
            .find(|form| form.has("user_code"))
            .unwrap();
        self.add("device form", form.value("csrf").unwrap());
        let form = form.fill("user_code", self.get("user_code"));
        let page = browser.submit(&page, &form).await;
        let ticket = page
            .url
            .query_pairs()
            .find(|(name, _)| name == "ticket")
            .unwrap()
            .1;
        self.add("ticket", &ticket);
    }

    /// A proof of the client that is known under the same id and key everywhere.
    fn assertion(&mut self, world: &World, key: &ClientKey) {
        let now = world.app.now().seconds();
        let jti = Entropy::system().uuid_v4().unwrap().to_string();
        let claims = json!({
            "iss": TWIN, "sub": TWIN, "aud": world.app.issuer(), "jti": jti, "iat": now, "exp": now + 300,
        });
        self.add("assertion", &key.sign(&json!({"typ": "JWT"}), &claims));
        let pkce = Pkce::new();
        let claims = json!({
            "iss": TWIN, "aud": world.app.issuer(), "iat": now, "nbf": now, "exp": now + 300, "client_id": TWIN,
            "redirect_uri": crate::support::relying_party::CALLBACK, "response_type": "code", "scope": "openid",
            "code_challenge": pkce.challenge, "code_challenge_method": "S256", "state": "s",
        });
        self.add(
            "object",
            &key.sign(&json!({"typ": "oauth-authz-req+jwt"}), &claims),
        );
    }

    /// A session that an administrator has ended, so that a message to its client waits.
    async fn ended_session(&mut self, world: &World) {
        let (app, mut browser) = (&world.app, world.browser.clone());
        browser.forget();
        let tokens: Tokens = world.rp.sign_in(app, &mut browser, &world.person, "openid").await;
        let family = format!("/admin/v1/grants/{}", tokens.family());
        let family = app
            .http
            .get(&family)
            .bearer(&world.admin)
            .send()
            .await
            .expect(200)
            .json();
        let session = format!("/admin/v1/sessions/{}", family["session_id"].as_str().unwrap());
        let ended = app
            .http
            .call(reqwest::Method::DELETE, &session)
            .bearer(&world.admin);
        ended.send().await.expect(204);
        jobs::deliver(&app.app).await.unwrap();
    }

    async fn objects(&mut self, world: &World) {
        for list in LISTS {
            let page = world.app.http.get(list).bearer(&world.admin).send().await;
            if list.ends_with("/tenants") && world.app.tenant != grantor::types::TenantId::FIRST {
                page.expect(404);
                continue;
            }
            let page = page.expect(200).json();
            let object = &page["items"][0];
            let id = ["id", "client_id", "kid", "name"]
                .into_iter()
                .find_map(|name| object[name].as_str());
            let id = id.unwrap_or_else(|| panic!("{list} shows nothing: {page}"));
            self.objects.insert(list.to_owned(), id.to_owned());
        }
        // The person, not whoever is newest.
        assert_eq!(
            claims_of(self.get("access"))["sub"],
            Value::from(self.get("user"))
        );
        for (list, own) in [
            ("/admin/v1/users", "user"),
            ("/admin/v1/grants", "family"),
            ("/admin/v1/clients", "client"),
        ] {
            let own = self.get(own).to_owned();
            self.objects.insert(list.to_owned(), own);
        }
    }
}

/// Changes one letter or digit near the end into another one of its kind.
fn spoil(text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let from = letters.len() * 9 / 10;
    let is_plain = |c: &char| c.is_ascii_alphanumeric();
    let position = (0..=from).rev().find(|at| is_plain(&letters[*at])).unwrap();
    letters[position] = match letters[position] {
        '9' => '0',
        'f' => 'a',
        'F' => 'B',
        'z' => 'y',
        'Z' => 'X',
        other => char::from(u8::try_from(other).unwrap() + 1),
    };
    letters.into_iter().collect()
}
