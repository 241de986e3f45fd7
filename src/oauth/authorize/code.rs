//! Issuing an authorization code: the token family begins.

use super::opened::Opened;
use super::redirect::AuthorizationResponse;
use super::request::{AuthorizationRequest, ReturnPath};
use crate::app::App;
use crate::audit::{EventType, Outcome};
use crate::fault::Fault;
use crate::keys::Purpose;
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::handle::{Handle, Kind};
use crate::protect::Exchange;
use crate::storage::consents::Consent;
use crate::storage::grants::{self, Grant, GrantState, SALT_LENGTH};
use crate::storage::sessions::Session;
use crate::storage::users;
use crate::types::{GrantId, ScopeSet, Timestamp, is_admin_scope, role_allows};
use sqlx::types::Json;

/// Why no code was issued.
pub enum NotIssued {
    /// The user may not give what was asked for.
    Refused(OauthError),
    /// Our own fault.
    Fault(Fault),
}

impl From<Fault> for NotIssued {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Inserts the grant, records it, and makes the answer with the code. A grant whose record failed stays pending without a
/// code that anybody knows, and expires in a minute.
pub async fn issue(
    app: &App,
    exchange: &Exchange,
    opened: &Opened,
    request: &AuthorizationRequest,
    session: &Session,
    consent: Option<&Consent>,
    now: Timestamp,
) -> Result<AuthorizationResponse, NotIssued> {
    let client = &opened.client;
    let keys = app.keys.of(client.tenant_id).await?;
    if let Some(scope) = scope_without_role(app, session, &request.scope).await? {
        return Err(NotIssued::Refused(OauthError::new(
            ErrorCode::AccessDenied,
            format!("The user has no role that allows the scope {scope}"),
        )));
    }
    let salt: [u8; SALT_LENGTH] = app.entropy.bytes()?;
    let grant = Grant {
        tenant_id: client.tenant_id,
        id: GrantId(app.entropy.uuid_v7(now)?),
        client_id: client.client_id.clone(),
        user_id: session.user_id,
        session_id: Some(session.id),
        scope: request.scope.clone(),
        resources: Json(request.resources.clone()),
        claims: Json(request.claims.to_stored()),
        nonce: request.nonce.clone(),
        auth_time: session.auth_time,
        acr: session.acr.clone(),
        amr: session.amr.clone(),
        redirect_uri: opened.back.redirect.uri().to_owned(),
        redirect_uri_sent: opened.back.redirect.was_sent(),
        code_challenge: request
            .challenge
            .as_ref()
            .map(|challenge| challenge.as_str().to_owned()),
        confirmation: None,
        offline: request.scope.has("offline_access"),
        user_epoch: session.user_epoch,
        client_epoch: client.epoch,
        consent_epoch: consent.map(|consent| consent.epoch),
        state: GrantState::Pending,
        generation: 0,
        salt: salt.to_vec(),
        previous_salt: None,
        rotated_at: None,
        rotated_ip: None,
        code_expires_at: now.plus_seconds(app.config.tokens.code_ttl_s),
        created_at: now,
        expires_at: family_end(app, opened, session),
        revoked_at: None,
        revoke_reason: None,
    };
    grants::insert(&mut app.store.write().await?, &grant).await?;
    let handle = Handle {
        grant: grant.id,
        generation: 0,
        salt,
    };
    let code = handle.seal(Kind::Code, grant.tenant_id, keys.purpose(Purpose::Mac)?)?;
    let event = app
        .event(
            now,
            EventType::AuthorizationGranted,
            Outcome::Success,
            grant.tenant_id,
        )?
        .by(exchange.caller())
        .client(&grant.client_id)
        .user(grant.user_id)
        .family(grant.id)
        .with("method", "oauth")
        .with("scope", grant.scope.to_string())
        .with("session_id", session.id.to_string());
    app.audit.record(event).await?;
    let ReturnPath {
        redirect,
        mode,
        state,
    } = opened.back.clone();
    Ok(AuthorizationResponse::code(
        redirect,
        mode,
        code.expose(),
        state.as_deref(),
        &opened.tenant.issuer,
    ))
}

/// The family's end is counted from sign-in and no rotation moves it (R-REF-13).
fn family_end(app: &App, opened: &Opened, session: &Session) -> Timestamp {
    session.auth_time.plus_seconds(
        opened
            .client
            .metadata
            .effective_refresh_token_ttl(&app.config.tokens),
    )
}

/// Contract "Admin rights": an admin scope needs a role of the user which allows it. The first one that has none.
pub async fn scope_without_role(
    app: &App,
    session: &Session,
    scope: &ScopeSet,
) -> Result<Option<String>, Fault> {
    if !scope.iter().any(|scope| is_admin_scope(scope.as_str())) {
        return Ok(None);
    }
    let user = users::find(&mut app.store.read().await?, session.tenant_id, session.user_id).await?;
    let roles = user.map(|user| user.roles.0).unwrap_or_default();
    let missing = scope.iter().find(|scope| !role_allows(&roles, scope.as_str()));
    Ok(missing.map(ToString::to_string))
}
