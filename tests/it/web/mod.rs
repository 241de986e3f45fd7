//! Pages for people, as a browser sees them.

mod account;
mod consent;
mod forms;
mod guessing;
mod language;
mod login;
mod logout;
mod look;
mod profile;

use crate::support::TestApp;
use crate::support::client::TestClient;
use crate::support::html::{self, Form};
use crate::support::people::PASSWORD;
use crate::support::user_agent::{Browser, Cookie, Page};
use grantor::account::Credential;
use grantor::account::profile::Profile;
use grantor::storage::clients::ClientMetadata;
use grantor::types::{EventType, GrantType, Outcome, ScopeSet, Secret, TenantId, UserId};
use std::collections::BTreeMap;
use url::Url;

/// Where the tests' application lives.
const CALLBACK: &str = "https://app.example.com/cb";
/// RFC 7636 appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

impl Browser {
    /// Fills in a form and sends it, without following redirects.
    async fn send_form(&mut self, form: &Form, values: &[(&str, &str)]) -> Page {
        assert_eq!(form.method, "post", "the pages' forms are posted");
        let form = form.with(values);
        let fields: Vec<_> = form
            .fields
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        // What a browser sends along for a form of a page that sends no referrer.
        let from = [("origin", "null"), ("sec-fetch-site", "same-origin")];
        let target = self.absolute(&form.action);
        self.post_from(&target, &fields, &from).await
    }

    /// Signs in at `/login`.
    async fn sign_in(&mut self, username: &str) -> Page {
        let page = self.get("/login").await;
        let fields = [("username", username), ("password", PASSWORD)];
        self.send_form(&page.form("/login"), &fields).await
    }

    /// The value of a cookie.
    fn value_of(&self, word: &str) -> Option<String> {
        self.cookie(word).map(|cookie| cookie.value.clone())
    }

    /// Gives a cookie that is there another value.
    fn set_cookie(&mut self, word: &str, value: &str) {
        if let Some(cookie) = self.cookie(word).cloned() {
            let value = value.to_owned();
            self.put(&Cookie { value, ..cookie });
        }
    }
}

impl Page {
    /// Asserts the status; shows the page where it is another.
    #[track_caller]
    fn expect(self, status: u16) -> Self {
        assert_eq!(self.answer.status.as_u16(), status, "{}", self.html());
        self
    }

    /// A header as text.
    fn header(&self, name: &str) -> &str {
        self.answer.header(name)
    }

    /// The form of this page that is sent to this path.
    #[track_caller]
    fn form(&self, action: &str) -> Form {
        let mut forms = html::forms(&self.html()).into_iter();
        let found = forms.find(|form| form.action == action);
        found.unwrap_or_else(|| panic!("{}: no form to {action}: {}", self.answer.status, self.html()))
    }

    /// The parameters with which the browser goes to an application.
    #[track_caller]
    fn callback(&self, callback: &str) -> BTreeMap<String, String> {
        let location = self.header("location");
        let status = self.answer.status;
        assert!(
            location.starts_with(callback),
            "{status} {location}: {}",
            self.html()
        );
        let url = Url::parse(location).expect("a URL");
        url.query_pairs().into_owned().collect()
    }
}

impl Form {
    /// The form with these values, whether it has such fields or not.
    fn with(&self, values: &[(&str, &str)]) -> Self {
        let mut form = self.clone();
        for (name, value) in values {
            form.fields.retain(|(own, _)| own != name);
            form.fields.push(((*name).to_owned(), (*value).to_owned()));
        }
        form
    }

    /// The value of a field that is there.
    #[track_caller]
    fn field(&self, name: &str) -> &str {
        self.value(name).expect("the form has the field")
    }
}

impl TestApp {
    /// Makes a user.
    pub async fn user(&self, username: &str) -> UserId {
        self.user_with(username, false, |_| {}).await
    }

    /// Makes a user whose password is temporary or not, with whatever `change` makes of the profile.
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
            .event(now, EventType::UserCreated, Outcome::Success, TenantId::FIRST);
        let event = event.expect("an event");
        let accounts = &self.app.accounts;
        let made = accounts.create(TenantId::FIRST, &checked, Some(credential), event, now);
        made.await.expect("it works").expect("it is accepted").id
    }

    /// Registers a confidential application that signs users in.
    async fn web_app(&self, change: impl FnOnce(&mut ClientMetadata)) -> TestClient {
        self.client("openid profile email offline_access orders:read", |metadata| {
            metadata.grant_types = vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
            metadata.redirect_uris = vec![CALLBACK.to_owned()];
            metadata.client_name = Some("Orders".to_owned());
            metadata.default_scope = ScopeSet::parse("openid").expect("a scope");
            change(metadata);
        })
        .await
    }

    /// The path of an authorization request.
    fn authorization(&self, client: &TestClient, more: &[(&str, &str)]) -> String {
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
