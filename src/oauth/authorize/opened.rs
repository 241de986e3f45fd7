//! A request on its arrival: its client, its parameters – in the query, in a request object (RFC 9101) or pushed before
//! (RFC 9126) – and where answers go.

use super::endpoint::respond;
use super::interaction::{Interaction, Origin};
use super::redirect::AuthorizationResponse;
use super::request::ReturnPath;
use super::{object, pushed};
use crate::app::App;
use crate::clients::Unfetched;
use crate::fault::Fault;
use crate::keys::TenantKeys;
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::parameters::REPEATABLE;
use crate::page::{Advice, Text};
use crate::protect::Exchange;
use crate::protect::body::Form;
use crate::storage::clients::Client;
use crate::surface::{Refusal, Refused};
use crate::tenants::Tenant;
use crate::types::{ClientId, TokenHash};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError as _};
use std::borrow::Cow;
use std::sync::Arc;

/// A request whose client and redirect URI are known.
pub struct Opened {
    /// At which tenant.
    pub tenant: Arc<Tenant>,
    /// The client.
    pub client: Arc<Client>,
    /// Where answers go.
    pub back: ReturnPath,
    /// The request's own parameters, wherever they came from.
    pub parameters: Form,
    /// Where they came from.
    pub origin: Origin,
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
    pub(super) fn page(exchange: &Exchange, detail: impl Into<Cow<'static, str>>) -> Self {
        let refusal = Refusal::new(StatusCode::BAD_REQUEST, detail);
        Self::Page(exchange.refuse(refusal.explained(advice("error-sign-in-advice"))))
    }

    /// Nobody knows the application.
    pub(super) fn unknown_client(exchange: &Exchange) -> Self {
        Self::page(
            exchange,
            "The application that sent you here is not registered: its client_id is missing or unknown.",
        )
    }

    /// Nobody made a mistake, but this sign-in is over.
    pub(super) fn over(exchange: &Exchange, key: &'static str) -> Self {
        let refusal = Refusal::new(StatusCode::BAD_REQUEST, "This sign-in is over.");
        Self::Page(exchange.refuse(refusal.told(advice(key))))
    }

