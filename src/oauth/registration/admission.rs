//! Who may register a client: everybody, or whoever has a token for it (RFC 7591 §3).

use crate::app::App;
use crate::audit::{Event, EventType, Outcome};
use crate::bearer;
use crate::clients::self_registration::INITIAL_TOKEN_PREFIX;
use crate::config::RegistrationMode;
use crate::oauth::request::Unserved;
use crate::protect::Exchange;
use crate::protect::address::limit_key;
use crate::storage::registration_tokens::{self, RegistrationToken};
use crate::surface::{Refusal, Refused};
use crate::types::TokenHash;
use actix_web::HttpRequest;
use actix_web::http::{StatusCode, header};
use serde_json::json;

/// The scope of an access token that registers clients.
const SCOPE: &str = "clients:write";

/// By what right a client is registered.
pub(super) enum Admission {
    /// Anybody may; the address counts.
    Open {
        /// One party: an IPv4 address, or an IPv6 network.
        address: String,
    },
    /// An initial access token that can be used.
    Token(RegistrationToken),
    /// An access token of somebody who administers clients.
    Administrator(serde_json::Value),
}

impl Admission {
    /// The event with the right that was used.
    pub(super) fn tell(&self, event: Event) -> Event {
        match self {
            Self::Open { .. } => event,
            Self::Token(token) => event.with("registration_token", token.id.to_string()),
            Self::Administrator(actor) => event.with("actor", actor.clone()),
        }
    }
}

/// The token of the request's only `Authorization` header, if that is a bearer token; `Err` for anything else in it.
pub(super) fn bearer_of(http: &HttpRequest) -> Result<Option<&str>, ()> {
    let mut headers = http.headers().get_all(header::AUTHORIZATION);
    match (headers.next(), headers.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => bearer::token_of(one.as_bytes()).map(Some).ok_or(()),
        _ => Err(()),
    }
}

/// Finds out by what right the caller registers.
pub(super) async fn admit(app: &App, exchange: &Exchange, http: &HttpRequest) -> Result<Admission, Unserved> {
    match bearer_of(http) {
        Ok(None) if exchange.tenant().registration.mode == RegistrationMode::Open => {
            exchange.stranger().await?;
            Ok(Admission::Open {
                address: limit_key(exchange.caller().address).to_string(),
            })
        }
        Ok(None) => Err(unauthenticated(exchange).into()),
        Ok(Some(token)) if token.starts_with(INITIAL_TOKEN_PREFIX) => {
            initial_token(app, exchange, token).await
        }
        Ok(Some(token)) => administrator(app, exchange, token).await,
        Err(()) => Err(invalid_token(exchange).into()),
    }
}

async fn initial_token(app: &App, exchange: &Exchange, token: &str) -> Result<Admission, Unserved> {
    exchange.may_present_secret()?;
    let (tenant, hash, now) = (exchange.tenant().id, TokenHash::of(token), exchange.now());
    let found = registration_tokens::find_usable(&mut app.store.read().await?, tenant, &hash, now).await?;
    match found {
        Some(token) => Ok(Admission::Token(token)),
        None => Err(wrong_token(app, exchange, |event| event, "registration_token").await?),
    }
}

async fn administrator(app: &App, exchange: &Exchange, token: &str) -> Result<Admission, Unserved> {
    let tenant = exchange.tenant();
    let issuer = tenant.issuer.as_str();
    let token = match bearer::verify(app, tenant, token, Some(issuer), exchange.now()).await? {
        Ok(token) => token,
        Err(reason) => {
            app.audit
                .note(denied(app, exchange, EventType::AccessDenied, reason)?);
            return Err(invalid_token(exchange).into());
        }
    };
    let user_id = token.grant.as_ref().map(|grant| grant.user_id);
    exchange.client(&token.client, user_id).await?;
    let client_id = &token.client.client_id;
    if bearer::admin_scopes(app, &token).await?.has(SCOPE) {
        return Ok(Admission::Administrator(match user_id {
            None => json!({"client_id": client_id}),
            Some(user_id) => json!({"client_id": client_id, "user_id": user_id}),
        }));
    }
    let event = denied(app, exchange, EventType::ScopeViolation, "insufficient_scope")?;
    app.audit.note(event.client(client_id).with("scope", SCOPE));
    let refusal = Refusal::new(
        StatusCode::FORBIDDEN,
        format!("The access token needs the scope {SCOPE}"),
    )
    .code("insufficient_scope")
    .header(
        header::WWW_AUTHENTICATE,
        &format!("Bearer error=\"insufficient_scope\", scope=\"{SCOPE}\""),
    );
    Err(exchange.refuse(refusal).into())
}

/// Records a token that is nobody's, and counts it against the address: whoever guesses is slowed down.
pub(super) async fn wrong_token(
    app: &App,
    exchange: &Exchange,
    about: impl FnOnce(Event) -> Event,
    reason: &'static str,
) -> Result<Unserved, Unserved> {
    let event = denied(app, exchange, EventType::AccessDenied, reason)?;
    app.audit.note(about(event));
    exchange.secret_failed().await?;
    Ok(invalid_token(exchange).into())
}

/// The record of a refusal at these endpoints.
pub(super) fn denied(
    app: &App,
    exchange: &Exchange,
    event_type: EventType,
    reason: &str,
) -> Result<Event, Unserved> {
    let event = app.event(exchange.now(), event_type, Outcome::Failure, exchange.tenant().id)?;
    Ok(event
        .by(exchange.caller())
        .with("method", "registration")
        .because(reason))
}

/// RFC 6750 §3.1: without any authentication the challenge has no error code.
pub(super) fn unauthenticated(exchange: &Exchange) -> Refused {
    let refusal = Refusal::new(
        StatusCode::UNAUTHORIZED,
        "Send the token for this as Authorization: Bearer",
    )
    .code("invalid_token")
    .header(header::WWW_AUTHENTICATE, "Bearer");
    exchange.refuse(refusal)
}

/// The same whatever is wrong with a token, and whether or not there is what it is for.
pub(super) fn invalid_token(exchange: &Exchange) -> Refused {
    let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "The token is not valid here")
        .code("invalid_token")
        .header(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"");
    exchange.refuse(refusal)
}
