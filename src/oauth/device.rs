//! The device authorization endpoint (RFC 8628 §3.1): a device that cannot show a sign-in page asks for a pair of codes,
//! one that it keeps and one that its owner types on another device, at the page `/device`.

use super::answer;
use super::authorize::request::{resources, scope};
use super::error::{ErrorCode, OauthError};
use super::request::{ClientRequest, Unserved};
use crate::app::App;
use crate::audit::{EventType, Outcome};
use crate::fault::Fault;
use crate::keys::{Purpose, TenantKeys};
use crate::protect::Exchange;
use crate::protect::address::limit_key;
use crate::protect::body::FormBody;
use crate::sealed::aad;
use crate::storage::device_requests::{self, DeviceRequest, DeviceState, Kept, Quota};
use crate::surface::Refusal;
use crate::types::{GrantType, Issuer, Secret, Timestamp, TokenHash, UserCode};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use sqlx::types::Json;

/// Path below the issuer.
pub const PATH: &str = "/oauth2/device_authorization";
/// Path of the page below the issuer, short enough to be typed.
pub const PAGE: &str = "/device";
/// What device codes begin with, so that scanners find leaked ones.
pub const PREFIX: &str = "gdc_";
/// So many user codes are tried. With a million devices waiting, one is taken about once in 25,000 times.
const MAX_DRAWS: usize = 5;

/// The codes of one request.
struct Codes {
    device: Secret,
    user: UserCode,
}

/// RFC 8628 §3.2.
#[derive(Serialize)]
struct Body<'a> {
    device_code: &'a str,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: String,
    expires_in: i64,
    interval: i64,
}

/// `POST /oauth2/device_authorization`.
pub async fn post(
    app: web::Data<App>,
    exchange: Exchange,
    http: HttpRequest,
    form: FormBody,
) -> HttpResponse {
    let served = async {
        let request = ClientRequest::read(&app, &exchange, &http, form.0, PATH).await?;
        let codes = begin(&app, &exchange, &request, exchange.now()).await?;
        Ok::<_, Unserved>(body(&app, &codes, &exchange.tenant().issuer)?)
    };
    match served.await {
        Ok(body) => HttpResponse::Ok().content_type("application/json").body(body),
        Err(unserved) => answer::unserved(&exchange, unserved),
    }
}

/// Checks what is asked for, and keeps it until a person has answered.
async fn begin(
    app: &App,
    exchange: &Exchange,
    request: &ClientRequest,
    now: Timestamp,
) -> Result<Codes, Unserved> {
    let client = &request.client;
    if !client.metadata.has_grant(GrantType::DeviceCode) {
        return Err(OauthError::new(
            ErrorCode::UnauthorizedClient,
            format!(
                "The client is not registered for the grant {}",
                GrantType::DeviceCode
            ),
        )
        .into());
    }
    let scope = scope(client, &request.parameters)?;
    let resources = resources(client, request.parameters.all("resource"), &scope)?;
    let device = app.entropy.token(PREFIX)?;
    let asked = DeviceRequest {
        tenant_id: client.tenant_id,
        handle_hash: TokenHash::of(device.expose()),
        client_id: client.client_id.clone(),
        scope,
        resources: Json(resources),
        ip: request.caller.address.to_string(),
        user_agent: request.caller.user_agent.clone(),
        state: DeviceState::Pending,
        interval_s: app.config.device.interval_s,
        grant_id: None,
        created_at: now,
        expires_at: now.plus_seconds(app.config.device.ttl_s),
    };
    let kept = keep(app, request, &asked).await?;
    let event = app
        .event(
            now,
            EventType::DeviceRequested,
            Outcome::Success,
            client.tenant_id,
        )?
        .by(&request.caller)
        .client(&client.client_id)
        .with("method", "oauth")
        .with("client_authentication", request.method.as_str())
        .with("scope", asked.scope.to_string());
    let Some(user) = kept else {
        let mut event = event.because("too_many_waiting");
        event.outcome = Outcome::Failure;
        app.audit.note(event);
        let refusal = Refusal::new(
            StatusCode::TOO_MANY_REQUESTS,
            "Too many devices of this client or address wait for a person. Try again later.",
        );
        return Err(exchange.refuse(refusal.retry_after(RETRY_S)).into());
    };
    // Nothing is issued that is not audited. A request whose record failed waits under codes that nobody knows.
    app.audit.record(event).await?;
    Ok(Codes { device, user })
}

/// When to try again where too many wait.
const RETRY_S: u32 = 60;

/// Keeps the request under a user code that no other one has; `None` when too many wait.
async fn keep(app: &App, request: &ClientRequest, asked: &DeviceRequest) -> Result<Option<UserCode>, Fault> {
    let keys = app.keys.of(asked.tenant_id).await?;
    let network = limit_key(request.caller.address).to_string();
    let quota = Quota {
        per_client: app.config.device.max_pending_per_client,
        per_address: app.config.device.max_pending_per_address,
    };
    for _ in 0..MAX_DRAWS {
        let code = UserCode::draw(|| app.entropy.bytes())?;
        let hash = user_code_hash(&keys, &code)?;
        match device_requests::insert(&app.store, asked, &hash, &network, quota).await? {
            Kept::Yes => return Ok(Some(code)),
            Kept::CodeTaken => {}
            Kept::TooMany => return Ok(None),
        }
    }
    Err(Fault::unavailable("no user code was free"))
}

/// What stands for a user code in the database. It is short, so that a plain hash could be undone.
pub fn user_code_hash(keys: &TenantKeys, code: &UserCode) -> Result<[u8; 32], Fault> {
    let key = keys.purpose(Purpose::BlindIndex)?;
    Ok(key.mac(&aad(&["user code", code.letters()])))
}

fn body(app: &App, codes: &Codes, issuer: &Issuer) -> Result<Vec<u8>, Fault> {
    let page = issuer.at(PAGE);
    let body = Body {
        device_code: codes.device.expose(),
        user_code: codes.user.to_string(),
        verification_uri_complete: format!("{page}?user_code={}", codes.user),
        verification_uri: page,
        expires_in: app.config.device.ttl_s,
        interval: app.config.device.interval_s,
    };
    serde_json::to_vec(&body)
        .map_err(|error| Fault::internal("writing a device authorization response").caused_by(error))
}
