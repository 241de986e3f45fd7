//! Which origins may call what from a browser (Fetch Standard, CORS protocol). There are no cookies on these routes, so
//! credentials are never allowed.

use crate::protect::Exchange;
use crate::types::TenantId;
use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use futures_util::future::LocalBoxFuture;
use std::fmt;

/// Headers of an answer that a script may read.
const EXPOSED: &str = "WWW-Authenticate, DPoP-Nonce, Retry-After, RateLimit, RateLimit-Policy, X-RateLimit-Limit, \
    X-RateLimit-Remaining, X-RateLimit-Reset, X-Correlation-ID";
/// Headers of a request that a script may set.
const ALLOWED: &str = "authorization, content-type, dpop";

/// Who may read a route's answers from a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cors {
    /// Pages of this server only.
    None,
    /// Everybody: what is public anyway.
    Any,
    /// The origins of the authenticated or named client; before the client is known, of any client of the tenant.
    Clients,
}

/// Knows the origins that the clients of a tenant have registered.
pub trait RegisteredOrigins: fmt::Debug + Send + Sync {
    /// Whether any client of the tenant has registered this origin. When that cannot be found out the answer is no.
    fn is_registered<'a>(&'a self, tenant: TenantId, origin: &'a str) -> LocalBoxFuture<'a, bool>;
}

/// Nobody has registered an origin.
#[derive(Debug)]
pub struct NoOrigins;

impl RegisteredOrigins for NoOrigins {
    fn is_registered<'a>(&'a self, _: TenantId, _: &'a str) -> LocalBoxFuture<'a, bool> {
        Box::pin(std::future::ready(false))
    }
}

/// The `Origin` of a request, if it is one: scheme, host and port of http or https. `null` is none.
pub(super) fn origin(headers: &HeaderMap) -> Option<&str> {
    let origin = super::caller::only(headers, &header::ORIGIN)?;
    let host = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"))?;
    let fits = (1..=260).contains(&host.len())
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']'));
    fits.then_some(origin)
}

/// Whether an `OPTIONS` request is a preflight.
pub(super) fn is_preflight(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight, or to a plain `OPTIONS`. `methods` are those of the path.
pub(super) fn options(headers: &HeaderMap, cors: Cors, methods: &str, max_age_s: u64) -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    response.insert_header((header::ALLOW, methods));
    if is_preflight(headers)
        && let Some(origin) = allowed_to_ask(headers, cors)
    {
        response
            .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin))
            .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, methods))
            .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED))
            .insert_header((header::ACCESS_CONTROL_MAX_AGE, max_age_s));
    }
    response.finish()
}

/// A preflight carries no client, so any origin may ask; whether it may read the answer is said with the answer.
fn allowed_to_ask(headers: &HeaderMap, cors: Cors) -> Option<&str> {
    match cors {
        Cors::None => None,
        Cors::Any => Some("*"),
        Cors::Clients => origin(headers),
    }
}

/// Adds what lets a script read an answer.
pub(super) async fn answer(exchange: &Exchange, request: Option<HeaderValue>, headers: &mut HeaderMap) {
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let cors = exchange.policy().map_or(Cors::None, |policy| policy.cors);
    // A preflight has been answered already.
    if cors == Cors::None || exchange.method() == Method::OPTIONS {
        return;
    }
    let allowed = match cors {
        Cors::Any => Some(HeaderValue::from_static("*")),
        _ => match request {
            Some(origin) if may_read(exchange, &origin).await => Some(origin),
            _ => None,
        },
    };
    if let Some(allowed) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(EXPOSED),
        );
    }
}

async fn may_read(exchange: &Exchange, origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let tenant = {
        let state = exchange.state();
        if let Some(origins) = &state.allowed_origins {
            return origins.iter().any(|allowed| allowed == origin);
        }
        exchange.tenant().id
    };
    exchange.edge().origins().is_registered(tenant, origin).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(origin: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        headers.insert(
            header::ACCESS_CONTROL_REQUEST_METHOD,
            HeaderValue::from_static("POST"),
        );
        headers
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for good in ["https://app.example", "http://localhost:3000", "http://[::1]:80"] {
            assert_eq!(origin(&headers(good)), Some(good));
        }
        for bad in [
            "null",
            "",
            "*",
            "https://",
            "https://a/b",
            "https://a b",
            "file://x",
            "https://a@b",
        ] {
            assert_eq!(origin(&headers(bad)), None, "{bad}");
        }
    }

    #[test]
    fn a_preflight_is_answered_by_policy() {
        let ask = |cors| {
            let response = options(&headers("https://app.example"), cors, "POST, OPTIONS", 86_400);
            let get = |name| {
                response
                    .headers()
                    .get(name)
                    .map(|value| value.to_str().unwrap().to_owned())
            };
            assert_eq!(get(header::ALLOW).unwrap(), "POST, OPTIONS");
            assert_eq!(get(header::ACCESS_CONTROL_ALLOW_CREDENTIALS), None);
            (
                get(header::ACCESS_CONTROL_ALLOW_ORIGIN),
                get(header::ACCESS_CONTROL_ALLOW_HEADERS),
                get(header::ACCESS_CONTROL_MAX_AGE),
            )
        };
        let rest = (Some(ALLOWED.to_owned()), Some("86400".to_owned()));
        assert_eq!(ask(Cors::None), (None, None, None));
        assert_eq!(
            ask(Cors::Any),
            (Some("*".to_owned()), rest.0.clone(), rest.1.clone())
        );
        assert_eq!(
            ask(Cors::Clients),
            (Some("https://app.example".to_owned()), rest.0, rest.1)
        );
        let null = options(&headers("null"), Cors::Clients, "POST", 0);
        assert!(!null.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    }
}
