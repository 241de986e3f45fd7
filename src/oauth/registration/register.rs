//! `POST /oauth2/register` (RFC 7591 §3).

use super::admission::{self, Admission};
use super::{answer as document, forbidden, is_offered, request};
use crate::app::App;
use crate::audit::{Event, EventType, Outcome};
use crate::clients::Rules;
use crate::clients::self_registration::{self, REGISTRATION_TOKEN_PREFIX, Terms};
use crate::fault::Fault;
use crate::oauth::answer;
use crate::oauth::request::Unserved;
use crate::protect::Exchange;
use crate::storage::clients::Client;
use crate::storage::{Tx, registered_clients, registration_tokens, tenants};
use crate::types::{TenantId, TokenHash};
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value};
use sqlx::types::Json;

/// What part of the tenant's clients one address may have registered without a token: otherwise one caller could keep
/// everybody else from registering.
const SHARE_OF_ADDRESS: i64 = 10;

/// Registers a client.
pub(super) async fn post(
    app: web::Data<App>,
    exchange: Exchange,
    http: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    match register(&app, &exchange, &http, payload).await {
        Ok((location, document)) => HttpResponse::Created()
            .insert_header((header::LOCATION, location))
            .insert_header((header::PRAGMA, "no-cache"))
            .json(document),
        Err(unserved) => answer::unserved(&exchange, unserved),
    }
}

async fn register(
    app: &App,
    exchange: &Exchange,
    http: &HttpRequest,
    payload: web::Payload,
) -> Result<(String, Map<String, Value>), Unserved> {
    is_offered(exchange)?;
    let (tenant, issuer, now) = (exchange.tenant().id, &exchange.tenant().issuer, exchange.now());
    let admission = admission::admit(app, exchange, http).await?;
    let asked = request::read(exchange, payload).await?;
    let bounds = match &admission {
        Admission::Token(token) => Some(token.bounds.0.clone()),
        _ => None,
    };
    let config = &exchange.tenant().registration;
    let terms = Terms::of(config, bounds.as_ref());
    let rules = Rules::of(&app.config, issuer);
    let metadata =
        self_registration::new(asked, &terms, config, &rules)?.map_err(|found| request::invalid(&found))?;

    let client_id = crate::clients::document::identifier(None, &app.entropy)?
        .map_err(|violation| request::invalid(&[violation]))?;
    let mut made = app.registrar.make(tenant, client_id, metadata, now)?;
    let token = app.entropy.token(REGISTRATION_TOKEN_PREFIX)?;
    made.client.registration_token_hash = Some(TokenHash::of(token.expose()));
    made.client.registration_bounds = bounds.map(Json);
    made.client.last_used_at = Some(now);
    match &admission {
        Admission::Open { address } => made.client.registered_from = Some(address.clone()),
        Admission::Token(token) => made.client.registered_with = Some(token.id),
        Admission::Administrator(_) => {}
    }
    let event = app
        .event(now, EventType::ClientCreated, Outcome::Success, tenant)?
        .by(exchange.caller())
        .with("method", "registration");
    let event = admission.tell(event);
    let checked = app.registrar.check_sector(None, &made.client.metadata, &event);
    checked.await.map_err(request::unregistered)?;
    insert(app, exchange, &admission, &made.client, event).await?;
    let location = document::configuration_uri(issuer, &made.client);
    let document = document::document(app, issuer, &made.client, made.secret.as_ref(), token.expose())?;
    Ok((location, document))
}

/// Writes the client, if there is room for it, together with the use of the token.
async fn insert(
    app: &App,
    exchange: &Exchange,
    admission: &Admission,
    client: &Client,
    event: Event,
) -> Result<(), Unserved> {
    let (tenant, now) = (client.tenant_id, exchange.now());
    let mut tx = app.store.begin().await?;
    tenants::take_turn(&mut tx, tenant).await?;
    let max = exchange.tenant().registration.max_clients;
    if !has_room(&mut tx, admission, tenant, max).await? {
        drop(tx);
        let event = admission::denied(app, exchange, EventType::AccessDenied, "registration_quota")?;
        app.audit.note(admission.tell(event));
        return Err(forbidden(
            exchange,
            "No more clients can be registered here at present; ask the operator of this server",
        ));
    }
    if let Admission::Token(token) = admission
        && !registration_tokens::count_use(&mut tx, tenant, token.id, now).await?
    {
        return Err(admission::invalid_token(exchange).into());
    }
    let inserted = app.registrar.insert(tx, client, event).await;
    inserted.map_err(request::unregistered)
}

/// Whether the tenant, which may have `max`, has room for one more, and the address too where it has no other right than being one.
async fn has_room(tx: &mut Tx, admission: &Admission, tenant: TenantId, max: i64) -> Result<bool, Fault> {
    let address = match admission {
        Admission::Open { address } => address.as_str(),
        _ => "",
    };
    let (all, own) = registered_clients::count(tx, tenant, address).await?;
    Ok(all < max && own < (max / SHARE_OF_ADDRESS).max(1))
}
