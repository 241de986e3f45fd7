//! `/admin/v1/limits`: the limits that hold, and changes of them while the server runs.
//!
//! They are the deployment's: only the first tenant's administrators see and change them.

use super::call::{Actor, Answer, Call, Stop};
use super::operation::{IF_MATCH, Operation, Verb};
use super::{merge, problem, version};
use crate::audit::EventType;
use crate::fault::Fault;
use crate::protect::limits::Tier;
use crate::protect::routes::Routes;
use crate::storage::limits::{self, ChangedLimits, Overrides};
use crate::storage::outbox;
use actix_web::HttpResponse;
use actix_web::http::header;
use serde_json::{Map, Value, json};

const BASE: Operation = Operation {
    id: "readLimits",
    method: Verb::Get,
    path: "/admin/v1/limits",
    tag: "Limits",
    summary: "Read the limits that hold",
    description: "For each tier what passes, and whether it was changed over the configuration. Only in the first tenant.",
    scope: "limits:read",
    body: None,
    parameters: &[],
    success: 200,
    answer: Some("Limits"),
    versioned: true,
    refusals: &[404],
};

const READ: Operation = BASE;

const UPDATE: Operation = Operation {
    id: "updateLimits",
    method: Verb::Patch,
    summary: "Change limits",
    description: "A merge patch (RFC 7396) over the configuration: a tier that is null is as configured again. It holds on \
        every replica within seconds, and what callers have used of a limit stays used.",
    scope: "limits:write",
    body: Some("LimitsPatch"),
    parameters: &[IF_MATCH],
    refusals: &[404, 412],
    ..BASE
};

/// Every operation of this resource.
pub(super) const OPERATIONS: &[&Operation] = &[&READ, &UPDATE];

pub(super) fn routes(routes: &mut Routes) {
    super::add(routes, &READ, read);
    super::add(routes, &UPDATE, update);
}

async fn read(call: Call, _: Actor) -> Answer {
    call.query(&[])?;
    let changes = find(&call).await?;
    answer(&call, &changes)
}

async fn update(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    let patch = call.body("LimitsPatch").await?;
    for _ in 0..version::ATTEMPTS {
        let changes = find(&call).await?;
        version::check(&call, changes.version)?;
        let mut document = value(&changes.overrides.0)?;
        merge::merge(&mut document, &patch);
        let overrides: Overrides = merge::read::<Overrides>(document)?
            .into_iter()
            .filter(|(_, change)| *change != limits::LimitChange::default())
            .collect();
        if overrides == changes.overrides.0 {
            return answer(&call, &changes);
        }
        let event = call
            .event(&actor, EventType::LimitsUpdated)?
            .with("changes", patch.clone());
        let mut tx = call.app().store.begin().await?;
        if !limits::change(&mut tx, changes.version, &overrides).await? {
            continue;
        }
        outbox::insert(&mut tx, &event).await?;
        tx.commit().await?;
        call.app().audit.deliver(event).await;
        call.app().edge.refresh_limits().await?;
        return answer(&call, &find(&call).await?);
    }
    Err(Fault::unavailable("the limits were changed by others at every attempt").into())
}

/// What is changed, for whoever administers the deployment.
async fn find(call: &Call) -> Result<ChangedLimits, Stop> {
    if !call.realm().is_first() {
        return Err(problem::not_found().into());
    }
    Ok(limits::changes(&mut call.app().store.read().await?).await?)
}

fn answer(call: &Call, changes: &ChangedLimits) -> Answer {
    let mut tiers = Map::new();
    for tier in Tier::ALL {
        let name = tier.as_str();
        if let Some(limit) = call.app().edge.limits().of(tier).filter(|_| tier.is_changeable()) {
            tiers.insert(
                name.to_owned(),
                json!({
                    "rate": limit.rate,
                    "period_seconds": limit.period_s,
                    "burst": limit.burst,
                    "changed": changes.overrides.contains_key(name),
                }),
            );
        }
    }
    Ok(HttpResponse::Ok()
        .insert_header((header::ETAG, version::etag(changes.version)))
        .json(tiers))
}

fn value(overrides: &Overrides) -> Result<Value, Fault> {
    serde_json::to_value(overrides).map_err(|error| Fault::internal("limits are no JSON").caused_by(error))
}
