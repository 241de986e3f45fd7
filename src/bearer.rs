//! Access tokens of this server that are presented to this server: at UserInfo, introspection, revocation and the admin
//! API. Verified like anywhere else, and besides looked up: whether what they rest on still stands.

use crate::app::App;
use crate::fault::Fault;
use crate::jose::jwt::{self, Claims, Expect};
use crate::storage::clients::Client;
use crate::storage::grants::{self, Grant};
use crate::storage::{revoked_tokens, users};
use crate::tenants::Tenant;
use crate::types::{ClientId, GrantId, ScopeSet, Timestamp, role_allows};
use std::sync::Arc;

/// The type of access tokens (RFC 9068 §2.1).
const TYP: &[&str] = &["at+jwt"];

/// An access token that is good right now.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// What it says.
    pub claims: Claims,
    /// Whom it was issued to.
    pub client: Arc<Client>,
    /// What it allows.
    pub scope: ScopeSet,
    /// The family behind it; `None` for a client's own.
    pub grant: Option<Grant>,
}

/// Why a token is not good; for the audit log. Outside, all reasons look alike (R-TOK-24).
pub type Reason = &'static str;

/// Verifies a token and looks up what it rests on.
///
/// # Errors
/// When the database has to be asked and does not answer. A token that is not good is a value.
pub async fn verify(
    app: &App,
    tenant: &Tenant,
    token: &str,
    audience: Option<&str>,
    now: Timestamp,
) -> Result<Result<AccessToken, Reason>, Fault> {
    let (issuer, tenant) = (tenant.issuer.as_str(), tenant.id);
    let keys = app.keys.of(tenant).await?;
    let expect = Expect {
        typ: TYP,
        issuer,
        audience,
        leeway_s: app.config.tokens.leeway_s,
        allow_expired: false,
    };
    let claims = match jwt::verify(token, &expect, |kid| keys.verifying(kid), now) {
        Ok(claims) => claims,
        Err(error) => return Ok(Err(error.reason())),
    };
    let (Some(client_id), Some(jti)) = (
        claims
            .str("client_id")
            .and_then(|text| ClientId::parse(text).ok()),
        claims.id(),
    ) else {
        return Ok(Err("token_claims"));
    };
    let Ok(scope) = ScopeSet::parse(claims.str("scope").unwrap_or("")) else {
        return Ok(Err("token_claims"));
    };
    let Some(client) = app.clients.find_enabled(tenant, &client_id).await? else {
        return Ok(Err("client_gone"));
    };
    let grant = match claims.str("gid") {
        Some(gid) => {
            let Ok(gid) = gid.parse::<GrantId>() else {
                return Ok(Err("token_claims"));
            };
            let found =
                grants::find_live_for_token(&mut app.store.read().await?, tenant, gid, jti, now).await?;
            match found.filter(|grant| grant.client_id == client_id) {
                None => return Ok(Err("family_over")),
                found => found,
            }
        }
        None => {
            let issued_at = claims.issued_at().map_or(i64::MIN, Timestamp::seconds);
            if !client.honours_tokens_from(issued_at) {
                return Ok(Err("client_revoked"));
            }
            if revoked_tokens::contains(&mut app.store.read().await?, tenant, jti).await? {
                return Ok(Err("token_revoked"));
            }
            None
        }
    };
    Ok(Ok(AccessToken {
        claims,
        client,
        scope,
        grant,
    }))
}

/// The admin scopes that a token gives at this moment: what it says, its client still has, and, for a user's token, a
/// role of the user still allows.
///
/// # Errors
/// When the database does not answer.
pub async fn admin_scopes(app: &App, token: &AccessToken) -> Result<ScopeSet, Fault> {
    let admin = token.scope.admin();
    let admin = admin.filter(|scope| token.client.metadata.scope.has(scope.as_str()));
    let Some(grant) = &token.grant else {
        return Ok(admin);
    };
    let user = users::find(&mut app.store.read().await?, grant.tenant_id, grant.user_id).await?;
    let roles = user.map(|user| user.roles.0).unwrap_or_default();
    Ok(admin.filter(|scope| role_allows(&roles, scope.as_str())))
}

/// The token of an `Authorization: Bearer` header (RFC 6750 §2.1). `None` for any other scheme and for a bare token: the
/// word is required, in whatever case (R-TOK-25).
pub fn token_of(header: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(header).ok()?;
    let (scheme, token) = text.split_once(' ')?;
    let token = token.trim_matches(' ');
    let b64token = !token.is_empty()
        && token.bytes().all(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
        });
    (scheme.eq_ignore_ascii_case("bearer") && b64token).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::token_of;

    #[test]
    fn rfc6750_s2_1_the_scheme_is_required_in_any_case() {
        assert_eq!(token_of(b"Bearer a.b-c"), Some("a.b-c"));
        assert_eq!(token_of(b"bEARER a"), Some("a"));
        for bad in [
            "a.b.c",
            "Bearer",
            "Bearer ",
            "Basic a",
            "Bearer a b",
            "Bearer a,b",
            "DPoP a",
        ] {
            assert_eq!(token_of(bad.as_bytes()), None, "{bad}");
        }
    }
}
