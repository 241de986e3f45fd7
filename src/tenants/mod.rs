//! Tenants: each is an issuer with keys, clients, users and policy of its own. The first one has the configured issuer;
//! the others are below it, at `/t/{name}`.

mod cache;
mod settings;

pub use self::cache::Tenants;
pub use self::settings::violations;

use crate::config::{Config, RegistrationConfig};
use crate::fault::Fault;
use crate::page::Look;
use crate::storage::tenants::{TenantRow, TenantSettings};
use crate::types::{Issuer, TenantId, TenantName};
use std::sync::Arc;

/// The tenant that a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name; the first tenant's stands in no URL.
    pub name: TenantName,
    /// Its issuer identifier: the base of its URLs, the `iss` of what it issues and the `aud` of what is sent to it.
    pub issuer: Issuer,
    /// A disabled tenant serves nothing.
    pub enabled: bool,
    /// How it presents itself.
    pub settings: TenantSettings,
    /// What holds for clients that register themselves there.
    pub registration: RegistrationConfig,
    /// How its pages look, by its settings.
    pub look: Arc<Look>,
}

/// The issuer of a tenant. `first` is that of the first one.
pub fn issuer(row: &TenantRow, first: &Issuer) -> Issuer {
    if row.id == TenantId::FIRST {
        first.clone()
    } else {
        first.of_tenant(&row.name)
    }
}

/// What a request's URL says about its tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Site {
    /// Nothing: the first tenant.
    First,
    /// `/t/{name}`.
    Named(TenantName),
    /// `/t/` with what cannot be a name: nobody.
    Nobody,
}

impl Tenant {
    /// The first tenant as it is without settings.
    ///
    /// # Errors
    /// Never, unless its name is none.
    pub fn first(config: &Config) -> Result<Self, Fault> {
        Ok(Self {
            id: TenantId::FIRST,
            name: TenantName::parse("default").map_err(|why| Fault::internal(why.0))?,
            issuer: config.issuer.clone(),
            enabled: true,
            settings: TenantSettings::default(),
            registration: config.registration.clone(),
            look: Arc::default(),
        })
    }

    /// The tenant of a row, below the issuer of the first. `first` is that one without its settings: what the server's say.
    pub fn of(row: TenantRow, first: &Self) -> Self {
        let issuer = issuer(&row, &first.issuer);
        let settings = row.settings.0;
        let look = Look::new(
            settings.display_name.as_deref(),
            settings.logo_uri.as_deref(),
            settings.accent_color.as_deref(),
        );
        Self {
            issuer,
            id: row.id,
            name: row.name,
            enabled: row.enabled,
            registration: settings.registration.over(&first.registration),
            settings,
            look: Arc::new(look),
        }
    }

    /// Whether this is the tenant that needs no naming.
    pub fn is_first(&self) -> bool {
        self.id == TenantId::FIRST
    }

    /// The claim `tenant` of access tokens: there outside the first tenant (contract).
    pub fn claim(&self) -> Option<&str> {
        (!self.is_first()).then_some(self.name.as_str())
    }
}
