//! What failed sign-ins lead to, besides the limit by address (R-LIM-40).
//!
//! Who fails too often at one account from one network has to wait, longer each time; nobody else is locked out by it, and
//! a network from which the account's owner signed in lately never is. An account that is attacked from many networks is
//! told about, and answers unknown networks slowly; it stays usable. Networks that try many accounts, and many accounts
//! that fail at once, are told about: credential stuffing and password spraying. What is counted names nobody, and
//! is the same whether there is such an account or not.

use super::{Accounts, Identifier};
use crate::fault::Fault;
use crate::protect::address::limit_key;
use crate::storage::sign_in_watch::{self as table, Pair, Pressure, Standing};
use crate::types::{Caller, EventType, Outcome, TenantId, Timestamp, base64url};
use ring::digest;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// After so many failures of a pair it has to wait; more where the limit by address lets more through.
const LEAST_FAILURES: i64 = 10;
/// The first wait; each further failure doubles it.
const FIRST_WAIT_S: i64 = 60;
/// The longest.
const LONGEST_WAIT_S: i64 = 3_600;
/// After so long a rest failures are counted anew.
const REST_S: i64 = 86_400;
/// So long a network is known after a success.
const KNOWN_S: i64 = 90 * 86_400;
/// What was lately.
const LATELY_S: i64 = 3_600;
/// An account is attacked when it failed so often lately,
const ATTACKED_FAILURES: i64 = 20;
/// from so many networks.
const ATTACKED_NETWORKS: i64 = 5;
/// A network stuffs credentials when so many accounts failed from it lately.
const STUFFED_ACCOUNTS: i64 = 10;
/// Passwords are sprayed when so many accounts of a tenant failed
const SPRAYED_ACCOUNTS: i64 = 100;
/// within this time.
const SPRAYED_WITHIN_S: i64 = 600;
/// Of the same nothing more is told for an hour; of more than so many at once nothing.
const MAX_TOLD: usize = 1_024;

/// Whether somebody may try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MayTry {
    /// At once.
    Yes,
    /// Yes, but the answer is to be slow.
    Slowly,
    /// After so many seconds.
    After(u32),
}

/// What was told lately.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<HashMap<(EventType, [u8; 32]), Timestamp>>);

impl Accounts {
    /// Whether an attempt at an account from an address may be made. To be asked before the password is looked at.
    ///
    /// # Errors
    /// When the database does not answer; then nobody may try.
    pub async fn may_try(
        &self,
        tenant: TenantId,
        username: &str,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<MayTry, Fault> {
        let Some((account, network)) = self.pair(tenant, username, caller.address).await? else {
            return Ok(MayTry::Yes);
        };
        let pair = Pair {
            tenant,
            account: &account,
            network: &network,
        };
        let mut conn = self.store.read().await?;
        let standing = table::find(&mut conn, pair).await?.unwrap_or_default();
        if standing.known_until.is_some_and(|until| until > now) {
            return Ok(MayTry::Yes);
        }
        if let Some(wait) = wait(&standing, self.failures_before_waiting, now) {
            return Ok(MayTry::After(wait));
        }
        let pressure = table::pressure(&mut conn, pair, now.plus_seconds(-LATELY_S)).await?;
        Ok(if is_attacked(pressure) {
            MayTry::Slowly
        } else {
            MayTry::Yes
        })
    }

    /// Counts what came of an attempt, and tells what it shows.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tried(
        &self,
        tenant: TenantId,
        username: &str,
        caller: &Caller,
        succeeded: bool,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let Some((account, network)) = self.pair(tenant, username, caller.address).await? else {
            return Ok(());
        };
        let pair = Pair {
            tenant,
            account: &account,
            network: &network,
        };
        let mut conn = self.store.write().await?;
        if succeeded {
            return table::succeeded(&mut conn, pair, now.plus_seconds(KNOWN_S)).await;
        }
        let (rested, expires_at) = (now.plus_seconds(-REST_S), now.plus_seconds(REST_S));
        let failures = table::failed(&mut conn, pair, now, rested, expires_at).await?;
        let lately = now.plus_seconds(-LATELY_S);
        if is_attacked(table::pressure(&mut conn, pair, lately).await?) {
            self.tell(EventType::AccountAttacked, tenant, &account, caller, now)?;
        }
        // Only a pair that is new says something new about networks and accounts.
        if failures > 1 {
            return Ok(());
        }
        let stuffed = table::accounts_of_network(&mut conn, pair, lately, STUFFED_ACCOUNTS).await?;
        if stuffed >= STUFFED_ACCOUNTS {
            self.tell(
                EventType::CredentialStuffingDetected,
                tenant,
                &network,
                caller,
                now,
            )?;
        }
        let since = now.plus_seconds(-SPRAYED_WITHIN_S);
        let sprayed = table::accounts_of_tenant(&mut conn, tenant, since, SPRAYED_ACCOUNTS).await?;
        if sprayed >= SPRAYED_ACCOUNTS {
            let everybody = [0; 32];
            self.tell(
                EventType::PasswordSprayingDetected,
                tenant,
                &everybody,
                caller,
                now,
            )?;
        }
        Ok(())
    }

