//! People: how they are named, what they know, and the browser sessions in which they are known.

mod advice;
mod bootstrap;
mod hash;
mod password;
mod people;
mod personal;
pub mod policy;
pub mod profile;
mod session;
mod sign_in;
mod username;
mod watch;

pub use self::bootstrap::FirstUser;
pub use self::hash::check_password_hash;
pub use self::password::{Checked, Password, Passwords};
pub use self::people::{Credential, PasswordChange, Rejected};
pub use self::personal::Personal;
pub use self::session::{Current, Proof, Started, sid};
pub use self::sign_in::SignIn;
pub use self::username::Identifier;
pub use self::watch::{Attempt, Ended, Guess, MayTry};

use self::profile::Profile;
use self::watch::Told;
use crate::audit::Audit;
use crate::config::{Config, SessionConfig};
use crate::entropy::Entropy;
use crate::fault::Fault;
use crate::keys::KeyRing;
use crate::storage::Store;
use crate::storage::users::User;
use crate::types::{Attributes, Event, EventType, Issuer, Outcome, Secret, TenantId, Timestamp};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Everything that is done with people and their sessions. Cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    store: Store,
    keys: KeyRing,
    audit: Audit,
    entropy: Entropy,
    passwords: Passwords,
    session: SessionConfig,
    told: Arc<Told>,
    issuer: Issuer,
    attributes: Arc<Attributes>,
}

impl Accounts {
    /// Works with these parts.
    ///
    /// # Errors
    /// When the parameters of argon2id do not fit together.
    pub fn new(
        config: &Config,
        store: Store,
        keys: KeyRing,
        audit: Audit,
        entropy: Entropy,
    ) -> Result<Self, Fault> {
        Ok(Self {
            passwords: Passwords::new(&config.argon2, entropy.clone())?,
            session: config.session.clone(),
            told: Arc::new(watch::told()),
            issuer: config.issuer.clone(),
            attributes: config.attributes.clone(),
            store,
            keys,
            audit,
            entropy,
        })
    }

    /// The tenant's keys for personal data.
    pub async fn personal(&self, tenant: TenantId) -> Result<Personal, Fault> {
        let keys = self.keys.of(tenant).await?;
        Ok(Personal::new(
            tenant,
            keys,
            self.entropy.clone(),
            self.attributes.clone(),
        ))
    }

    /// What is known about a user, in clear.
    pub async fn profile(&self, user: &User) -> Result<Profile, Fault> {
        self.personal(user.tenant_id).await?.read(user)
    }

    /// All that can be told about a user in claims, except `sub`: the standard ones, and declared attributes that keep to
    /// their declaration. None of those has a standard one's name.
    pub async fn claims(&self, user: &User) -> Result<Map<String, Value>, Fault> {
        let profile = self.profile(user).await?;
        let mut claims = self.attributes.sound(&profile.attributes);
        claims.extend(profile.claims(user.updated_at));
        Ok(claims)
    }

    /// What may be said and changed of users beyond the standard claims.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// A password that the server makes: 100 random bits in a form that can be typed.
    pub fn generate_password(&self) -> Result<Secret, Fault> {
        // Without letters that are taken for digits, or for each other.
        const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        let bytes = self.entropy.bytes::<20>()?;
        let letters: Vec<_> = bytes
            .iter()
            .filter_map(|byte| ALPHABET.get(usize::from(byte % 32)))
            .map(|&letter| char::from(letter))
            .collect();
        let groups: Vec<String> = letters.chunks(5).map(|group| group.iter().collect()).collect();
        Ok(Secret::new(groups.join("-")))
    }

    fn event(
        &self,
        now: Timestamp,
        event_type: EventType,
        outcome: Outcome,
        tenant: TenantId,
    ) -> Result<Event, Fault> {
        Ok(Event::new(
            self.entropy.uuid_v7(now)?,
            now,
            tenant,
            event_type,
            outcome,
        ))
    }
}
