//! Token introspection (RFC 7662), also with a signed answer (RFC 9701).

use crate::app::App;
use crate::bearer;
use crate::fault::Fault;
use crate::keys::Purpose;
use crate::oauth::answer;
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::handle::{Handle, Kind};
use crate::oauth::parameters::require;
use crate::oauth::request::{ClientRequest, Unserved};
use crate::oauth::signed_answer;
use crate::oidc::subject;
use crate::protect::Exchange;
use crate::protect::body::FormBody;
use crate::storage::clients::Client;
use crate::storage::grants;
use crate::types::{IntrospectionRight, Timestamp};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};

/// Path below the issuer.
pub const PATH: &str = "/oauth2/introspect";

/// `POST /oauth2/introspect`.
pub async fn post(
    app: web::Data<App>,
    exchange: Exchange,
    http: HttpRequest,
    form: FormBody,
) -> HttpResponse {
    let signed = signed_answer::is_wanted(&http);
    let served = async {
        let request = ClientRequest::read(&app, &exchange, &http, form.0, PATH).await?;
        let answer = introspect(&app, &request, exchange.now()).await?;
        Ok::<_, Unserved>(if signed {
            signed_answer::respond(&app, &request, answer, exchange.now()).await?
        } else {
            HttpResponse::Ok().json(answer)
        })
    };
    let mut response = match served.await {
        Ok(response) => response,
        Err(unserved) => answer::unserved(&exchange, unserved),
    };
    let tried_header = http.headers().contains_key(header::AUTHORIZATION);
    if signed && response.status() == StatusCode::UNAUTHORIZED && !tried_header {
        // RFC 9701 §5: requests "that don't authenticate the caller" get "an HTTP status code 400". Who tried by a header
        // gets the 401 that RFC 6749 §5.2 demands.
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    response
}

async fn introspect(app: &App, request: &ClientRequest, now: Timestamp) -> Result<Value, OauthError> {
    // RFC 7662 §2.1: "the protected resource … MUST also require some form of authorization". A name alone is none.
    if !request.client.metadata.may_introspect() {
        return Err(OauthError::new(
            ErrorCode::UnauthorizedClient,
            "A public client cannot introspect: anybody could use its name",
        ));
    }
    let token = require(&request.parameters, "token")?;
    let found = if token.starts_with(Kind::Refresh.prefix()) {
        refresh_token(app, request, token, now).await?
    } else {
        access_token(app, request, token, now).await?
    };
    // §2.2: for a token that is unknown, over, or not for this caller to know about, nothing else is said.
    Ok(found.map_or_else(|| json!({"active": false}), Value::Object))
}

async fn access_token(
    app: &App,
    request: &ClientRequest,
    token: &str,
    now: Timestamp,
) -> Result<Option<Map<String, Value>>, Fault> {
    let Ok(token) = bearer::verify(app, &request.tenant, token, None, now).await? else {
        return Ok(None);
    };
    let audiences = token.claims.audiences().unwrap_or_default();
    if !may_see(&request.client, &token.client, &audiences) {
        return Ok(None);
    }
    let mut answer = token.claims.into_map();
    answer.insert("active".to_owned(), Value::Bool(true));
    answer.insert("token_type".to_owned(), Value::from("Bearer"));
    Ok(Some(answer))
}

async fn refresh_token(
    app: &App,
    request: &ClientRequest,
    token: &str,
    now: Timestamp,
) -> Result<Option<Map<String, Value>>, Fault> {
    let tenant = request.client.tenant_id;
    let keys = app.keys.of(tenant).await?;
    let Some(handle) = Handle::open(token, Kind::Refresh, tenant, |id| {
        keys.purpose_by_id(Purpose::Mac, id)
    }) else {
        return Ok(None);
    };
    let found = grants::find_live(&mut app.store.read().await?, tenant, handle.grant, now).await?;
    // An older generation is not active; to look at it is no theft.
    let Some(grant) =
        found.filter(|grant| grant.generation == handle.generation && grant.salt == handle.salt)
    else {
        return Ok(None);
    };
    let own = grant.client_id == request.client.client_id;
    if !own && request.client.metadata.introspection != IntrospectionRight::Any {
        return Ok(None);
    }
    let Some(client) = app.clients.find_enabled(tenant, &grant.client_id).await? else {
        return Ok(None);
    };
    let answer = json!({
        "active": true,
        "iss": request.tenant.issuer.as_str(),
        // It is for this server alone.
        "aud": request.tenant.issuer.as_str(),
        "client_id": grant.client_id,
        "sub": subject::of(&keys, &client, grant.user_id)?,
        "scope": grant.scope.to_string(),
        "exp": grant.expires_at.seconds(),
        "iat": grant.rotated_at.unwrap_or(grant.created_at).seconds(),
        "gid": grant.id,
    });
    Ok(answer.as_object().cloned())
}

/// Contract "Introspection": a client sees its own tokens, those for a resource that it is, or with `introspection: any`
/// all.
fn may_see(asking: &Client, owner: &Client, audiences: &[&str]) -> bool {
    asking.client_id == owner.client_id
        || asking.metadata.introspection == IntrospectionRight::Any
        || asking
            .metadata
            .resource_identifiers
            .iter()
            .any(|resource| audiences.contains(&resource.as_str()))
}
