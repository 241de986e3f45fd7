//! `/admin/v1/deliveries`: messages to receivers outside that are on their way, and dead letters.

use super::call::{Actor, Answer, Call, Stop};
use super::operation::{CURSOR, LIMIT, Operation, Parameter, ParameterKind, Verb};
use super::{page, problem, version};
use crate::audit::EventType;
use crate::oidc::backchannel;
use crate::protect::body::Form;
use crate::protect::routes::Routes;
use crate::storage::deliveries::{self, Delivery, Filter, Kind};
use crate::storage::outbox;
use crate::surface::Refusal;
use crate::types::Violation;
use actix_web::HttpResponse;
use actix_web::http::header;
use serde_json::{Value, json};
use uuid::Uuid;

/// What all operations of this resource share.
const BASE: Operation = Operation {
    id: "",
    method: Verb::Get,
    path: "/admin/v1/deliveries/{id}",
    tag: "Deliveries",
    summary: "",
    description: "",
    scope: "webhooks:write",
    body: None,
    parameters: &[],
    success: 204,
    answer: None,
    versioned: false,
    refusals: &[404],
};

const STATE: Parameter = Parameter {
    name: "state",
    description: "Only those on their way (waiting), or only dead letters (dead).",
    kind: ParameterKind::Word(&["waiting", "dead"]),
};

const RECEIVER: Parameter = Parameter {
    name: "receiver",
    description: "Only those to this receiver: for logout tokens the client's id.",
    kind: ParameterKind::Text { max_length: 64 },
};

const LIST: Operation = Operation {
    id: "listDeliveries",
    path: "/admin/v1/deliveries",
    summary: "List messages to others that have not arrived, newest first",
    description: "Messages that arrived are not kept. Those that could not be delivered are kept for 30 days.",
    scope: "webhooks:read",
    parameters: &[LIMIT, CURSOR, STATE, RECEIVER],
    success: 200,
    answer: Some("DeliveryList"),
    refusals: &[],
    ..BASE
};

const READ: Operation = Operation {
    id: "readDelivery",
    summary: "Read a message that has not arrived",
    scope: "webhooks:read",
    success: 200,
    answer: Some("Delivery"),
    versioned: true,
    ..BASE
};

const RETRY: Operation = Operation {
    id: "retryDelivery",
    method: Verb::Post,
    path: "/admin/v1/deliveries/{id}/retry",
    summary: "Send a dead letter on its way again",
    description: "It keeps its id and gets all its attempts anew. What is still on its way is not found.",
    ..BASE
};

const DELETE: Operation = Operation {
    id: "deleteDelivery",
    method: Verb::Delete,
    summary: "Remove a message that has not arrived",
    description: "One that is being sent at this moment may still arrive.",
    ..BASE
};

/// Every operation of this resource.
pub(super) const OPERATIONS: &[&Operation] = &[&LIST, &READ, &RETRY, &DELETE];

pub(super) fn routes(routes: &mut Routes) {
    super::add(routes, &LIST, list);
    super::add(routes, &READ, read);
    super::add(routes, &RETRY, retry);
    super::add(routes, &DELETE, delete);
}

async fn list(call: Call, _: Actor) -> Answer {
    let query = call.query(&["limit", "cursor", "state", "receiver"])?;
    let limit = page::limit(&query)?;
    let filter = Filter {
        dead: state(&query)?,
        receiver: receiver(&query)?,
        after: page::after_id(&query)?.map(|(_, id)| id),
    };
    let mut conn = call.app().store.read().await?;
    let found = deliveries::list(&mut conn, call.tenant(), filter, limit + 1).await?;
    let (found, more) = page::cut(found, limit);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| (last.created_at, last.id.to_string()));
    Ok(page::answer(found.iter().map(view).collect(), next))
}

async fn read(call: Call, _: Actor) -> Answer {
    call.query(&[])?;
    let delivery = find(&call).await?;
    let tag = delivery.due_at.micros() + i64::from(delivery.dead_at.is_some());
    Ok(HttpResponse::Ok()
        .insert_header((header::ETAG, version::etag(tag)))
        .json(view(&delivery)))
}

async fn retry(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    let delivery = find(&call).await?;
    let now = call.now();
    let expires_at = match delivery.kind {
        Kind::BackchannelLogout => now.plus_seconds(backchannel::TOLD_WITHIN_S),
    };
    let event = call.event(&actor, EventType::DeliveryRetried)?;
    let event = event.with("delivery", delivery.id.to_string());
    let mut tx = call.app().store.begin().await?;
    if !deliveries::revive(&mut tx, call.tenant(), delivery.id, expires_at, now).await? {
        return Err(problem::not_found().into());
    }
    outbox::insert(&mut tx, &event).await?;
    tx.commit().await?;
    call.app().audit.deliver(event).await;
    Ok(HttpResponse::NoContent().finish())
}

async fn delete(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    let delivery = find(&call).await?;
    let event = call.event(&actor, EventType::DeliveryDeleted)?;
    let event = event.with("delivery", delivery.id.to_string());
    let mut tx = call.app().store.begin().await?;
    if !deliveries::delete(&mut tx, call.tenant(), delivery.id).await? {
        return Err(problem::not_found().into());
    }
    outbox::insert(&mut tx, &event).await?;
    tx.commit().await?;
    call.app().audit.deliver(event).await;
    Ok(HttpResponse::NoContent().finish())
}

/// Whether dead letters are asked for, or those on their way.
fn state(query: &Form) -> Result<Option<bool>, Refusal> {
    match query.get("state") {
        None => Ok(None),
        Some("waiting") => Ok(Some(false)),
        Some("dead") => Ok(Some(true)),
        Some(_) => {
            let wrong = Violation::new("state", "must be waiting or dead");
            Err(problem::invalid(vec![wrong]))
        }
    }
}

fn receiver(query: &Form) -> Result<Option<&str>, Refusal> {
    let receiver = query.get("receiver");
    if receiver.is_some_and(|text| !(1..=64).contains(&text.chars().count())) {
        let wrong = Violation::new("receiver", "must be 1 to 64 characters");
        return Err(problem::invalid(vec![wrong]));
    }
    Ok(receiver)
}

async fn find(call: &Call) -> Result<Delivery, Stop> {
    let Ok(id) = call.path("id").parse::<Uuid>() else {
        return Err(problem::not_found().into());
    };
    let mut conn = call.app().store.read().await?;
    let delivery = deliveries::find(&mut conn, call.tenant(), id).await?;
    delivery.ok_or_else(|| problem::not_found().into())
}

fn view(delivery: &Delivery) -> Value {
    let waiting = delivery.dead_at.is_none();
    json!({
        "id": delivery.id,
        "kind": delivery.kind.as_str(),
        "receiver": delivery.receiver,
        "state": if waiting { "waiting" } else { "dead" },
        "attempts": delivery.attempts,
        "max_attempts": delivery.max_attempts,
        "last_error": delivery.last_error,
        "created_at": delivery.created_at,
        "next_attempt_at": waiting.then_some(delivery.due_at),
        "expires_at": delivery.expires_at,
        "dead_at": delivery.dead_at,
    })
}
