//! Client assertions: `private_key_jwt` (RFC 7523 §2.2 and §3).

use super::{AuthenticatedClient, AuthenticationError, Authenticator, Occasion, Reason, acceptable, refused};
use crate::jose::jwt::{Expect, Unverified};
use crate::jose::{Claims, JwtError};
use crate::storage::clients::{self, Client, Use};
use crate::types::{AssertionAudience, AuthMethod, Timestamp, TokenHash};
use serde_json::Value;
use std::sync::Arc;

/// How far ahead `exp` may be, in seconds: an assertion that was stolen is of use until then.
const MAX_LIFE_S: i64 = 300;
/// How far ahead of ours the client's clock may be, in seconds: for `nbf` and `iat`.
const CLOCK_TOLERANCE_S: i64 = 10;
/// Longest `jti`.
const MAX_JTI: usize = 255;
/// An assertion is a plain JWT, or says explicitly what it is for.
const TYPES: [&str; 2] = ["JWT", "client-authentication+jwt"];

impl Authenticator {
    pub(super) async fn by_assertion(
        &self,
        occasion: &Occasion<'_>,
        client_id: Option<&str>,
        assertion: &str,
    ) -> Result<AuthenticatedClient, AuthenticationError> {
        const METHOD: AuthMethod = AuthMethod::PrivateKeyJwt;
        let unreadable = |error| refused(Reason::Assertion(error), client_id, Some(METHOD));
        let unverified = Unverified::parse(assertion).map_err(unreadable)?;
        // RFC 7523 §3, item 2: "For client authentication, the subject MUST be the "client_id" of the OAuth client."
        let subject = unverified.peek_claims().subject().unwrap_or_default().to_owned();
        // RFC 7521 §4.2: "client_id […] MUST identify the same client as is identified by the client assertion."
        if client_id.is_some_and(|named| named != subject) {
            return Err(refused(Reason::ClientIdMismatch, client_id, Some(METHOD)));
        }
        let client = self.find(occasion.tenant, &subject).await?;
        let client = acceptable(client, &subject, METHOD)?;
        let jti = self
            .verified_jti(occasion, &client, unverified)
            .await?
            .map_err(|reason| refused(reason, Some(&subject), Some(METHOD)))?;
        // Last, so that only a valid assertion is used up.
        let mut conn = self.store.write().await?;
        match clients::use_jti(
            &mut conn,
            occasion.tenant,
            &client.client_id,
            &jti.hash,
            jti.expires_at,
        )
        .await?
        {
            Use::Fresh => Ok(AuthenticatedClient {
                client,
                method: METHOD,
            }),
            Use::Replayed => Err(refused(Reason::AssertionReplayed, Some(&subject), Some(METHOD))),
        }
    }

    /// The identifier of an assertion that is in order apart from having been used before.
    async fn verified_jti(
        &self,
        occasion: &Occasion<'_>,
        client: &Arc<Client>,
        unverified: Unverified<'_>,
    ) -> Result<Result<Jti, Reason>, AuthenticationError> {
        let registered = client.metadata.token_endpoint_auth_signing_alg;
        if registered.is_some_and(|alg| alg != unverified.alg()) {
            return Ok(Err(Reason::AssertionAlgorithm));
        }
        let wanted = (unverified.kid(), unverified.alg());
        let keys = match self.keys.of(&client.metadata, wanted, occasion.now).await {
            Ok(keys) => keys,
            Err(reason) => return Ok(Err(reason)),
        };
        let expect = Expect {
            typ: &TYPES,
            // RFC 7523 §3, item 1, and what contract and RFC 7523bis make of it: the client itself.
            issuer: client.client_id.as_str(),
            audience: None,
            leeway_s: CLOCK_TOLERANCE_S,
            allow_expired: false,
        };
        Ok(match unverified.verify(&expect, &keys, occasion.now) {
            Ok(claims) => in_order(&claims, client, occasion),
            Err(JwtError::Issuer) => Err(Reason::AssertionSubject),
            Err(error) => Err(Reason::Assertion(error)),
        })
    }
}

/// What must not come twice, and until when.
struct Jti {
    hash: TokenHash,
    expires_at: Timestamp,
}

/// The claims of a client assertion, beyond those of every token.
fn in_order(claims: &Claims, client: &Client, occasion: &Occasion<'_>) -> Result<Jti, Reason> {
    if !is_audience(
        claims.get("aud"),
        client.metadata.client_assertion_audience,
        occasion,
    ) {
        return Err(Reason::AssertionAudience);
    }
    let expires_at = claims.expires_at().ok_or(Reason::Assertion(JwtError::NoExpiry))?;
    // Without tolerance: `jti` is remembered until exactly then.
    if expires_at <= occasion.now {
        return Err(Reason::Assertion(JwtError::Expired));
    }
    if expires_at > occasion.now.plus_seconds(MAX_LIFE_S) {
        return Err(Reason::AssertionTooLong);
    }
    let jti = claims
        .id()
        .filter(|jti| (1..=MAX_JTI).contains(&jti.len()))
        .ok_or(Reason::AssertionWithoutJti)?;
    Ok(Jti {
        hash: TokenHash::of(jti),
        expires_at,
    })
}

/// RFC 7523 §3, item 3, in the strict form of RFC 7523bis: the issuer identifier as one string, so that an assertion
/// for this server cannot be meant for another one as well. In the weak mode also the endpoint's URL, and in a list.
fn is_audience(aud: Option<&Value>, mode: AssertionAudience, occasion: &Occasion<'_>) -> bool {
    let issuer = occasion.issuer.as_str();
    match (aud, mode) {
        (Some(Value::String(aud)), AssertionAudience::Issuer) => aud == issuer,
        (Some(Value::String(aud)), AssertionAudience::Endpoint) => aud == issuer || aud == occasion.endpoint,
        (Some(Value::Array(all)), AssertionAudience::Endpoint) => {
            all.iter().any(|aud| aud == issuer || aud == occasion.endpoint)
        }
        _ => false,
    }
}
