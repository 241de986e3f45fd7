//! Headers that every answer carries. What an endpoint has set itself stays.

use crate::protect::Exchange;
use crate::protect::caller::X_CORRELATION_ID;
use crate::protect::cors::Cors;
use crate::surface::Surface;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Nothing at all: an answer that is no page has no business to load, frame or submit anything.
const NO_PAGE: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const PERMISSIONS: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), \
    magnetometer=(), microphone=(), midi=(), payment=(), screen-wake-lock=(), usb=()";

static PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
static CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
static CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
static X_RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
static X_RATELIMIT_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
static X_RATELIMIT_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
static RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
static RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Adds what is missing.
pub(super) fn complete(exchange: &Exchange, headers: &mut HeaderMap) {
    let is_page = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    let is_public = exchange.policy().is_some_and(|policy| policy.cors == Cors::Any);
    // The one page that others may frame says so itself; X-Frame-Options has no word for it.
    let is_framed = headers
        .get(header::CONTENT_SECURITY_POLICY)
        .is_some_and(|policy| !policy.as_bytes().ends_with(b"frame-ancestors 'none'"));
    let mut add = |name: &HeaderName, value: HeaderValue| {
        if !headers.contains_key(name) {
            headers.insert(name.clone(), value);
        }
    };
    let fixed = HeaderValue::from_static;
    add(&header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    if !is_framed {
        add(&header::X_FRAME_OPTIONS, fixed("DENY"));
    }
    add(&header::REFERRER_POLICY, fixed("no-referrer"));
    add(&PERMISSIONS_POLICY, fixed(PERMISSIONS));
    // A site that opens a page in a window of its own gets no handle to it, except where applications need one.
    let keeps_opener = exchange.policy().is_some_and(|policy| policy.keeps_opener);
    add(
        &CROSS_ORIGIN_OPENER_POLICY,
        fixed(if keeps_opener {
            "unsafe-none"
        } else {
            "same-origin"
        }),
    );
    // Fetched with CORS or shown as a page of its own, an answer is never part of another site's page.
    add(
        &CROSS_ORIGIN_RESOURCE_POLICY,
        fixed(if is_public { "cross-origin" } else { "same-origin" }),
    );
    add(&header::CACHE_CONTROL, fixed("no-store"));
    if is_page {
        add(
            &header::CONTENT_SECURITY_POLICY,
            exchange.tenant().look.policy().header(),
        );
    } else {
        add(&header::CONTENT_SECURITY_POLICY, fixed(NO_PAGE));
    }
    if let Some(hsts) = exchange.edge().hsts() {
        add(&header::STRICT_TRANSPORT_SECURITY, hsts);
    }
    if is_page && exchange.surface() == Surface::Page {
        headers.insert(header::CONTENT_LANGUAGE, fixed(exchange.language().tag()));
        headers.append(header::VARY, fixed("Accept-Language"));
    }
    headers.insert(X_CORRELATION_ID.clone(), text(&exchange.request_id().to_string()));
    limits(exchange, headers);
}

/// `X-RateLimit-*`, and `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers), of the tightest limit.
fn limits(exchange: &Exchange, headers: &mut HeaderMap) {
    let Some(decision) = exchange.state().decision else {
        return;
    };
    let name = decision.tier.as_str();
    let reset_at = exchange.now().seconds() + i64::from(decision.reset_s);
    headers.insert(X_RATELIMIT_LIMIT.clone(), decision.limit.into());
    headers.insert(X_RATELIMIT_REMAINING.clone(), decision.remaining.into());
    headers.insert(X_RATELIMIT_RESET.clone(), reset_at.into());
    headers.insert(
        RATELIMIT_POLICY.clone(),
        text(&format!(
            "\"{name}\";q={};w={}",
            decision.limit, decision.window_s
        )),
    );
    headers.insert(
        RATELIMIT.clone(),
        text(&format!(
            "\"{name}\";r={};t={}",
            decision.remaining, decision.reset_s
        )),
    );
}

fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap_or_else(|_| HeaderValue::from_static(""))
}
