//! A person's browser: cookies, forms, and nothing that needs a script.

use super::app::TestApp;
use super::http::{Answer, Call, Http};
use grantor::account::Credential;
use grantor::account::profile::Profile;
use grantor::storage::clients::ClientMetadata;
use grantor::types::{EventType, GrantType, Outcome, ScopeSet, Secret, TenantId, UserId};
use std::collections::BTreeMap;
use url::Url;

use super::client::TestClient;

/// A password that the policy has nothing against.
pub const PASSWORD: &str = "correct horse battery staple 7";
/// Where the tests' applications live.
pub const CALLBACK: &str = "https://app.example.com/cb";
/// RFC 7636 appendix B.
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A browser with its cookies.
pub struct Browser {
    http: Http,
    base: String,
    cookies: BTreeMap<String, String>,
}

/// A form of a page, ready to be filled in.
#[derive(Clone, Debug)]
pub struct PageForm {
    /// Where it is sent.
    pub action: String,
    /// Its fields as they stand.
    pub fields: Vec<(String, String)>,
}

impl Browser {
    /// A fresh browser at a server.
    pub fn new(app: &TestApp) -> Self {
        Self::with(app.http.clone(), &app.base)
    }

    /// A fresh browser with a connection of its own.
    pub fn with(http: Http, base: &str) -> Self {
        Self {
            http,
            base: base.to_owned(),
            cookies: BTreeMap::new(),
        }
    }

    /// The value of the cookie whose name contains this.
    pub fn cookie(&self, part: &str) -> Option<String> {
        let mut found = self.cookies.iter().filter(|(name, _)| name.contains(part));
        found.next().map(|(_, value)| value.clone())
    }

    /// Sets the value of the cookie whose name contains this.
    pub fn set_cookie(&mut self, part: &str, value: &str) {
        for (name, own) in &mut self.cookies {
            if name.contains(part) {
                value.clone_into(own);
            }
        }
    }

    /// Forgets all cookies.
    pub fn forget(&mut self) {
        self.cookies.clear();
    }

    /// Opens a page, without following redirects.
    pub async fn get(&mut self, target: &str) -> Answer {
        let call = self.http.get(&self.url(target));
        let call = self.with_cookies(call);
        let answer = call.send().await;
        self.keep(&answer);
        answer
    }

    /// Opens a page and follows redirects as long as they stay at the server; the last answer.
    pub async fn open(&mut self, target: &str) -> Answer {
        let answer = self.get(target).await;
        self.follow(answer).await
    }

    /// Sends a form as a browser does from a page of the server.
    pub async fn post(&mut self, action: &str, fields: &[(&str, &str)]) -> Answer {
        let origin = Url::parse(&self.base)
            .expect("a URL")
            .origin()
            .ascii_serialization();
        let call = self.http.post(&self.url(action)).form(fields);
        let call = call
            .header("origin", &origin)
            .header("sec-fetch-site", "same-origin");
        let answer = self.with_cookies(call).send().await;
        self.keep(&answer);
        answer
    }

    /// Fills in a form and sends it.
    pub async fn submit(&mut self, form: &PageForm, values: &[(&str, &str)]) -> Answer {
        let form = form.with(values);
        let fields: Vec<_> = form
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        self.post(&form.action, &fields).await
    }

    /// Follows redirects as long as they stay at the server.
    pub async fn follow(&mut self, mut answer: Answer) -> Answer {
        for _ in 0..10 {
            let Some(target) = self.own_target(&answer) else {
                return answer;
            };
            answer = self.get(&target).await;
        }
        panic!("redirected in a circle");
    }

    /// Signs in at `/login`.
    pub async fn sign_in(&mut self, username: &str) -> Answer {
        let page = self.get("/login").await;
        let fields = [("username", username), ("password", PASSWORD)];
        self.submit(&page.form("/login"), &fields).await
    }

    fn own_target(&self, answer: &Answer) -> Option<String> {
        let location = answer.header("location");
        let is_own = location.starts_with('/') || location.starts_with(&format!("{}/", self.base));
        (answer.status.is_redirection() && is_own).then(|| location.to_owned())
    }

    fn url(&self, target: &str) -> String {
        if target.starts_with('/') {
            format!("{}{target}", self.base)
        } else {
            target.to_owned()
        }
    }

