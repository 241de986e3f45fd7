//! Personal data at rest: sealed value by value, and found through keyed hashes.
//!
//! A value is sealed with AES-256-GCM under the tenant's data key; which tenant, table, column and row it belongs to is
//! associated data, so that a value copied into another row does not open. Before the ciphertext stands the id of its key.

use super::profile::{CheckedProfile, IN_CLEAR, Profile, UserView};
use super::username::Identifier;
use crate::entropy::Entropy;
use crate::fault::Fault;
use crate::keys::{Purpose, TenantKeys};
use crate::sealed::aad;
use crate::storage::users::User;
use crate::types::{Attributes, Audience, TenantId, UserId};
use serde_json::{Map, Value};
use sqlx::types::Json;
use std::sync::Arc;

/// Opens and seals the personal data of one tenant.
pub struct Personal {
    tenant: TenantId,
    keys: Arc<TenantKeys>,
    entropy: Entropy,
    attributes: Arc<Attributes>,
}

/// The sealed columns of `users` and the member of [`Profile`] that each holds. A username is sealed where it is an
/// e-mail address.
const COLUMNS: [(&str, &str); 5] = [
    ("sealed_username", "username"),
    ("email", "email"),
    ("phone_number", "phone_number"),
    ("address", "address"),
    ("birthdate", "birthdate"),
];

/// The sealed column of attributes, which is no member.
const ATTRIBUTES: &str = "sealed_attributes";

fn column<'a>(user: &'a mut User, name: &str) -> &'a mut Option<Vec<u8>> {
    match name {
        "sealed_username" => &mut user.sealed_username,
        "email" => &mut user.email,
        "phone_number" => &mut user.phone_number,
        "address" => &mut user.address,
        _ => &mut user.birthdate,
    }
}

impl Personal {
    /// Works with these keys.
    pub fn new(
        tenant: TenantId,
        keys: Arc<TenantKeys>,
        entropy: Entropy,
        attributes: Arc<Attributes>,
    ) -> Self {
        Self {
            tenant,
            keys,
            entropy,
            attributes,
        }
    }

    /// By what a user is found in the database.
    pub fn blind(&self, identifier: &Identifier) -> Result<[u8; 32], Fault> {
        let key = self.keys.purpose(Purpose::BlindIndex)?;
        Ok(key.mac(&aad(&["user_identifiers", "blind", identifier.canonical()])))
    }

    /// What stands for a username that somebody tried where the name itself must not: in the audit log, in base64url, and
    /// in the counts of failed sign-ins. Any text has one, also what can be nobody's name.
    pub fn attempted(&self, username: &str) -> Result<[u8; 32], Fault> {
        let key = self.keys.purpose(Purpose::BlindIndex)?;
        let canonical = Identifier::username(username).map(|name| name.canonical().to_owned());
        let tried = canonical.as_deref().unwrap_or(username);
        Ok(key.mac(&aad(&["audit", "attempted_username", tried])))
    }

    /// The id of the key that seals.
    pub fn sealing_key(&self) -> Result<&str, Fault> {
        Ok(self.keys.purpose(Purpose::Data)?.id())
    }

    /// Writes a profile into a row.
    pub fn write(&self, user: &mut User, checked: &CheckedProfile) -> Result<(), Fault> {
        let profile = &checked.profile;
        let mut members = members(profile)?;
        user.username = (!checked.username.is_email()).then(|| profile.username.clone());
        user.enabled = profile.enabled;
        user.roles = Json(profile.roles.clone());
        user.email_verified = profile.email_verified;
        user.phone_verified = profile.phone_number_verified;
        user.claims = Json(
            IN_CLEAR
                .iter()
                .filter_map(|name| members.remove_entry(*name))
                .collect(),
        );
        for (name, member) in COLUMNS {
            let value = members
                .get(member)
                .filter(|_| name != "sealed_username" || user.username.is_none());
            *column(user, name) = match value {
                None => None,
                Some(value) => Some(self.seal(user.id, name, value.to_string().as_bytes())?),
            };
        }
        self.write_attributes(user, &profile.attributes)?;
        user.sealed_with = self.sealing_key()?.to_owned();
        Ok(())
    }

    /// Those that are personal data are sealed together, the others stay in clear.
    fn write_attributes(&self, user: &mut User, all: &Map<String, Value>) -> Result<(), Fault> {
        let (sealed, clear): (Map<_, _>, Map<_, _>) = all
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .partition(|(name, _)| self.attributes.is_personal(name));
        user.attributes = Json(clear);
        user.sealed_attributes = if sealed.is_empty() {
            None
        } else {
            let text = Value::Object(sealed).to_string();
            Some(self.seal(user.id, ATTRIBUTES, text.as_bytes())?)
        };
        Ok(())
    }

