//! What leaves the token endpoint: access tokens (RFC 9068) and the answer around them (RFC 6749 §5.1).

use crate::app::App;
use crate::fault::Fault;
use crate::keys::TenantKeys;
use crate::storage::clients::Client;
use crate::storage::grants::Grant;
use crate::tenants::Tenant;
use crate::types::{GrantType, Resource, ScopeSet, Secret, Timestamp, base64url};
use serde::Serialize;

/// The answer of the token endpoint.
#[derive(Debug)]
pub struct TokenResponse {
    /// The access token.
    pub access_token: Secret,
    /// Its life in seconds.
    pub expires_in: i64,
    /// What was granted; always said (RFC 6749 §5.1 demands it only where it differs from the request).
    pub scope: ScopeSet,
    /// The refresh token, for clients that get one.
    pub refresh_token: Option<Secret>,
    /// The ID token, where `openid` was granted.
    pub id_token: Option<Secret>,
}

/// The body, with the secrets in clear: made as it is sent.
#[derive(Serialize)]
struct Body<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<&'a str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
}

impl TokenResponse {
    /// The JSON body.
    pub fn to_json(&self) -> Result<Vec<u8>, Fault> {
        let body = Body {
            access_token: self.access_token.expose(),
            token_type: "Bearer",
            expires_in: self.expires_in,
            refresh_token: self.refresh_token.as_ref().map(Secret::expose),
            id_token: self.id_token.as_ref().map(Secret::expose),
            scope: self.scope.to_string(),
        };
        serde_json::to_vec(&body)
            .map_err(|error| Fault::internal("writing a token response").caused_by(error))
    }
}

/// Claims of an access token (RFC 9068 §2.2): what a resource server needs, and nothing about a person beyond an opaque
/// id (R-TOK-15, R-TOK-16).
#[derive(Serialize)]
struct AccessClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: Audience<'a>,
    exp: i64,
    iat: i64,
    jti: &'a str,
    client_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    gid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    amr: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    roles: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
}

/// One audience is a string, several are an array (RFC 7519 §4.1.3).
#[derive(Serialize)]
#[serde(untagged)]
enum Audience<'a> {
    One(&'a str),
    Many(Vec<&'a str>),
}

/// What an access token is made from.
pub struct AccessToken<'a> {
    /// Who issues it.
    pub tenant: &'a Tenant,
    /// Who gets it.
    pub client: &'a Client,
    /// Whom it is about: the client itself, or a user's subject identifier.
    pub subject: &'a str,
    /// What it allows.
    pub scope: &'a ScopeSet,
    /// For which resources; empty means the issuer.
    pub resources: &'a [Resource],
    /// The family behind it, for tokens that a user granted.
    pub grant: Option<&'a Grant>,
    /// The session's id as the client knows it.
    pub sid: Option<&'a str>,
    /// The user's roles, where the scope `roles` was granted.
    pub roles: &'a [String],
}

/// A signed access token.
pub struct Issued {
    /// The token.
    pub token: Secret,
    /// Its id, for the audit log.
    pub jti: String,
    /// Its life in seconds.
    pub expires_in: i64,
}

impl AccessToken<'_> {
    /// Signs the token with the client's algorithm.
    pub fn sign(&self, app: &App, keys: &TenantKeys, now: Timestamp) -> Result<Issued, Fault> {
        let alg = self.client.metadata.access_token_alg(&app.config.tokens);
        let expires_in = self.lifetime(app, now);
        let jti = base64url(&app.entropy.bytes::<16>()?);
        let scope = self.scope.to_string();
        let issuer = self.tenant.issuer.as_str();
        let claims = AccessClaims {
            iss: issuer,
            sub: self.subject,
            aud: self.audience(issuer),
            exp: now.seconds() + expires_in,
            iat: now.seconds(),
            jti: &jti,
            client_id: self.client.client_id.as_str(),
            scope: &scope,
            gid: self.grant.map(|grant| grant.id.to_string()),
            auth_time: self.grant.map(|grant| grant.auth_time.seconds()),
            acr: self.grant.map(|grant| grant.acr.as_str()),
            amr: self.grant.map_or(&[], |grant| grant.amr.as_slice()),
            sid: self.sid,
            roles: self.roles,
            tenant: self.tenant.claim(),
        };
        let token = Secret::new(keys.signer(alg)?.sign_jwt("at+jwt", &claims)?);
        Ok(Issued {
            token,
            jti,
            expires_in,
        })
    }

    /// The client's life for tokens, and no token outlives its family.
    fn lifetime(&self, app: &App, now: Timestamp) -> i64 {
        let own = self
            .client
            .metadata
            .effective_access_token_ttl(&app.config.tokens);
        self.grant.map_or(own, |grant| {
            own.min(grant.expires_at.seconds() - now.seconds()).max(1)
        })
    }

    /// The resources, or the issuer; with `openid` the issuer too, so that UserInfo takes the token.
    fn audience<'t>(&'t self, issuer: &'t str) -> Audience<'t> {
        let mut audience: Vec<&str> = self.resources.iter().map(Resource::as_str).collect();
        if (audience.is_empty() || self.scope.has("openid")) && !audience.contains(&issuer) {
            audience.push(issuer);
        }
        match audience.as_slice() {
            [one] => Audience::One(one),
            _ => Audience::Many(audience),
        }
    }
}

/// Whether the client gets refresh tokens: it has to be registered for the grant (contract), which the classes for
/// machines never are.
pub fn gets_refresh_token(client: &Client) -> bool {
    client.metadata.has_grant(GrantType::RefreshToken)
}
