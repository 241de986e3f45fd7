//! `/oauth2/authorize`: fetches what [`decide`] needs and carries out its answer.

use super::decision::{Asked, Asking, Decision, Done, SignedIn, decide};
use super::hint;
use super::interaction::Interaction;
use super::redirect::{AuthorizationResponse, ResponseMode};
use super::request::{AuthorizationRequest, ReturnPath};
use super::{PATH, code};
use crate::account::Current;
use crate::app::App;
use crate::fault::Fault;
use crate::keys::TenantKeys;
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::parameters::REPEATABLE;
use crate::oidc::claims::to_agree_to;
use crate::page::{self, Advice, Text};
use crate::protect::Exchange;
use crate::protect::body::{Form, FormBody};
use crate::protect::cookies::Cookie;
use crate::protect::csrf::Browser;
use crate::storage::clients::Client;
use crate::storage::consents::{self, Consent};
use crate::storage::sessions::{self, Session};
use crate::surface::{Refusal, Refused};
use crate::tenants::Tenant;
use crate::types::{ClientId, TenantId, Timestamp};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, ResponseError as _, web};
use std::sync::Arc;
use url::form_urlencoded;

/// The query parameter that stands for a request under way.
pub const INTERACTION: &str = "interaction";
/// Longest query that a POST is turned into.
const MAX_QUERY: usize = 16 * 1024;

/// A request whose client and redirect URI are known.
pub struct Opened {
    /// At which tenant.
    pub tenant: Arc<Tenant>,
    /// The client.
    pub client: Arc<Client>,
    /// Where answers go.
    pub back: ReturnPath,
    /// The request as it came.
    pub parameters: Form,
}

/// Why a request got no further.
pub enum Stopped {
    /// Shown to the person; nothing is redirected.
    Page(Refused),
    /// Told to the client.
    Answer(Box<AuthorizationResponse>),
}

impl Stopped {
    /// The application made a mistake: which one, is for its developers.
    fn page(exchange: &Exchange, detail: &'static str) -> Self {
        let refusal = Refusal::new(StatusCode::BAD_REQUEST, detail);
        Self::Page(exchange.refuse(refusal.explained(advice("error-sign-in-advice"))))
    }

    /// Nobody made a mistake, but this sign-in is over.
    fn over(exchange: &Exchange, key: &'static str) -> Self {
        let refusal = Refusal::new(StatusCode::BAD_REQUEST, "This sign-in is over.");
        Self::Page(exchange.refuse(refusal.told(advice(key))))
    }

    fn fault(exchange: &Exchange, fault: &Fault) -> Self {
        Self::Page(exchange.fault(fault))
    }

    /// The response.
    pub fn respond(self, exchange: &Exchange) -> HttpResponse {
        match self {
            Self::Page(refused) => refused.error_response(),
            Self::Answer(answer) => respond(exchange, &answer),
        }
    }
}

fn advice(detail: &'static str) -> Advice {
    Advice {
        title: Text::new("error-sign-in-title"),
        detail: Text::new(detail),
    }
}

/// `POST /oauth2/authorize` (OIDC Core §3.1.2.1): becomes a GET before the session is looked at, since a form that
/// another site posts carries no `SameSite=Lax` cookie.
pub async fn post(exchange: Exchange, form: FormBody) -> HttpResponse {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(form.0.iter());
    let query = query.finish();
    if query.len() > MAX_QUERY {
        let detail = "The request of the application is too long.";
        return Stopped::page(&exchange, detail).into_page();
    }
    let base = exchange.tenant().issuer.path();
    see_other(&format!("{base}{PATH}?{query}"))
}

impl Stopped {
    fn into_page(self) -> HttpResponse {
        match self {
            Self::Page(refused) => refused.error_response(),
            Self::Answer(_) => HttpResponse::InternalServerError().finish(),
        }
    }
}

/// `GET /oauth2/authorize`.
pub async fn get(app: web::Data<App>, exchange: Exchange, http: HttpRequest) -> HttpResponse {
    match serve(&app, &exchange, &http).await {
        Ok(response) => response,
        Err(stopped) => stopped.respond(&exchange),
    }
}

async fn serve(app: &App, exchange: &Exchange, http: &HttpRequest) -> Result<HttpResponse, Stopped> {
    let tenant = exchange.tenant().id;
    let now = exchange.now();
    let fault = |fault: Fault| Stopped::fault(exchange, &fault);
    let query = Form::of_query(http).map_err(|refusal| Stopped::Page(exchange.refuse(refusal)))?;
    let keys = app.keys.of(tenant).await.map_err(fault)?;
    if app.cookies.may_be_missing(http.headers()) {
        // SameSite=Strict: this hit came from another site without its cookies; the next one is this site's own.
        return Ok(page::go_on(exchange.layout(), &exchange.target(http)));
    }
    let browser = Browser::of(app.cookies, &app.entropy, tenant, http.headers()).map_err(fault)?;
    let resumed = match query.get(INTERACTION) {
        Some(text) => {
            let opened = Interaction::open(app, &keys, tenant, text, browser.hash(), now)
                .await
                .map_err(fault)?;
            // The page cannot say more: the request itself is what could not be read.
            Some(opened.ok_or_else(|| Stopped::over(exchange, "error-sign-in-expired-advice"))?)
        }
        None => None,
    };
    let parameters = resumed
        .as_ref()
        .map_or(query, |interaction| Form::from(interaction.parameters.clone()));
    let opened = open(app, exchange, parameters).await?;
    let turn = Turn {
        app,
        exchange,
        tenant,
        keys: &keys,
        opened: &opened,
        now,
    };
    turn.take(http, browser, resumed).await
}