    fn with_cookies<'h>(&self, call: Call<'h>) -> Call<'h> {
        if self.cookies.is_empty() {
            return call;
        }
        let cookies: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        call.header("cookie", &cookies.join("; "))
    }

    fn keep(&mut self, answer: &Answer) {
        for line in answer.headers.get_all("set-cookie") {
            let line = line.to_str().expect("a cookie");
            let (pair, flags) = line.split_once(';').unwrap_or((line, ""));
            let (name, value) = pair.split_once('=').expect("a cookie");
            if flags.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

impl PageForm {
    /// The form with these values.
    #[must_use]
    pub fn with(&self, values: &[(&str, &str)]) -> Self {
        let mut form = self.clone();
        for (name, value) in values {
            form.fields.retain(|(own, _)| own != name);
            form.fields.push(((*name).to_owned(), (*value).to_owned()));
        }
        form
    }

    /// The value of a field.
    pub fn value(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(own, _)| own == name);
        found.map_or("", |(_, value)| value)
    }
}

impl Answer {
    /// The form of this page that is sent to this path.
    #[track_caller]
    pub fn form(&self, action: &str) -> PageForm {
        let forms = self.forms();
        let found = forms.iter().find(|form| form.action.ends_with(action));
        found
            .unwrap_or_else(|| panic!("{}: no form to {action}: {}", self.status, self.text()))
            .clone()
    }

    /// All forms of this page.
    pub fn forms(&self) -> Vec<PageForm> {
        let html = self.text();
        html.split("<form ")
            .skip(1)
            .map(|rest| {
                let form = rest.split("</form>").next().unwrap_or_default();
                PageForm {
                    action: attribute(form, "action").unwrap_or_default(),
                    fields: form
                        .split("<input ")
                        .skip(1)
                        .filter_map(|input| {
                            let input = input.split('>').next()?;
                            Some((
                                attribute(input, "name")?,
                                attribute(input, "value").unwrap_or_default(),
                            ))
                        })
                        .collect(),
                }
            })
            .collect()
    }

    /// The parameters of the redirect to an application.
    #[track_caller]
    pub fn callback(&self, callback: &str) -> BTreeMap<String, String> {
        let location = self.header("location");
        assert!(
            location.starts_with(callback),
            "{} {location}: {}",
            self.status,
            self.text()
        );
        let url = Url::parse(location).expect("a URL");
        url.query_pairs().into_owned().collect()
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    let entities = [
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#38;", "&"),
    ];
    Some(entities.iter().fold(value.to_owned(), |text, (entity, sign)| {
        text.replace(entity, sign)
    }))
}

impl TestApp {
    /// Makes a user with the tests' password.
    pub async fn user(&self, username: &str) -> UserId {
        self.user_with(username, false, |_| {}).await
    }

    /// Makes a user with the tests' password, temporary or not, and whatever `change` makes of the profile.
    pub async fn user_with(
        &self,
        username: &str,
        temporary: bool,
        change: impl FnOnce(&mut Profile),
    ) -> UserId {
        let mut profile = Profile {
            username: username.to_owned(),
            enabled: true,
            ..Profile::default()
        };
        change(&mut profile);
        let checked = profile.check().expect("a profile");
        let password = Secret::new(PASSWORD.to_owned());
        let credential = Credential::Password { password, temporary };
        let now = self.now();
        let event = self
            .app
            .event(now, EventType::UserCreated, Outcome::Success, TenantId::FIRST)
            .expect("an event");
        let made = self
            .app
            .accounts
            .create(TenantId::FIRST, &checked, Some(credential), event, now);
        made.await.expect("it works").expect("it is accepted").id
    }

    /// Registers a confidential application that signs users in.
    pub async fn web_app(&self, change: impl FnOnce(&mut ClientMetadata)) -> TestClient {
        self.client("openid profile email offline_access orders:read", |metadata| {
            metadata.grant_types = vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
            metadata.redirect_uris = vec![CALLBACK.to_owned()];
            metadata.client_name = Some("Orders".to_owned());
            metadata.default_scope = ScopeSet::parse("openid").expect("a scope");
            change(metadata);
        })
        .await
    }

    /// The path of an authorization request with S256 and the tests' challenge.
    pub fn authorization(&self, client: &TestClient, more: &[(&str, &str)]) -> String {
        let mut fields = vec![
            ("response_type", "code"),
            ("client_id", &client.id),
            ("redirect_uri", CALLBACK),
            ("scope", "openid profile"),
            ("state", "the-state"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in more {
            fields.retain(|(own, _)| own != name);
            fields.push((name, value));
        }
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(fields);
        format!("/oauth2/authorize?{}", query.finish())
    }
}
