//! The first user.

use super::Accounts;
use super::people::{Credential, Rejected};
use super::profile::Profile;
use crate::config::BootstrapConfig;
use crate::fault::Fault;
use crate::storage::users;
use crate::types::{ADMIN_ROLE, EventType, Outcome, Secret, TenantId, Timestamp};

/// The first user, just made.
#[derive(Debug)]
pub struct FirstUser {
    /// The username.
    pub username: String,
    /// The password, when the server made it: to be printed once.
    pub password: Option<Secret>,
}

impl Accounts {
    /// Makes the first user, with the role `admin`, when the tenant has no user at all. Of several replicas that start
    /// at once one makes it: they all want the same username.
    ///
    /// # Errors
    /// When the configured username or password is refused; the text names the setting.
    pub async fn bootstrap(
        &self,
        tenant: TenantId,
        config: &BootstrapConfig,
        now: Timestamp,
    ) -> Result<Option<FirstUser>, Fault> {
        if users::any(&mut self.store.read().await?, tenant).await? {
            return Ok(None);
        }
        let profile = Profile {
            username: config.username.clone(),
            enabled: true,
            roles: vec![ADMIN_ROLE.to_owned()],
            ..Profile::default()
        };
        let checked = profile
            .check()
            .map_err(|wrong| refused("GRANTOR_BOOTSTRAP_USERNAME", &wrong))?;
        let generated = match config.password {
            Some(_) => None,
            None => Some(self.generate_password()?),
        };
        let Some(password) = config.password.clone().or_else(|| generated.clone()) else {
            return Ok(None);
        };
        let credential = Credential::Password {
            password,
            temporary: false,
        };
        let event = self
            .event(now, EventType::UserCreated, Outcome::Success, tenant)?
            .with("actor", "bootstrap");
        match self
            .create(tenant, &checked, Some(credential), event, now)
            .await?
        {
            Ok(_) => Ok(Some(FirstUser {
                username: checked.profile.username,
                password: generated,
            })),
            Err(Rejected::Taken | Rejected::Stale) => Ok(None),
            Err(Rejected::Invalid(wrong)) => Err(refused("GRANTOR_BOOTSTRAP_PASSWORD", &wrong)),
        }
    }
}

fn refused(setting: &str, wrong: &[crate::types::Violation]) -> Fault {
    let details: Vec<_> = wrong.iter().map(|wrong| wrong.detail.as_ref()).collect();
    Fault::internal(format!("{setting} {}", details.join("; ")))
}
