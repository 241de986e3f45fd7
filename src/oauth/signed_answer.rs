//! Introspection answers as JWTs (RFC 9701): proof, for whoever has to show it later, of what this server said of a token.

use crate::app::App;
use crate::clients::NotEncrypted;
use crate::jose::Content;
use crate::oauth::error::OauthError;
use crate::oauth::request::ClientRequest;
use crate::types::Timestamp;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::Value;

/// The type of the answer (§5).
const TYPE: &str = "token-introspection+jwt";
/// Its media type (§4).
const MEDIA_TYPE: &str = "application/token-introspection+jwt";

/// §5. There is no `sub` and no `exp`: "as an additional measure to prevent misuse of the JWT as an access token".
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    token_introspection: &'a Value,
}

/// §4: the caller asks for it by "an Accept HTTP header field set to application/token-introspection+jwt".
pub fn is_wanted(http: &HttpRequest) -> bool {
    http.headers()
        .get_all(header::ACCEPT)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(accepts)
}

/// Whether an entry of an `Accept` field names the type, and not with the weight 0 (RFC 9110 §12.4.2).
fn accepts(entry: &str) -> bool {
    let mut parts = entry.split(';').map(str::trim);
    let named = parts
        .next()
        .is_some_and(|range| range.eq_ignore_ascii_case(MEDIA_TYPE));
    let refused = parts.any(|parameter| {
        parameter
            .to_ascii_lowercase()
            .strip_prefix("q=")
            .and_then(|weight| weight.parse::<f32>().ok())
            .is_some_and(|weight| weight <= 0.0)
    });
    named && !refused
}

/// Signs an answer, and encrypts it where the client is registered for that.
///
/// # Errors
/// When it has to be encrypted and cannot be.
pub async fn respond(
    app: &App,
    request: &ClientRequest,
    answer: Value,
    now: Timestamp,
) -> Result<HttpResponse, OauthError> {
    let client = &request.client;
    let claims = Claims {
        iss: request.tenant.issuer.as_str(),
        aud: client.client_id.as_str(),
        iat: now.seconds(),
        token_introspection: &answer,
    };
    let alg = client.metadata.introspection_alg(&app.config.tokens);
    let keys = app.keys.of(client.tenant_id).await?;
    let mut token = keys.signer(alg)?.sign_jwt(TYPE, &claims)?;
    if let Some(encryption) = client.metadata.introspection_encryption() {
        let content = Content::Signed(&token);
        let keys = app.authenticator.keys();
        let encrypted = encryption
            .apply(keys, &client.metadata, Some(TYPE), content, now)
            .await;
        if let Err(NotEncrypted::KeysForbidden) = &encrypted {
            let occasion = (now, client.tenant_id);
            app.note_blocked(occasion, &request.caller, Some(&client.client_id), "jwks_uri")?;
        }
        token = encrypted?;
    }
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, MEDIA_TYPE))
        .body(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_the_type_is_named_and_not_refused() {
        for good in [
            "application/token-introspection+jwt",
            " Application/Token-Introspection+JWT ; q=0.5",
            "application/token-introspection+jwt;q=1;x=y",
        ] {
            assert!(accepts(good), "{good}");
        }
        for bad in [
            "",
            "*/*",
            "application/*",
            "application/json",
            "application/token-introspection+jwt;q=0",
            "application/token-introspection+jwt; Q=0.000",
        ] {
            assert!(!accepts(bad), "{bad}");
        }
    }
}