    pub(super) fn fault(exchange: &Exchange, fault: &Fault) -> Self {
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

/// Opens the request that a browser brings. Until client and redirect URI are known nothing may be redirected
/// (RFC 6749 §4.1.2.1).
pub async fn open(
    app: &App,
    exchange: &Exchange,
    keys: &TenantKeys,
    browser: &TokenHash,
    query: Form,
) -> Result<Opened, Stopped> {
    exchange.wish_for_languages(query.get("ui_locales"));
    // Where the two that decide the return path came once, the client can be told of any other that came twice.
    let (query, repeated) = match query.clone().without_repeats(&REPEATABLE) {
        Ok(query) => (query, None),
        Err(refusal) => {
            let once = |name: &str| query.iter().filter(|(own, _)| *own == name).count() <= 1;
            if !once("client_id") || !once("redirect_uri") {
                return Err(Stopped::page(
                    exchange,
                    "The request of the application names a parameter twice.",
                ));
            }
            let error = OauthError::invalid_request(refusal.detail().to_owned());
            (query, Some(error))
        }
    };
    let arrival = Arrival {
        app,
        exchange,
        client: client_of(app, exchange, &query).await?,
        query,
    };
    match repeated {
        None => arrival.open(keys, browser).await,
        Some(error) => Err(arrival.refuse(error)),
    }
}

/// Opens a request under way again: what was verified stays so, what is registered may have changed.
pub async fn reopen(app: &App, exchange: &Exchange, interaction: &Interaction) -> Result<Opened, Stopped> {
    let parameters = Form::from(interaction.parameters.clone());
    let client = client_of(app, exchange, &parameters).await?;
    exchange.wish_for_languages(parameters.get("ui_locales"));
    Opened::of(exchange, client, parameters, interaction.origin.clone())
}

async fn client_of(app: &App, exchange: &Exchange, parameters: &Form) -> Result<Arc<Client>, Stopped> {
    let client_id = parameters
        .get("client_id")
        .and_then(|text| ClientId::parse(text).ok());
    let found = match client_id {
        Some(client_id) => app
            .clients
            .find_enabled(exchange.tenant().id, &client_id)
            .await
            .map_err(|fault| Stopped::fault(exchange, &fault))?,
        None => None,
    };
    found.ok_or_else(|| Stopped::unknown_client(exchange))
}

impl Opened {
    fn of(
        exchange: &Exchange,
        client: Arc<Client>,
        parameters: Form,
        origin: Origin,
    ) -> Result<Self, Stopped> {
        let back = ReturnPath::of(&client, &parameters).map_err(|detail| Stopped::page(exchange, detail))?;
        Ok(Self {
            tenant: Arc::clone(exchange.tenant()),
            client,
            back,
            parameters,
            origin,
        })
    }

    /// An error for the client.
    pub fn refuse(&self, error: OauthError) -> Stopped {
        answer(&self.tenant, self.back.clone(), &error)
    }

    /// Our own fault, told to the client as far as it concerns it (RFC 6749 §4.1.2.1) and logged.
    pub(super) fn fault(&self, exchange: &Exchange, fault: Fault) -> Stopped {
        let error = OauthError::from(fault);
        log(exchange, &error);
        self.refuse(error)
    }

    /// Whether the client may ask in the way in which it asked.
    pub(super) fn refuse_weaker_way(&self, app: &App) -> Result<(), OauthError> {
        if self.origin.pushed.is_none() {
            refuse_unpushed(app, &self.client)?;
        }
        refuse_unsigned(&self.client, self.origin.signed)
    }
}

fn answer(tenant: &Tenant, back: ReturnPath, error: &OauthError) -> Stopped {
    let ReturnPath {
        redirect,
        mode,
        state,
    } = back;
    let answer = AuthorizationResponse::error(redirect, mode, error, state.as_deref(), &tenant.issuer);
    Stopped::Answer(Box::new(answer))
}

fn log(exchange: &Exchange, error: &OauthError) {
    if let Some(fault) = error.fault() {
        tracing::error!(request_id = %exchange.request_id(), "an authorization request failed: {fault}");
    }
}

/// What came with the browser, and whose it says it is.
struct Arrival<'a> {
    app: &'a App,
    exchange: &'a Exchange,
    client: Arc<Client>,
    query: Form,
}

impl Arrival<'_> {
    async fn open(self, keys: &TenantKeys, browser: &TokenHash) -> Result<Opened, Stopped> {
        if let Some(detail) = self.query.too_long() {
            return Err(self.refuse(OauthError::invalid_request(detail)));
        }
        let (object, uri) = (self.query.get("request"), self.query.get("request_uri"));
        // RFC 9101 §5: "the request and request_uri parameters MUST NOT be used together".
        if object.is_some() && uri.is_some() {
            return Err(self.refuse(OauthError::invalid_request(
                "request and request_uri exclude each other",
            )));
        }
        if let Some(uri) = uri.filter(|uri| uri.starts_with(pushed::PREFIX)) {
            return self.pushed(keys, browser, uri).await;
        }
        // Before anything is fetched for it.
        refuse_unpushed(self.app, &self.client).map_err(|error| self.refuse(error))?;
        let (parameters, signed) = match (object, uri) {
            (Some(object), _) => (self.signed(object).await?, true),
            (None, Some(uri)) => (self.signed(&self.fetched(uri).await?).await?, true),
            (None, None) => (self.query, false),
        };
        let origin = Origin { pushed: None, signed };
        self.exchange.wish_for_languages(parameters.get("ui_locales"));
        Opened::of(self.exchange, self.client, parameters, origin)
    }

    /// RFC 9126 §4. The query's other parameters count for nothing.
    async fn pushed(&self, keys: &TenantKeys, browser: &TokenHash, uri: &str) -> Result<Opened, Stopped> {
        let now = self.exchange.now();
        let found = pushed::open(self.app, keys, &self.client, uri, browser, now)
            .await
            .map_err(|fault| Stopped::fault(self.exchange, &fault))?;
        let Some(request) = found else {
            let detail =
                "The request_uri has expired, was completed, or is not this client's (invalid_request_uri).";
            let refusal = Refusal::new(StatusCode::BAD_REQUEST, detail);
            let refusal = refusal.explained(advice("error-sign-in-expired-advice"));
            return Err(Stopped::Page(self.exchange.refuse(refusal)));
        };
        let origin = Origin {
            pushed: Some(uri.to_owned()),
            signed: request.signed,
        };
        let parameters = Form::from(request.parameters);
        self.exchange.wish_for_languages(parameters.get("ui_locales"));
        Opened::of(self.exchange, Arc::clone(&self.client), parameters, origin)
    }

