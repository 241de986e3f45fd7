//! The client credentials grant (RFC 6749 §4.4): a token for the client itself.

use super::issue::{AccessToken, TokenResponse};
use crate::app::App;
use crate::audit::{EventType, Outcome};
use crate::oauth::authorize::request::{refuse_unregistered, resources};
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::request::ClientRequest;
use crate::types::{ScopeSet, Timestamp};

/// Scopes that speak of a user, whom this grant does not have.
const USER_SCOPES: [&str; 2] = ["openid", "offline_access"];

/// Issues a token. §4.4.3: "A refresh token SHOULD NOT be included", and never is (R-REF-10).
pub async fn redeem(app: &App, request: &ClientRequest, now: Timestamp) -> Result<TokenResponse, OauthError> {
    let client = &request.client;
    let scope = scope(request)?;
    let resources = resources(client, request.parameters.all("resource"), &scope)?;
    let keys = app.keys.of(client.tenant_id).await?;
    let event = app
        .event(now, EventType::TokenIssued, Outcome::Success, client.tenant_id)?
        .by(&request.caller)
        .client(&client.client_id)
        .with("method", "oauth")
        .with("grant_type", "client_credentials")
        .with("client_authentication", request.method.as_str())
        .with("scope", scope.to_string());
    let token = AccessToken {
        tenant: &request.tenant,
        client,
        subject: client.client_id.as_str(),
        scope: &scope,
        resources: &resources,
        grant: None,
        sid: None,
        roles: &[],
    };
    let issued = token.sign(app, &keys, now)?;
    // Nothing is issued that is not audited: the record is durable before the token leaves.
    app.audit.record(event.with("jti", issued.jti)).await?;
    Ok(TokenResponse {
        access_token: issued.token,
        expires_in: issued.expires_in,
        scope,
        refresh_token: None,
        id_token: None,
    })
}

/// The scopes asked for, each registered; without any the client's `default_scope`, which holds no admin scope.
fn scope(request: &ClientRequest) -> Result<ScopeSet, OauthError> {
    let Some(text) = request.parameters.get("scope") else {
        return Ok(request
            .client
            .metadata
            .default_scope
            .filter(|scope| !USER_SCOPES.contains(&scope.as_str())));
    };
    let scope = ScopeSet::parse(text).map_err(|why| OauthError::new(ErrorCode::InvalidScope, why.0))?;
    refuse_unregistered(&request.client, &scope)?;
    match USER_SCOPES.into_iter().find(|user_scope| scope.has(user_scope)) {
        None => Ok(scope),
        Some(user_scope) => Err(OauthError::new(
            ErrorCode::InvalidScope,
            format!("The scope {user_scope} is about a user, and the client credentials grant has none"),
        )),
    }
}
