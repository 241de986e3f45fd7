//! Whom a limit counts, in a form of constant size.

use super::Tier;
use crate::protect::address::limit_key;
use crate::types::{ClientId, TenantId, UserId};
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;

/// Who is counted.
#[derive(Clone, Copy, Debug)]
pub enum Key<'a> {
    /// Everybody together.
    All,
    /// An address; IPv6 by /64.
    Address(IpAddr),
    /// An authenticated client.
    Client(TenantId, &'a ClientId),
    /// A user.
    User(TenantId, UserId),
    /// All clients of a tenant.
    Tenant(TenantId),
    /// A caller at one operation, named by its route.
    Operation(&'a str, &'a Key<'a>),
}

impl Key<'_> {
    /// The tiers that count somebody of this kind.
    pub(super) const fn tiers(self) -> &'static [Tier] {
        match self {
            Self::All => &[Tier::Global],
            Self::Address(_) => &[Tier::Standard, Tier::Public, Tier::PerSecond],
            Self::Client(..) => &[
                Tier::Standard,
                Tier::Expensive,
                Tier::PerKey,
                Tier::PerSecond,
                Tier::Spike,
            ],
            Self::User(..) => &[Tier::PerUser],
            Self::Tenant(_) => &[Tier::PerTenant],
            Self::Operation(..) => &[Tier::Sensitive],
        }
    }

    /// A key of constant size. The hash is keyed with two secrets of this process: nobody can make two keys meet.
    pub(super) fn digest(&self, secrets: &[RandomState; 2]) -> u128 {
        let [high, low] = secrets;
        let text = self.to_bytes();
        u128::from(high.hash_one(&text)) << 64 | u128::from(low.hash_one(&text))
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        match self {
            Self::All => bytes.push(0),
            Self::Address(address) => {
                bytes.push(1);
                match limit_key(address) {
                    IpAddr::V4(address) => bytes.extend_from_slice(&address.octets()),
                    IpAddr::V6(address) => bytes.extend_from_slice(&address.octets()),
                }
            }
            Self::Client(tenant, client) => {
                bytes.push(2);
                bytes.extend_from_slice(tenant.0.as_bytes());
                bytes.extend_from_slice(client.as_str().as_bytes());
            }
            Self::User(tenant, user) => {
                bytes.push(3);
                bytes.extend_from_slice(tenant.0.as_bytes());
                bytes.extend_from_slice(user.0.as_bytes());
            }
            Self::Tenant(tenant) => {
                bytes.push(5);
                bytes.extend_from_slice(tenant.0.as_bytes());
            }
            Self::Operation(route, caller) => {
                bytes.push(4);
                bytes.extend_from_slice(route.as_bytes());
                bytes.push(0);
                bytes.extend_from_slice(&caller.to_bytes());
            }
        }
        bytes
    }
}
