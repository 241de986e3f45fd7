//! The client configuration endpoint (RFC 7592): a client reads, replaces and deletes its own registration.

use super::admission::{bearer_of, denied, invalid_token, unauthenticated, wrong_token};
use super::{answer as document, forbidden, is_offered, refused, request};
use crate::app::App;
use crate::audit::{EventType, Outcome};
use crate::clients::self_registration::{self, REGISTRATION_TOKEN_PREFIX, Terms};
use crate::clients::{NewSecret, Rules, apply, secret_matches};
use crate::fault::Fault;
use crate::oauth::answer;
use crate::oauth::error::ErrorCode;
use crate::oauth::request::Unserved;
use crate::protect::Exchange;
use crate::storage::clients::{self, Client};
use crate::types::{ClientId, Secret, TokenHash};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value};

/// How often a change is begun anew when another one came in between.
const ATTEMPTS: usize = 3;

/// RFC 7592 §2.2: "The updated client metadata fields request MUST NOT include the "registration_access_token",
/// "registration_client_uri", "client_secret_expires_at", or "client_id_issued_at" fields".
const FORBIDDEN: [&str; 4] = [
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
];

/// `GET` (§2.1).
pub(super) async fn get(app: web::Data<App>, exchange: Exchange, http: HttpRequest) -> HttpResponse {
    let served = async {
        let (client, token) = authenticate(&app, &exchange, &http).await?;
        let issuer = &exchange.tenant().issuer;
        Ok::<_, Unserved>(document::document(&app, issuer, &client, None, token.expose())?)
    };
    finish(&exchange, served.await)
}

/// `PUT` (§2.2).
pub(super) async fn put(
    app: web::Data<App>,
    exchange: Exchange,
    http: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    finish(&exchange, replace(&app, &exchange, &http, payload).await)
}

/// `DELETE` (§2.3): "the authorization server SHOULD immediately invalidate all existing authorization grants and
/// currently active access tokens, all refresh tokens, and other tokens associated with this client".
pub(super) async fn delete(app: web::Data<App>, exchange: Exchange, http: HttpRequest) -> HttpResponse {
    match remove(&app, &exchange, &http).await {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(unserved) => answer::unserved(&exchange, unserved),
    }
}

fn finish(exchange: &Exchange, served: Result<Map<String, Value>, Unserved>) -> HttpResponse {
    match served {
        Ok(document) => HttpResponse::Ok()
            .insert_header((actix_web::http::header::PRAGMA, "no-cache"))
            .json(document),
        Err(unserved) => answer::unserved(exchange, unserved),
    }
}

/// The client in the path, if the token is its registration access token. §2.1 and §2.2: "If the client does not exist on
/// this server, the server MUST respond with HTTP 401 Unauthorized": the same as for a wrong token. A disabled client is
/// refused like an unknown one.
async fn authenticate(
    app: &App,
    exchange: &Exchange,
    http: &HttpRequest,
) -> Result<(Client, Secret), Unserved> {
    is_offered(exchange)?;
    let tenant = exchange.tenant().id;
    let token = match bearer_of(http) {
        Ok(Some(token)) => token,
        Ok(None) => return Err(unauthenticated(exchange).into()),
        Err(()) => return Err(invalid_token(exchange).into()),
    };
    exchange.may_present_secret()?;
    let named = ClientId::parse(http.match_info().get("client_id").unwrap_or_default()).ok();
    let found = match &named {
        Some(client_id) => clients::find(&mut app.store.read().await?, tenant, client_id).await?,
        None => None,
    };
    let (presented, nobodys) = (TokenHash::of(token), TokenHash::of(""));
    let stored = found
        .as_ref()
        .and_then(|client| client.registration_token_hash.as_ref());
    let is_own =
        stored.unwrap_or(&nobodys).matches(&presented) && token.starts_with(REGISTRATION_TOKEN_PREFIX);
    match found.filter(|client| is_own && client.enabled) {
        Some(client) => {
            exchange.allow_origins(client.metadata.cors_origins());
            exchange.client(&client, None).await?;
            Ok((client, Secret::new(token.to_owned())))
        }
        None => {
            let about = |event: crate::audit::Event| match &named {
                Some(client_id) => event.client(client_id),
                None => event,
            };
            Err(wrong_token(app, exchange, about, "registration_access_token").await?)
        }
    }
}

