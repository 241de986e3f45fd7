//! People who sign in.

use super::app::TestApp;
use super::html::Form;
use grantor::account::Credential;
use grantor::account::profile::Profile;
use grantor::audit::{EventType, Outcome};
use grantor::types::{Secret, UserId};
use serde_json::{Value, json};

/// The password of everybody.
pub const PASSWORD: &str = "down the rabbit hole";

/// A person with an account.
#[derive(Clone, Debug)]
pub struct Person {
    /// The account.
    pub id: UserId,
    /// The username.
    pub username: String,
}

impl Person {
    /// Makes an account with every standard claim.
    pub async fn new(app: &TestApp, username: &str) -> Self {
        Self::with(app, username, json!({})).await
    }

    /// The same with some members changed.
    pub async fn with(app: &TestApp, username: &str, changes: Value) -> Self {
        let mut members = json!({
            "username": username, "enabled": true, "roles": ["reader"],
            "email": format!("{username}@example.com"), "email_verified": true,
            "phone_number": "+4930123456", "phone_number_verified": true,
            "address": {"street_address": "Weg 1", "locality": "Berlin", "postal_code": "10115", "country": "DE"},
            "birthdate": "1990-02-28", "name": "Alice Liddell", "given_name": "Alice", "family_name": "Liddell",
            "middle_name": "Pleasance", "nickname": "Al", "profile": "https://example.com/alice",
            "picture": "https://example.com/alice.png", "website": "https://alice.example.com", "gender": "female",
            "zoneinfo": "Europe/Berlin", "locale": "en-GB",
        });
        let (Some(members_map), Value::Object(changes)) = (members.as_object_mut(), changes) else {
            panic!("changes are an object")
        };
        members_map.extend(changes);
        let profile: Profile = serde_json::from_value(members).expect("a profile");
        let now = app.now();
        let event = app
            .app
            .event(now, EventType::UserCreated, Outcome::Success, app.tenant)
            .expect("an event");
        let password = Credential::Password {
            password: Secret::new(PASSWORD.to_owned()),
            temporary: false,
        };
        let checked = profile.check().expect("a good profile");
        let created = app
            .app
            .accounts
            .create(app.tenant, &checked, Some(password), event, now)
            .await;
        let user = created
            .expect("the database answers")
            .expect("the account is accepted");
        Self {
            id: user.id,
            username: username.to_owned(),
        }
    }

    /// The sign-in form as this person fills it in.
    pub fn fill_in(&self, form: Form) -> Form {
        form.fill("username", &self.username).fill("password", PASSWORD)
    }
}
