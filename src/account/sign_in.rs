//! Signing in with a password: one path for everybody.
//!
//! Whether a username exists must not be learnt here (R-GRT-30, OWASP ASVS 6.3.8): an unknown user, a wrong password and
//! a disabled account take one look-up and one hash each and get one answer. The true reason stands in the audit log.

use super::password::Password;
use super::username::Identifier;
use super::{Accounts, Personal};
use crate::fault::Fault;
use crate::storage::users::{self, PasswordHash, User};
use crate::types::{Caller, EventType, Outcome, Secret, TenantId, Timestamp, base64url};

/// What came of a sign-in.
#[derive(Debug)]
pub enum SignIn {
    /// The password was right, and the audit log says so already.
    SignedIn(Box<User>),
    /// The password was right, but somebody else set it: the user has to change it first, with
    /// [`Accounts::change_password`].
    PasswordChangeNeeded(Box<User>),
    /// Anything else. The answer does not say what.
    Refused,
}

impl Accounts {
    /// Checks username (or e-mail address) and password. Limits on attempts are the caller's and come before.
    ///
    /// # Errors
    /// Unavailable when too many wait for their password to be checked, or when a success could not be recorded: nobody
    /// is signed in without a record.
    pub async fn sign_in(
        &self,
        tenant: TenantId,
        username: &str,
        password: &Secret,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<SignIn, Fault> {
        let personal = self.personal(tenant).await?;
        let attempted = base64url(&personal.attempted(username)?);
        let user = self.named(&personal, tenant, username).await?;
        let stored = user.as_ref().and_then(|user| user.password_hash.as_ref());
        let password = Password::new(password.expose());
        let checked = self.passwords.check(password.as_ref(), stored).await?;
        let verdict = match &user {
            None => Err("unknown_user"),
            Some(user) if !user.enabled => Err("user_disabled"),
            Some(user) if user.password_hash.is_none() => Err("no_password"),
            Some(_) if !checked.right => Err("wrong_password"),
            Some(user) if user.password_temporary => Err("password_change_needed"),
            Some(_) => Ok(()),
        };
        let outcome = if verdict.is_ok() {
            Outcome::Success
        } else {
            Outcome::Failure
        };
        let mut event = self
            .event(now, EventType::Login, outcome, tenant)?
            .by(caller)
            .with("method", "password")
            .with("attempted_username", attempted);
        if let Some(user) = &user {
            event = event.user(user.id);
        }
        match (verdict, user) {
            (Ok(()), Some(user)) => {
                self.audit.record(event).await?;
                let user = self.upgrade(user, checked.better).await?;
                Ok(SignIn::SignedIn(Box::new(user)))
            }
            (Err(reason), user) => {
                self.audit.note(event.because(reason));
                Ok(match user {
                    Some(user) if reason == "password_change_needed" => {
                        SignIn::PasswordChangeNeeded(Box::new(user))
                    }
                    _ => SignIn::Refused,
                })
            }
            (Ok(()), None) => Ok(SignIn::Refused),
        }
    }

    /// Takes as long as [`Accounts::sign_in`] and does nothing: for who may not even try.
    ///
    /// # Errors
    /// Unavailable when too many wait for their password to be checked.
    pub async fn pretend_to_sign_in(
        &self,
        tenant: TenantId,
        username: &str,
        password: &Secret,
    ) -> Result<(), Fault> {
        let personal = self.personal(tenant).await?;
        self.named(&personal, tenant, username).await?;
        let password = Password::new(password.expose());
        self.passwords.check(password.as_ref(), None).await.map(drop)
    }

    /// The user of that name or address. What can be nobody's name is nobody's.
    async fn named(
        &self,
        personal: &Personal,
        tenant: TenantId,
        username: &str,
    ) -> Result<Option<User>, Fault> {
        let Ok(identifier) = Identifier::username(username) else {
            return Ok(None);
        };
        let blind = personal.blind(&identifier)?;
        users::find_by_identifier(&mut self.store.read().await?, tenant, &blind).await
    }

    /// Stores a better hash of the password that was just checked.
    async fn upgrade(&self, mut user: User, better: Option<PasswordHash>) -> Result<User, Fault> {
        if let (Some(old), Some(better)) = (&user.password_hash, better) {
            let mut conn = self.store.write().await?;
            if users::replace_hash(&mut conn, user.tenant_id, user.id, old, &better).await? {
                user.password_hash = Some(better);
            }
        }
        Ok(user)
    }
}
