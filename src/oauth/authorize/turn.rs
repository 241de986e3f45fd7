//! One turn of an authorization request: from what is known now to the next page or the answer.

use super::code;
use super::decision::{Asked, Asking, Decision, Done, SignedIn, decide};
use super::endpoint::{INTERACTION, respond, see_other};
use super::hint;
use super::interaction::Interaction;
use super::once::Used;
use super::opened::{Opened, Stopped};
use super::redirect::AuthorizationResponse;
use super::request::AuthorizationRequest;
use crate::account::Current;
use crate::app::App;
use crate::fault::Fault;
use crate::keys::TenantKeys;
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oidc::claims::to_agree_to;
use crate::oidc::session_management;
use crate::protect::Exchange;
use crate::protect::cookies::Cookie;
use crate::protect::csrf::Browser;
use crate::storage::consents::{self, Consent};
use crate::storage::sessions::{self, Session};
use crate::types::{TenantId, Timestamp};
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};

/// A request and what surrounds it.
pub(super) struct Turn<'a> {
    pub(super) app: &'a App,
    pub(super) exchange: &'a Exchange,
    pub(super) tenant: TenantId,
    pub(super) keys: &'a TenantKeys,
    pub(super) opened: &'a Opened,
    pub(super) now: Timestamp,
}

