//! OpenID Connect Session Management 1.0: a frame of this server in which an application asks, without a request, whether
//! the session in this browser is still the one that it knows. Off unless `session.management` is set.
//!
//! The browser state is a cookie that scripts may read: the session's id and a MAC of it, worth nothing to whoever has it.
//! What an application is given (`session_state`) is a salted hash of it that holds for its own client and origin. The
//! cookie goes with a logout in this browser and when the session's time is over; of a session that was ended elsewhere it
//! goes when the frame is loaded, so that nobody has to ask the server again and again.

use crate::app::App;
use crate::entropy::Entropy;
use crate::fault::Fault;
use crate::keys::{Purpose, TenantKeys};
use crate::page::{self, CHECK_SESSION_PATH};
use crate::protect::Exchange;
use crate::protect::cookies::Cookie;
use crate::sealed::aad;
use crate::storage::sessions::{self, Session};
use crate::surface::Refusal;
use crate::types::{ClientId, Secret, SessionId, Timestamp, base64url};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, ResponseError as _, web};
use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
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
pub async fn get(app: web::Data<App>, exchange: Exchange, http: HttpRequest) -> HttpResponse {
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
    match is_over(&app, &exchange, &http).await {
        Ok(false) => {}
        Ok(true) => headers.append(header::SET_COOKIE, app.cookies.remove(Cookie::State, tenant.id)),
        Err(fault) => return exchange.fault(&fault).error_response(),
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(
        header::HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("cross-origin"),
    );
    response
}

/// Whether the browser's state is that of a session that does not stand any more.
async fn is_over(app: &App, exchange: &Exchange, http: &HttpRequest) -> Result<bool, Fault> {
    let tenant = exchange.tenant().id;
    let Some(state) = app.cookies.read(Cookie::State, tenant, http.headers()) else {
        return Ok(false);
    };
    let keys = app.keys.of(tenant).await?;
    let Some(session) = session_of(&keys, state.expose())? else {
        return Ok(true);
    };
    let mut conn = app.store.read().await?;
    let found = sessions::find_live(&mut conn, tenant, session, exchange.now()).await?;
    Ok(found.is_none())
}

/// The session whose browser state this is.
fn session_of(keys: &TenantKeys, state: &str) -> Result<Option<SessionId>, Fault> {
    let Some((id, mac)) = state.split_once('.') else {
        return Ok(None);
    };
    let (Ok(session), Ok(mac)) = (id.parse::<SessionId>(), URL_SAFE_NO_PAD.decode(mac)) else {
        return Ok(None);
    };
    let key = keys.purpose(Purpose::Pairwise)?;
    Ok(key.verify_mac(&message(session), &mac).then_some(session))
}

fn message(session: SessionId) -> Vec<u8> {
    aad(&["browser_state", &session.to_string()])
}

/// The `Set-Cookie` of the browser state: it lasts as long as the session may.
pub fn cookie(app: &App, session: &Session, state: &Secret, now: Timestamp) -> HeaderValue {
    let seconds = session.expires_at.micros_since(now) / 1_000_000;
    app.cookies
        .set_for(Cookie::State, session.tenant_id, state, seconds)
}

/// The browser state while this session is in the browser (§3.2: "OP User Agent state"): the same at every sign-in of the
/// same person that renews the session, another one for every other.
pub fn browser_state(keys: &TenantKeys, session: SessionId) -> Result<Secret, Fault> {
    let mac = keys.purpose(Purpose::Pairwise)?.mac(&message(session));
    Ok(Secret::new(format!("{session}.{}", base64url(&mac))))
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
