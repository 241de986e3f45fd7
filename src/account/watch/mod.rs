//! What failed sign-ins lead to, besides the limit by address (R-LIM-40, docs/adr/0014).
//!
//! Who fails too often at one account from one place has to wait, longer each time. Nobody else is locked out by that: a
//! device on which the account was signed in to counts for itself, whatever others do from its network, and from a network
//! that its owner has used lately the right password passes all the same. An account that is attacked from many places is
//! told about, and answers strangers slowly; it stays usable. Networks that try many accounts, and many accounts that fail
//! at once, are told about: credential stuffing and password spraying. What is counted names nobody, and neither it nor
//! any answer tells whether there is such an account.

mod rules;

use super::Accounts;
use crate::fault::Fault;
use crate::protect::address;
use crate::protect::news::News;
use crate::storage::Conn;
use crate::storage::sign_in_watch::{self as table, Counted, Pair, Pressure, Standing};
use crate::types::{Caller, EventType, Outcome, Secret, TenantId, Timestamp, TokenHash, base64url};

/// Of the same account, network or tenant nothing more is told for so long,
const QUIET_S: i64 = 3_600;
/// and of more than so many at once nothing.
const MOST_TOLD: usize = 1_024;
/// How often an attempt is counted anew when another one came in between.
const ATTEMPTS: usize = 16;

/// What was told lately.
pub(super) type Told = News<(EventType, [u8; 32])>;

/// Somebody who wants to try a password.
#[derive(Clone, Copy, Debug)]
pub struct Guess<'a> {
    /// At which tenant.
    pub tenant: TenantId,
    /// At which account, as it was typed.
    pub username: &'a str,
    /// From where.
    pub caller: &'a Caller,
    /// What the browser's cookie says which device it is, see [`Accounts::know_device`].
    pub device: Option<&'a Secret>,
    /// How many attempts the limit by address lets through.
    pub usual: u32,
}

/// Whether somebody may try.
#[derive(Debug)]
pub enum MayTry {
    /// At once.
    Yes(Attempt),
    /// Yes, but the answer is to be slow.
    Slowly(Attempt),
    /// From where the account is used: only the right password passes. A wrong one is answered like [`MayTry::After`], so
    /// that nobody learns from where an account is used.
    IfRight(Attempt, u32),
    /// After so many seconds. The answer is to take as long as if the password were looked at.
    After(u32),
}

/// An attempt that may be made. It counts as failed until [`Accounts::tried`] is told otherwise, so that no more can be
/// made at once than one after the other.
#[derive(Debug)]
pub struct Attempt {
    tenant: TenantId,
    account: [u8; 32],
    network: [u8; 32],
    /// The device that the account is known from, or the network.
    place: [u8; 32],
    /// What it counts for; nothing where it passes only if it is right.
    counted: Option<Count>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    failures: i64,
    pressure: Pressure,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The password was right.
    Right,
    /// It was wrong, or there is no such account.
    Wrong,
    /// It was not looked at: something did not answer.
    Unknown,
}

/// Nothing was told yet.
pub(super) fn told() -> Told {
    News::new(QUIET_S, MOST_TOLD)
}

impl Accounts {
    /// Whether an attempt at an account may be made; counts it. To be asked before the password is looked at.
    ///
    /// # Errors
    /// When the database does not answer; then nobody may try.
    pub async fn may_try(&self, guess: Guess<'_>, now: Timestamp) -> Result<MayTry, Fault> {
        let tenant = guess.tenant;
        let account = self.personal(tenant).await?.attempted(guess.username)?;
        let network = place_of_network(guess.caller);
        let device = guess.device.map(place_of_device);
        let mut conn = self.store.write().await?;
        for _ in 0..ATTEMPTS {
            let (place, standing) =
                standing(&mut conn, tenant, &account, &network, device.as_ref(), now).await?;
            let mut attempt = Attempt {
                tenant,
                account,
                network,
                place,
                counted: None,
            };
            let is_device = place != network;
            if let Some(wait_s) = rules::wait(&standing, rules::allowed(guess.usual), now) {
                let is_known = rules::is_known(&standing, now) && !is_device;
                return Ok(if is_known {
                    MayTry::IfRight(attempt, wait_s)
                } else {
                    MayTry::After(wait_s)
                });
            }
            let counted = Counted {
                failures: rules::one_more(&standing, now),
                failed_at: now,
                expires_at: rules::remembered(now),
            };
            if !table::count(&mut conn, attempt.pair(), &standing, counted).await? {
                continue;
            }
            let lately = now.plus_seconds(-rules::LATELY_S);
            let pressure = table::pressure(&mut conn, attempt.pair(), lately).await?;
            attempt.counted = Some(Count {
                failures: counted.failures,
                pressure,
            });
            return Ok(if rules::is_attacked(pressure) && !is_device {
                MayTry::Slowly(attempt)
            } else {
                MayTry::Yes(attempt)
            });
        }
        Err(Fault::unavailable(
            "an attempt to sign in could not be counted: too many at once",
        ))
    }

