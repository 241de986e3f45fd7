//! OpenID Connect Session Management 1.0: a frame of this server in which an application asks, without a request, whether
//! the session in this browser is still the one that it knows. Off unless `session.management` is set.
//!
//! The browser state is a cookie that scripts may read: a MAC of the session's id, worth nothing to whoever has it. What an
//! application is given (`session_state`) is a salted hash of it that holds for its own client and origin.

use crate::app::App;
use crate::entropy::Entropy;
use crate::fault::Fault;
use crate::keys::{Purpose, TenantKeys};
use crate::page::{self, CHECK_SESSION_PATH};
use crate::protect::Exchange;
use crate::protect::cookies::Cookie;
use crate::sealed::aad;
use crate::surface::Refusal;
use crate::types::{ClientId, Secret, SessionId, base64url};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError as _, web};
use askama::Template;
use ring::digest;
use url::Url;

/// Path below the issuer.
pub const PATH: &str = "/oauth2/check_session";

/// Any application's page may frame it (§3.2), so that the policy allows what no other page does. It shows nothing that
/// could be clicked, and its script answers each origin about itself only.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors https: \
     http://localhost:* http://127.0.0.1:*",
);

#[derive(Template)]
#[template(path = "check_session.html")]
struct Frame {
    cookie: String,
    script: String,
}

/// `GET /oauth2/check_session`.
pub async fn get(app: web::Data<App>, exchange: Exchange) -> HttpResponse {
    if !app.config.session.management {
        let refusal = Refusal::new(StatusCode::NOT_FOUND, "Session management is not offered here.");
        return exchange.refuse(refusal).error_response();
    }
    let tenant = exchange.tenant();
    let frame = Frame {
        cookie: app.cookies.name(Cookie::State, tenant.id),
        script: format!("{}{}", tenant.issuer.path(), *CHECK_SESSION_PATH),
    };
    let mut response = page::respond(StatusCode::OK, &frame);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(
        header::HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("cross-origin"),
    );
    response
}

/// The browser state while this session is in the browser (§3.2: "OP User Agent state"): the same at every sign-in of the
/// same person that renews the session, another one for every other.
pub fn browser_state(keys: &TenantKeys, session: SessionId) -> Result<Secret, Fault> {
    let mac = keys
        .purpose(Purpose::Pairwise)?
        .mac(&aad(&["browser_state", &session.to_string()]));
    Ok(Secret::new(base64url(&mac)))
}

/// `session_state` (§2): "a salted cryptographic hash of Client ID, origin URL, and OP User Agent state". `None` where the
/// redirect URI has no origin, as in native applications, which have no frames.
pub fn session_state(
    entropy: &Entropy,
    client: &ClientId,
    redirect_uri: &str,
    browser_state: &Secret,
) -> Result<Option<String>, Fault> {
    let Some(origin) = origin(redirect_uri) else {
        return Ok(None);
    };
    let salt = base64url(&entropy.bytes::<16>()?);
    let text = format!("{client} {origin} {} {salt}", browser_state.expose());
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    Ok(Some(format!("{}.{salt}", hex::encode(hash.as_ref()))))
}

fn origin(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok()?;
    matches!(url.scheme(), "https" | "http").then(|| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s2_the_state_is_a_salted_hash_for_client_and_origin() {
        let (entropy, client) = (Entropy::seeded(1), ClientId::parse("rp").unwrap());
        let browser = Secret::new("state".to_owned());
        let state = |uri: &str| session_state(&entropy, &client, uri, &browser).unwrap();
        let first = state("https://rp.example/cb?x=1").unwrap();
        let (hash, salt) = first.split_once('.').unwrap();
        let text = format!("rp https://rp.example state {salt}");
        let expected = digest::digest(&digest::SHA256, text.as_bytes());
        assert_eq!(hash, hex::encode(expected.as_ref()));
        assert!(!first.contains(' '), "{first}");
        assert_ne!(
            state("https://rp.example/cb"),
            state("https://rp.example/cb"),
            "salted"
        );
        assert_eq!(state("com.example.app:/cb"), None);
    }
}
