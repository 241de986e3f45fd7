//! What each operation on clients does.

use super::register::register;
use super::{PATH, change};
use crate::admin::call::{Actor, Answer, Call, Stop};
use crate::admin::{page, problem, version};
use crate::audit::EventType;
use crate::clients::{self as registry, NewSecret, Registered, Rules, Unregistered, document, rotate};
use crate::fault::Fault;
use crate::storage::clients::{self, After, Client, ClientMetadata};
use crate::types::{ClientId, Violation};
use actix_web::HttpResponse;
use actix_web::http::header;
use serde_json::{Value, json};

const CANNOT_GIVE: &str = "A caller cannot give an admin scope that it does not have itself.";
const CANNOT_TOUCH: &str = "The client has admin scopes that the caller does not have itself.";

pub(super) async fn list(call: Call, _: Actor) -> Answer {
    let query = call.query(&["limit", "cursor"])?;
    let limit = page::limit(&query)?;
    let after = page::after(&query)?.and_then(|(created_at, name)| {
        let client_id = ClientId::parse(&name).ok()?;
        Some(After {
            created_at,
            client_id,
        })
    });
    let mut conn = call.app().store.read().await?;
    let found = clients::list(&mut conn, call.tenant(), after.as_ref(), limit + 1).await?;
    let (found, more) = page::cut(found, limit);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| (last.created_at, last.client_id.to_string()));
    let tokens = &call.app().config.tokens;
    let views = found
        .iter()
        .map(|client| document::view(client, tokens, call.now()).map(Value::Object));
    Ok(page::answer(views.collect::<Result<_, _>>()?, next))
}

pub(super) async fn read(call: Call, _: Actor) -> Answer {
    call.query(&[])?;
    let client = find(&call).await?;
    answer(&call, &client)
}

pub(super) async fn create(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    let app = call.app();
    let document = call.json().await?;
    let may_give = |metadata: &ClientMetadata| actor.may_touch(&metadata.scope);
    let event = call.event(&actor, EventType::ClientCreated)?;
    let registered = register(app, call.realm(), document, may_give, event, call.now()).await;
    let Registered { client, secret } = match registered {
        Err(Unregistered::NotAllowed(client_id)) => {
            return call.deny(&actor, &client_id, "admin_scope_given", CANNOT_GIVE);
        }
        registered => registered?,
    };
    let mut view = document::view(&client, &app.config.tokens, call.now())?;
    if let Some(secret) = secret {
        view.insert("client_secret".to_owned(), secret.expose().into());
        view.insert("client_secret_expires_at".to_owned(), 0.into());
    }
    let location = call.realm().issuer.at(&format!("{PATH}/{}", client.client_id));
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, location))
        .insert_header((header::ETAG, version::etag(client.version)))
        .json(view))
}

pub(super) async fn update(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    let patch = call.body("ClientPatch").await?;
    for _ in 0..version::ATTEMPTS {
        let mut client = find_to_change(&call, &actor).await?;
        let (document, enabled) = change::patched(&client, &patch)?;
        let rules = Rules::of(&call.app().config, &call.realm().issuer);
        let metadata = document::read(document, &rules).map_err(problem::invalid)?;
        if !actor.may_touch(&metadata.scope) {
            return call.deny(&actor, &client.client_id, "admin_scope_given", CANNOT_GIVE);
        }
        let event = call
            .event(&actor, EventType::ClientUpdated)?
            .client(&client.client_id);
        let registrar = &call.app().registrar;
        registrar
            .check_sector(Some(&client.metadata), &metadata, &event)
            .await?;
        registrar.check_plan(call.tenant(), &metadata).await?;
        // What takes away is not undone by giving back: a client that is enabled again begins anew.
        let disabled = client.enabled && !enabled;
        let changes = registry::apply(&mut client, metadata, enabled)?;
        if changes.is_empty() {
            return answer(&call, &client);
        }
        let event = event.with("changes", changes);
        if registrar.update(&mut client, disabled, event, call.now()).await? {
            return answer(&call, &client);
        }
    }
    Err(busy())
}

pub(super) async fn delete(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    for _ in 0..version::ATTEMPTS {
        let client = find_to_change(&call, &actor).await?;
        let event = call.event(&actor, EventType::ClientDeleted)?;
        if call.app().registrar.remove(&client, event, call.now()).await? {
            return Ok(HttpResponse::NoContent().finish());
        }
    }
    Err(busy())
}

pub(super) async fn revoke(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    for _ in 0..version::ATTEMPTS {
        let mut client = find_to_change(&call, &actor).await?;
        client.enabled = false;
        let event = call.event(&actor, EventType::ClientRevoked)?;
        let registrar = &call.app().registrar;
        if registrar.update(&mut client, true, event, call.now()).await? {
            return Ok(HttpResponse::NoContent().finish());
        }
    }
    Err(busy())
}

pub(super) async fn rotate_secret(call: Call, actor: Actor) -> Answer {
    call.query(&[])?;
    let body = call.body("ClientSecretRotate").await?;
    let grace = body.get("grace_seconds").map_or(Some(0), Value::as_i64);
    let grace_s = grace.ok_or_else(|| {
        let violation = Violation::new("/grace_seconds", "must be written without a fraction");
        problem::invalid(vec![violation])
    })?;
    let new = NewSecret::make(&call.app().entropy)?;
    for _ in 0..version::ATTEMPTS {
        let mut client = find_to_change(&call, &actor).await?;
        if !client.metadata.has_secret() {
            let detail = "The client is registered for a method without a secret.";
            return Err(problem::conflict("/token_endpoint_auth_method", detail).into());
        }
        rotate(&mut client, new.hash.clone(), grace_s, call.now());
        let event = call
            .event(&actor, EventType::ClientSecretRotated)?
            .with("grace_seconds", grace_s)
            .with("changes", json!({"client_secret": "changed"}));
        let registrar = &call.app().registrar;
        if registrar.update(&mut client, false, event, call.now()).await? {
            return Ok(HttpResponse::Ok()
                .insert_header((header::ETAG, version::etag(client.version)))
                .json(json!({
                    "client_secret": new.secret.expose(),
                    "previous_expires_at": client.previous_secret_expires_at,
                })));
        }
    }
    Err(busy())
}

/// Another change came in between each time.
fn busy() -> Stop {
    Fault::unavailable("a client was changed by others at every attempt").into()
}

/// The client in the path, as the database has it now.
async fn find(call: &Call) -> Result<Client, Stop> {
    let Ok(client_id) = ClientId::parse(call.path("client_id")) else {
        return Err(problem::not_found().into());
    };
    let mut conn = call.app().store.read().await?;
    let client = clients::find(&mut conn, call.tenant(), &client_id).await?;
    client.ok_or_else(|| problem::not_found().into())
}

/// The client in the path, if the actor may change it and means this version of it.
async fn find_to_change(call: &Call, actor: &Actor) -> Result<Client, Stop> {
    let client = find(call).await?;
    if !actor.may_touch(&client.metadata.scope) {
        return call.deny(actor, &client.client_id, "admin_scope_lacking", CANNOT_TOUCH);
    }
    version::check(call, client.version)?;
    Ok(client)
}

fn answer(call: &Call, client: &Client) -> Answer {
    let view = document::view(client, &call.app().config.tokens, call.now())?;
    Ok(HttpResponse::Ok()
        .insert_header((header::ETAG, version::etag(client.version)))
        .json(view))
}
