//! The UserInfo endpoint (OIDC Core §5.3).

use super::claims::pick;
use super::claims_request::{ClaimsRequest, Delivery};
use super::subject;
use crate::app::App;
use crate::bearer::{self, AccessToken};
use crate::clients::NotEncrypted;
use crate::fault::Fault;
use crate::jose::Content;
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
    if let Err(refused) = exchange.client(&token.client, user).await {
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
        Ok(Some(claims)) => match respond(app, exchange, &token, claims).await {
            Ok(response) => response,
            Err(why) => not_encrypted(app, exchange, &token, &why),
        },
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
    let all = app.accounts.claims(&user).await?;
    let mut claims = pick(
        &app.config.scope_claims,
        &all,
        &token.scope,
        &asked,
        &token.client.metadata,
        Delivery::Userinfo,
    );
    let keys = app.keys.of(grant.tenant_id).await?;
    claims.insert(
        "sub".to_owned(),
        Value::from(subject::of(&keys, &token.client, user.id)?),
    );
    Ok(Some(claims))
}

/// §5.3.2: JSON, or as the client is registered "signed, encrypted, or signed and encrypted".
async fn respond(
    app: &App,
    exchange: &Exchange,
    token: &AccessToken,
    mut claims: Map<String, Value>,
) -> Result<HttpResponse, NotEncrypted> {
    let (client, now) = (&token.client, exchange.now());
    let signed = match client.metadata.userinfo_alg(&app.config.tokens) {
        None => None,
        Some(alg) => {
            // "If signed, the UserInfo Response MUST contain the Claims iss (issuer) and aud (audience) as members." It
            // has no exp, so that nobody takes it for an ID token.
            claims.insert("iss".to_owned(), exchange.tenant().issuer.as_str().into());
            claims.insert("aud".to_owned(), client.client_id.as_str().into());
            let keys = app.keys.of(client.tenant_id).await?;
            Some(keys.signer(alg)?.sign_jwt("JWT", &claims)?)
        }
    };
    let Some(encryption) = client.metadata.userinfo_encryption() else {
        return Ok(match signed {
            None => HttpResponse::Ok().json(claims),
            Some(signed) => jwt(signed),
        });
    };
    let plain = Value::Object(claims).to_string();
    let content = match &signed {
        Some(signed) => Content::Signed(signed),
        None => Content::Claims(plain.as_bytes()),
    };
    let keys = app.authenticator.keys();
    let token = encryption
        .apply(keys, &client.metadata, None, content, now)
        .await?;
    Ok(jwt(token))
}

/// "If the UserInfo Response is signed and/or encrypted, then the Claims are returned in a JWT and the content-type MUST
/// be application/jwt."
fn jwt(token: String) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/jwt"))
        .body(token)
}

fn not_encrypted(app: &App, exchange: &Exchange, token: &AccessToken, why: &NotEncrypted) -> HttpResponse {
    let client = &token.client;
    let refusal = match why {
        NotEncrypted::Fault(fault) => return exchange.fault(fault).error_response(),
        NotEncrypted::NoKey => Refusal::new(StatusCode::BAD_REQUEST, why.describe()),
        NotEncrypted::KeysUnavailable | NotEncrypted::KeysForbidden => {
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, why.describe()).retry_after(5)
        }
    };
    if let NotEncrypted::KeysForbidden = why {
        let occasion = (exchange.now(), client.tenant_id);
        let noted = app.note_blocked(occasion, exchange.caller(), Some(&client.client_id), "jwks_uri");
        if let Err(fault) = noted {
            return exchange.fault(&fault).error_response();
        }
    }
    exchange.refuse(refusal).error_response()
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
