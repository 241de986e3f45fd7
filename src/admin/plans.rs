//! `/admin/v1/plans`: limits and quotas under a name, on which clients are put.

use super::call::{Actor, Answer, Call, Stop};
use super::operation::{CURSOR_BY_NAME, IF_MATCH, LIMIT, Operation, Verb};
use super::{merge, page, problem, version};
use crate::audit::{Event, EventType};
use crate::fault::Fault;
use crate::protect::limits::quota;
use crate::protect::routes::Routes;
use crate::storage::plans::{self, Plan, PlanTerms};
use crate::storage::{Tx, clients, outbox, tenants};
use crate::types::ClientId;
use actix_web::HttpResponse;
use actix_web::http::header;
use serde_json::{Value, json};
use sqlx::types::Json;

/// The list and the place of creation.
const PATH: &str = "/admin/v1/plans";
const BASE: Operation = Operation {
    id: "",
    method: Verb::Get,
    path: "/admin/v1/plans/{name}",
    tag: "Limits",
    summary: "",
    description: "",
    scope: "limits:write",
    body: None,
    parameters: &[],
    success: 200,
    answer: Some("Plan"),
    versioned: true,
    refusals: &[404],
};

const LIST: Operation = Operation {
    id: "listPlans",
    path: PATH,
    summary: "List plans, newest first",
    scope: "limits:read",
    parameters: &[LIMIT, CURSOR_BY_NAME],
    answer: Some("PlanList"),
    versioned: false,
    refusals: &[],
    ..BASE
};

const CREATE: Operation = Operation {
    id: "createPlan",
    method: Verb::Post,
    path: PATH,
    summary: "Make a plan",
    description: "A client is put on it by its member plan. A tenant has at most 100 plans.",
    body: Some("PlanCreate"),
    success: 201,
    refusals: &[409],
    ..BASE
};

const READ: Operation = Operation {
    id: "readPlan",
    summary: "Read a plan",
    scope: "limits:read",
    ..BASE
};

const UPDATE: Operation = Operation {
    id: "updatePlan",
    method: Verb::Patch,
    summary: "Change a plan",
    description: "A merge patch (RFC 7396). It holds for every client on the plan, on every replica within seconds.",
    body: Some("PlanPatch"),
    parameters: &[IF_MATCH],
    refusals: &[404, 412],
    ..BASE
};

const DELETE: Operation = Operation {
    id: "deletePlan",
    method: Verb::Delete,
    summary: "Delete a plan that no client is on",
    parameters: &[IF_MATCH],
    success: 204,
    answer: None,
    versioned: false,
    refusals: &[404, 409, 412],
    ..BASE
};

const QUOTA: Operation = Operation {
    id: "readClientQuota",
    path: "/admin/v1/clients/{client_id}/quota",
    summary: "Read how much of its monthly quota a client has used",
    description: "Counted over all replicas, but for the last second at others than the one that answers.",
    scope: "limits:read",
    answer: Some("ClientQuota"),
    versioned: false,
    ..BASE
};

/// Every operation of this resource.
pub(super) const OPERATIONS: &[&Operation] = &[&LIST, &CREATE, &READ, &UPDATE, &DELETE, &QUOTA];

pub(super) fn routes(routes: &mut Routes) {
    super::add(routes, &LIST, list);
    super::add(routes, &CREATE, create);
    super::add(routes, &READ, read);
    super::add(routes, &UPDATE, update);
    super::add(routes, &DELETE, delete);
    super::add(routes, &QUOTA, read_quota);
}

async fn list(call: Call, _: Actor) -> Answer {
    let query = call.query(&["limit", "cursor"])?;
    let limit = page::limit(&query)?;
    let after = page::after(&query)?;
    let mut conn = call.app().store.read().await?;
    let found = plans::list(&mut conn, call.tenant(), after.as_ref(), limit + 1).await?;
    let (found, more) = page::cut(found, limit);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| (last.created_at, last.name.clone()));
    let views = found.iter().map(view);
    Ok(page::answer(views.collect::<Result<_, _>>()?, next))
}