    /// The parameters of a request object. RFC 9101 §6.3: "The authorization server MUST only use the parameters in the
    /// Request Object, even if the same parameter is provided in the query parameter."
    async fn signed(&self, object: &str) -> Result<Form, Stopped> {
        let verified = object::verify(
            self.app,
            self.exchange,
            &self.client,
            &self.exchange.tenant().issuer,
            object,
        );
        let parameters = verified.await.map_err(|error| self.refuse(error))?;
        // OpenID Connect Core §6.1: response_type has to be outside too, and the two "MUST match". OAuth lets it be left out.
        let differs = |name: &str| {
            let (outside, inside) = (self.query.get(name), parameters.get(name));
            outside.is_some() && inside.is_some() && outside != inside
        };
        if differs("response_type") {
            return Err(self.refuse(OauthError::invalid_request(
                "response_type is not the one of the request object",
            )));
        }
        Ok(parameters)
    }

    /// The object behind a registered address (RFC 9101 §5.2). Others are not fetched: §10.4 names what that would open.
    async fn fetched(&self, uri: &str) -> Result<Arc<str>, Stopped> {
        let refuse = |why| Err(self.refuse(OauthError::new(ErrorCode::InvalidRequestUri, why)));
        // One that is registered without a fragment is registered with any.
        let document = uri.split('#').next().unwrap_or(uri);
        let registered = &self.client.metadata.request_uris;
        if !registered.iter().any(|own| own == uri || own == document) {
            return refuse("The request_uri is not one of those that the client has registered");
        }
        match self.app.request_objects.fetch(uri).await {
            Ok(object) => Ok(object),
            Err(Unfetched::Failed) => refuse("There is no request object to be had at the request_uri"),
            Err(Unfetched::Busy) => Err(self.refuse(OauthError::new(
                ErrorCode::TemporarilyUnavailable,
                "Too many request objects are being fetched. Try again later",
            ))),
            Err(Unfetched::Forbidden) => {
                object::note_forbidden(self.app, self.exchange, &self.client, "request_uris")
                    .map_err(|fault| Stopped::fault(self.exchange, &fault))?;
                refuse("The request_uri leads to where this server does not go")
            }
        }
    }

    /// An error before the request's own parameters are known: the query may name a registered redirect URI too. What an
    /// object that was not verified says does not count.
    fn refuse(&self, error: OauthError) -> Stopped {
        log(self.exchange, &error);
        match ReturnPath::of(&self.client, &self.query) {
            Ok(back) => answer(self.exchange.tenant(), back, &error),
            Err(_) => Stopped::page(
                self.exchange,
                format!("{} ({}).", error.description(), error.code().as_str()),
            ),
        }
    }
}

/// RFC 9126 §4: where pushing is the rule, "the authorization server will refuse, using the invalid_request error code, to
/// process any request to the authorization endpoint that does not have a request_uri parameter with a value obtained from
/// the PAR endpoint".
fn refuse_unpushed(app: &App, client: &Client) -> Result<(), OauthError> {
    if app.config.par.required || client.metadata.require_pushed_authorization_requests {
        return Err(OauthError::invalid_request(
            "This client has to push its authorization requests (RFC 9126)",
        ));
    }
    Ok(())
}

/// RFC 9101 §10.5: "the server MUST reject the authorization request from the client that does not conform to this
/// specification".
pub fn refuse_unsigned(client: &Client, signed: bool) -> Result<(), OauthError> {
    if client.metadata.require_signed_request_object && !signed {
        return Err(OauthError::invalid_request(
            "This client has to sign its authorization requests (RFC 9101)",
        ));
    }
    Ok(())
}
