//! Attempts at secrets, as a request counts them: one counter by address for every path that checks a secret (R-LIM-03).

use crate::fault::Fault;
use crate::page::Advice;
use crate::protect::Exchange;
use crate::protect::limits::{Decision, Tier};
use crate::surface::{Refusal, Refused, TOO_MANY_ATTEMPTS};
use actix_web::http::StatusCode;

impl Exchange {
    /// Counts an attempt to sign in, before the password is looked at (only failed ones where
    /// `limits.authentication.count` says so).
    ///
    /// # Errors
    /// 429 when the address has used up its attempts, 503 when they cannot be counted.
    pub async fn sign_in_attempt(&self) -> Result<(), Refused> {
        let (attempts, address) = (self.0.edge.attempts(), self.0.caller.address);
        let decision = if attempts.failures_only() {
            attempts.peek(address, self.0.now).await
        } else {
            attempts.take(address, self.0.now).await
        };
        self.attempted(decision)
    }

    /// Tells that an attempt to sign in failed.
    ///
    /// # Errors
    /// As [`Exchange::sign_in_attempt`]; the answer must not tell then how the attempt ended.
    pub async fn sign_in_failed(&self) -> Result<(), Refused> {
        if self.0.edge.attempts().failures_only() {
            return self.secret_failed().await;
        }
        Ok(())
    }

    /// Counts an attempt at a short secret that can be guessed (a user code), before it is looked up. One that was right is
    /// given back with [`Exchange::was_right`], so that only wrong ones count, and no more are looked up at once than may
    /// be wrong.
    ///
    /// # Errors
    /// As [`Exchange::sign_in_attempt`].
    pub async fn short_secret_attempt(&self) -> Result<(), Refused> {
        let attempts = self.0.edge.attempts();
        let decision = attempts.take(self.0.caller.address, self.0.now).await;
        self.attempted(decision)
    }

    /// Gives back the attempt of [`Exchange::short_secret_attempt`].
    ///
    /// # Errors
    /// 503 when it cannot be counted.
    pub async fn was_right(&self) -> Result<(), Refused> {
        let attempts = self.0.edge.attempts();
        let given = attempts.give_back(self.0.caller.address, self.0.now).await;
        given.map_err(|fault| self.fault(&fault))
    }

    /// Whether this address may present a secret (a client's, a device code); asks memory only.
    ///
    /// # Errors
    /// 429 when too many from this address have failed.
    pub fn may_present_secret(&self) -> Result<(), Refused> {
        match self.0.edge.attempts().blocked(self.0.caller.address, self.0.now) {
            None => Ok(()),
            Some(decision) => self.attempted(Ok(decision)),
        }
    }

    /// Tells that a secret was wrong.
    ///
    /// # Errors
    /// 429 when too many from this address had failed already, 503 when it cannot be counted.
    pub async fn secret_failed(&self) -> Result<(), Refused> {
        let attempts = self.0.edge.attempts();
        let decision = attempts.failed(self.0.caller.address, self.0.now).await;
        self.attempted(decision)
    }

    /// The refusal of whoever has to wait before the next attempt at a secret.
    pub fn must_wait(&self, wait_s: u32) -> Refused {
        let limit = self.0.edge.attempts().limit();
        self.note_decision(Decision {
            tier: Tier::Authentication,
            passed: false,
            limit: limit.rate,
            window_s: limit.period_s,
            remaining: 0,
            reset_s: wait_s,
        });
        let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, TOO_MANY_ATTEMPTS)
            .title(TOO_MANY_ATTEMPTS)
            .told(Advice::too_many_attempts(wait_s))
            .retry_after(wait_s);
        self.refuse(refusal)
    }

    fn attempted(&self, decision: Result<Decision, Fault>) -> Result<(), Refused> {
        let decision = decision.map_err(|fault| self.fault(&fault))?;
        if !decision.passed {
            return Err(self.must_wait(decision.reset_s));
        }
        self.note_decision(decision);
        Ok(())
    }
}
