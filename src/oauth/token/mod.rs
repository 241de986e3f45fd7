//! The token endpoint (RFC 6749 §3.2): a file per grant, and what they have in common.

mod authorization_code;
mod client_credentials;
mod device_code;
pub mod issue;
mod refresh_token;
mod unsettled;
mod user_tokens;

use self::issue::TokenResponse;
use crate::app::App;
use crate::audit::{EventType, Outcome};
use crate::oauth::answer;
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::parameters::require;
use crate::oauth::request::{ClientRequest, Unserved};
use crate::protect::Exchange;
use crate::protect::body::FormBody;
use crate::storage::grants::Grant;
use crate::types::{GrantType, Timestamp};
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};

/// Path below the issuer.
pub const PATH: &str = "/oauth2/token";

/// `POST /oauth2/token`.
pub async fn post(
    app: web::Data<App>,
    exchange: Exchange,
    http: HttpRequest,
    form: FormBody,
) -> HttpResponse {
    let request = match ClientRequest::read(&app, &exchange, &http, form.0, PATH).await {
        Ok(request) => request,
        Err(unserved) => return answer::unserved(&exchange, unserved),
    };
    let now = exchange.now();
    // On a task of its own: when the client goes away in the middle, what was begun is finished or put back.
    let served = actix_web::rt::spawn(async move {
        let token = redeem(&app, &request, now).await?;
        if let Err(fault) = app.registrar.note_use(&request.client, now).await {
            tracing::warn!(client_id = %request.client.client_id, "a client's use was not noted: {fault}");
        }
        Ok::<_, OauthError>(token.to_json()?)
    });
    match served.await {
        Ok(Ok(body)) => HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, "application/json"))
            .insert_header((header::PRAGMA, "no-cache"))
            .body(body),
        Ok(Err(error)) => {
            // R-LIM-03: one counter for every path that checks a secret.
            if error.is_guess
                && let Err(refused) = exchange.secret_failed().await
            {
                return answer::unserved(&exchange, refused.into());
            }
            answer::unserved(&exchange, Unserved::Error(error))
        }
        Err(_) => answer::unserved(
            &exchange,
            crate::fault::Fault::internal("a token request panicked").into(),
        ),
    }
}

/// Checks that the client may use the grant, and hands over to it.
async fn redeem(app: &App, request: &ClientRequest, now: Timestamp) -> Result<TokenResponse, OauthError> {
    let name = require(&request.parameters, "grant_type")?;
    let Ok(grant) = GrantType::parse(name) else {
        return Err(OauthError::new(
            ErrorCode::UnsupportedGrantType,
            "grant_type must be one of those in the server's metadata (grant_types_supported)",
        ));
    };
    // RFC 6749 §5.2 unauthorized_client. What is presented is then not even looked at.
    if !request.client.metadata.has_grant(grant) {
        return Err(OauthError::new(
            ErrorCode::UnauthorizedClient,
            format!("The client is not registered for the grant {name}"),
        ));
    }
    if let Some(encryption) = request.client.metadata.id_token_encryption() {
        // Fetches the client's keys where they are not at hand, before anything is used up. What is in the way matters
        // only to who gets an ID token, and is found again then.
        let keys = app.authenticator.keys();
        let _ = keys
            .encryption_key(&request.client.metadata, encryption.alg, now)
            .await;
    }
    match grant {
        GrantType::AuthorizationCode => authorization_code::redeem(app, request, now).await,
        GrantType::RefreshToken => refresh_token::redeem(app, request, now).await,
        GrantType::ClientCredentials => client_credentials::redeem(app, request, now).await,
        GrantType::DeviceCode => device_code::redeem(app, request, now).await,
    }
}

/// `invalid_grant`, the same for every reason (R-REF-17); the true one is in the audit log.
fn refuse<T>(
    app: &App,
    request: &ClientRequest,
    event_type: EventType,
    grant: Option<&Grant>,
    why: &str,
    now: Timestamp,
) -> Result<T, OauthError> {
    let event = app
        .event(now, event_type, Outcome::Failure, request.client.tenant_id)?
        .by(&request.caller)
        .client(&request.client.client_id)
        .with("method", "oauth")
        .because(why);
    app.audit.note(match grant {
        Some(grant) => event.user(grant.user_id).family(grant.id),
        None => event,
    });
    Err(OauthError::invalid_grant())
}
