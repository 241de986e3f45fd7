//! The device grant (RFC 8628 §3.4): a device asks again and again whether its owner has agreed.

use super::authorization_code::narrow;
use super::issue::TokenResponse;
use super::refresh_token::put_back;
use super::refuse;
use super::user_tokens::{self, Occasion};
use crate::app::App;
use crate::audit::{EventType, Outcome};
use crate::fault::Fault;
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::family::{self, End};
use crate::oauth::parameters::require;
use crate::oauth::request::ClientRequest;
use crate::storage::device_requests::{self, DeviceRequest, Poll};
use crate::storage::grants::{self, GrantState, Presented, RotateBy, SALT_LENGTH};
use crate::storage::outbox;
use crate::types::{GrantId, GrantType, Timestamp, TokenHash};

/// Answers a poll. §3.5 has an answer of its own for each way in which it can end.
pub async fn redeem(app: &App, request: &ClientRequest, now: Timestamp) -> Result<TokenResponse, OauthError> {
    let client = &request.client;
    let handle = TokenHash::of(require(&request.parameters, "device_code")?);
    match device_requests::poll(&app.store, client.tenant_id, &handle, &client.client_id, now).await? {
        Poll::Approved(grant) => approved(app, request, grant, now).await,
        // "The authorization request is still pending as the end user hasn't yet completed the user-interaction steps."
        Poll::Pending => Err(OauthError::new(
            ErrorCode::AuthorizationPending,
            "The person has not answered yet. Ask again after the interval",
        )),
        // "the interval MUST be increased by 5 seconds for this and all subsequent requests"
        Poll::TooEarly(interval_s) => Err(OauthError::new(
            ErrorCode::SlowDown,
            format!("Asked too early. Wait {interval_s} seconds between requests from now on"),
        )),
        Poll::Denied => Err(OauthError::new(
            ErrorCode::AccessDenied,
            "The person did not agree",
        )),
        Poll::Expired => Err(OauthError::new(
            ErrorCode::ExpiredToken,
            "The device code has expired. Begin anew, but only when the person asks for it",
        )),
        Poll::Stolen(asked) => stolen(app, request, &asked, now).await,
        Poll::Unknown => refuse(
            app,
            request,
            EventType::TokenIssued,
            None,
            "wrong_device_code",
            now,
        )
        .map_err(OauthError::guessed),
    }
}

/// The person agreed: the first poll that comes gets the tokens.
///
/// A device code that comes again afterwards is refused, but its family lives on, unlike that of an authorization code: it
/// never passed through a browser or a URL, and §3.5 tells clients to ask again after a timeout, so that it comes from
/// the device itself whose answer was lost or is still on its way.
async fn approved(
    app: &App,
    request: &ClientRequest,
    id: GrantId,
    now: Timestamp,
) -> Result<TokenResponse, OauthError> {
    let client = &request.client;
    let tenant = client.tenant_id;
    let narrowed = narrow(app, request, id).await?;
    let new_salt = app.entropy.bytes::<SALT_LENGTH>()?;
    let ip = request.caller.address.to_string();
    let by = RotateBy {
        new_salt: &new_salt,
        ip: &ip,
        retry_seconds: 0,
        same_address: false,
        keep: false,
        confirmation: None,
    };
    let mut conn = app.store.write().await?;
    let redeemed = grants::redeem_approved(&mut conn, tenant, id, &client.client_id, by, now).await?;
    let Some(grant) = redeemed else {
        let found = grants::find(&mut conn, tenant, id).await?;
        drop(conn);
        let why = match found.as_ref().map(|grant| grant.state) {
            Some(GrantState::Active) => "device_code_used",
            Some(GrantState::Revoked) => "revoked",
            Some(GrantState::Pending) => "no_longer_authorized",
            None => "unknown",
        };
        return refuse(app, request, EventType::TokenIssued, found.as_ref(), why, now);
    };
    drop(conn);
    let keys = app.keys.of(tenant).await?;
    let occasion = Occasion::First(GrantType::DeviceCode);
    let answer = user_tokens::issue(app, request, &keys, &grant, &narrowed, occasion, now).await;
    if answer.is_err() {
        // No token left the process, so the next poll gets them.
        let before = Presented {
            id,
            generation: 0,
            salt: grant.previous_salt.as_deref().unwrap_or_default(),
            client_id: &client.client_id,
        };
        put_back(app, &grant, &before).await;
    }
    answer
}

/// RFC 6749 §5.2 `invalid_grant`: "was issued to another client". Only the device has the code, so that it is in wrong
/// hands: what was asked for with it is refused, what it yielded ends.
async fn stolen(
    app: &App,
    request: &ClientRequest,
    asked: &DeviceRequest,
    now: Timestamp,
) -> Result<TokenResponse, OauthError> {
    let why = End::StolenDeviceCode;
    let found = match asked.grant_id {
        Some(id) => grants::find(&mut app.store.write().await?, asked.tenant_id, id).await?,
        None => None,
    };
    match &found {
        Some(grant) => {
            let by = request.client.client_id.as_str();
            family::end(app, grant, why, &request.caller, by, None, now).await?;
        }
        None => refuse_request(app, request, asked, now).await?,
    }
    refuse(
        app,
        request,
        EventType::TokenIssued,
        found.as_ref(),
        why.reason(),
        now,
    )
}

/// Takes a request away that nobody has answered, together with the record of it.
async fn refuse_request(
    app: &App,
    request: &ClientRequest,
    asked: &DeviceRequest,
    now: Timestamp,
) -> Result<(), Fault> {
    let event = app
        .event(
            now,
            EventType::DeviceCodeMisused,
            Outcome::Failure,
            asked.tenant_id,
        )?
        .by(&request.caller)
        .client(&asked.client_id)
        .with("presented_by", request.client.client_id.as_str())
        .because(End::StolenDeviceCode.reason());
    let mut tx = app.store.begin().await?;
    if device_requests::deny(&mut tx, asked, now).await? {
        outbox::insert(&mut tx, &event).await?;
        tx.commit().await?;
        app.audit.deliver(event).await;
    }
    Ok(())
}