impl Turn<'_> {
    pub(super) async fn take(
        &self,
        http: &HttpRequest,
        browser: Browser,
        resumed: Option<Interaction>,
    ) -> Result<HttpResponse, Stopped> {
        let (app, opened) = (self.app, self.opened);
        opened
            .refuse_weaker_way(app)
            .map_err(|error| opened.refuse(error))?;
        let request = AuthorizationRequest::read(&opened.client, &opened.parameters)
            .map_err(|error| opened.refuse(error))?;
        let wanted = hint::wanted(
            app,
            &opened.tenant.issuer,
            self.keys,
            &opened.client,
            &request,
            self.now,
        )
        .await
        .map_err(|error| opened.refuse(error))?;
        let session = self.session(http).await?;
        let subject = match (&wanted, &session) {
            (Some(wanted), Some(session)) => wanted
                .user(self.keys, &opened.client, session.user_id)
                .map(Some)
                .map_err(|fault| opened.fault(self.exchange, fault))?,
            // Without a session there is nobody to compare with yet.
            _ => None,
        };
        let done = match (&session, &resumed) {
            (Some(session), Some(interaction)) => self.done(session, interaction).await?,
            _ => Done::default(),
        };
        let to_agree_to = to_agree_to(
            &self.app.config.scope_claims,
            &request.scope,
            &request.claims,
            &opened.client.metadata.scope,
        );
        let consent = match &session {
            Some(session) => self.consent(session).await?,
            None => None,
        };
        let decision = decide(
            &Asked {
                prompt: request.prompt,
                max_age: request.max_age,
                subject,
                essential_acr: &request.essential_acr,
                scope: &to_agree_to,
            },
            Asking {
                require_consent: opened.client.metadata.require_consent,
                unverifiable: opened.client.metadata.is_public() && opened.back.redirect.is_unverifiable(),
            },
            session
                .as_ref()
                .map(|session| SignedIn::of(session, done))
                .as_ref(),
            consent.as_ref().map(|consent| &consent.scope),
            self.now,
        );
        match (decision, session) {
            (Decision::Refuse(code), _) => Err(opened.refuse(OauthError::new(code, describe(code)))),
            (Decision::Issue, Some(session)) => {
                self.issue(&request, &session, consent.as_ref(), resumed.as_ref(), done)
                    .await
            }
            (Decision::Consent, _) => self.ask("/consent", browser, resumed).await,
            (Decision::SignIn | Decision::Issue, _) => self.ask("/login", browser, resumed).await,
        }
    }

    async fn session(&self, http: &HttpRequest) -> Result<Option<Session>, Stopped> {
        let Some(cookie) = self
            .app
            .cookies
            .read(Cookie::Session, self.tenant, http.headers())
        else {
            return Ok(None);
        };
        let found = self
            .app
            .accounts
            .session(self.tenant, cookie.expose(), self.now)
            .await;
        // One that idled too long is revived by signing in.
        found
            .map(|current| current.and_then(Current::fresh))
            .map_err(|fault| self.opened.fault(self.exchange, fault))
    }

    async fn done(&self, session: &Session, interaction: &Interaction) -> Result<Done, Stopped> {
        let noted = async {
            let mut conn = self.app.store.read().await?;
            sessions::interactions(&mut conn, self.tenant, session.id, interaction.id).await
        };
        let noted = noted
            .await
            .map_err(|fault| self.opened.fault(self.exchange, fault))?;
        Ok(Done {
            signed_in: noted.contains(&sessions::Interaction::SignIn),
            consented: noted.contains(&sessions::Interaction::Consent),
        })
    }

    /// The answer; where applications may watch the session, with what they need for it (OpenID Connect Session
    /// Management §2).
    fn watched(&self, session: &Session, answer: AuthorizationResponse) -> Result<HttpResponse, Fault> {
        let app = self.app;
        if !app.config.session.management {
            return Ok(respond(self.exchange, &answer));
        }
        let browser = session_management::browser_state(self.keys, session.id)?;
        let state = session_management::session_state(
            &app.entropy,
            &self.opened.client.client_id,
            answer.redirect.uri(),
            &browser,
        )?;
        let mut response = respond(self.exchange, &answer.with_session_state(state));
        let cookie = session_management::cookie(app, session, &browser, self.now);
        response.headers_mut().append(header::SET_COOKIE, cookie);
        Ok(response)
    }

    /// Issues the code. What is good for one code is used up before and given back where there is none.
    async fn issue(
        &self,
        request: &AuthorizationRequest,
        session: &Session,
        consent: Option<&Consent>,
        resumed: Option<&Interaction>,
        done: Done,
    ) -> Result<HttpResponse, Stopped> {
        let (app, opened) = (self.app, self.opened);
        let interaction = resumed.filter(|_| done != Done::default());
        let used = Used::up(
            app,
            session,
            interaction,
            opened.origin.pushed.as_deref(),
            self.now,
        )
        .await
        .map_err(|fault| opened.fault(self.exchange, fault))?
        .ok_or_else(|| Stopped::over(self.exchange, "error-sign-in-done-advice"))?;
        match code::issue(app, self.exchange, opened, request, session, consent, self.now).await {
            Ok(answer) => {
                let watched = self.watched(session, answer);
                watched.map_err(|fault| opened.fault(self.exchange, fault))
            }
            Err(error) => {
                used.give_back(app, session).await;
                Err(match error {
                    code::NotIssued::Refused(error) => opened.refuse(error),
                    code::NotIssued::Fault(fault) => opened.fault(self.exchange, fault),
                })
            }
        }
    }

    async fn consent(&self, session: &Session) -> Result<Option<Consent>, Stopped> {
        let found = async {
            let mut conn = self.app.store.read().await?;
            consents::find(
                &mut conn,
                self.tenant,
                session.user_id,
                &self.opened.client.client_id,
            )
            .await
        };
        found
            .await
            .map_err(|fault| self.opened.fault(self.exchange, fault))
    }

    /// Sends the browser to a page that comes back here.
    async fn ask(
        &self,
        page: &str,
        browser: Browser,
        resumed: Option<Interaction>,
    ) -> Result<HttpResponse, Stopped> {
        let sealed = async {
            let interaction = match resumed {
                Some(interaction) => interaction,
                None => {
                    let parameters = self.opened.parameters.iter();
                    let parameters = parameters
                        .map(|(name, value)| (name.to_owned(), value.to_owned()))
                        .collect();
                    let origin = self.opened.origin.clone();
                    Interaction::begin(self.app, browser.hash(), parameters, origin, self.now)?
                }
            };
            interaction.seal(self.app, self.keys, self.tenant, self.now).await
        };
        let text = sealed
            .await
            .map_err(|fault| self.opened.fault(self.exchange, fault))?;
        let mut response = see_other(&format!(
            "{}{page}?{INTERACTION}={text}",
            self.opened.tenant.issuer.path()
        ));
        if let Some(cookie) = browser.new_cookie() {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Ok(response)
    }
}

impl SignedIn {
    fn of(session: &Session, done: Done) -> Self {
        Self {
            user: session.user_id,
            auth_time: session.auth_time,
            acr: session.acr.clone(),
            done,
        }
    }
}

/// What the client hears about a decision.
fn describe(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::LoginRequired => "The user has to sign in",
        ErrorCode::ConsentRequired => "The user has to consent",
        ErrorCode::InteractionRequired => {
            "The user has to be shown a page: the application cannot be recognised"
        }
        ErrorCode::UnmetAuthenticationRequirements => "The acr that claims asks for cannot be reached",
        _ => "The request was refused",
    }
}
