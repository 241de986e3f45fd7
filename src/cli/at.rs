//! `--tenant`: at which tenant a command works.

use super::outcome::Failure;
use crate::config::Config;
use crate::storage::{Store, tenants};
use crate::tenants::Tenant;
use crate::types::TenantName;
use clap::Args;

/// At which tenant a command works.
#[derive(Debug, Default, Args)]
pub(super) struct At {
    /// Name of the tenant [default: the first one]
    #[arg(long, value_name = "NAME", value_parser = name, global = true)]
    tenant: Option<TenantName>,
}

impl At {
    /// The tenant.
    pub(super) async fn find(&self, store: &Store, config: &Config) -> Result<Tenant, Failure> {
        let first = Tenant::first(config)?;
        let Some(name) = &self.tenant else {
            return Ok(first);
        };
        let found = tenants::find_by_name(&mut store.read().await?, name).await?;
        match found {
            Some(row) => Ok(Tenant::of(row, &first)),
            None => Err(Failure::Refused(format!("there is no tenant {name}"))),
        }
    }
}

/// A tenant's name as clap reads it.
pub(super) fn name(text: &str) -> Result<TenantName, String> {
    TenantName::parse(text).map_err(|why| why.to_string())
}
