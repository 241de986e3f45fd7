//! Browser sessions: what the cookie holds, how long it lasts, what each client is told of it.
//!
//! A session has an id that never changes and a secret, the cookie's value, that is renewed at every sign-in. It ends
//! `sso.session_max_s` after the first sign-in, whatever happens; when it idles for `session.idle_s`, the browser has to
//! sign in again, but what the session granted goes on.

use super::Accounts;
use crate::fault::Fault;
use crate::keys::{Purpose, TenantKeys};
use crate::sealed::aad;
use crate::storage::outbox;
use crate::storage::sessions::{self, Session};
use crate::storage::users::User;
use crate::types::{
    Caller, ClientId, Event, EventType, Outcome, Secret, SessionId, TenantId, Timestamp, TokenHash, base64url,
};
use sqlx::types::Json;

/// How a user proved who it is.
#[derive(Clone, Debug)]
pub struct Proof {
    /// Authentication context class: `aal1`, `aal2`, `aal3`.
    pub acr: &'static str,
    /// Methods (RFC 8176).
    pub amr: Vec<String>,
}

impl Proof {
    /// A password.
    pub fn password() -> Self {
        Self {
            acr: "aal1",
            amr: vec!["pwd".to_owned()],
        }
    }
}

/// A session after a sign-in, with the value of its new cookie.
#[derive(Debug)]
pub struct Started {
    /// The session.
    pub session: Session,
    /// The cookie's value, which is nowhere else.
    pub cookie: Secret,
}

/// The session that a browser's cookie names.
#[derive(Debug)]
pub enum Current {
    /// In use.
    Fresh(Session),
    /// It idled too long: the browser has to sign in again, which revives it.
    Idle(Session),
}

impl Current {
    /// The session, if it may be used without signing in again.
    pub fn fresh(self) -> Option<Session> {
        match self {
            Self::Fresh(session) => Some(session),
            Self::Idle(_) => None,
        }
    }
}

impl Accounts {
    /// The living session of a cookie. Its use is noted once a minute.
    pub async fn session(
        &self,
        tenant: TenantId,
        cookie: &str,
        now: Timestamp,
    ) -> Result<Option<Current>, Fault> {
        let hash = TokenHash::of(cookie);
        let found = sessions::find_by_secret(&mut self.store.read().await?, tenant, &hash, now).await?;
        let Some(mut session) = found else { return Ok(None) };
        let idle_since = now.plus_seconds(-self.session.idle_s);
        if session.last_seen_at <= idle_since {
            return Ok(Some(Current::Idle(session)));
        }
        if session.last_seen_at <= now.plus_seconds(-60) {
            sessions::touch(
                &mut self.store.write().await?,
                tenant,
                session.id,
                idle_since,
                now,
            )
            .await?;
            session.last_seen_at = now;
        }
        Ok(Some(Current::Fresh(session)))
    }

    /// Begins a session after a sign-in, or renews the one that the browser has if it is this user's: the id and the
    /// absolute end stay, the cookie changes. Another user's session in the same browser is ended.
    ///
    /// `user` is the row that was checked at the sign-in: if it was revoked since, the session is over before it began.
    pub async fn start_session(
        &self,
        user: &User,
        proof: Proof,
        former_cookie: Option<&str>,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Started, Fault> {
        let tenant = user.tenant_id;
        let cookie = self.entropy.token("")?;
        let mut session = Session {
            tenant_id: tenant,
            id: SessionId(self.entropy.uuid_v7(now)?),
            user_id: user.id,
            user_epoch: user.epoch,
            secret_hash: TokenHash::of(cookie.expose()),
            auth_time: now,
            acr: proof.acr.to_owned(),
            amr: Json(proof.amr),
            ip: caller.address.to_string(),
            user_agent: caller.user_agent.clone(),
            created_at: now,
            last_seen_at: now,
            expires_at: now.plus_seconds(self.session.max_s),
            ended_at: None,
            end_reason: None,
        };
        if let Some(former) = former_cookie.map(TokenHash::of)
            && let Some(found) =
                sessions::find_by_secret(&mut self.store.read().await?, tenant, &former, now).await?
        {
            if found.user_id == user.id {
                let renewed = Session {
                    id: found.id,
                    created_at: found.created_at,
                    expires_at: found.expires_at,
                    ..session.clone()
                };
                let mut conn = self.store.write().await?;
                if sessions::renew(&mut conn, tenant, &renewed, &former, now).await? {
                    session = renewed;
                    return Ok(Started { session, cookie });
                }
            } else {
                let event = self.event(now, EventType::SessionEnded, Outcome::Success, tenant)?;
                let event = event.by(caller).user(found.user_id);
                self.end_session(tenant, found.id, "other_user", event, now)
                    .await?;
            }
        }
        sessions::insert(&mut self.store.write().await?, &session).await?;
        Ok(Started { session, cookie })
    }

    /// Ends a session, and with it the families without `offline_access`, together with the event that says so. `false`
    /// when it had ended already.
    pub async fn end_session(
        &self,
        tenant: TenantId,
        id: SessionId,
        reason: &str,
        event: Event,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        let event = event.with("session_id", id.to_string()).with("reason", reason);
        let mut tx = self.store.begin().await?;
        if !sessions::end(&mut tx, tenant, id, reason, now).await? {
            return Ok(false);
        }
        outbox::insert(&mut tx, &event).await?;
        tx.commit().await?;
        self.audit.deliver(event).await;
        Ok(true)
    }
}

/// The claim `sid`: for every client another one, so that clients cannot tell by it that they share a user.
pub fn sid(keys: &TenantKeys, session: SessionId, client: &ClientId) -> Result<String, Fault> {
    let key = keys.purpose(Purpose::Pairwise)?;
    let mac = key.mac(&aad(&["sid", &session.to_string(), client.as_str()]));
    Ok(base64url(&mac))
}