async fn replace(
    app: &App,
    exchange: &Exchange,
    http: &HttpRequest,
    payload: web::Payload,
) -> Result<Map<String, Value>, Unserved> {
    let (mut client, token) = authenticate(app, exchange, http).await?;
    let asked = request::read(exchange, payload).await?;
    let (now, issuer) = (exchange.now(), &exchange.tenant().issuer);
    for _ in 0..ATTEMPTS {
        may_manage(app, exchange, &client)?;
        identifies_itself(exchange, &client, &asked)?;
        let rules = Rules::of(&app.config, issuer);
        let terms = Terms::to_keep(&exchange.tenant().registration, &client);
        let metadata = self_registration::replaced(&client.metadata, asked.clone(), &terms, &rules)?
            .map_err(|found| request::invalid(&found))?;
        let event = app
            .event(now, EventType::ClientUpdated, Outcome::Success, client.tenant_id)?
            .by(exchange.caller())
            .with("method", "registration");
        let checked = app
            .registrar
            .check_sector(Some(&client.metadata), &metadata, &event);
        checked.await.map_err(request::unregistered)?;
        let enabled = client.enabled;
        let mut changes = apply(&mut client, metadata, enabled)?;
        // A client that comes to a method with a secret gets one.
        let needs_secret = client.metadata.has_secret() && client.secret_hash.is_none();
        let new = needs_secret.then(|| NewSecret::make(&app.entropy)).transpose()?;
        if let Some(new) = &new {
            client.secret_hash = Some(new.hash.clone());
            changes.insert("client_secret".to_owned(), "changed".into());
        }
        let secret = new.as_ref().map(|new| &new.secret);
        if changes.is_empty() {
            return Ok(document::document(app, issuer, &client, secret, token.expose())?);
        }
        let event = event.with("changes", changes);
        if app
            .registrar
            .update(&mut client, false, event, now)
            .await
            .map_err(request::unregistered)?
        {
            return Ok(document::document(app, issuer, &client, secret, token.expose())?);
        }
        client = authenticate(app, exchange, http).await?.0;
    }
    Err(busy())
}

async fn remove(app: &App, exchange: &Exchange, http: &HttpRequest) -> Result<(), Unserved> {
    for _ in 0..ATTEMPTS {
        let (client, _) = authenticate(app, exchange, http).await?;
        may_manage(app, exchange, &client)?;
        let event = app
            .event(
                exchange.now(),
                EventType::ClientDeleted,
                Outcome::Success,
                client.tenant_id,
            )?
            .by(exchange.caller())
            .with("method", "registration");
        if app.registrar.remove(&client, event, exchange.now()).await? {
            return Ok(());
        }
    }
    Err(busy())
}

/// A client that an administrator has given admin scopes is changed only by who has them. §2.2: "If the client does not
/// have permission to update its record, the server MUST respond with an HTTP 403 Forbidden".
fn may_manage(app: &App, exchange: &Exchange, client: &Client) -> Result<(), Unserved> {
    if client.metadata.scope.admin().is_empty() {
        return Ok(());
    }
    let event = denied(app, exchange, EventType::AccessDenied, "admin_scope_lacking")?;
    app.audit.note(event.client(&client.client_id));
    Err(forbidden(
        exchange,
        "The client has admin scopes: only an administrator changes or deletes it",
    ))
}

/// §2.2: "The client MUST include its "client_id" field in the request, and it MUST be the same as its currently issued
/// client identifier. If the client includes the "client_secret" field in the request, the value of this field MUST
/// match the currently issued client secret for that client."
fn identifies_itself(
    exchange: &Exchange,
    client: &Client,
    asked: &Map<String, Value>,
) -> Result<(), Unserved> {
    let wrong = |description: &'static str| Err(refused(ErrorCode::InvalidClientMetadata, description));
    if asked.get("client_id").and_then(Value::as_str) != Some(client.client_id.as_str()) {
        return wrong("client_id must be the client's own (RFC 7592 section 2.2)");
    }
    if FORBIDDEN.iter().any(|name| asked.contains_key(*name)) {
        return wrong(
            "registration_access_token, registration_client_uri, client_secret_expires_at and client_id_issued_at \
             must not be sent (RFC 7592 section 2.2)",
        );
    }
    let is_own = |secret: &Value| {
        let presented = Secret::new(secret.as_str().unwrap_or_default().to_owned());
        secret_matches(Some(client), &presented, exchange.now())
    };
    match asked.get("client_secret").filter(|secret| !secret.is_null()) {
        Some(secret) if !is_own(secret) => wrong(
            "client_secret must be the present one: a client cannot choose its secret (RFC 7592 section 2.2)",
        ),
        _ => Ok(()),
    }
}

fn busy() -> Unserved {
    Fault::unavailable("a client was changed by others at every attempt").into()
}
