//! What each operation on users does.

use super::{MAX_USERNAME, PATH, document};
use crate::account::Rejected;
use crate::account::profile::UserView;
use crate::admin::call::{Actor, Answer, Call, Stop};
use crate::admin::{page, problem, version};
use crate::audit::EventType;
use crate::fault::Fault;
use crate::storage::users::{self, User};
use crate::types::{UserId, Violation};
use actix_web::HttpResponse;
use actix_web::http::header;
use serde_json::{Map, Value, json};

const CANNOT_GIVE: &str =
    "A caller cannot give a role that allows admin scopes which it does not have itself.";
const CANNOT_TOUCH: &str =
    "The user has a role that allows admin scopes which the caller does not have itself.";

pub(super) async fn list(call: Call, _: Actor) -> Answer {
    let query = call.query(&["limit", "cursor", "username"])?;
    let limit = page::limit(&query)?;
    let after = page::after_id(&query)?.map(|(created_at, id)| (created_at, UserId(id)));
    let (app, tenant) = (call.app(), call.tenant());
    let found = match query.get("username") {
        Some(username) if username.chars().count() > MAX_USERNAME => {
            let violation = Violation::new("username", "must have at most 254 characters");
            return Err(problem::invalid(vec![violation]).into());
        }
        Some(username) => app.accounts.find(tenant, username).await?.into_iter().collect(),
        None => users::list(&mut app.store.read().await?, tenant, after, limit + 1).await?,
    };
    let (found, more) = page::cut(found, limit);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| (last.created_at, last.id.to_string()));
    let personal = app.accounts.personal(tenant).await?;
    let views: Result<Vec<Value>, Fault> = found.iter().map(|user| Ok(json!(personal.view(user)?))).collect();
    Ok(page::answer(views?, next))
}

pub(super) async fn read(call: Call, _: Actor) -> Answer {
    call.query(&[])?;
    let user = find(&call).await?;
    answer(&user, &view(&call, &user).await?)
}

pub(super) async fn create(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    let Value::Object(body) = call.body("UserCreate").await? else {
        return Err(Fault::internal("a body that fits its schema is no object").into());
    };
    let document = document::read(body, call.app().accounts.attributes(), &Map::new())?;
    let roles = &document.checked.profile().roles;
    if !actor.may_touch_roles(roles) {
        return call.deny_about(&actor, |event| event, "admin_role_given", CANNOT_GIVE);
    }
    let event = call
        .event(&actor, EventType::UserCreated)?
        .with("roles", roles.clone());
    let (app, tenant) = (call.app(), call.tenant());
    let made = app
        .accounts
        .create(tenant, &document.checked, document.credential, event, call.now());
    let user = made.await?.map_err(refused)?;
    let location = call.realm().issuer.at(&format!("{PATH}/{}", user.id));
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, location))
        .insert_header((header::ETAG, version::etag(user.version)))
        .json(view(&call, &user).await?))
}

pub(super) async fn update(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    let patch = call.body("UserPatch").await?;
    for _ in 0..version::ATTEMPTS {
        let mut user = find_to_change(&call, &actor).await?;
        let before = view(&call, &user).await?;
        let accounts = &call.app().accounts;
        let kept = accounts.profile(&user).await?.attributes;
        let document = document::read(document::patched(&before, &patch)?, accounts.attributes(), &kept)?;
        if !actor.may_touch_roles(&document.checked.profile().roles) {
            return call.deny_about(
                &actor,
                |event| event.user(user.id),
                "admin_role_given",
                CANNOT_GIVE,
            );
        }
        let changes = document::changes(&before, &kept, &document)?;
        if changes.is_empty() {
            return answer(&user, &before);
        }
        user.password_temporary = document.password_temporary;
        let event = call
            .event(&actor, EventType::UserUpdated)?
            .with("changes", changes);
        let changed =
            call.app()
                .accounts
                .update(&user, &document.checked, document.credential, event, call.now());
        match changed.await? {
            Ok(user) => return answer(&user, &view(&call, &user).await?),
            Err(Rejected::Stale) => {}
            Err(rejected) => return Err(refused(rejected)),
        }
    }
    Err(busy())
}

pub(super) async fn delete(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    for _ in 0..version::ATTEMPTS {
        let user = find_to_change(&call, &actor).await?;
        let event = call.event(&actor, EventType::UserDeleted)?;
        match call.app().accounts.delete(&user, event, call.now()).await? {
            Ok(()) => return Ok(HttpResponse::NoContent().finish()),
            Err(Rejected::Stale) => {}
            Err(rejected) => return Err(refused(rejected)),
        }
    }
    Err(busy())
}

pub(super) async fn revoke(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    let user = find_to_change(&call, &actor).await?;
    let event = call.event(&actor, EventType::UserRevoked)?;
    let accounts = &call.app().accounts;
    if accounts.revoke(call.tenant(), user.id, event, call.now()).await? {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(problem::not_found().into())
    }
}

/// Another change came in between each time.
fn busy() -> Stop {
    Fault::unavailable("a user was changed by others at every attempt").into()
}

fn refused(rejected: Rejected) -> Stop {
    match rejected {
        Rejected::Invalid(wrong) => problem::invalid(wrong).into(),
        Rejected::Taken => {
            let detail = "The username or e-mail address belongs to another user.";
            problem::conflict("/username", detail).into()
        }
        Rejected::Stale => busy(),
    }
}

/// The user in the path, as the database has it now.
async fn find(call: &Call) -> Result<User, Stop> {
    let Ok(id) = call.path("id").parse::<UserId>() else {
        return Err(problem::not_found().into());
    };
    let mut conn = call.app().store.read().await?;
    let user = users::find(&mut conn, call.tenant(), id).await?;
    user.ok_or_else(|| problem::not_found().into())
}

/// The user in the path, if the actor may change it and means this version of it.
async fn find_to_change(call: &Call, actor: &Actor) -> Result<User, Stop> {
    let user = find(call).await?;
    if !actor.may_touch_roles(&user.roles) {
        return call.deny_about(
            actor,
            |event| event.user(user.id),
            "admin_role_lacking",
            CANNOT_TOUCH,
        );
    }
    version::check(call, user.version)?;
    Ok(user)
}

async fn view(call: &Call, user: &User) -> Result<UserView, Fault> {
    call.app().accounts.personal(call.tenant()).await?.view(user)
}

fn answer(user: &User, view: &UserView) -> Answer {
    Ok(HttpResponse::Ok()
        .insert_header((header::ETAG, version::etag(user.version)))
        .json(view))
}
