//! `/admin/v1/registration-tokens`: initial access tokens (RFC 7591 §1.2), with which clients are registered.

use super::call::{Actor, Answer, Call, Stop};
use super::operation::{CURSOR, LIMIT, Operation, Verb};
use super::{page, problem, schema, version};
use crate::app::App;
use crate::audit::{Event, EventType};
use crate::clients::Unregistered;
use crate::clients::self_registration::INITIAL_TOKEN_PREFIX;
use crate::fault::Fault;
use crate::protect::routes::Routes;
use crate::storage::outbox;
use crate::storage::registration_tokens::{self, RegistrationBounds, RegistrationToken};
use crate::types::{
    GrantType, RegistrationTokenId, ScopeSet, Secret, TenantId, Timestamp, TokenHash, Violation,
};
use actix_web::HttpResponse;
use actix_web::http::header;
use serde_json::{Map, Value};
use sqlx::types::Json;

/// The list and the place of creation.
const PATH: &str = "/admin/v1/registration-tokens";
/// Life where nothing is said: a day.
const DEFAULT_LIFE_S: i64 = 86_400;
/// The shortest and the longest life: a minute, a year.
const LIFE_S: std::ops::RangeInclusive<i64> = 60..=31_536_000;

/// What all operations of this resource share.
const BASE: Operation = Operation {
    id: "",
    method: Verb::Get,
    path: "/admin/v1/registration-tokens/{id}",
    tag: "Registration",
    summary: "",
    description: "",
    scope: "registration:read",
    body: None,
    parameters: &[],
    success: 200,
    answer: None,
    versioned: false,
    refusals: &[404],
};

const LIST: Operation = Operation {
    id: "listRegistrationTokens",
    path: PATH,
    summary: "List initial access tokens that have not expired, newest first",
    parameters: &[LIMIT, CURSOR],
    answer: Some("RegistrationTokenList"),
    refusals: &[],
    ..BASE
};

const CREATE: Operation = Operation {
    id: "createRegistrationToken",
    method: Verb::Post,
    path: PATH,
    summary: "Make an initial access token",
    description: "The answer alone holds the token, with which POST /oauth2/register registers clients.",
    scope: "registration:write",
    body: Some("RegistrationTokenCreate"),
    success: 201,
    answer: Some("RegistrationTokenCreated"),
    versioned: true,
    refusals: &[],
    ..BASE
};

const READ: Operation = Operation {
    id: "readRegistrationToken",
    summary: "Read an initial access token",
    answer: Some("RegistrationToken"),
    versioned: true,
    ..BASE
};

const DELETE: Operation = Operation {
    id: "deleteRegistrationToken",
    method: Verb::Delete,
    summary: "Delete an initial access token",
    description: "Clients that were registered with it stay.",
    scope: "registration:write",
    success: 204,
    ..BASE
};

/// Every operation of this resource.
pub(super) const OPERATIONS: &[&Operation] = &[&LIST, &CREATE, &READ, &DELETE];

pub(super) fn routes(routes: &mut Routes) {
    super::add(routes, &LIST, list);
    super::add(routes, &CREATE, create);
    super::add(routes, &READ, read);
    super::add(routes, &DELETE, delete);
}

async fn list(call: Call, _: Actor) -> Answer {
    let query = call.query(&["limit", "cursor"])?;
    let limit = page::limit(&query)?;
    let before = page::after_id(&query)?.map(|(_, id)| RegistrationTokenId(id));
    let mut conn = call.app().store.read().await?;
    let found = registration_tokens::list(&mut conn, call.tenant(), before, call.now(), limit + 1).await?;
    let (found, more) = page::cut(found, limit);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| (last.created_at, last.id.to_string()));
    let views = found.iter().map(|token| view(token).map(Value::Object));
    Ok(page::answer(views.collect::<Result<_, _>>()?, next))
}

async fn create(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    let document = call.json().await?;
    let event = call.event(&actor, EventType::RegistrationTokenCreated)?;
    let (token, secret) = make(call.app(), call.tenant(), document, event, call.now()).await?;
    let mut made = view(&token)?;
    made.insert("token".to_owned(), secret.expose().into());
    let location = call.realm().issuer.at(&format!("{PATH}/{}", token.id));
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, location))
        .insert_header((header::ETAG, version::etag(token.uses)))
        .json(made))
}

async fn read(call: Call, _: Actor) -> Answer {
    call.query(&[])?;
    let mut conn = call.app().store.read().await?;
    let found = registration_tokens::find(&mut conn, call.tenant(), id(&call)?, call.now()).await?;
    let token = found.ok_or_else(problem::not_found)?;
    Ok(HttpResponse::Ok()
        .insert_header((header::ETAG, version::etag(token.uses)))
        .json(view(&token)?))
}

async fn delete(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    let event = call.event(&actor, EventType::RegistrationTokenDeleted)?;
    if remove(call.app(), call.tenant(), id(&call)?, event).await? {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(problem::not_found().into())
    }
}

fn id(call: &Call) -> Result<RegistrationTokenId, Stop> {
    let parsed = call.path("id").parse();
    parsed.map_err(|_| problem::not_found().into())
}

