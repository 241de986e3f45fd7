//! `/admin/v1/keys`: the signing keys.

use super::call::{Actor, Answer, Call};
use super::operation::{CURSOR_BY_NAME, LIMIT, Operation, Verb};
use super::{page, problem, version};
use crate::audit::Event;
use crate::fault::Fault;
use crate::keys::{KeyChange, KeyInfo};
use crate::protect::routes::Routes;
use crate::types::{Algorithm, Kid};
use actix_web::HttpResponse;
use actix_web::http::header;
use serde_json::Value;

const BASE: Operation = Operation {
    id: "",
    method: Verb::Get,
    path: "/admin/v1/keys",
    tag: "Keys",
    summary: "",
    description: "",
    scope: "keys:write",
    body: None,
    parameters: &[],
    success: 200,
    answer: None,
    versioned: false,
    refusals: &[],
};

const LIST: Operation = Operation {
    id: "listKeys",
    summary: "List the published signing keys, newest first",
    scope: "keys:read",
    parameters: &[LIMIT, CURSOR_BY_NAME],
    answer: Some("SigningKeyList"),
    ..BASE
};

const READ: Operation = Operation {
    id: "readKey",
    path: "/admin/v1/keys/{kid}",
    summary: "Read a published signing key",
    scope: "keys:read",
    answer: Some("SigningKey"),
    versioned: true,
    refusals: &[404],
    ..BASE
};

const ROTATE: Operation = Operation {
    id: "rotateKeys",
    method: Verb::Post,
    path: "/admin/v1/keys/rotate",
    summary: "Replace signing keys",
    description: "The next key becomes active, the old one retiring, and a new next one is published. Without \
        immediate this waits until the next key has been published for longer than the JWKS may be cached; \
        activates_at says when.",
    body: Some("KeyRotation"),
    answer: Some("SigningKeyList"),
    ..BASE
};

const REVOKE: Operation = Operation {
    id: "revokeKey",
    method: Verb::Post,
    path: "/admin/v1/keys/{kid}/revoke",
    summary: "Take a compromised key away at once",
    description: "It is published no more, nothing that it signed counts, and its successor signs from now on.",
    success: 204,
    refusals: &[404],
    ..BASE
};

const RETIRE: Operation = Operation {
    id: "retireKey",
    method: Verb::Post,
    path: "/admin/v1/keys/{kid}/retire",
    summary: "Take a signing key out of use in order",
    description: "An active key is replaced as by rotate without immediate, a next key is withdrawn, a retiring one \
        leaves the published set at once. For a compromised one see revoke.",
    answer: Some("SigningKeyList"),
    refusals: &[404],
    ..BASE
};

/// Every operation of this resource.
pub(super) const OPERATIONS: &[&Operation] = &[&LIST, &READ, &ROTATE, &RETIRE, &REVOKE];

pub(super) fn routes(routes: &mut Routes) {
    super::add(routes, &LIST, list);
    super::add(routes, &READ, read);
    super::add(routes, &ROTATE, rotate);
    super::add(routes, &RETIRE, retire);
    super::add(routes, &REVOKE, revoke);
}

async fn list(call: Call, _: Actor) -> Answer {
    let query = call.query(&["limit", "cursor"])?;
    let limit = page::limit(&query)?;
    let after = page::after(&query)?;
    let mut keys = call.app().keys.list(call.tenant()).await?;
    let place = |key: &KeyInfo| (key.created_at, key.kid.to_string());
    keys.sort_by_key(|key| std::cmp::Reverse(place(key)));
    keys.retain(|key| after.as_ref().is_none_or(|after| place(key) < *after));
    let (keys, more) = page::cut(keys, limit);
    let next = keys.last().filter(|_| more).map(place);
    Ok(page::answer(values(&keys)?, next))
}

async fn read(call: Call, _: Actor) -> Answer {
    call.query(&[])?;
    let keys = call.app().keys.list(call.tenant()).await?;
    match keys.iter().find(|key| key.kid.as_str() == call.path("kid")) {
        None => Err(problem::not_found().into()),
        Some(key) => Ok(HttpResponse::Ok()
            .insert_header((header::ETAG, version::etag_of(&value(key)?)))
            .json(key)),
    }
}

async fn rotate(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    let body = call.body("KeyRotation").await?;
    let alg = body
        .get("alg")
        .and_then(Value::as_str)
        .and_then(|alg| Algorithm::parse(alg).ok());
    let immediate = body.get("immediate").and_then(Value::as_bool).unwrap_or(false);
    let by = |event: Event| call.signed(event, &actor);
    let changed = call
        .app()
        .keys
        .rotate(call.tenant(), alg, immediate, by, call.now())
        .await?;
    let Some(changed) = changed else {
        let detail = "This server has no keys for the algorithm: tokens.algorithms does not hold it.";
        return Err(problem::invalid(vec![crate::types::Violation::new("/alg", detail)]).into());
    };
    let keys = values(&changed.keys)?;
    deliver(&call, changed).await;
    Ok(page::answer(keys, None))
}

async fn retire(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    let Ok(kid) = Kid::parse(call.path("kid")) else {
        return Err(problem::not_found().into());
    };
    let by = |event: Event| call.signed(event, &actor);
    let keys = &call.app().keys;
    match keys.retire(call.tenant(), &kid, by, call.now()).await? {
        None => Err(problem::not_found().into()),
        Some(changed) => {
            let keys = values(&changed.keys)?;
            deliver(&call, changed).await;
            Ok(page::answer(keys, None))
        }
    }
}

async fn revoke(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    let Ok(kid) = Kid::parse(call.path("kid")) else {
        return Err(problem::not_found().into());
    };
    let by = |event: Event| call.signed(event, &actor);
    let changed = call
        .app()
        .keys
        .revoke(call.tenant(), &kid, by, call.now())
        .await?;
    match changed {
        None => Err(problem::not_found().into()),
        Some(changed) => {
            deliver(&call, changed).await;
            Ok(HttpResponse::NoContent().finish())
        }
    }
}

async fn deliver(call: &Call, changed: KeyChange) {
    for event in changed.events {
        call.app().audit.deliver(event).await;
    }
}

fn values(keys: &[KeyInfo]) -> Result<Vec<Value>, Fault> {
    keys.iter().map(value).collect()
}

fn value(key: &KeyInfo) -> Result<Value, Fault> {
    serde_json::to_value(key).map_err(|error| Fault::internal("a key is no JSON").caused_by(error))
}