    fn read_attributes(&self, user: &User) -> Result<Map<String, Value>, Fault> {
        let mut all = user.attributes.0.clone();
        if let Some(sealed) = &user.sealed_attributes
            && let Value::Object(opened) = self.open_json(user.id, ATTRIBUTES, sealed)?
        {
            all.extend(opened);
        }
        Ok(all)
    }

    /// Reads the profile of a row.
    ///
    /// # Errors
    /// When a value does not open: the row was changed by hand, or a key is missing.
    pub fn read(&self, user: &User) -> Result<Profile, Fault> {
        let attributes = self.read_attributes(user)?;
        let mut user = user.clone();
        let mut members = std::mem::take(&mut user.claims.0);
        for (name, member) in COLUMNS {
            if let Some(sealed) = column(&mut user, name).take() {
                members.insert(member.to_owned(), self.open_json(user.id, name, &sealed)?);
            }
        }
        if let Some(username) = user.username {
            members.insert("username".to_owned(), username.into());
        }
        members.insert("attributes".to_owned(), attributes.into());
        members.insert("enabled".to_owned(), user.enabled.into());
        members.insert("roles".to_owned(), user.roles.0.into());
        members.insert("email_verified".to_owned(), user.email_verified.into());
        members.insert("phone_number_verified".to_owned(), user.phone_verified.into());
        serde_json::from_value(Value::Object(members)).map_err(|error| {
            Fault::internal(format!("the stored user {} is not well-formed", user.id)).caused_by(error)
        })
    }

    /// What administrators see of a user.
    pub fn view(&self, user: &User) -> Result<UserView, Fault> {
        let mut profile = self.read(user)?;
        profile.attributes = self.attributes.seen_by(Audience::Admin, &profile.attributes);
        Ok(UserView {
            id: user.id,
            profile,
            has_password: user.password_hash.is_some(),
            password_temporary: user.password_temporary,
            password_changed_at: user.password_changed_at,
            created_at: user.created_at,
            updated_at: user.updated_at,
        })
    }

    /// The row with the same values sealed under the present key.
    pub fn reseal(&self, user: &User) -> Result<User, Fault> {
        let mut resealed = user.clone();
        for (name, _) in COLUMNS {
            if let Some(sealed) = column(&mut resealed, name).take() {
                let plain = self.open(user.id, name, &sealed)?;
                *column(&mut resealed, name) = Some(self.seal(user.id, name, &plain)?);
            }
        }
        if let Some(sealed) = resealed.sealed_attributes.take() {
            let plain = self.open(user.id, ATTRIBUTES, &sealed)?;
            resealed.sealed_attributes = Some(self.seal(user.id, ATTRIBUTES, &plain)?);
        }
        resealed.sealed_with = self.sealing_key()?.to_owned();
        Ok(resealed)
    }

    fn place(&self, row: UserId, column: &str) -> Vec<u8> {
        aad(&[&self.tenant.to_string(), "users", column, &row.to_string()])
    }

    fn seal(&self, row: UserId, column: &str, plain: &[u8]) -> Result<Vec<u8>, Fault> {
        let key = self.keys.purpose(Purpose::Data)?;
        let length =
            u8::try_from(key.id().len()).map_err(|_| Fault::internal("the id of a data key is too long"))?;
        let mut bytes = vec![length];
        bytes.extend_from_slice(key.id().as_bytes());
        bytes.extend(
            key.sealing()
                .seal(&self.entropy, &self.place(row, column), plain)?,
        );
        Ok(bytes)
    }

    fn open(&self, row: UserId, column: &str, bytes: &[u8]) -> Result<crate::sealed::KeyBytes, Fault> {
        let broken = |why| Fault::internal(format!("{column} of the user {row} {why}"));
        let (length, rest) = bytes.split_first().ok_or_else(|| broken("is empty"))?;
        let (id, sealed) = rest
            .split_at_checked(usize::from(*length))
            .ok_or_else(|| broken("is cut"))?;
        let key = std::str::from_utf8(id)
            .ok()
            .and_then(|id| self.keys.purpose_by_id(Purpose::Data, id))
            .ok_or_else(|| broken("was sealed with a data key that is not there"))?;
        key.sealing()
            .open(&self.place(row, column), sealed)
            .ok_or_else(|| broken("does not open: it was changed, or belongs elsewhere"))
    }

    fn open_json(&self, row: UserId, column: &str, bytes: &[u8]) -> Result<Value, Fault> {
        let plain = self.open(row, column, bytes)?;
        serde_json::from_slice(&plain)
            .map_err(|_| Fault::internal(format!("{column} of the user {row} is no JSON")))
    }
}

fn members(profile: &Profile) -> Result<Map<String, Value>, Fault> {
    match serde_json::to_value(profile) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(Fault::internal("a profile is no JSON object")),
    }
}
