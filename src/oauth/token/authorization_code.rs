//! Redeeming an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.6).

use super::issue::TokenResponse;
use super::refresh_token::{Narrowed, put_back};
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
use crate::oauth::pkce::Verifier;
use crate::oauth::request::ClientRequest;
use crate::storage::grants::{self, Presented, Redemption, RotateBy, SALT_LENGTH};
use crate::types::{GrantId, GrantType, Timestamp};

/// Redeems a code.
pub async fn redeem(app: &App, request: &ClientRequest, now: Timestamp) -> Result<TokenResponse, OauthError> {
    let client = &request.client;
    let tenant = client.tenant_id;
    let keys = app.keys.of(tenant).await?;
    let text = require(&request.parameters, "code")?;
    let Some(handle) = Handle::open(text, Kind::Code, tenant, |id| {
        keys.purpose_by_id(Purpose::Mac, id)
    }) else {
        return refuse(app, request, EventType::TokenIssued, None, "not_a_code", now);
    };
    let presented = Presented {
        id: handle.grant,
        generation: 0,
        salt: &handle.salt,
        client_id: &client.client_id,
    };
    // A verifier that is malformed is a wrong one, and matches no challenge.
    let challenge = request.parameters.get("code_verifier").map(|text| {
        Verifier::parse(text)
            .map(|verifier| verifier.challenge().as_str().to_owned())
            .unwrap_or_default()
    });
    let narrowed = narrow(app, request, handle.grant).await?;
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
    let redirect_uri = request.parameters.get("redirect_uri");
    let redemption = grants::redeem(
        &app.store,
        tenant,
        presented,
        redirect_uri,
        challenge.as_deref(),
        by,
        now,
    )
    .await?;
    let (grant, why) = match redemption {
        Redemption::Redeemed(grant) => {
            let answer = user_tokens::issue(
                app,
                request,
                &keys,
                &grant,
                &narrowed,
                Occasion::First(GrantType::AuthorizationCode),
                now,
            )
            .await;
            if answer.is_err() {
                // No token left the process, so the same code works again.
                put_back(app, &grant, &presented).await;
            }
            return answer;
        }
        Redemption::Mismatch(grant) => (grant, End::CodeMismatch),
        Redemption::Stolen(grant) => (grant, End::StolenCode),
        Redemption::Replayed(grant) if unsettled::was_put_back(app, &grant, &presented, now).await? => {
            return Err(unsettled::try_again().into());
        }
        Redemption::Replayed(grant) => (grant, End::CodeReuse),
        Redemption::Refused(why, grant) => {
            return refuse(app, request, EventType::TokenIssued, grant.as_deref(), why, now);
        }
    };
    family::end(
        app,
        &grant,
        why,
        &request.caller,
        client.client_id.as_str(),
        None,
        now,
    )
    .await?;
    refuse(
        app,
        request,
        EventType::TokenIssued,
        Some(&grant),
        why.reason(),
        now,
    )
}

/// RFC 8707 §2.2: the token request may name some of the resources that were granted. Checked before the code is used.
pub(super) async fn narrow(
    app: &App,
    request: &ClientRequest,
    grant: GrantId,
) -> Result<Narrowed, OauthError> {
    if request.parameters.all("resource").next().is_none() {
        return Ok(Narrowed::default());
    }
    let found = grants::find(&mut app.store.read().await?, request.client.tenant_id, grant).await?;
    let Some(grant) = found.filter(|grant| grant.client_id == request.client.client_id) else {
        return Ok(Narrowed::default());
    };
    let named = resources(&request.client, request.parameters.all("resource"), &grant.scope)?;
    if named.iter().any(|resource| !grant.resources.contains(resource)) {
        return Err(OauthError::new(
            ErrorCode::InvalidTarget,
            "The token request names a resource that was not granted (RFC 8707 section 2.2)",
        ));
    }
    Ok(Narrowed {
        scope: None,
        resources: Some(named),
    })
}