async fn create(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    let mut body = call.body("PlanCreate").await?;
    let name = body
        .as_object_mut()
        .and_then(|body| body.remove("name"))
        .and_then(|name| name.as_str().map(str::to_owned))
        .unwrap_or_default();
    let plan = Plan {
        tenant_id: call.tenant(),
        name,
        terms: Json(merge::read(body)?),
        version: 1,
        created_at: call.now(),
        updated_at: call.now(),
    };
    let event = call
        .event(&actor, EventType::PlanCreated)?
        .with("plan", plan.name.as_str());
    let mut tx = call.app().store.begin().await?;
    tenants::take_turn(&mut tx, plan.tenant_id).await?;
    if plans::count(&mut tx, plan.tenant_id).await? >= plans::MAX_OF_TENANT {
        return Err(problem::conflict("/name", "A tenant has at most 100 plans.").into());
    }
    if !plans::insert(&mut tx, &plan).await? {
        return Err(problem::conflict("/name", "There is a plan of this name.").into());
    }
    commit(&call, tx, event).await?;
    let location = call.realm().issuer.at(&format!("{PATH}/{}", plan.name));
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, location))
        .insert_header((header::ETAG, version::etag(plan.version)))
        .json(view(&plan)?))
}

async fn read(call: Call, _: Actor) -> Answer {
    call.query(&[])?;
    answer(&find(&call).await?)
}

async fn update(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    let patch = call.body("PlanPatch").await?;
    for _ in 0..version::ATTEMPTS {
        let mut plan = find(&call).await?;
        version::check(&call, plan.version)?;
        let mut document = document(&plan.terms)?;
        merge::merge(&mut document, &patch);
        let changed: PlanTerms = merge::read(document)?;
        if changed == plan.terms.0 {
            return answer(&plan);
        }
        let event = call
            .event(&actor, EventType::PlanUpdated)?
            .with("plan", plan.name.as_str())
            .with("changes", patch.clone());
        let mut tx = call.app().store.begin().await?;
        if !plans::update(&mut tx, &plan, &changed, call.now()).await? {
            continue;
        }
        commit(&call, tx, event).await?;
        plan.terms = Json(changed);
        plan.version += 1;
        plan.updated_at = call.now();
        return answer(&plan);
    }
    Err(busy())
}

async fn delete(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    let plan = find(&call).await?;
    version::check(&call, plan.version)?;
    let event = call
        .event(&actor, EventType::PlanDeleted)?
        .with("plan", plan.name.as_str());
    let mut tx = call.app().store.begin().await?;
    if !plans::delete(&mut tx, &plan).await? {
        return Err(problem::conflict("/name", "Clients are on this plan, or it was just changed.").into());
    }
    commit(&call, tx, event).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn read_quota(call: Call, _: Actor) -> Answer {
    call.query(&[])?;
    let client = match ClientId::parse(call.path("client_id")) {
        Ok(client_id) => {
            clients::find(&mut call.app().store.read().await?, call.tenant(), &client_id).await?
        }
        Err(_) => None,
    };
    let client = client.ok_or_else(problem::not_found)?;
    let limits = call.app().edge.limits();
    let quotas = call.app().edge.quotas();
    let used = quotas
        .used(client.tenant_id, &client.client_id, call.now())
        .await?;
    let quota = limits.quota_of(&client);
    Ok(HttpResponse::Ok().json(json!({
        "client_id": client.client_id,
        "plan": client.metadata.plan,
        "monthly_quota": quota,
        "used": used,
        "remaining": quota.map(|quota| (i64::from(quota) - used).max(0)),
        "resets_at": quota::end_of_month(call.now()),
    })))
}

/// Commits a change of a plan with its record; it holds here at once.
async fn commit(call: &Call, mut tx: Tx, event: Event) -> Result<(), Stop> {
    plans::announce(&mut tx).await?;
    outbox::insert(&mut tx, &event).await?;
    tx.commit().await?;
    call.app().audit.deliver(event).await;
    Ok(call.app().edge.refresh_limits().await?)
}

async fn find(call: &Call) -> Result<Plan, Stop> {
    let mut conn = call.app().store.read().await?;
    let plan = plans::find(&mut conn, call.tenant(), call.path("name")).await?;
    plan.ok_or_else(|| problem::not_found().into())
}

fn busy() -> Stop {
    Fault::unavailable("a plan was changed by others at every attempt").into()
}

fn document(terms: &PlanTerms) -> Result<Value, Fault> {
    serde_json::to_value(terms).map_err(|error| Fault::internal("a plan is no JSON").caused_by(error))
}

fn view(plan: &Plan) -> Result<Value, Fault> {
    let mut view = document(&plan.terms)?;
    view["name"] = plan.name.as_str().into();
    view["created_at"] = json!(plan.created_at);
    view["updated_at"] = json!(plan.updated_at);
    Ok(view)
}

fn answer(plan: &Plan) -> Answer {
    Ok(HttpResponse::Ok()
        .insert_header((header::ETAG, version::etag(plan.version)))
        .json(view(plan)?))
}