/// Makes a token from a document as `POST /admin/v1/registration-tokens` takes it, together with its audit event.
///
/// # Errors
/// When the document is not valid, or the database does not answer.
pub async fn make(
    app: &App,
    tenant: TenantId,
    document: Value,
    event: Event,
    now: Timestamp,
) -> Result<(RegistrationToken, Secret), Unregistered> {
    let found = schema::violations("RegistrationTokenCreate", &document)?;
    if !found.is_empty() {
        return Err(Unregistered::Invalid(found));
    }
    let bounds = bounds(&document).map_err(|violation| Unregistered::Invalid(vec![violation]))?;
    let expires_at = expiry(&document, now).map_err(|violation| Unregistered::Invalid(vec![violation]))?;
    let secret = app.entropy.token(INITIAL_TOKEN_PREFIX)?;
    let text = |name: &str| document.get(name).and_then(Value::as_str).map(str::to_owned);
    let token = RegistrationToken {
        tenant_id: tenant,
        id: RegistrationTokenId(app.entropy.uuid_v7(now)?),
        description: text("description"),
        bounds: Json(bounds),
        max_uses: document.get("max_uses").and_then(Value::as_i64).unwrap_or(1),
        uses: 0,
        created_at: now,
        expires_at,
    };
    let event = event
        .with("registration_token", token.id.to_string())
        .with("max_uses", token.max_uses)
        .with("expires_at", token.expires_at.to_string());
    let mut tx = app.store.begin().await?;
    registration_tokens::insert(&mut tx, &token, &TokenHash::of(secret.expose())).await?;
    outbox::insert(&mut tx, &event).await?;
    tx.commit().await?;
    app.audit.deliver(event).await;
    Ok((token, secret))
}

/// Deletes a token, together with its audit event. `false` when there is none.
///
/// # Errors
/// When the database does not answer.
pub async fn remove(
    app: &App,
    tenant: TenantId,
    id: RegistrationTokenId,
    event: Event,
) -> Result<bool, Fault> {
    let event = event.with("registration_token", id.to_string());
    let mut tx = app.store.begin().await?;
    if !registration_tokens::delete(&mut tx, tenant, id).await? {
        return Ok(false);
    }
    outbox::insert(&mut tx, &event).await?;
    tx.commit().await?;
    app.audit.deliver(event).await;
    Ok(true)
}

/// A token as it is shown: never the token itself.
///
/// # Errors
/// When its bounds are no JSON, which is a defect.
pub fn view(token: &RegistrationToken) -> Result<Map<String, Value>, Fault> {
    let Ok(Value::Object(mut view)) = serde_json::to_value(&token.bounds.0) else {
        return Err(Fault::internal("the bounds of a token are no JSON object"));
    };
    let mut set = |name: &str, value: Value| view.insert(name.to_owned(), value);
    set("id", token.id.to_string().into());
    if let Some(description) = &token.description {
        set("description", description.as_str().into());
    }
    set("max_uses", token.max_uses.into());
    set("uses", token.uses.into());
    set("created_at", token.created_at.to_string().into());
    set("expires_at", token.expires_at.to_string().into());
    Ok(view)
}

/// What JSON Schema has left to be read.
fn bounds(document: &Value) -> Result<RegistrationBounds, Violation> {
    for name in ["expires_in", "max_uses"] {
        if document.get(name).is_some_and(Value::is_f64) {
            return Err(Violation::new(
                format!("/{name}"),
                "must be written without a fraction",
            ));
        }
    }
    let scope = document.get("scope").and_then(Value::as_str).map(ScopeSet::parse);
    let scope = scope
        .transpose()
        .map_err(|malformed| Violation::new("/scope", malformed.0))?;
    if scope.as_ref().is_some_and(|scope| !scope.admin().is_empty()) {
        let detail = "must hold no admin scopes: no client registers itself for them";
        return Err(Violation::new("/scope", detail));
    }
    let list = |name: &str| document.get(name).and_then(Value::as_array);
    let texts = |list: &Vec<Value>| list.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let grant_types = list("grant_types").map(|grants| {
        let grants = grants.iter().filter_map(Value::as_str).enumerate();
        grants
            .map(|(position, grant)| {
                GrantType::parse(grant)
                    .map_err(|malformed| Violation::new(format!("/grant_types/{position}"), malformed.0))
            })
            .collect()
    });
    Ok(RegistrationBounds {
        scope,
        grant_types: grant_types.transpose()?,
        redirect_hosts: list("redirect_hosts").map(texts),
    })
}

fn expiry(document: &Value, now: Timestamp) -> Result<Timestamp, Violation> {
    let seconds = document.get("expires_in").and_then(Value::as_i64);
    let Some(text) = document.get("expires_at").and_then(Value::as_str) else {
        return Ok(now.plus_seconds(seconds.unwrap_or(DEFAULT_LIFE_S)));
    };
    let at = |detail: &'static str| Violation::new("/expires_at", detail);
    let until = Timestamp::parse(text).ok_or_else(|| at("must be a time as RFC 3339 writes it"))?;
    if !LIFE_S.contains(&(until.seconds() - now.seconds())) {
        return Err(at("must be at least a minute and at most a year ahead"));
    }
    Ok(until)
}
