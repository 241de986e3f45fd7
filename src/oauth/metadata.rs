//! Authorization server metadata (RFC 8414) and OpenID Connect discovery: one document at both places, which lists
//! exactly what is there.

use super::authorize::redirect::ResponseMode;
use super::{authorize, device, introspect, jwks, par, registration, revoke, token};
use crate::app::App;
use crate::config::RegistrationMode;
use crate::jose::DecryptionKey;
use crate::oidc::{claims, logout, session_management, userinfo};
use crate::page::Language;
use crate::protect::Exchange;
use crate::tenants::Tenant;
use crate::types::{Algorithm, AuthMethod, ContentEncryption, GrantType, KeyManagement, SubjectType};
use actix_web::{HttpRequest, HttpResponse, web};
use ring::digest;
use serde_json::{Value, json};

/// Where OpenID Connect Discovery §4 puts the document.
pub const OPENID_PATH: &str = "/.well-known/openid-configuration";
/// Where RFC 8414 §3 puts it.
pub const OAUTH_PATH: &str = "/.well-known/oauth-authorization-server";

/// `GET` of either.
pub async fn get(app: web::Data<App>, exchange: Exchange, http: HttpRequest) -> HttpResponse {
    let body = document(&app, exchange.tenant()).to_string();
    let etag = format!(
        "\"{}\"",
        hex::encode(digest::digest(&digest::SHA256, body.as_bytes()).as_ref())
    );
    jwks::cacheable(&app, &http, "application/json", &etag, body)
}

fn document(app: &App, tenant: &Tenant) -> Value {
    let issuer = &tenant.issuer;
    let at = |path: &str| issuer.at(path);
    let algorithms: Vec<&str> = Algorithm::ALL
        .iter()
        .filter(|alg| app.config.tokens.algorithms.contains(alg))
        .map(|alg| alg.as_str())
        .collect();
    let client_authentication: Vec<&str> = AuthMethod::ALL.iter().map(|method| method.as_str()).collect();
    let confidential: Vec<&str> = client_authentication
        .iter()
        .copied()
        .filter(|method| *method != "none")
        .collect();
    let assertions: Vec<&str> = Algorithm::ALL.iter().map(|alg| alg.as_str()).collect();
    let subjects: Vec<&str> = SubjectType::ALL.iter().map(|kind| kind.as_str()).collect();
    let grants: Vec<&str> = GrantType::ALL.iter().map(|grant| grant.as_str()).collect();
    let modes: Vec<&str> = ResponseMode::ALL.iter().map(|mode| mode.as_str()).collect();
    let languages: Vec<&str> = Language::all().map(Language::tag).collect();
    let scopes = claims::scopes(&app.config.scope_claims);
    let mut all_claims = vec![
        "sub",
        "iss",
        "aud",
        "exp",
        "iat",
        "auth_time",
        "nonce",
        "acr",
        "amr",
        "sid",
    ];
    all_claims.extend(claims::supported(&app.config.scope_claims));
    let mut document = json!({
        "issuer": issuer.as_str(),
        "authorization_endpoint": at(authorize::PATH),
        "token_endpoint": at(token::PATH),
        "device_authorization_endpoint": at(device::PATH),
        "revocation_endpoint": at(revoke::PATH),
        "introspection_endpoint": at(introspect::PATH),
        "userinfo_endpoint": at(userinfo::PATH),
        "end_session_endpoint": at(logout::PATH),
        "jwks_uri": at(jwks::PATH),
        "scopes_supported": scopes,
        "response_types_supported": ["code"],
        "response_modes_supported": modes,
        "grant_types_supported": grants,
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": client_authentication,
        "token_endpoint_auth_signing_alg_values_supported": assertions,
        "revocation_endpoint_auth_methods_supported": client_authentication,
        "revocation_endpoint_auth_signing_alg_values_supported": assertions,
        "introspection_endpoint_auth_methods_supported": confidential,
        "introspection_endpoint_auth_signing_alg_values_supported": assertions,
        "subject_types_supported": subjects,
        "acr_values_supported": ["aal1"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "display_values_supported": ["page"],
        "claim_types_supported": ["normal"],
        "claims_supported": all_claims,
        "claims_parameter_supported": true,
        "pushed_authorization_request_endpoint": at(par::PATH),
        "require_pushed_authorization_requests": app.config.par.required,
        "request_parameter_supported": true,
        "request_uri_parameter_supported": true,
        "require_request_uri_registration": true,
        "request_object_signing_alg_values_supported": assertions,
        "require_signed_request_object": false,
        "authorization_response_iss_parameter_supported": true,
        "ui_locales_supported": languages,
        "frontchannel_logout_supported": true,
        "frontchannel_logout_session_supported": true,
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "service_documentation": at("/docs"),
    });
    let key_management: Vec<&str> = KeyManagement::ALL.iter().map(|alg| alg.as_str()).collect();
    let content_encryption: Vec<&str> = ContentEncryption::ALL.iter().map(|enc| enc.as_str()).collect();
    let to_us: Vec<&str> = DecryptionKey::ALGORITHMS.iter().map(|alg| alg.as_str()).collect();
    document["request_object_encryption_alg_values_supported"] = json!(to_us);
    document["request_object_encryption_enc_values_supported"] = json!(content_encryption);
    // OpenID Connect Discovery §3, RFC 9701 §7: every answer that can be signed can be encrypted too.
    for answer in ["id_token", "userinfo", "introspection"] {
        document[format!("{answer}_signing_alg_values_supported")] = json!(algorithms);
        document[format!("{answer}_encryption_alg_values_supported")] = json!(key_management);
        document[format!("{answer}_encryption_enc_values_supported")] = json!(content_encryption);
    }
    if app.config.session.management {
        document["check_session_iframe"] = at(session_management::PATH).into();
    }
    if tenant.registration.mode != RegistrationMode::Off {
        document["registration_endpoint"] = at(registration::PATH).into();
    }
    document
}
