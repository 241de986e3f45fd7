//! The tokens that a user's grant yields, at the code and at every refresh.

use super::issue::{AccessToken, TokenResponse, gets_refresh_token};
use super::refresh_token::Narrowed;
use crate::account::sid;
use crate::app::App;
use crate::audit::{EventType, Outcome};
use crate::clients::NotEncrypted;
use crate::fault::Fault;
use crate::jose::Content;
use crate::keys::{Purpose, TenantKeys};
use crate::oauth::error::OauthError;
use crate::oauth::handle::{Handle, Kind};
use crate::oauth::request::ClientRequest;
use crate::oidc::claims::pick;
use crate::oidc::claims_request::{ClaimsRequest, Delivery};
use crate::oidc::id_token::IdToken;
use crate::oidc::subject;
use crate::storage::grants::{Grant, SALT_LENGTH};
use crate::storage::users::{self, User};
use crate::types::{GrantType, ScopeSet, Secret, Timestamp, is_admin_scope, role_allows};
use serde_json::Map;

/// Why tokens are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// A code was redeemed, of whichever grant.
    First(GrantType),
    /// A refresh token was rotated.
    Refresh,
    /// A refresh token that is never rotated was used.
    RefreshInPlace,
    /// The same refresh token again within the retry window.
    Repeat,
}

/// Makes the tokens and records it. Whoever calls puts the use of the code or refresh token back when this fails.
pub async fn issue(
    app: &App,
    request: &ClientRequest,
    keys: &TenantKeys,
    grant: &Grant,
    narrowed: &Narrowed,
    occasion: Occasion,
    now: Timestamp,
) -> Result<TokenResponse, OauthError> {
    let client = &request.client;
    let granted = narrowed.scope.as_ref().unwrap_or(&grant.scope);
    let asked = ClaimsRequest::from_stored(&grant.claims);
    let user = if needs_user(granted, &asked) {
        users::find(&mut app.store.read().await?, grant.tenant_id, grant.user_id).await?
    } else {
        None
    };
    let scope = still_allowed(granted, user.as_ref());
    let subject = subject::of(keys, client, grant.user_id)?;
    let sid = match grant.session_id {
        Some(session) => Some(sid(keys, session, &client.client_id)?),
        None => None,
    };
    let roles = user
        .as_ref()
        .filter(|_| scope.has("roles"))
        .map_or(&[][..], |user| user.roles.as_slice());
    let access = AccessToken {
        tenant: &request.tenant,
        client,
        subject: &subject,
        scope: &scope,
        resources: narrowed.resources.as_ref().unwrap_or(&grant.resources),
        grant: Some(grant),
        sid: sid.as_deref(),
        roles,
    }
    .sign(app, keys, now)?;
    let id_token = if scope.has("openid") {
        let user_claims = match &user {
            Some(user) => {
                let (all, custom) = (app.accounts.claims(user).await?, &app.config.scope_claims);
                pick(custom, &all, &scope, &asked, &client.metadata, Delivery::IdToken)
            }
            None => Map::new(),
        };
        let token = IdToken {
            issuer: request.tenant.issuer.as_str(),
            subject: &subject,
            client_id: client.client_id.as_str(),
            auth_time: grant.auth_time,
            nonce: grant
                .nonce
                .as_deref()
                .filter(|_| matches!(occasion, Occasion::First(_))),
            acr: &grant.acr,
            amr: &grant.amr,
            sid: sid.as_deref(),
            access_token: Some(access.token.expose()),
            user_claims,
        };
        let signed = token.sign(keys, client.metadata.id_token_alg(&app.config.tokens), now)?;
        Some(encrypted(app, request, signed, now).await?)
    } else {
        None
    };
    let refresh_token = if gets_refresh_token(client) && occasion != Occasion::RefreshInPlace {
        let salt: [u8; SALT_LENGTH] = grant
            .salt
            .as_slice()
            .try_into()
            .map_err(|_| Fault::internal("a grant's salt has 16 bytes"))?;
        let handle = Handle {
            grant: grant.id,
            generation: grant.generation,
            salt,
        };
        Some(handle.seal(Kind::Refresh, grant.tenant_id, keys.purpose(Purpose::Mac)?)?)
    } else {
        None
    };
    record(app, request, grant, &scope, &access.jti, occasion, now).await?;
    Ok(TokenResponse {
        access_token: access.token,
        expires_in: access.expires_in,
        scope,
        refresh_token,
        id_token,
    })
}

/// Encrypts an ID token, where the client is registered for it (OIDC Core §2: "signed then encrypted").
async fn encrypted(
    app: &App,
    request: &ClientRequest,
    signed: Secret,
    now: Timestamp,
) -> Result<Secret, OauthError> {
    let client = &request.client;
    let Some(encryption) = client.metadata.id_token_encryption() else {
        return Ok(signed);
    };
    let content = Content::Signed(signed.expose());
    let keys = app.authenticator.keys();
    let token = encryption.apply(keys, &client.metadata, None, content, now).await;
    if let Err(NotEncrypted::KeysForbidden) = &token {
        let occasion = (now, client.tenant_id);
        app.note_blocked(occasion, &request.caller, Some(&client.client_id), "jwks_uri")?;
    }
    Ok(Secret::new(token?))
}

/// Whether anything about the user goes into the tokens; most refreshes need no more than the grant.
fn needs_user(scope: &ScopeSet, asked: &ClaimsRequest) -> bool {
    scope.has("roles")
        || scope.iter().any(|scope| is_admin_scope(scope.as_str()))
        || asked
            .names(Delivery::IdToken)
            .any(|claim| claim != "acr" && claim != "auth_time" && claim != "sub")
}

/// Without the admin scopes that no role of the user allows any more.
fn still_allowed(scope: &ScopeSet, user: Option<&User>) -> ScopeSet {
    let roles = user.map_or(&[][..], |user| user.roles.as_slice());
    scope.filter(|scope| role_allows(roles, scope.as_str()))
}

async fn record(
    app: &App,
    request: &ClientRequest,
    grant: &Grant,
    scope: &ScopeSet,
    jti: &str,
    occasion: Occasion,
    now: Timestamp,
) -> Result<(), Fault> {
    let event_type = match occasion {
        Occasion::First(_) => EventType::TokenIssued,
        Occasion::Refresh | Occasion::RefreshInPlace | Occasion::Repeat => EventType::TokenRefresh,
    };
    let mut event = app
        .event(now, event_type, Outcome::Success, grant.tenant_id)?
        .by(&request.caller)
        .client(&grant.client_id)
        .user(grant.user_id)
        .family(grant.id)
        .with("method", "oauth")
        .with("client_authentication", request.method.as_str())
        .with("generation", grant.generation)
        .with("scope", scope.to_string())
        .with("jti", jti);
    if let Occasion::First(grant_type) = occasion {
        event = event.with("grant_type", grant_type.as_str());
    }
    if occasion == Occasion::Repeat {
        event = event.with("repeated", true);
    }
    app.audit.record(event).await
}