    /// Takes note of how an attempt ended, and tells what it shows.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tried(
        &self,
        attempt: Attempt,
        ended: Ended,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let mut conn = self.store.write().await?;
        match (ended, attempt.counted) {
            (Ended::Right, _) => {
                let known_until = now.plus_seconds(rules::KNOWN_S);
                table::succeeded(&mut conn, attempt.pair(), known_until).await?;
                if attempt.place != attempt.network {
                    let network = Pair {
                        place: &attempt.network,
                        ..attempt.pair()
                    };
                    table::succeeded(&mut conn, network, known_until).await?;
                }
                Ok(())
            }
            (Ended::Wrong, Some(count)) => self.tell_attacks(&mut conn, &attempt, count, caller, now).await,
            (Ended::Unknown, Some(_)) => table::take_back(&mut conn, attempt.pair()).await,
            (Ended::Wrong | Ended::Unknown, None) => Ok(()),
        }
    }

    /// Knows a device from now on as one on which this account is signed in to. Gives what its cookie is to hold: what it
    /// holds already, or something new.
    ///
    /// # Errors
    /// When the database does not answer, or there is no randomness.
    pub async fn know_device(
        &self,
        tenant: TenantId,
        username: &str,
        device: Option<&Secret>,
        now: Timestamp,
    ) -> Result<Secret, Fault> {
        let device = match device {
            Some(device) => device.clone(),
            None => self.entropy.token("")?,
        };
        let account = self.personal(tenant).await?.attempted(username)?;
        let pair = Pair {
            tenant,
            account: &account,
            place: &place_of_device(&device),
        };
        let mut conn = self.store.write().await?;
        table::succeeded(&mut conn, pair, now.plus_seconds(rules::KNOWN_S)).await?;
        table::forget_known(&mut conn, pair, rules::MOST_KNOWN).await?;
        Ok(device)
    }

    /// Forgets what failed at an account, so that nobody has to wait there. Gives whether anything had.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn forget_failures(&self, tenant: TenantId, username: &str) -> Result<bool, Fault> {
        let account = self.personal(tenant).await?.attempted(username)?;
        table::forget_failures(&mut self.store.write().await?, tenant, &account).await
    }

    /// Tells what a failure shows together with others.
    async fn tell_attacks(
        &self,
        conn: &mut Conn,
        attempt: &Attempt,
        count: Count,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let (tenant, account, network) = (attempt.tenant, attempt.account, attempt.network);
        if rules::is_attacked(count.pressure) {
            self.tell(EventType::AccountAttacked, tenant, account, caller, now)?;
        }
        // Only a pair that is new says something new about networks and tenants.
        if count.failures > 1 {
            return Ok(());
        }
        let stuffing = EventType::CredentialStuffingDetected;
        if self.told.would_be_news(&(stuffing, network), now) {
            let (since, most) = (now.plus_seconds(-rules::LATELY_S), rules::STUFFED_ACCOUNTS);
            if table::accounts_of_place(&mut *conn, &network, since, most).await? >= most {
                self.tell(stuffing, tenant, network, caller, now)?;
            }
        }
        let (spraying, everybody) = (EventType::PasswordSprayingDetected, everybody(tenant));
        if self.told.would_be_news(&(spraying, everybody), now) {
            let since = now.plus_seconds(-rules::SPRAYED_WITHIN_S);
            if table::accounts_of_tenant(&mut *conn, tenant, since).await? >= rules::SPRAYED_ACCOUNTS {
                self.tell(spraying, tenant, everybody, caller, now)?;
            }
        }
        Ok(())
    }

    fn tell(
        &self,
        event_type: EventType,
        tenant: TenantId,
        about: [u8; 32],
        caller: &Caller,
        now: Timestamp,
    ) -> Result<(), Fault> {
        if !self.told.is_news((event_type, about), now) {
            return Ok(());
        }
        tracing::warn!(
            alert = event_type.as_str(), %tenant, address = %caller.address,
            "somebody is guessing passwords: {}", event_type.as_str()
        );
        let mut event = self
            .event(now, event_type, Outcome::Failure, tenant)?
            .by(caller)
            .with("method", "password");
        if event_type == EventType::AccountAttacked {
            event = event.with("attempted_username", base64url(&about));
        }
        self.audit.note(event);
        Ok(())
    }
}

impl Attempt {
    fn pair(&self) -> Pair<'_> {
        Pair {
            tenant: self.tenant,
            account: &self.account,
            place: &self.place,
        }
    }
}

/// What is known of an account at a place: the device, where the account is known to be used on it, else the network.
async fn standing(
    conn: &mut Conn,
    tenant: TenantId,
    account: &[u8; 32],
    network: &[u8; 32],
    device: Option<&[u8; 32]>,
    now: Timestamp,
) -> Result<([u8; 32], Standing), Fault> {
    let pair = |place| Pair {
        tenant,
        account,
        place,
    };
    if let Some(device) = device
        && let Some(standing) = table::find(&mut *conn, pair(device)).await?
        && rules::is_known(&standing, now)
    {
        return Ok((*device, standing));
    }
    let found = table::find(&mut *conn, pair(network)).await?;
    Ok((*network, found.unwrap_or_default()))
}

/// A network is what one holder may have at its disposal.
fn place_of_network(caller: &Caller) -> [u8; 32] {
    address::hash("network", address::site(caller.address))
}

fn place_of_device(device: &Secret) -> [u8; 32] {
    let mut place = [0; 32];
    place.copy_from_slice(TokenHash::of(device.expose()).as_bytes());
    place
}

/// A tenant in the size of what else is told about.
fn everybody(tenant: TenantId) -> [u8; 32] {
    let mut about = [0; 32];
    about[..16].copy_from_slice(tenant.0.as_bytes());
    about
}
