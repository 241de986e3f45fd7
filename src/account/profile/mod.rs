//! What is known about a person: the members of `/admin/v1/users`, which are the claims of OpenID Connect Core §5.1.

mod values;

use self::values::{address_line, address_lines, birthdate, locale, name, phone_number, web_page, zoneinfo};
use super::username::Identifier;
use crate::types::{ADMIN_ROLE, Malformed, Timestamp, UserId, Violation};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// The claims that are kept in clear, so that they can be searched for.
pub(super) const IN_CLEAR: [&str; 11] = [
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "profile",
    "picture",
    "website",
    "gender",
    "zoneinfo",
    "locale",
];

/// Most roles of one user.
const MAX_ROLES: usize = 100;

/// A person, in clear. [`Profile::check`] says whether it is well-formed.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "most are claims of OpenID Connect Core §5.1, under their names"
)]
pub struct Profile {
    /// Claim `preferred_username`.
    pub username: String,
    /// Whether the account may be used.
    pub enabled: bool,
    /// What the person may do.
    pub roles: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    pub email_verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    pub phone_number_verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub birthdate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub middle_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nickname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gender: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zoneinfo: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// What the deployment declares beyond these ([`crate::types::Attributes`]).
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
}

/// What administrators see of a user.
#[derive(Clone, Debug, Serialize)]
pub struct UserView {
    /// The account's id: `sub`.
    pub id: UserId,
    /// Everything that may be edited.
    #[serde(flatten)]
    pub profile: Profile,
    /// Whether the user can sign in with a password.
    pub has_password: bool,
    /// Whether that has to be changed at the next sign-in.
    pub password_temporary: bool,
    /// When it was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_changed_at: Option<Timestamp>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The claim `address` (OpenID Connect Core §5.1.1).
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "members of OpenID Connect Core §5.1.1, under their names"
)]
pub struct Address {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formatted: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub street_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locality: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

/// Personal data, hence nothing.
impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Profile")
    }
}

/// Personal data, hence nothing.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address")
    }
}

/// A well-formed [`Profile`], with what it is found by.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedProfile {
    pub(super) profile: Profile,
    pub(super) username: Identifier,
    pub(super) email: Option<Identifier>,
}

impl Profile {
    /// Says what is wrong, all of it, or gives the profile in normal form.
    pub fn check(mut self) -> Result<CheckedProfile, Vec<Violation>> {
        let mut wrong = Wrong(Vec::new());
        let username = wrong.keep("username", Identifier::username(&self.username));
        let email = self
            .email
            .as_deref()
            .and_then(|email| wrong.keep("email", Identifier::email(email)));
        self.roles = wrong.roles(self.roles);
        for (member, text) in [
            ("name", &self.name),
            ("given_name", &self.given_name),
            ("family_name", &self.family_name),
            ("middle_name", &self.middle_name),
            ("nickname", &self.nickname),
            ("gender", &self.gender),
        ] {
            wrong.look(member, text, name);
        }
        for (member, text) in [
            ("profile", &self.profile),
            ("picture", &self.picture),
            ("website", &self.website),
        ] {
            wrong.look(member, text, web_page);
        }
        wrong.look("phone_number", &self.phone_number, phone_number);
        wrong.look("birthdate", &self.birthdate, birthdate);
        wrong.look("zoneinfo", &self.zoneinfo, zoneinfo);
        wrong.look("locale", &self.locale, locale);
        wrong.address(self.address.as_ref());
        if self.email.is_none() && self.email_verified {
            wrong.say("email_verified", "there is no e-mail address to be verified");
        }
        if self.phone_number.is_none() && self.phone_number_verified {
            wrong.say("phone_number_verified", "there is no phone number to be verified");
        }
        let (Some(username), true) = (username, wrong.0.is_empty()) else {
            return Err(wrong.0);
        };
        self.username = username.as_str().to_owned();
        self.email = email.as_ref().map(|email| email.as_str().to_owned());
        Ok(CheckedProfile {
            profile: self,
            username,
            email,
        })
    }

    /// The claims of the person that OpenID Connect Core §5.1 names, except `sub`, and without attributes.
    pub fn claims(&self, updated_at: Timestamp) -> Map<String, Value> {
        let Ok(Value::Object(mut members)) = serde_json::to_value(self) else {
            return Map::new();
        };
        members.remove("enabled");
        members.remove("roles");
        members.remove("attributes");
        if let Some(username) = members.remove("username") {
            members.insert("preferred_username".to_owned(), username);
        }
        for (of, verified) in [
            ("email", "email_verified"),
            ("phone_number", "phone_number_verified"),
        ] {
            if !members.contains_key(of) {
                members.remove(verified);
            }
        }
        members.insert("updated_at".to_owned(), updated_at.seconds().into());
        members
    }

    /// What an attacker knows of the person, by which a new password is judged.
    pub(super) fn words(&self) -> Vec<String> {
        [
            Some(&self.username),
            self.email.as_ref(),
            self.name.as_ref(),
            self.given_name.as_ref(),
            self.family_name.as_ref(),
            self.nickname.as_ref(),
            self.birthdate.as_ref(),
        ]
        .into_iter()
        .flatten()
        .cloned()
        .collect()
    }

