//! Whom an authorization request is about: `id_token_hint` (OIDC Core §3.1.2.1) and an essential `sub` in `claims` (§5.5.1).

use super::request::AuthorizationRequest;
use crate::app::App;
use crate::fault::Fault;
use crate::jose::jwt::{self, Expect};
use crate::keys::TenantKeys;
use crate::oauth::error::OauthError;
use crate::oidc::claims_request::Delivery;
use crate::oidc::subject;
use crate::storage::clients::Client;
use crate::types::{ClientId, Issuer, Timestamp, UserId};

/// The only subject that may answer, as the client knows it.
#[derive(Debug)]
pub struct Wanted(String);

impl Wanted {
    /// The user that is meant: the one who is signed in, or nobody, for which the nil id stands.
    pub fn user(&self, keys: &TenantKeys, client: &Client, signed_in: UserId) -> Result<UserId, Fault> {
        let own = subject::of(keys, client, signed_in)?;
        Ok(if own == self.0 {
            signed_in
        } else {
            UserId(uuid::Uuid::nil())
        })
    }
}

/// The subject that the request means, if it means one. A hint may have expired, but it must be an ID token of this
/// server, and for a client that knows people by the same subjects: otherwise two clients of different sectors could
/// find out together that they have the same person before them.
///
/// # Errors
/// `invalid_request` for a hint that is none.
pub async fn wanted(
    app: &App,
    issuer: &Issuer,
    keys: &TenantKeys,
    client: &Client,
    request: &AuthorizationRequest,
    now: Timestamp,
) -> Result<Option<Wanted>, OauthError> {
    if let Some(hint) = &request.id_token_hint {
        return of_hint(app, issuer, keys, client, hint, now).await.map(Some);
    }
    match request
        .claims
        .requested_values(Delivery::IdToken, "sub")
        .as_slice()
    {
        [] => Ok(None),
        [subject] => Ok(Some(Wanted(subject.clone()))),
        _ => Err(OauthError::invalid_request("claims asks for more than one sub")),
    }
}

async fn of_hint(
    app: &App,
    issuer: &Issuer,
    keys: &TenantKeys,
    client: &Client,
    hint: &str,
    now: Timestamp,
) -> Result<Wanted, OauthError> {
    let expect = Expect {
        typ: &["JWT"],
        issuer: issuer.as_str(),
        audience: None,
        leeway_s: app.config.tokens.leeway_s,
        allow_expired: true,
    };
    let claims = jwt::verify(hint, &expect, |kid| keys.verifying_hint(kid), now)
        .map_err(|_| OauthError::invalid_request("id_token_hint is not an ID token of this server"))?;
    let subject = claims
        .subject()
        .ok_or_else(|| OauthError::invalid_request("id_token_hint names no user"))?;
    let audience = claims.str("aud").unwrap_or_default();
    if audience != client.client_id.as_str() {
        let other = match ClientId::parse(audience) {
            Ok(id) => app.clients.find_enabled(client.tenant_id, &id).await?,
            Err(_) => None,
        };
        // Of a client that is gone only a public subject can be told.
        let comparable = match other {
            Some(other) => subject::same_subjects(client, &other),
            None => !client.metadata.is_pairwise(),
        };
        if !comparable {
            return Err(OauthError::invalid_request(
                "id_token_hint was issued to a client that knows people by other subjects",
            ));
        }
    }
    Ok(Wanted(subject.to_owned()))
}
