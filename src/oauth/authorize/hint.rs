//! Whom an authorization request is about: `id_token_hint` (OIDC Core §3.1.2.1) and an essential `sub` in `claims` (§5.5.1).

use super::request::AuthorizationRequest;
use crate::app::App;
use crate::jose::jwt::{self, Expect};
use crate::keys::TenantKeys;
use crate::oauth::error::OauthError;
use crate::oidc::claims_request::Delivery;
use crate::types::{Timestamp, UserId};

/// The user that the request means, if it means one. A hint may have expired and be for another client, but it must be
/// an ID token of this server.
///
/// # Errors
/// `invalid_request` for a hint that is none.
pub fn subject(
    app: &App,
    keys: &TenantKeys,
    request: &AuthorizationRequest,
    now: Timestamp,
) -> Result<Option<UserId>, OauthError> {
    if let Some(hint) = &request.id_token_hint {
        let expect = Expect {
            typ: &["JWT"],
            issuer: app.config.issuer.as_str(),
            audience: None,
            leeway_s: app.config.tokens.leeway_s,
            allow_expired: true,
        };
        let claims = jwt::verify(hint, &expect, |kid| keys.verifying_hint(kid), now)
            .map_err(|_| OauthError::invalid_request("id_token_hint is not an ID token of this server"))?;
        return claims
            .subject()
            .and_then(|subject| subject.parse().ok())
            .map(Some)
            .ok_or_else(|| OauthError::invalid_request("id_token_hint names no user"));
    }
    match request
        .claims
        .requested_values(Delivery::IdToken, "sub")
        .as_slice()
    {
        [] => Ok(None),
        // A sub that nobody has is not the one signed in; the nil id stands for it.
        [subject] => Ok(Some(subject.parse().unwrap_or(UserId(uuid::Uuid::nil())))),
        _ => Err(OauthError::invalid_request("claims asks for more than one sub")),
    }
}
