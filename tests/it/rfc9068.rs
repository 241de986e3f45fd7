//! RFC 9068, JWT Profile for OAuth 2.0 Access Tokens.

use crate::support::Engine;
use crate::support::provider::Provider;
use crate::support::relying_party::{RelyingParty, Tokens, header_of, verify_jwt};
use grantor::types::{Algorithm, GrantType};
use serde_json::json;

/// §2.1: "JWT access tokens MUST be signed. […] JWT access tokens MUST NOT use "none" as the signing algorithm", "The
/// authorization server and resource server conforming to this specification MUST include RS256", and "MUST include this
/// media type in the "typ" header parameter": `at+jwt`.
#[tokio::test]
async fn s2_1_header() {
    let mut p = Provider::new(Engine::Sqlite).await;
    for (registered, want) in [
        (None, "RS256"),
        (Some(Algorithm::ES256), "ES256"),
        (Some(Algorithm::PS256), "PS256"),
    ] {
        p.rp = RelyingParty::with(&p.app, |metadata| {
            metadata.access_token_signed_response_alg = registered
        })
        .await;
        let token = p.sign_in().await.access;
        let header = header_of(&token);
        assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!(want)));
        verify_jwt(&p.app, &token).await;
    }
}

/// §2.2: "iss, exp, aud, sub, client_id, iat, jti REQUIRED", §2.2.1: `auth_time`, `acr` and `amr`, whose values "MUST be kept
/// the same across all access tokens that derive from a given authorization response, whether the access token was obtained
/// directly in the response or after one or more token exchanges", §2.2.3: "the corresponding issued JWT access token SHOULD
/// include a "scope" claim".
#[tokio::test]
async fn s2_2_claims_of_a_users_token() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let first = p
        .sign_in_for("openid profile email phone address offline_access orders:read")
        .await;
    let claims = verify_jwt(&p.app, &first.access).await;
    assert_eq!(claims["sub"], p.alice.id.to_string());
    assert_eq!(claims["client_id"], *p.rp.client_id);
    assert_eq!(claims["aud"], p.app.issuer());
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        900
    );
    assert_eq!(claims["auth_time"], p.app.now().seconds());
    assert_eq!(
        (&claims["acr"], &claims["amr"]),
        (&json!("aal1"), &json!(["pwd"]))
    );
    // R-TOK-15, R-TOK-16: nothing about the person beyond an opaque id.
    let allowed = [
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "jti",
        "client_id",
        "scope",
        "gid",
        "auth_time",
        "acr",
        "amr",
        "sid",
    ];
    let others: Vec<_> = claims
        .keys()
        .filter(|name| !allowed.contains(&name.as_str()))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    p.app.advance(100);
    let second = Tokens::of(p.rp.refresh(&p.app, &first.refresh).await);
    let later = verify_jwt(&p.app, &second.access).await;
    for claim in [
        "iss",
        "sub",
        "aud",
        "client_id",
        "auth_time",
        "acr",
        "amr",
        "scope",
        "gid",
        "sid",
    ] {
        assert_eq!(later[claim], claims[claim], "{claim}");
    }
    assert_ne!(later["jti"], claims["jti"]);
}

/// §2.2 for a client's own token: "In case of access tokens obtained through grants where no resource owner is involved, such
/// as the client credentials grant, the value of "sub" SHOULD correspond to an identifier the authorization server uses to
/// indicate the client application." §5: no user's `sub` is a client's.
#[tokio::test]
async fn s2_2_claims_of_a_clients_token() {
    let p = Provider::new(Engine::Sqlite).await;
    let machine = RelyingParty::with(&p.app, |metadata| {
        metadata.grant_types = vec![GrantType::ClientCredentials]
    })
    .await;
    let grant = [("grant_type", "client_credentials"), ("scope", "orders:read")];
    let tokens = Tokens::of(machine.post(&p.app, "/oauth2/token", &grant).await);
    let claims = verify_jwt(&p.app, &tokens.access).await;
    assert_eq!(
        (&claims["sub"], &claims["client_id"]),
        (&json!(machine.client_id), &json!(machine.client_id))
    );
    for absent in ["auth_time", "acr", "amr", "sid", "gid", "roles", "nbf"] {
        assert!(!claims.contains_key(absent), "{absent}");
    }
}

/// §2.2.3.1: roles under the name that SCIM has for them, for those who were granted the scope.
#[tokio::test]
async fn s2_2_3_1_roles() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let claims = p.sign_in_for("openid roles").await.access_claims();
    assert_eq!(claims["roles"], json!(["reader"]));
    assert!(
        p.sign_in_for("openid")
            .await
            .access_claims()
            .get("roles")
            .is_none()
    );
}

/// §4: "The resource server MUST verify that the "typ" header value is "at+jwt" or "application/at+jwt" and reject tokens
/// carrying any other value." "MUST validate that the "aud" claim contains a resource indicator value corresponding to an
/// identifier the resource server expects for itself."
#[tokio::test]
async fn s4_an_id_token_is_no_access_token() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let tokens = p.sign_in().await;
    p.app
        .http
        .get("/oauth2/userinfo")
        .bearer(&tokens.id)
        .send()
        .await
        .expect(401);
    p.app
        .http
        .get("/admin/v1/clients")
        .bearer(&tokens.id)
        .send()
        .await
        .expect(401);
    assert!(!p.rp.is_active(&p.app, &tokens.id).await);
}
