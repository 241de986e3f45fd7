//! Attempts at what only its owner knows: counted before anything is looked at, by address for every kind of secret, and for
//! passwords by account and place besides (docs/security.md).

use crate::account::{Ended, Guess, MayTry, SignIn};
use crate::audit::{EventType, Outcome};
use crate::fault::Fault;
use crate::surface::Refused;
use crate::types::Secret;
use crate::visit::{Stop, Visit};
use actix_web::ResponseError as _;
use actix_web::http::StatusCode;
use std::time::Duration;

/// What a password's attempts are called in the audit log.
const PASSWORD: &str = "password";
/// How long the answer to a stranger at an attacked account takes.
const SLOW: Duration = Duration::from_secs(1);

/// Counts an attempt at a password by address, before the password is looked at.
pub(super) async fn count(visit: &Visit<'_>) -> Result<(), Stop> {
    let counted = visit.exchange.sign_in_attempt().await;
    counted.map_err(|refused| limited(visit, refused, PASSWORD))
}

/// Tells that an attempt at a password failed.
pub(super) async fn failed(visit: &Visit<'_>) -> Result<(), Stop> {
    let counted = visit.exchange.sign_in_failed().await;
    counted.map_err(|refused| limited(visit, refused, PASSWORD))
}

/// The refusal of an attempt at a secret. That there were too many is on record; `method` says at which kind.
pub(super) fn limited(visit: &Visit<'_>, refused: Refused, method: &str) -> Stop {
    if refused.status_code() == StatusCode::TOO_MANY_REQUESTS {
        let event = visit
            .app
            .event(visit.now, EventType::RateLimited, Outcome::Failure, visit.tenant);
        match event {
            Ok(event) => visit.app.audit.note(
                event
                    .by(visit.exchange.caller())
                    .with("method", method)
                    .because("too_many_attempts"),
            ),
            Err(fault) => return visit.fault(&fault),
        }
    }
    refused.into()
}

/// Checks username and password.
pub(super) async fn sign_in(visit: &Visit<'_>, username: &str, password: &Secret) -> Result<SignIn, Stop> {
    let (accounts, tenant) = (&visit.app.accounts, visit.tenant);
    let look = async || {
        let caller = visit.exchange.caller();
        accounts
            .sign_in(tenant, username, password, caller, visit.now)
            .await
    };
    let is_right = |result: &SignIn| !matches!(result, SignIn::Refused);
    let pretend = async || accounts.pretend_to_sign_in(tenant, username, password).await;
    at_account(visit, username, look, is_right, pretend).await
}

/// Looks at the password of an account, unless whoever presents it has to wait: then `pretend` takes as long, where that
/// must not be told from a look.
pub(super) async fn at_account<T>(
    visit: &Visit<'_>,
    username: &str,
    look: impl AsyncFnOnce() -> Result<T, Fault>,
    is_right: impl FnOnce(&T) -> bool,
    pretend: impl AsyncFnOnce() -> Result<(), Fault>,
) -> Result<T, Stop> {
    let failed = |fault: Fault| visit.fault(&fault);
    let device = visit.device();
    let guess = Guess {
        tenant: visit.tenant,
        username,
        caller: visit.exchange.caller(),
        device: device.as_ref(),
        usual: visit.app.edge.attempts().limit().rate,
    };
    let accounts = &visit.app.accounts;
    let (attempt, wait_s) = match accounts.may_try(guess, visit.now).await.map_err(failed)? {
        MayTry::Yes(attempt) => (attempt, None),
        MayTry::Slowly(attempt) => {
            visit.exchange.edge().slow_down(SLOW).await;
            (attempt, None)
        }
        MayTry::IfRight(attempt, wait_s) => (attempt, Some(wait_s)),
        MayTry::After(wait_s) => {
            pretend().await.map_err(failed)?;
            return Err(limited(visit, visit.exchange.must_wait(wait_s), PASSWORD));
        }
    };
    let looked = look().await;
    let ended = match &looked {
        Ok(result) if is_right(result) => Ended::Right,
        Ok(_) => Ended::Wrong,
        Err(_) => Ended::Unknown,
    };
    let noted = accounts.tried(attempt, ended, guess.caller, visit.now).await;
    noted.map_err(failed)?;
    match wait_s {
        Some(wait_s) if ended == Ended::Wrong => {
            Err(limited(visit, visit.exchange.must_wait(wait_s), PASSWORD))
        }
        _ => looked.map_err(failed),
    }
}
