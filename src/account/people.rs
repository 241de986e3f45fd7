//! Making, changing and removing accounts. Every change commits together with the event that records it; what takes
//! rights away is in force with that commit.

use super::hash::check_password_hash;
use super::password::Password;
use super::policy::{self, WeakPassword};
use super::profile::CheckedProfile;
use super::{Accounts, profile::Profile};
use crate::fault::Fault;
use crate::storage::sessions::{self, Session};
use crate::storage::users::{self, NewPassword, PasswordHash, User};
use crate::storage::{Tx, outbox};
use crate::types::{
    Caller, Event, EventType, Outcome, Secret, TenantId, Timestamp, TokenHash, UserId, Violation,
};
use sqlx::types::Json;

/// What a user shall sign in with.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A password; a temporary one has to be changed at the first sign-in.
    Password {
        /// In clear.
        password: Secret,
        /// Whether it has to be changed.
        temporary: bool,
    },
    /// A hash that another system made: argon2, bcrypt, PBKDF2 or scrypt. It is replaced at the next sign-in.
    Hash {
        /// The hash.
        text: String,
        /// Whether the password has to be changed.
        temporary: bool,
    },
}

/// Why an account was not made or changed.
#[derive(Debug, PartialEq, Eq)]
pub enum Rejected {
    /// Members are wrong.
    Invalid(Vec<Violation>),
    /// Username or e-mail address is another user's.
    Taken,
    /// The account was changed meanwhile.
    Stale,
}

/// What came of a user's wish to change the own password.
#[derive(Debug)]
pub enum PasswordChange {
    /// It is changed; all other sessions and all families are over. With the cookie of the session that goes on.
    Changed(Box<User>, Option<Secret>),
    /// The present password is another one.
    WrongPassword,
    /// The new password is refused.
    Weak(WeakPassword),
}

/// A hash that is to be stored.
struct NewHash {
    hash: PasswordHash,
    temporary: bool,
}

