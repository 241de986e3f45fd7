//! The published keys (RFC 7517).

use crate::app::App;
use crate::protect::Exchange;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, ResponseError as _, web};

/// Path below the issuer.
pub const PATH: &str = "/oauth2/jwks";

/// `GET /oauth2/jwks`. Verifiers keep it for `max-age`, and ask again with the `ETag`.
pub async fn get(app: web::Data<App>, exchange: Exchange, http: HttpRequest) -> HttpResponse {
    let keys = match app.keys.of(exchange.tenant().id).await {
        Ok(keys) => keys,
        Err(fault) => return exchange.fault(&fault).error_response(),
    };
    let jwks = keys.jwks();
    cacheable(
        &app,
        &http,
        "application/jwk-set+json",
        &jwks.etag,
        jwks.body.clone(),
    )
}

/// A public document that may be kept as long as the JWKS: 304 for whoever has it already (RFC 9110 §13.1.2).
pub(super) fn cacheable(
    app: &App,
    http: &HttpRequest,
    content_type: &'static str,
    etag: &str,
    body: impl actix_web::body::MessageBody + 'static,
) -> HttpResponse {
    let known = http
        .headers()
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|tags| {
            tags.split(',')
                .any(|tag| tag.trim().trim_start_matches("W/") == etag)
        });
    let mut response = if known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response.insert_header((header::ETAG, etag)).insert_header((
        header::CACHE_CONTROL,
        format!("public, max-age={}", app.config.keys.jwks_cache_s),
    ));
    if known {
        response.finish()
    } else {
        response.content_type(content_type).body(body)
    }
}
