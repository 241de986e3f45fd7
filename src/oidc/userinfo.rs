//! The UserInfo endpoint (OIDC Core §5.3).

use super::claims::pick;
use super::claims_request::{ClaimsRequest, Delivery};
use super::subject;
use crate::app::App;
use crate::bearer::{self, AccessToken};
use crate::fault::Fault;
use crate::protect::Exchange;
use crate::protect::body::FormBody;
use crate::storage::users;
use crate::surface::Refusal;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, ResponseError as _, web};
use serde_json::{Map, Value};

/// Path below the issuer.
pub const PATH: &str = "/oauth2/userinfo";

/// `GET /oauth2/userinfo`.
pub async fn get(app: web::Data<App>, exchange: Exchange, http: HttpRequest) -> HttpResponse {
    let token = http
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|header| bearer::token_of(header.as_bytes()));
    answer(&app, &exchange, token).await
}

/// `POST /oauth2/userinfo`: the token in the header or in the form (RFC 6750 §2.2), never in both.
pub async fn post(
    app: web::Data<App>,
    exchange: Exchange,
    http: HttpRequest,
    form: FormBody,
) -> HttpResponse {
    let header = http.headers().get(header::AUTHORIZATION);
    let in_form: Vec<&str> = form.0.all("access_token").collect();
    match (header, in_form.as_slice()) {
        (Some(header), []) => answer(&app, &exchange, bearer::token_of(header.as_bytes())).await,
        (None, [token]) => answer(&app, &exchange, Some(token)).await,
        (None, []) => answer(&app, &exchange, None).await,
        // RFC 6750 §2: "Clients MUST NOT use more than one method to transmit the token in each request."
        _ => refuse(
            &exchange,
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "Send the token once, in one place",
        ),
    }
}

async fn answer(app: &App, exchange: &Exchange, token: Option<&str>) -> HttpResponse {
    let Some(token) = token else {
        // RFC 6750 §3.1: without any authentication the challenge has no error code.
        let refusal = Refusal::new(
            StatusCode::UNAUTHORIZED,
            "Send an access token as Authorization: Bearer",
        )
        .code("invalid_token")
        .header(header::WWW_AUTHENTICATE, "Bearer");
        return exchange.refuse(refusal).error_response();
    };
    let tenant = exchange.tenant();
    let issuer = tenant.issuer.as_str();
    let token = match bearer::verify(app, tenant, token, Some(issuer), exchange.now()).await {
        Ok(Ok(token)) => token,
        Ok(Err(_)) => {
            return refuse(
                exchange,
                StatusCode::UNAUTHORIZED,
                "invalid_token",
                "Invalid or expired token",
            );
        }
        Err(fault) => return exchange.fault(&fault).error_response(),
    };
    exchange.allow_origins(token.client.metadata.cors_origins());
    let user = token.grant.as_ref().map(|grant| grant.user_id);
    if let Err(refused) = exchange.client(&token.client.client_id, user).await {
        return refused.error_response();
    }
    if !token.scope.has("openid") || token.grant.is_none() {
        return refuse(
            exchange,
            StatusCode::FORBIDDEN,
            "insufficient_scope",
            "The token needs the scope openid",
        );
    }
    match claims(app, &token).await {
        Ok(Some(claims)) => HttpResponse::Ok().json(claims),
        Ok(None) => refuse(
            exchange,
            StatusCode::UNAUTHORIZED,
            "invalid_token",
            "Invalid or expired token",
        ),
        Err(fault) => exchange.fault(&fault).error_response(),
    }
}

/// The claims that the token's scopes and the request's `claims` allow; §5.3.2: "The sub (subject) Claim MUST always be
/// returned".
async fn claims(app: &App, token: &AccessToken) -> Result<Option<Map<String, Value>>, Fault> {
    let Some(grant) = &token.grant else {
        return Ok(None);
    };
    let found = users::find(&mut app.store.read().await?, grant.tenant_id, grant.user_id).await?;
    let Some(user) = found else { return Ok(None) };
    let asked = ClaimsRequest::from_stored(&grant.claims);
    let all = app.accounts.profile(&user).await?.claims(user.updated_at);
    let mut claims = pick(
        &all,
        &token.scope,
        &asked,
        &token.client.metadata.scope,
        Delivery::Userinfo,
    );
    let keys = app.keys.of(grant.tenant_id).await?;
    claims.insert(
        "sub".to_owned(),
        Value::from(subject::of(&keys, &token.client, user.id)?),
    );
    Ok(Some(claims))
}

/// RFC 6750 §3: the challenge carries the error.
fn refuse(exchange: &Exchange, status: StatusCode, code: &'static str, detail: &'static str) -> HttpResponse {
    let scope = if code == "insufficient_scope" {
        ", scope=\"openid\""
    } else {
        ""
    };
    let challenge = format!("Bearer error=\"{code}\", error_description=\"{detail}\"{scope}");
    let refusal = Refusal::new(status, detail)
        .code(code)
        .header(header::WWW_AUTHENTICATE, &challenge);
    exchange.refuse(refusal).error_response()
}