impl Accounts {
    /// Makes an account. `event` says who does it; user and type of change are added here.
    pub async fn create(
        &self,
        tenant: TenantId,
        checked: &CheckedProfile,
        credential: Option<Credential>,
        event: Event,
        now: Timestamp,
    ) -> Result<Result<User, Rejected>, Fault> {
        let hash = match self.hash(credential, &checked.profile).await? {
            Ok(hash) => hash,
            Err(rejected) => return Ok(Err(rejected)),
        };
        let personal = self.personal(tenant).await?;
        let mut user = User {
            tenant_id: tenant,
            // Not a time-ordered one: the subject of tokens tells nobody when an account was made.
            id: UserId(self.entropy.uuid_v4()?),
            username: None,
            enabled: true,
            epoch: 1,
            password_changed_at: hash.is_some().then_some(now),
            password_temporary: hash.as_ref().is_some_and(|hash| hash.temporary),
            password_hash: hash.map(|hash| hash.hash),
            roles: Json(Vec::new()),
            claims: Json(serde_json::Map::new()),
            sealed_username: None,
            email: None,
            phone_number: None,
            address: None,
            birthdate: None,
            attributes: Json(serde_json::Map::new()),
            sealed_attributes: None,
            sealed_with: String::new(),
            email_verified: false,
            phone_verified: false,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        personal.write(&mut user, checked)?;
        let identifiers = self.identifiers(tenant, checked).await?;
        let event = event.user(user.id);
        let mut tx = self.store.begin().await?;
        users::insert(&mut tx, &user).await?;
        if !users::set_identifiers(&mut tx, tenant, user.id, &identifiers).await? {
            return Ok(Err(Rejected::Taken));
        }
        self.commit(tx, event).await?;
        Ok(Ok(user))
    }

    /// Changes an account that stands as `user`, and whether its password has to be changed. A changed password, or disabling, ends all sessions and families.
    pub async fn update(
        &self,
        user: &User,
        checked: &CheckedProfile,
        credential: Option<Credential>,
        event: Event,
        now: Timestamp,
    ) -> Result<Result<User, Rejected>, Fault> {
        let tenant = user.tenant_id;
        let hash = match self.hash(credential, &checked.profile).await? {
            Ok(hash) => hash,
            Err(rejected) => return Ok(Err(rejected)),
        };
        let mut changed = user.clone();
        self.personal(tenant).await?.write(&mut changed, checked)?;
        let identifiers = self.identifiers(tenant, checked).await?;
        let mut tx = self.store.begin().await?;
        let Some(mut stored) = users::update(&mut tx, tenant, &changed, now).await? else {
            return Ok(Err(Rejected::Stale));
        };
        if !users::set_identifiers(&mut tx, tenant, user.id, &identifiers).await? {
            return Ok(Err(Rejected::Taken));
        }
        let mut event = event.user(user.id);
        if let Some(hash) = hash {
            let new = NewPassword {
                hash: &hash.hash,
                temporary: hash.temporary,
                instead_of: None,
            };
            event = event.with("password_changed", true);
            match users::set_password(&mut tx, tenant, user.id, new, now).await? {
                Some(user) => stored = user,
                None => return Ok(Err(Rejected::Stale)),
            }
        }
        if stored.epoch != user.epoch {
            let reason = if stored.enabled {
                "password_changed"
            } else {
                "user_disabled"
            };
            sessions::end_all(&mut tx, tenant, user.id, None, reason, now).await?;
        }
        self.commit(tx, event).await?;
        Ok(Ok(stored))
    }

    /// Sets another person's password and ends all sessions and families of that user.
    pub async fn set_password(
        &self,
        user: &User,
        credential: Credential,
        event: Event,
        now: Timestamp,
    ) -> Result<Result<User, Rejected>, Fault> {
        let profile = self.profile(user).await?;
        let hash = match self.hash(Some(credential), &profile).await? {
            Ok(Some(hash)) => hash,
            Ok(None) => return Ok(Err(Rejected::Stale)),
            Err(rejected) => return Ok(Err(rejected)),
        };
        let new = NewPassword {
            hash: &hash.hash,
            temporary: hash.temporary,
            instead_of: None,
        };
        let mut tx = self.store.begin().await?;
        match users::set_password(&mut tx, user.tenant_id, user.id, new, now).await? {
            Some(stored) => {
                sessions::end_all(&mut tx, user.tenant_id, user.id, None, "password_changed", now).await?;
                self.commit(tx, event.user(user.id)).await?;
                Ok(Ok(stored))
            }
            None => Ok(Err(Rejected::Stale)),
        }
    }

    /// Changes the own password of a user who proves to know the present one. All sessions but `session`, and all
    /// families, are over then (R-REF-15); `session` goes on under a new cookie. Attempts are limited by the caller, as
    /// sign-ins are.
    pub async fn change_password(
        &self,
        user: &User,
        present: &Secret,
        new: &Secret,
        session: Option<&Session>,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<PasswordChange, Fault> {
        let tenant = user.tenant_id;
        let event = |outcome| -> Result<Event, Fault> {
            let event = self.event(now, EventType::UserPasswordChanged, outcome, tenant)?;
            Ok(event.by(caller).user(user.id).with("by", "user"))
        };
        let stored = user.password_hash.as_ref().filter(|_| user.enabled);
        let present = Password::new(present.expose());
        let checked = self.passwords.check(present.as_ref(), stored).await?;
        let (true, Some(present), Some(stored)) = (checked.right, present, stored) else {
            self.audit
                .note(event(Outcome::Failure)?.because("wrong_password"));
            return Ok(PasswordChange::WrongPassword);
        };
        let profile = self.profile(user).await?;
        let password = match self.judge(new, &profile).await? {
            Ok(password) if password.normal().matches(present.normal().expose()) => {
                return Ok(PasswordChange::Weak(WeakPassword::same_as_before()));
            }
            Ok(password) => password,
            Err(weak) => return Ok(PasswordChange::Weak(weak)),
        };
        let hash = self.passwords.hash(&password).await?;
        let new = NewPassword {
            hash: &hash,
            temporary: false,
            instead_of: Some(stored),
        };
        let mut tx = self.store.begin().await?;
        let Some(changed) = users::set_password(&mut tx, tenant, user.id, new, now).await? else {
            return Ok(PasswordChange::WrongPassword);
        };
        let spared = session.map(|session| session.id);
        sessions::end_all(&mut tx, tenant, user.id, spared, "password_changed", now).await?;
        let cookie = match session {
            None => None,
            Some(session) => {
                let cookie = self.entropy.token("")?;
                let secret = TokenHash::of(cookie.expose());
                let carried =
                    sessions::carry_over(&mut tx, tenant, session.id, changed.epoch, &secret).await?;
                carried.then_some(cookie)
            }
        };
        self.commit(tx, event(Outcome::Success)?).await?;
        Ok(PasswordChange::Changed(Box::new(changed), cookie))
    }

    /// Ends all sessions and families of a user. `false` when there is no such user.
    pub async fn revoke(
        &self,
        tenant: TenantId,
        id: UserId,
        event: Event,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        let mut tx = self.store.begin().await?;
        if !users::raise_epoch(&mut tx, tenant, id).await? {
            return Ok(false);
        }
        sessions::end_all(&mut tx, tenant, id, None, "user_revoked", now).await?;
        self.commit(tx, event.user(id)).await?;
        Ok(true)
    }

    /// Removes an account that stands as `user`, with its sessions and consents; its families are over.
    pub async fn delete(
        &self,
        user: &User,
        event: Event,
        now: Timestamp,
    ) -> Result<Result<(), Rejected>, Fault> {
        let mut tx = self.store.begin().await?;
        // Locks the row before its sessions, as every other way to end them does.
        users::raise_epoch(&mut tx, user.tenant_id, user.id).await?;
        sessions::end_all(&mut tx, user.tenant_id, user.id, None, "user_deleted", now).await?;
        if !users::delete(&mut tx, user.tenant_id, user.id, Some(user.version)).await? {
            return Ok(Err(Rejected::Stale));
        }
        self.commit(tx, event.user(user.id)).await?;
        Ok(Ok(()))
    }

    /// The user of this username or e-mail address.
    pub async fn find(&self, tenant: TenantId, username: &str) -> Result<Option<User>, Fault> {
        let Ok(identifier) = super::Identifier::username(username) else {
            return Ok(None);
        };
        let blind = self.personal(tenant).await?.blind(&identifier)?;
        users::find_by_identifier(&mut self.store.read().await?, tenant, &blind).await
    }

    /// Seals the personal data of some users anew whose data key is not the present one; gives how many there were.
    pub async fn reseal(&self, tenant: TenantId, limit: i64) -> Result<usize, Fault> {
        let personal = self.personal(tenant).await?;
        let key = personal.sealing_key()?;
        let old = users::list_sealed_with_other(&mut self.store.read().await?, tenant, key, limit).await?;
        for user in &old {
            let resealed = personal.reseal(user)?;
            users::reseal(&mut self.store.write().await?, tenant, &resealed).await?;
        }
        Ok(old.len())
    }

    async fn commit(&self, mut tx: Tx, event: Event) -> Result<(), Fault> {
        outbox::insert(&mut tx, &event).await?;
        tx.commit().await?;
        self.audit.deliver(event).await;
        Ok(())
    }

    async fn identifiers(&self, tenant: TenantId, checked: &CheckedProfile) -> Result<Vec<[u8; 32]>, Fault> {
        let personal = self.personal(tenant).await?;
        let both = std::iter::once(&checked.username).chain(&checked.email);
        both.map(|identifier| personal.blind(identifier)).collect()
    }

    async fn judge(&self, new: &Secret, profile: &Profile) -> Result<Result<Password, WeakPassword>, Fault> {
        let mut words = profile.words();
        words.push(self.issuer.origin());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        policy::judge(&self.passwords, new.expose(), &words).await
    }

    async fn hash(
        &self,
        credential: Option<Credential>,
        profile: &Profile,
    ) -> Result<Result<Option<NewHash>, Rejected>, Fault> {
        match credential {
            None => Ok(Ok(None)),
            Some(Credential::Hash { text, temporary }) => Ok(match check_password_hash(&text) {
                Ok(()) => Ok(Some(NewHash {
                    hash: PasswordHash::new(text),
                    temporary,
                })),
                Err(malformed) => Err(Rejected::Invalid(vec![Violation::new(
                    "/password_hash",
                    malformed.0,
                )])),
            }),
            Some(Credential::Password { password, temporary }) => {
                match self.judge(&password, profile).await? {
                    Ok(password) => {
                        let hash = self.passwords.hash(&password).await?;
                        Ok(Ok(Some(NewHash { hash, temporary })))
                    }
                    Err(weak) => Ok(Err(Rejected::Invalid(vec![Violation::new(
                        "/password",
                        weak.to_string(),
                    )]))),
                }
            }
        }
    }
}
