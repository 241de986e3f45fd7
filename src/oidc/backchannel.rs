//! Logout tokens (OpenID Connect Back-Channel Logout 1.0): every client that got something in a session is told when the
//! session is over, however it ended.
//!
//! The end of a session is noted in its own transaction; [`announce`] turns the note into one delivery for each client, and
//! [`message`] makes the token anew for each attempt, so that its times are fresh and its key is a published one.

use super::subject;
use crate::account::sid;
use crate::app::App;
use crate::fault::Fault;
use crate::storage::clients::Client;
use crate::storage::deliveries::{self, Delivery, Kind};
use crate::storage::ended_sessions::{self, Ended};
use crate::storage::grants;
use crate::types::{ClientId, SessionId, TenantId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sqlx::types::Json;
use std::sync::Arc;
use url::form_urlencoded;

/// The member of `events` that says what the token is (§2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// Life of a logout token in seconds (§2.4: "preferably at most two minutes in the future").
const LIFETIME_S: i64 = 120;
/// How long a logout is worth telling, in seconds: as long as the rows of the session are kept.
pub const TOLD_WITHIN_S: i64 = 86_400;

/// A request to a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where to.
    pub url: String,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

/// What a delivery of a logout token holds.
#[derive(Serialize, Deserialize)]
struct Payload {
    session: SessionId,
    user: UserId,
}

#[derive(Serialize)]
struct LogoutToken<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    jti: String,
    events: Value,
    sid: &'a str,
}

/// Clients that got something in a session and can still be told of its end.
pub async fn clients_to_tell(
    app: &App,
    tenant: TenantId,
    session: SessionId,
) -> Result<Vec<Arc<Client>>, Fault> {
    let ids = grants::clients_of_session(&mut app.store.read().await?, tenant, session).await?;
    let mut clients = Vec::new();
    for id in ids {
        clients.extend(app.clients.find_enabled(tenant, &id).await?);
    }
    Ok(clients)
}

/// Writes a delivery for every client of the session that wants logout tokens, and takes the session off the list.
pub async fn announce(app: &App, ended: &Ended, now: Timestamp) -> Result<(), Fault> {
    let clients = clients_to_tell(app, ended.tenant_id, ended.id).await?;
    let wanting = clients
        .iter()
        .filter(|client| client.metadata.backchannel_logout_uri.is_some());
    let mut tx = app.store.begin().await?;
    if !ended_sessions::take(&mut tx, ended).await? {
        return Ok(());
    }
    for client in wanting {
        let delivery = Delivery {
            tenant_id: ended.tenant_id,
            id: app.entropy.uuid_v7(now)?,
            kind: Kind::BackchannelLogout,
            receiver: client.client_id.to_string(),
            payload: Json(payload(ended)?),
            attempts: 0,
            max_attempts: app.config.logout.tries,
            due_at: now,
            claim: None,
            expires_at: now.plus_seconds(TOLD_WITHIN_S),
            last_error: None,
            dead_at: None,
            created_at: now,
        };
        deliveries::insert(&mut tx, &delivery).await?;
    }
    tx.commit().await
}

/// The request with a logout token (§2.5), made for this attempt. `None` when the client is gone or wants none any more.
pub async fn message(app: &App, delivery: &Delivery, now: Timestamp) -> Result<Option<Message>, Fault> {
    let tenant = delivery.tenant_id;
    let Ok(client_id) = ClientId::parse(&delivery.receiver) else {
        return Ok(None);
    };
    let (Some(issuer), Some(client)) = (
        app.tenants.by_id(tenant).await?.map(|tenant| tenant.issuer),
        app.clients.find_enabled(tenant, &client_id).await?,
    ) else {
        return Ok(None);
    };
    let Some(url) = client.metadata.backchannel_logout_uri.clone() else {
        return Ok(None);
    };
    let payload = Value::Object(delivery.payload.0.clone());
    let payload: Payload = serde_json::from_value(payload)
        .map_err(|error| Fault::internal("a stored delivery is no logout").caused_by(error))?;
    let keys = app.keys.of(tenant).await?;
    let token = LogoutToken {
        iss: issuer.as_str(),
        sub: &subject::of(&keys, &client, payload.user)?,
        aud: client_id.as_str(),
        iat: now.seconds(),
        exp: now.seconds() + LIFETIME_S,
        jti: delivery.id.to_string(),
        events: json!({ EVENT: {} }),
        sid: &sid(&keys, payload.session, &client_id)?,
    };
    // §2.4: "The same keys are used to sign and encrypt Logout Tokens as are used for ID Tokens."
    let alg = client.metadata.id_token_alg(&app.config.tokens);
    let token = keys.signer(alg)?.sign_jwt("logout+jwt", &token)?;
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("logout_token", &token);
    Ok(Some(Message {
        url,
        content_type: "application/x-www-form-urlencoded",
        body: form.finish().into_bytes(),
    }))
}

fn payload(ended: &Ended) -> Result<Map<String, Value>, Fault> {
    let payload = Payload {
        session: ended.id,
        user: ended.user_id,
    };
    match serde_json::to_value(payload) {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err(Fault::internal("a logout is no JSON object")),
    }
}
