//! `/admin/v1/consents`: what people have agreed to.

use super::call::{Actor, Answer, Call, Stop};
use super::operation::{CLIENT_ID, CURSOR, LIMIT, Operation, USER_ID, Verb};
use super::{page, problem, version};
use crate::audit::EventType;
use crate::protect::routes::Routes;
use crate::storage::consents::{self, Consent};
use crate::storage::outbox;
use actix_web::HttpResponse;
use actix_web::http::header;
use serde_json::{Value, json};
use uuid::Uuid;

/// What all operations of this resource share.
const BASE: Operation = Operation {
    id: "",
    method: Verb::Get,
    path: "/admin/v1/consents/{id}",
    tag: "Consents",
    summary: "",
    description: "",
    scope: "consents:read",
    body: None,
    parameters: &[],
    success: 200,
    answer: None,
    versioned: false,
    refusals: &[404],
};

const LIST: Operation = Operation {
    id: "listConsents",
    path: "/admin/v1/consents",
    summary: "List agreements that stand, newest first",
    parameters: &[LIMIT, CURSOR, USER_ID, CLIENT_ID],
    answer: Some("ConsentList"),
    refusals: &[],
    ..BASE
};

const READ: Operation = Operation {
    id: "readConsent",
    summary: "Read an agreement that stands",
    answer: Some("Consent"),
    versioned: true,
    ..BASE
};

const WITHDRAW: Operation = Operation {
    id: "withdrawConsent",
    method: Verb::Delete,
    summary: "Withdraw an agreement",
    description: "Everything that was granted on it ends, and the user is asked again.",
    scope: "consents:write",
    success: 204,
    ..BASE
};

/// Every operation of this resource.
pub(super) const OPERATIONS: &[&Operation] = &[&LIST, &READ, &WITHDRAW];

pub(super) fn routes(routes: &mut Routes) {
    super::add(routes, &LIST, list);
    super::add(routes, &READ, read);
    super::add(routes, &WITHDRAW, withdraw);
}

async fn list(call: Call, _: Actor) -> Answer {
    let query = call.query(&["limit", "cursor", "user_id", "client_id"])?;
    let limit = page::limit(&query)?;
    let before = page::after_id(&query)?.map(|(_, id)| id);
    let (user, client) = (page::user(&query)?, page::client(&query)?);
    let mut conn = call.app().store.read().await?;
    let found = consents::list(&mut conn, call.tenant(), user, client.as_ref(), before, limit + 1);
    let (found, more) = page::cut(found.await?, limit);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| (last.granted_at, last.id.to_string()));
    Ok(page::answer(found.iter().map(view).collect(), next))
}

async fn read(call: Call, _: Actor) -> Answer {
    call.query(&[])?;
    let consent = find(&call).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::ETAG, version::etag(consent.granted_at.micros())))
        .json(view(&consent)))
}

async fn withdraw(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    let consent = find(&call).await?;
    let event = call
        .event(&actor, EventType::ConsentWithdrawn)?
        .client(&consent.client_id)
        .user(consent.user_id)
        .with("scope", consent.scope.to_string());
    let (user, client) = (consent.user_id, &consent.client_id);
    let mut tx = call.app().store.begin().await?;
    let withdrawn = consents::withdraw(&mut tx, call.tenant(), user, client, call.now()).await?;
    if withdrawn.is_none() {
        return Err(problem::not_found().into());
    }
    outbox::insert(&mut tx, &event).await?;
    tx.commit().await?;
    call.app().audit.deliver(event).await;
    Ok(HttpResponse::NoContent().finish())
}

async fn find(call: &Call) -> Result<Consent, Stop> {
    let id = call.path("id");
    let Some(id) = Uuid::try_parse(id).ok().filter(|parsed| parsed.to_string() == id) else {
        return Err(problem::not_found().into());
    };
    let mut conn = call.app().store.read().await?;
    let consent = consents::find_by_id(&mut conn, call.tenant(), id).await?;
    consent.ok_or_else(|| problem::not_found().into())
}

fn view(consent: &Consent) -> Value {
    json!({
        "id": consent.id,
        "user_id": consent.user_id,
        "client_id": consent.client_id,
        "scope": consent.scope,
        "granted_at": consent.granted_at,
    })
}