    /// Whether the person may do everything.
    pub fn is_admin(&self) -> bool {
        self.roles.iter().any(|role| role == ADMIN_ROLE)
    }
}

impl CheckedProfile {
    /// The profile in normal form.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }
}

struct Wrong(Vec<Violation>);

impl Wrong {
    fn say(&mut self, member: &str, detail: &'static str) {
        self.0.push(Violation::new(format!("/{member}"), detail));
    }

    fn keep<T>(&mut self, member: &str, result: Result<T, Malformed>) -> Option<T> {
        result.map_err(|malformed| self.say(member, malformed.0)).ok()
    }

    fn look(&mut self, member: &str, text: &Option<String>, check: fn(&str) -> Result<(), Malformed>) {
        if let Some(text) = text {
            self.keep(member, check(text));
        }
    }

    fn roles(&mut self, mut roles: Vec<String>) -> Vec<String> {
        if roles.len() > MAX_ROLES {
            self.say("roles", "must be at most 100 roles");
        }
        for (position, role) in roles.iter().take(MAX_ROLES).enumerate() {
            let fits = (1..=64).contains(&role.len())
                && role
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b':'));
            if !fits {
                self.say(
                    &format!("roles/{position}"),
                    "must be 1 to 64 characters out of A-Z a-z 0-9 . _ - :",
                );
            }
        }
        roles.sort_unstable();
        roles.dedup();
        roles
    }

    fn address(&mut self, address: Option<&Address>) {
        let Some(address) = address else { return };
        for (member, text) in [
            ("address/formatted", &address.formatted),
            ("address/street_address", &address.street_address),
        ] {
            self.look(member, text, address_lines);
        }
        for (member, text) in [
            ("address/locality", &address.locality),
            ("address/region", &address.region),
            ("address/postal_code", &address.postal_code),
            ("address/country", &address.country),
        ] {
            self.look(member, text, address_line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn full() -> Profile {
        serde_json::from_value(json!({
            "username": "alice", "enabled": true, "roles": ["b", "admin", "b"],
            "email": "Alice@EXAMPLE.org", "email_verified": true,
            "phone_number": "+1 (604) 555-1234;ext=5678", "phone_number_verified": false,
            "address": {"formatted": "1 Rabbit Hole\nOxford", "street_address": "1 Rabbit Hole", "locality": "Oxford",
                "region": "Oxon", "postal_code": "OX1", "country": "UK"},
            "birthdate": "1852-05-04", "name": "Alice Liddell", "given_name": "Alice", "family_name": "Liddell",
            "middle_name": "Pleasance", "nickname": "Al", "profile": "https://a.example/alice",
            "picture": "https://a.example/alice.png", "website": "http://alice.example", "gender": "female",
            "zoneinfo": "Europe/London", "locale": "en-GB"
        }))
        .unwrap()
    }

    #[test]
    fn every_claim_of_openid_connect_core_5_1_is_there() {
        let checked = full().check().unwrap();
        let claims = checked.profile().claims(Timestamp::from_seconds(1_800_000_000));
        for name in [
            "name",
            "given_name",
            "family_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "email",
            "email_verified",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "phone_number",
            "phone_number_verified",
            "address",
            "updated_at",
        ] {
            assert!(claims.contains_key(name), "{name}");
        }
        assert_eq!(claims.len(), 19);
        assert_eq!(claims["email"], "Alice@example.org");
        assert_eq!(claims["updated_at"], 1_800_000_000);
        assert!(claims["address"].is_object());
    }

    #[test]
    fn what_is_absent_makes_no_claim() {
        let profile = Profile {
            username: "bob".to_owned(),
            ..Profile::default()
        };
        let claims = profile.claims(Timestamp::from_seconds(1));
        assert_eq!(
            Value::Object(claims),
            json!({"preferred_username": "bob", "updated_at": 1})
        );
    }

    #[test]
    fn roles_are_a_set() {
        assert_eq!(full().check().unwrap().profile().roles, ["admin", "b"]);
        assert!(full().is_admin());
    }

    #[test]
    fn all_that_is_wrong_is_said_with_its_place() {
        let wrong = Profile {
            username: String::new(),
            email: Some("nobody".to_owned()),
            roles: vec!["ok".to_owned(), "a b".to_owned()],
            name: Some("<b>x</b>".to_owned()),
            given_name: Some("a\u{202E}b".to_owned()),
            website: Some("javascript:alert(1)".to_owned()),
            phone_number: Some("12".to_owned()),
            birthdate: Some("1900-02-29".to_owned()),
            zoneinfo: Some("../etc".to_owned()),
            locale: Some("e".to_owned()),
            address: Some(Address {
                country: Some("\n".to_owned()),
                ..Address::default()
            }),
            ..full()
        };
        let pointers: Vec<_> = wrong
            .check()
            .unwrap_err()
            .into_iter()
            .map(|wrong| wrong.pointer)
            .collect();
        assert_eq!(
            pointers,
            [
                "/username",
                "/email",
                "/roles/1",
                "/name",
                "/given_name",
                "/website",
                "/phone_number",
                "/birthdate",
                "/zoneinfo",
                "/locale",
                "/address/country"
            ]
        );
    }

    #[test]
    fn debug_shows_no_personal_data() {
        assert!(!format!("{:?}", full().check().unwrap()).contains("lice"));
    }
}