/// Finds client and redirect URI. Until both are known nothing may be redirected (RFC 6749 §4.1.2.1).
pub async fn open(app: &App, exchange: &Exchange, form: Form) -> Result<Opened, Stopped> {
    exchange.wish_for_languages(form.get("ui_locales"));
    // Where the two that decide the return path came once, the client can be told of any other that came twice.
    let (parameters, repeated) = match form.clone().without_repeats(&REPEATABLE) {
        Ok(parameters) => (parameters, None),
        Err(refusal) => {
            let once = |name: &str| form.iter().filter(|(own, _)| *own == name).count() <= 1;
            if !once("client_id") || !once("redirect_uri") {
                return Err(Stopped::page(
                    exchange,
                    "The request of the application names a parameter twice.",
                ));
            }
            (
                form,
                Some(OauthError::invalid_request(refusal.detail().to_owned())),
            )
        }
    };
    let client_id = parameters
        .get("client_id")
        .and_then(|text| ClientId::parse(text).ok());
    let client = match client_id {
        Some(client_id) => app
            .clients
            .find_enabled(exchange.tenant().id, &client_id)
            .await
            .map_err(|fault| Stopped::fault(exchange, &fault))?,
        None => None,
    };
    let Some(client) = client else {
        return Err(Stopped::page(
            exchange,
            "The application that sent you here is not registered: its client_id is missing or unknown.",
        ));
    };
    let back = ReturnPath::of(&client, &parameters).map_err(|detail| Stopped::page(exchange, detail))?;
    let opened = Opened {
        tenant: Arc::clone(exchange.tenant()),
        client,
        back,
        parameters,
    };
    match repeated {
        None => Ok(opened),
        Some(error) => Err(opened.refuse(error)),
    }
}

impl Opened {
    /// An error for the client.
    pub fn refuse(&self, error: OauthError) -> Stopped {
        let ReturnPath {
            redirect,
            mode,
            state,
        } = self.back.clone();
        let answer =
            AuthorizationResponse::error(redirect, mode, &error, state.as_deref(), &self.tenant.issuer);
        Stopped::Answer(Box::new(answer))
    }

    /// Our own fault, told to the client as far as it concerns it (RFC 6749 §4.1.2.1) and logged.
    fn fault(&self, exchange: &Exchange, fault: Fault) -> Stopped {
        let error = OauthError::from(fault);
        if let Some(fault) = error.fault() {
            tracing::error!(request_id = %exchange.request_id(), "an authorization request failed: {fault}");
        }
        self.refuse(error)
    }
}

/// One turn of a request: from what is known now to the next page or the answer.
struct Turn<'a> {
    app: &'a App,
    exchange: &'a Exchange,
    tenant: TenantId,
    keys: &'a TenantKeys,
    opened: &'a Opened,
    now: Timestamp,
}

impl Turn<'_> {
    async fn take(
        &self,
        http: &HttpRequest,
        browser: Browser,
        resumed: Option<Interaction>,
    ) -> Result<HttpResponse, Stopped> {
        let (app, opened) = (self.app, self.opened);
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
        let to_agree_to = to_agree_to(&request.scope, &request.claims, &opened.client.metadata.scope);
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
                if let Some(interaction) = &resumed {
                    self.use_up(&session, interaction, done).await?;
                }
                let issued = code::issue(
                    app,
                    self.exchange,
                    opened,
                    &request,
                    &session,
                    consent.as_ref(),
                    self.now,
                );
                let answer = issued.await.map_err(|error| match error {
                    code::NotIssued::Refused(error) => opened.refuse(error),
                    code::NotIssued::Fault(fault) => opened.fault(self.exchange, fault),
                })?;
                Ok(respond(self.exchange, &answer))
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

    /// What was done for a request counts once: of two that come with it at once, one goes on.
    async fn use_up(&self, session: &Session, interaction: &Interaction, done: Done) -> Result<(), Stopped> {
        if done == Done::default() {
            return Ok(());
        }
        let used = async {
            let mut conn = self.app.store.write().await?;
            sessions::use_interactions(&mut conn, self.tenant, session.id, interaction.id).await
        };
        match used.await {
            Ok(0) => Err(Stopped::over(self.exchange, "error-sign-in-done-advice")),
            Ok(_) => Ok(()),
            Err(fault) => Err(self.opened.fault(self.exchange, fault)),
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
                    Interaction::begin(self.app, browser.hash(), parameters, self.now)?
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

/// Sends an answer to the client: a redirect (RFC 9700 §4.12: 303, so that no form data follows), or the form of
/// `form_post`.
pub fn respond(exchange: &Exchange, answer: &AuthorizationResponse) -> HttpResponse {
    match answer.mode {
        ResponseMode::Query => see_other(&answer.location()),
        ResponseMode::FormPost => page::form_post(
            exchange.layout(),
            answer.redirect.uri(),
            &answer.redirect.form_action(),
            answer.parameters(),
        ),
    }
}

fn see_other(location: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, location))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}