    /// The hashes of account and network; `None` for what can be no account's name.
    async fn pair(
        &self,
        tenant: TenantId,
        username: &str,
        address: IpAddr,
    ) -> Result<Option<([u8; 32], [u8; 32])>, Fault> {
        let Ok(identifier) = Identifier::username(username) else {
            return Ok(None);
        };
        let account = self.personal(tenant).await?.blind(&identifier)?;
        let text = limit_key(address).to_string();
        let mut network = [0; 32];
        network.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
        Ok(Some((account, network)))
    }

    fn tell(
        &self,
        event_type: EventType,
        tenant: TenantId,
        about: &[u8; 32],
        caller: &Caller,
        now: Timestamp,
    ) -> Result<(), Fault> {
        if !self.told.is_news((event_type, *about), now) {
            return Ok(());
        }
        tracing::warn!(alert = event_type.as_str(), %tenant, "{}", event_type.as_str());
        let mut event = self
            .event(now, event_type, Outcome::Failure, tenant)?
            .by(caller)
            .with("method", "password");
        if event_type == EventType::AccountAttacked {
            event = event.with("attempted_username", base64url(about));
        }
        self.audit.note(event);
        Ok(())
    }
}

/// After how many failures of a pair it has to wait, where the limit by address lets `rate` through.
pub(super) fn failures_before_waiting(rate: u32) -> i64 {
    LEAST_FAILURES.max(i64::from(rate).saturating_mul(2))
}

fn wait(standing: &Standing, allowed: i64, now: Timestamp) -> Option<u32> {
    let beyond = standing
        .failures
        .checked_sub(allowed)
        .filter(|beyond| *beyond >= 0)?;
    let doubled = FIRST_WAIT_S.checked_shl(u32::try_from(beyond.min(16)).unwrap_or(16));
    let wait_s = doubled.unwrap_or(LONGEST_WAIT_S).min(LONGEST_WAIT_S);
    let until = standing.failed_at?.plus_seconds(wait_s);
    let left = until.micros_since(now);
    (left > 0).then(|| u32::try_from(left.saturating_add(999_999) / 1_000_000).unwrap_or(1))
}

fn is_attacked(pressure: Pressure) -> bool {
    pressure.failures >= ATTACKED_FAILURES && pressure.networks >= ATTACKED_NETWORKS
}

impl Told {
    fn is_news(&self, what: (EventType, [u8; 32]), now: Timestamp) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_quiet = |at: Timestamp| at <= now && now.micros_since(at) < LATELY_S * 1_000_000;
        if told.get(&what).is_some_and(|&at| is_quiet(at)) {
            return false;
        }
        if told.len() >= MAX_TOLD {
            told.retain(|_, at| is_quiet(*at));
        }
        if told.len() >= MAX_TOLD {
            return false;
        }
        told.insert(what, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_beyond_doubles_the_wait_up_to_an_hour() {
        let at = Timestamp::from_seconds(1_000_000);
        let waits = |failures: i64, later: i64| {
            let standing = Standing {
                failures,
                failed_at: Some(at),
                known_until: None,
            };
            wait(&standing, 10, at.plus_seconds(later))
        };
        assert_eq!(waits(9, 0), None);
        assert_eq!(waits(10, 0), Some(60));
        assert_eq!(waits(10, 59), Some(1));
        assert_eq!(waits(10, 60), None);
        assert_eq!(waits(12, 0), Some(240));
        assert_eq!(waits(16, 0), Some(3_600));
        assert_eq!(waits(1_000_000, 0), Some(3_600));
    }
}
