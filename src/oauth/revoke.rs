//! Token revocation (RFC 7009).

use crate::app::App;
use crate::audit::{EventType, Outcome};
use crate::fault::Fault;
use crate::jose::jwt::{self, Expect};
use crate::keys::Purpose;
use crate::oauth::answer;
use crate::oauth::error::OauthError;
use crate::oauth::family::{self, End};
use crate::oauth::handle::{Handle, Kind};
use crate::oauth::parameters::require;
use crate::oauth::request::{ClientRequest, Unserved};
use crate::protect::Exchange;
use crate::protect::body::FormBody;
use crate::storage::{grants, outbox, revoked_tokens};
use crate::types::Timestamp;
use actix_web::{HttpRequest, HttpResponse, web};

/// Path below the issuer.
pub const PATH: &str = "/oauth2/revoke";

/// `POST /oauth2/revoke`. §2.2: "The authorization server responds with HTTP status code 200 if the token has been
/// revoked successfully or if the client submitted an invalid token."
pub async fn post(
    app: web::Data<App>,
    exchange: Exchange,
    http: HttpRequest,
    form: FormBody,
) -> HttpResponse {
    let served = async {
        let request = ClientRequest::read(&app, &exchange, &http, form.0, PATH).await?;
        Ok::<_, Unserved>(revoke(&app, &request, exchange.now()).await?)
    };
    match served.await {
        Ok(()) => HttpResponse::Ok().finish(),
        Err(unserved) => answer::unserved(&exchange, unserved),
    }
}

/// The hint says only where to look first (§2.1), and a token's form says it better.
async fn revoke(app: &App, request: &ClientRequest, now: Timestamp) -> Result<(), OauthError> {
    let token = require(&request.parameters, "token")?;
    for kind in [Kind::Refresh, Kind::Code] {
        if token.starts_with(kind.prefix()) {
            return Ok(family(app, request, token, kind, now).await?);
        }
    }
    Ok(access_token(app, request, token, now).await?)
}

/// §2.1: a refresh token takes with it the access tokens that rest on the same grant. Another client's token is left
/// alone, and so is one that this server never made.
async fn family(
    app: &App,
    request: &ClientRequest,
    token: &str,
    kind: Kind,
    now: Timestamp,
) -> Result<(), Fault> {
    let client = &request.client;
    let keys = app.keys.of(client.tenant_id).await?;
    let Some(handle) = Handle::open(token, kind, client.tenant_id, |id| {
        keys.purpose_by_id(Purpose::Mac, id)
    }) else {
        return Ok(());
    };
    let found = grants::find(&mut app.store.read().await?, client.tenant_id, handle.grant).await?;
    let Some(grant) = found.filter(|grant| grant.client_id == client.client_id) else {
        return Ok(());
    };
    let by = client.client_id.as_str();
    family::end(
        app,
        &grant,
        End::Revoked,
        &request.caller,
        by,
        Some(handle.generation),
        now,
    )
    .await
}

/// One access token, until it would have expired.
async fn access_token(app: &App, request: &ClientRequest, token: &str, now: Timestamp) -> Result<(), Fault> {
    let client = &request.client;
    let keys = app.keys.of(client.tenant_id).await?;
    let expect = Expect {
        typ: &["at+jwt"],
        issuer: request.tenant.issuer.as_str(),
        audience: None,
        leeway_s: app.config.tokens.leeway_s,
        allow_expired: false,
    };
    let Ok(claims) = jwt::verify(token, &expect, |kid| keys.verifying(kid), now) else {
        return Ok(());
    };
    let (Some(jti), Some(expires_at)) = (claims.id(), claims.expires_at()) else {
        return Ok(());
    };
    if claims.str("client_id") != Some(client.client_id.as_str()) {
        return Ok(());
    }
    let mut event = app
        .event(now, EventType::TokenRevoked, Outcome::Success, client.tenant_id)?
        .by(&request.caller)
        .client(&client.client_id)
        .with("method", "oauth")
        .with("jti", jti);
    if let Some(family) = claims.str("gid").and_then(|gid| gid.parse().ok()) {
        event = event.family(family);
        // The family knows the user; the token's subject may be a pairwise one.
        let found = grants::find(&mut app.store.read().await?, client.tenant_id, family).await?;
        if let Some(grant) = found {
            event = event.user(grant.user_id);
        }
    }
    let mut tx = app.store.begin().await?;
    // Kept past its end by the clock difference that verification tolerates.
    let until = expires_at.plus_seconds(app.config.tokens.leeway_s);
    if revoked_tokens::insert(&mut tx, client.tenant_id, jti, until).await? {
        outbox::insert(&mut tx, &event).await?;
        tx.commit().await?;
        app.audit.deliver(event).await;
    }
    Ok(())
}
