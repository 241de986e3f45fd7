//! What each operation on tenants does.

use super::manage::{self, Created, NotDone};
use super::{PATH, document};
use crate::admin::call::{Actor, Answer, Call, Stop};
use crate::admin::{page, problem, version};
use crate::audit::EventType;
use crate::fault::Fault;
use crate::storage::tenants::{self, After, TenantRow};
use crate::types::TenantId;
use actix_web::HttpResponse;
use actix_web::http::header;
use serde_json::Value;

pub(super) async fn list(call: Call, _: Actor) -> Answer {
    let query = call.query(&["limit", "cursor"])?;
    let limit = page::limit(&query)?;
    let after = page::after_id(&query)?.map(|(created_at, id)| After {
        created_at,
        id: TenantId(id),
    });
    let mut conn = call.app().store.read().await?;
    let found = tenants::list(&mut conn, after, limit + 1).await?;
    let (found, more) = page::cut(found, limit);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| (last.created_at, last.id.to_string()));
    let views = found
        .iter()
        .map(|row| Value::Object(document::view(row, &call.realm().issuer)));
    Ok(page::answer(views.collect(), next))
}

pub(super) async fn create(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    let document = call.json().await?;
    let event = call.event(&actor, EventType::TenantCreated)?;
    let Created {
        tenant,
        client_id,
        client_secret,
        user,
    } = manage::create(call.app(), document, event, call.now()).await?;
    let mut view = document::view(&tenant, &call.realm().issuer);
    view.insert("admin_client_id".to_owned(), client_id.as_str().into());
    view.insert("admin_client_secret".to_owned(), client_secret.expose().into());
    if let Some((username, password)) = user {
        view.insert("admin_username".to_owned(), username.into());
        view.insert("admin_password".to_owned(), password.expose().into());
    }
    let location = call.realm().issuer.at(&format!("{PATH}/{}", tenant.id));
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, location))
        .insert_header((header::ETAG, version::etag(tenant.version)))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(view))
}

pub(super) async fn read(call: Call, _: Actor) -> Answer {
    call.query(&[])?;
    let tenant = find(&call).await?;
    answer(&call, &tenant)
}

pub(super) async fn update(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    let patch = call.body("TenantPatch").await?;
    for _ in 0..version::ATTEMPTS {
        let tenant = find(&call).await?;
        version::check(&call, tenant.version)?;
        let event = call.event(&actor, EventType::TenantUpdated)?;
        match manage::change(call.app(), &tenant, &patch, event).await {
            Ok(tenant) => return answer(&call, &tenant),
            Err(NotDone::Stale) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Err(NotDone::Stale.into())
}

pub(super) async fn delete(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    for _ in 0..version::ATTEMPTS {
        let tenant = find(&call).await?;
        version::check(&call, tenant.version)?;
        let event = call.event(&actor, EventType::TenantDeleted)?;
        match manage::remove(call.app(), &tenant, event, call.now()).await {
            Ok(()) => return Ok(HttpResponse::NoContent().finish()),
            Err(NotDone::Stale) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Err(NotDone::Stale.into())
}

impl From<NotDone> for Stop {
    fn from(why: NotDone) -> Self {
        match why {
            NotDone::Invalid(wrong) => problem::invalid(wrong).into(),
            NotDone::Taken => problem::conflict("/name", "There is a tenant of this name.").into(),
            NotDone::First => problem::conflict(
                "/enabled",
                "The first tenant can be neither disabled nor deleted.",
            )
            .into(),
            // Another change came in between each time.
            NotDone::Stale => Fault::unavailable("a tenant was changed by others at every attempt").into(),
            NotDone::Fault(fault) => fault.into(),
        }
    }
}

/// The tenant in the path, as the database has it now.
async fn find(call: &Call) -> Result<TenantRow, Stop> {
    let Ok(id) = call.path("id").parse::<TenantId>() else {
        return Err(problem::not_found().into());
    };
    let found = tenants::find(&mut call.app().store.read().await?, id).await?;
    found.ok_or_else(|| problem::not_found().into())
}

fn answer(call: &Call, tenant: &TenantRow) -> Answer {
    Ok(HttpResponse::Ok()
        .insert_header((header::ETAG, version::etag(tenant.version)))
        .json(document::view(tenant, &call.realm().issuer)))
}
