//! `/admin/v1/sessions`: browsers in which people are signed in.

use super::call::{Actor, Answer, Call, Stop};
use super::operation::{CURSOR, LIMIT, Operation, USER_ID, Verb};
use super::{page, problem, version};
use crate::audit::EventType;
use crate::protect::routes::Routes;
use crate::storage::sessions::{self, Filter, Session};
use crate::types::SessionId;
use actix_web::HttpResponse;
use actix_web::http::header;
use serde_json::{Value, json};

/// What all operations of this resource share.
const BASE: Operation = Operation {
    id: "",
    method: Verb::Get,
    path: "/admin/v1/sessions/{id}",
    tag: "Sessions",
    summary: "",
    description: "",
    scope: "sessions:read",
    body: None,
    parameters: &[],
    success: 200,
    answer: None,
    versioned: false,
    refusals: &[404],
};

const LIST: Operation = Operation {
    id: "listSessions",
    path: "/admin/v1/sessions",
    summary: "List living sessions, newest first",
    parameters: &[LIMIT, CURSOR, USER_ID],
    answer: Some("SessionList"),
    refusals: &[],
    ..BASE
};

const READ: Operation = Operation {
    id: "readSession",
    summary: "Read a living session",
    answer: Some("Session"),
    versioned: true,
    ..BASE
};

const END: Operation = Operation {
    id: "endSession",
    method: Verb::Delete,
    summary: "End a session",
    description: "The browser has to sign in again, and token families without offline_access end.",
    scope: "sessions:write",
    success: 204,
    ..BASE
};

/// Every operation of this resource.
pub(super) const OPERATIONS: &[&Operation] = &[&LIST, &READ, &END];

pub(super) fn routes(routes: &mut Routes) {
    super::add(routes, &LIST, list);
    super::add(routes, &READ, read);
    super::add(routes, &END, end);
}

async fn list(call: Call, _: Actor) -> Answer {
    let query = call.query(&["limit", "cursor", "user_id"])?;
    let limit = page::limit(&query)?;
    let after = page::after_id(&query)?.map(|(_, id)| SessionId(id));
    let user = page::user(&query)?;
    let mut conn = call.app().store.read().await?;
    let filter = Filter { user, after };
    let found = sessions::list(&mut conn, call.tenant(), filter, call.now(), limit + 1).await?;
    let (found, more) = page::cut(found, limit);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| (last.created_at, last.id.to_string()));
    Ok(page::answer(found.iter().map(view).collect(), next))
}

async fn read(call: Call, _: Actor) -> Answer {
    call.query(&[])?;
    let session = find(&call).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::ETAG, version::etag(session.last_seen_at.micros())))
        .json(view(&session)))
}

async fn end(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    let session = find(&call).await?;
    let event = call.event(&actor, EventType::SessionEnded)?.user(session.user_id);
    let accounts = &call.app().accounts;
    if accounts
        .end_session(call.tenant(), session.id, "admin", event, call.now())
        .await?
    {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(problem::not_found().into())
    }
}

async fn find(call: &Call) -> Result<Session, Stop> {
    let Ok(id) = call.path("id").parse::<SessionId>() else {
        return Err(problem::not_found().into());
    };
    let mut conn = call.app().store.read().await?;
    let session = sessions::find_live(&mut conn, call.tenant(), id, call.now()).await?;
    session.ok_or_else(|| problem::not_found().into())
}

fn view(session: &Session) -> Value {
    json!({
        "id": session.id,
        "user_id": session.user_id,
        "created_at": session.created_at,
        "last_seen_at": session.last_seen_at,
        "expires_at": session.expires_at,
        "auth_time": session.auth_time,
        "acr": session.acr,
        "amr": session.amr.0,
        "ip": session.ip,
        "user_agent": session.user_agent,
    })
}
