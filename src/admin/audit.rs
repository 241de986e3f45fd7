//! `/admin/v1/audit`: reading the audit log, which the log itself records.

use super::call::{Actor, Answer, Call, Stop};
use super::operation::{CURSOR, LIMIT, Operation, Parameter, ParameterKind, Verb};
use super::{page, problem, version};
use crate::audit::EventType;
use crate::fault::Fault;
use crate::protect::body::Form;
use crate::protect::routes::Routes;
use crate::storage::audit_read::{self, After, Filter, StoredEvent};
use crate::types::{Timestamp, Violation};
use actix_web::HttpResponse;
use actix_web::http::header;
use serde_json::{Map, Value, json};
use std::net::IpAddr;
use uuid::Uuid;

const BASE: Operation = Operation {
    id: "",
    method: Verb::Get,
    path: "/admin/v1/audit",
    tag: "Audit",
    summary: "",
    description: "Reading is recorded itself, as audit_read.",
    scope: "audit:read",
    body: None,
    parameters: &[],
    success: 200,
    answer: None,
    versioned: false,
    refusals: &[],
};

const LIST: Operation = Operation {
    id: "listAuditEvents",
    summary: "Search the audit log, newest first",
    parameters: &[
        LIMIT,
        CURSOR,
        time("since", "From this time on."),
        time("until", "Before this time."),
        Parameter {
            name: "event_type",
            description: "What happened.",
            kind: ParameterKind::Word(EventType::NAMES),
        },
        Parameter {
            name: "outcome",
            description: "How it ended.",
            kind: ParameterKind::Word(&["success", "failure"]),
        },
        text("client_id", "The client concerned."),
        text("user_id", "The user concerned."),
        Parameter {
            name: "ip",
            description: "The caller's address.",
            kind: ParameterKind::Address,
        },
        text("token_family", "The token family concerned."),
        text("request_id", "The request's id."),
    ],
    answer: Some("AuditEventList"),
    ..BASE
};

const READ: Operation = Operation {
    id: "readAuditEvent",
    path: "/admin/v1/audit/{id}",
    summary: "Read an audit event",
    answer: Some("AuditEvent"),
    versioned: true,
    refusals: &[404],
    ..BASE
};

/// Every operation of this resource.
pub(super) const OPERATIONS: &[&Operation] = &[&LIST, &READ];

/// Longest text of a filter.
const MAX_TEXT: usize = 64;

const fn time(name: &'static str, description: &'static str) -> Parameter {
    Parameter {
        name,
        description,
        kind: ParameterKind::Time,
    }
}

const fn text(name: &'static str, description: &'static str) -> Parameter {
    Parameter {
        name,
        description,
        kind: ParameterKind::Text { max_length: MAX_TEXT },
    }
}

pub(super) fn routes(routes: &mut Routes) {
    super::add(routes, &LIST, list);
    super::add(routes, &READ, read);
}

async fn list(call: Call, actor: Actor) -> Answer {
    let known: Vec<_> = LIST.parameters.iter().map(|parameter| parameter.name).collect();
    let query = call.query(&known)?;
    let limit = page::limit(&query)?;
    let after = page::after_id(&query)?.map(|(time, id)| After { time, id });
    let filter = filter(&query)?;
    let told: Map<String, Value> = query
        .iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    record(&call, &actor, json!(told)).await?;
    let app = call.app();
    // What was decided before this request was made is to be found.
    app.audit.flush().await;
    let mut conn = app.audit_store.read().await?;
    let found = audit_read::list(&mut conn, call.tenant(), &filter, after, limit + 1).await?;
    let (found, more) = page::cut(found, limit);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| (last.time, last.id.to_string()));
    Ok(page::answer(
        found.iter().map(view).collect::<Result<_, _>>()?,
        next,
    ))
}

async fn read(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    let Ok(id) = Uuid::try_parse(call.path("id")) else {
        return Err(problem::not_found().into());
    };
    record(&call, &actor, json!({"id": id})).await?;
    call.app().audit.flush().await;
    let mut conn = call.app().audit_store.read().await?;
    match audit_read::find(&mut conn, call.tenant(), id).await? {
        None => Err(problem::not_found().into()),
        Some(event) => {
            let event = view(&event)?;
            Ok(HttpResponse::Ok()
                .insert_header((header::ETAG, version::etag_of(&event)))
                .json(event))
        }
    }
}

/// Who reads what is on record before it is shown.
async fn record(call: &Call, actor: &Actor, filter: Value) -> Result<(), Stop> {
    let event = call
        .event(actor, EventType::AuditRead)?
        .client(&actor.client_id)
        .with("filter", filter);
    let event = match actor.user_id {
        Some(user_id) => event.user(user_id),
        None => event,
    };
    Ok(call.app().audit.record(event).await?)
}

fn filter(query: &Form) -> Result<Filter, Stop> {
    let time = |name: &'static str| match query.get(name) {
        None => Ok(None),
        Some(text) => match Timestamp::parse(text) {
            Some(time) => Ok(Some(time)),
            None => Err(invalid(
                name,
                "must be an RFC 3339 time such as 2026-01-01T00:00:00Z",
            )),
        },
    };
    let text = |name: &'static str| match query.get(name) {
        Some(text) if text.chars().count() > MAX_TEXT => {
            Err(invalid(name, "must have at most 64 characters"))
        }
        text => Ok(text.map(str::to_owned)),
    };
    let word = |name: &'static str, known: &dyn Fn(&str) -> bool, detail| match query.get(name) {
        Some(word) if !known(word) => Err(invalid(name, detail)),
        word => Ok(word.map(str::to_owned)),
    };
    let ip = match query.get("ip").map(str::parse::<IpAddr>) {
        None => None,
        // Addresses are stored in the form in which they are written here.
        Some(Ok(address)) => Some(address.to_canonical().to_string()),
        Some(Err(_)) => return Err(invalid("ip", "must be an IP address")),
    };
    let is_event_type = |word: &str| EventType::NAMES.contains(&word);
    Ok(Filter {
        since: time("since")?,
        until: time("until")?,
        event_type: word("event_type", &is_event_type, "must be a known event type")?,
        outcome: word(
            "outcome",
            &|word| matches!(word, "success" | "failure"),
            "must be success or failure",
        )?,
        client_id: text("client_id")?,
        user_id: text("user_id")?,
        ip,
        token_family: text("token_family")?,
        request_id: text("request_id")?,
    })
}

fn invalid(name: &'static str, detail: &'static str) -> Stop {
    problem::invalid(vec![Violation::new(name, detail)]).into()
}

fn view(event: &StoredEvent) -> Result<Value, Fault> {
    let metadata: Value = serde_json::from_str(&event.metadata)
        .map_err(|error| Fault::internal("the metadata of an audit event is no JSON").caused_by(error))?;
    Ok(json!({
        "id": event.id,
        "time": event.time,
        "event_type": event.event_type,
        "outcome": event.outcome,
        "tenant": event.tenant_id,
        "client_id": event.client_id,
        "user_id": event.user_id,
        "ip": event.ip,
        "user_agent": event.user_agent,
        "request_id": event.request_id,
        "token_family": event.token_family,
        "metadata": metadata,
    }))
}
