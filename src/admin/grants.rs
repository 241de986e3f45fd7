//! `/admin/v1/grants`: what applications hold of people, one entry for each token family.

use super::call::{Actor, Answer, Call, Stop};
use super::operation::{CLIENT_ID, CURSOR, LIMIT, Operation, USER_ID, Verb};
use super::{page, problem, version};
use crate::audit::EventType;
use crate::protect::routes::Routes;
use crate::storage::grants::{self, After, Grant};
use crate::storage::outbox;
use crate::types::GrantId;
use actix_web::HttpResponse;
use actix_web::http::header;
use serde_json::{Value, json};

/// Why families end here.
const REASON: &str = "admin";

/// What all operations of this resource share.
const BASE: Operation = Operation {
    id: "",
    method: Verb::Get,
    path: "/admin/v1/grants/{id}",
    tag: "Grants",
    summary: "",
    description: "",
    scope: "grants:read",
    body: None,
    parameters: &[],
    success: 200,
    answer: None,
    versioned: false,
    refusals: &[404],
};

const LIST: Operation = Operation {
    id: "listGrants",
    path: "/admin/v1/grants",
    summary: "List live authorizations, newest first",
    parameters: &[LIMIT, CURSOR, USER_ID, CLIENT_ID],
    answer: Some("GrantList"),
    refusals: &[],
    ..BASE
};

const READ: Operation = Operation {
    id: "readGrant",
    summary: "Read a live authorization",
    answer: Some("Grant"),
    versioned: true,
    ..BASE
};

const REVOKE: Operation = Operation {
    id: "revokeGrant",
    method: Verb::Delete,
    summary: "Revoke a token family",
    description: "Its refresh token and its access tokens are over at once.",
    scope: "grants:write",
    success: 204,
    ..BASE
};

/// Every operation of this resource.
pub(super) const OPERATIONS: &[&Operation] = &[&LIST, &READ, &REVOKE];

pub(super) fn routes(routes: &mut Routes) {
    super::add(routes, &LIST, list);
    super::add(routes, &READ, read);
    super::add(routes, &REVOKE, revoke);
}

async fn list(call: Call, _: Actor) -> Answer {
    let query = call.query(&["limit", "cursor", "user_id", "client_id"])?;
    let limit = page::limit(&query)?;
    let after = page::after_id(&query)?.map(|(created_at, id)| After {
        created_at,
        id: GrantId(id),
    });
    let (user, client) = (page::user(&query)?, page::client(&query)?);
    let mut conn = call.app().store.read().await?;
    let found = grants::list_live(
        &mut conn,
        call.tenant(),
        user,
        client.as_ref(),
        after,
        limit + 1,
        call.now(),
    );
    let (found, more) = page::cut(found.await?, limit);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| (last.created_at, last.id.to_string()));
    Ok(page::answer(found.iter().map(view).collect(), next))
}

async fn read(call: Call, _: Actor) -> Answer {
    call.query(&[])?;
    let grant = find(&call).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::ETAG, version::etag(grant.generation)))
        .json(view(&grant)))
}

async fn revoke(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    let grant = find(&call).await?;
    let event = call
        .event(&actor, EventType::FamilyRevoked)?
        .client(&grant.client_id)
        .user(grant.user_id)
        .family(grant.id)
        .with("reason", REASON);
    let mut tx = call.app().store.begin().await?;
    if !grants::revoke(&mut tx, call.tenant(), grant.id, REASON, call.now()).await? {
        return Err(problem::not_found().into());
    }
    outbox::insert(&mut tx, &event).await?;
    tx.commit().await?;
    call.app().audit.deliver(event).await;
    Ok(HttpResponse::NoContent().finish())
}

async fn find(call: &Call) -> Result<Grant, Stop> {
    let Ok(id) = call.path("id").parse::<GrantId>() else {
        return Err(problem::not_found().into());
    };
    let mut conn = call.app().store.read().await?;
    let grant = grants::find_live(&mut conn, call.tenant(), id, call.now()).await?;
    grant.ok_or_else(|| problem::not_found().into())
}

fn view(grant: &Grant) -> Value {
    json!({
        "id": grant.id,
        "user_id": grant.user_id,
        "client_id": grant.client_id,
        "session_id": grant.session_id,
        "scope": grant.scope,
        "resources": grant.resources.0,
        "offline": grant.offline,
        "generation": grant.generation,
        "auth_time": grant.auth_time,
        "acr": grant.acr,
        "amr": grant.amr.0,
        "created_at": grant.created_at,
        "last_used_at": grant.rotated_at,
        "ip": grant.rotated_ip,
        "expires_at": grant.expires_at,
    })
}
