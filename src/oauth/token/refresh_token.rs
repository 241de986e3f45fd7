//! Refreshing an access token (RFC 6749 §6) with rotation and reuse detection (RFC 9700 §4.14.2).

use super::issue::TokenResponse;
use super::refuse;
use super::unsettled;
use super::user_tokens::{self, Occasion};
use crate::app::App;
use crate::audit::EventType;
use crate::keys::Purpose;
use crate::oauth::authorize::request::resources;
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::family::{self, End};
use crate::oauth::handle::{Handle, Kind};
use crate::oauth::parameters::require;
use crate::oauth::request::ClientRequest;
use crate::storage::grants::{self, Grant, Presented, RotateBy, Rotation, SALT_LENGTH};
use crate::types::{Resource, ScopeSet, Timestamp};

/// What the request narrows the grant to, where it does.
#[derive(Debug, Default)]
pub struct Narrowed {
    /// `scope`.
    pub scope: Option<ScopeSet>,
    /// `resource`.
    pub resources: Option<Vec<Resource>>,
}

/// Redeems a refresh token.
pub async fn redeem(app: &App, request: &ClientRequest, now: Timestamp) -> Result<TokenResponse, OauthError> {
    let client = &request.client;
    let tenant = client.tenant_id;
    let keys = app.keys.of(tenant).await?;
    let text = require(&request.parameters, "refresh_token")?;
    let Some(handle) = Handle::open(text, Kind::Refresh, tenant, |id| {
        keys.purpose_by_id(Purpose::Mac, id)
    }) else {
        return refuse(
            app,
            request,
            EventType::TokenRefresh,
            None,
            "not_a_refresh_token",
            now,
        );
    };
    let presented = Presented {
        id: handle.grant,
        generation: handle.generation,
        salt: &handle.salt,
        client_id: &client.client_id,
    };
    let narrowed = narrow(app, request, handle, now).await?;
    let new_salt = app.entropy.bytes::<SALT_LENGTH>()?;
    let ip = request.caller.address.to_string();
    let by = RotateBy {
        new_salt: &new_salt,
        ip: &ip,
        retry_seconds: client.metadata.retry_window_s(),
        same_address: client.metadata.is_public(),
        keep: !client.metadata.rotates(),
        confirmation: None,
    };
    match grants::rotate(&app.store, tenant, presented, by, now).await? {
        Rotation::Rotated(grant) => {
            let occasion = if by.keep {
                Occasion::RefreshInPlace
            } else {
                Occasion::Refresh
            };
            let answer = user_tokens::issue(app, request, &keys, &grant, &narrowed, occasion, now).await;
            if answer.is_err() && !by.keep {
                // No token left the process, so the same refresh token works again.
                put_back(app, &grant, &presented).await;
            }
            answer
        }
        Rotation::Repeated(grant) => {
            user_tokens::issue(app, request, &keys, &grant, &narrowed, Occasion::Repeat, now).await
        }
        Rotation::Replayed(grant) if unsettled::was_put_back(app, &grant, &presented, now).await? => {
            Err(unsettled::try_again().into())
        }
        Rotation::Stolen(grant) | Rotation::Replayed(grant) => {
            let by = client.client_id.as_str();
            family::end(
                app,
                &grant,
                End::RefreshReuse,
                &request.caller,
                by,
                Some(handle.generation),
                now,
            )
            .await?;
            refuse(
                app,
                request,
                EventType::TokenRefresh,
                Some(&grant),
                End::RefreshReuse.reason(),
                now,
            )
        }
        Rotation::Refused(why, grant) => {
            refuse(app, request, EventType::TokenRefresh, grant.as_deref(), why, now)
        }
    }
}

/// RFC 6749 §6: "The requested scope MUST NOT include any scope not originally granted by the resource owner". Checked
/// before the token is used, so that a refused request costs nothing (R-REF-11); what theft looks like is left to
/// the rotation.
async fn narrow(
    app: &App,
    request: &ClientRequest,
    handle: Handle,
    now: Timestamp,
) -> Result<Narrowed, OauthError> {
    let mut narrowed = Narrowed::default();
    let names_resource = request.parameters.all("resource").next().is_some();
    let Some(text) = request.parameters.get("scope").or(names_resource.then_some("")) else {
        return Ok(narrowed);
    };
    let found = grants::find_live(
        &mut app.store.read().await?,
        request.client.tenant_id,
        handle.grant,
        now,
    )
    .await?;
    let Some(grant) = found.filter(|grant| grant.client_id == request.client.client_id) else {
        return Ok(narrowed);
    };
    if !text.is_empty() {
        let scope = ScopeSet::parse(text).map_err(|why| OauthError::new(ErrorCode::InvalidScope, why.0))?;
        if !scope.is_subset(&grant.scope) {
            return Err(OauthError::new(
                ErrorCode::InvalidScope,
                "A refresh may narrow the scope that was granted, not widen it (RFC 6749 section 6)",
            ));
        }
        narrowed.scope = Some(scope);
    }
    if names_resource {
        let scope = narrowed.scope.as_ref().unwrap_or(&grant.scope);
        let named = resources(&request.client, request.parameters.all("resource"), scope)?;
        if !grant.resources.is_empty() && named.iter().any(|resource| !grant.resources.contains(resource)) {
            return Err(OauthError::new(
                ErrorCode::InvalidTarget,
                "A refresh may narrow the resources that were granted, not widen them (RFC 8707 section 2.2)",
            ));
        }
        narrowed.resources = Some(named);
    }
    Ok(narrowed)
}

/// Puts a use back whose answer could not be given. That this fails too is only logged: the token is lost then, as it
/// would be with a lost answer, and nothing was issued.
pub async fn put_back(app: &App, grant: &Grant, presented: &Presented<'_>) {
    let put = async {
        let mut conn = app.store.write().await?;
        grants::put_back(&mut conn, grant, presented).await
    };
    match put.await {
        Ok(true) => {}
        Ok(false) => {
            tracing::info!(family = %grant.id, "family {} has moved on, its last use is not put back", grant.id)
        }
        Err(fault) => tracing::error!(
            family = %grant.id,
            "the last use of family {} could not be put back, its user has to sign in again: {fault}",
            grant.id
        ),
    }
}
