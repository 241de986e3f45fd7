//! `/openapi.json`, and `/docs`, its browsable form. Everything comes from this server, nothing is inline, so that a strict
//! policy holds.

use crate::protect::Exchange;
use crate::protect::cors::Cors;
use crate::protect::routes::{Policy, Routes};
use crate::surface::Refusal;
use crate::tenants::Tenant;
use crate::types::TenantId;
use actix_web::http::{Method, StatusCode, header};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, Responder, web};
use moka::sync::Cache;
use ring::digest;
use std::future::ready;
use std::sync::Arc;

/// What the page may load: scripts, styles, pictures and requests of this server, and the small pictures that the style
/// sheet holds in itself. Swagger UI sets styles of elements from its script, which `style-src` would stop.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Tenants for which a worker keeps the description.
const MAX_DESCRIPTIONS: u64 = 8;

/// Files of Swagger UI that the page loads.
const FILES: [&str; 2] = ["swagger-ui.css", "swagger-ui-bundle.js"];

/// Starts Swagger UI over the description that lies beside it. Trying out is off, and so is
/// signing in: nobody should put a secret into a page.
const START: &str = "window.ui = SwaggerUIBundle({
  url: document.currentScript.dataset.description,
  dom_id: '#swagger-ui',
  deepLinking: true,
  supportedSubmitMethods: [],
  validatorUrl: null,
  plugins: [() => ({ wrapComponents: { authorizeBtn: () => () => null, authorizeOperationBtn: () => () => null } })],
});
";

pub(super) fn routes(routes: &mut Routes) {
    let policy = Policy::DOCUMENT.cors(Cors::None);
    // It is large, and the same for all who ask at a tenant.
    let made: Cache<TenantId, Bytes> = Cache::new(MAX_DESCRIPTIONS);
    let openapi = move |exchange: Exchange| ready(openapi(exchange.tenant(), &made));
    routes.add(Method::GET, "/openapi.json", Policy::DOCUMENT, openapi);
    routes.add(Method::GET, "/docs", policy, page);
    routes.add(Method::GET, "/docs/{file}", policy, file);
}

fn openapi(tenant: &Tenant, made: &Cache<TenantId, Bytes>) -> HttpResponse {
    let document = made.get_with(tenant.id, || {
        Bytes::from(super::openapi::document(&tenant.issuer).to_string())
    });
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        .body(document)
}

async fn page(exchange: Exchange) -> impl Responder {
    let base = exchange.tenant().issuer.path();
    let page = format!(
        "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>grantor API</title>
<link rel=\"stylesheet\" href=\"{base}/docs/swagger-ui.css\">
</head>
<body>
<div id=\"swagger-ui\"></div>
<noscript>The description itself is at <a href=\"{base}/openapi.json\">{base}/openapi.json</a>.</noscript>
<script src=\"{base}/docs/swagger-ui-bundle.js\"></script>
<script src=\"{base}/docs/start.js\" data-description=\"{base}/openapi.json\"></script>
</body>
</html>
"
    );
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .body(page)
}

async fn file(exchange: Exchange, name: web::Path<String>) -> actix_web::Result<HttpResponse> {
    let (bytes, content_type) = match name.as_str() {
        "start.js" => (START.as_bytes().to_vec(), "text/javascript".to_owned()),
        name if FILES.contains(&name) => {
            let config = Arc::new(utoipa_swagger_ui::Config::from("/openapi.json"));
            match utoipa_swagger_ui::serve(name, config) {
                Ok(Some(file)) => (file.bytes.into_owned(), file.content_type),
                _ => return Err(missing(&exchange)),
            }
        }
        _ => return Err(missing(&exchange)),
    };
    let tag = hex::encode(digest::digest(&digest::SHA256, &bytes).as_ref());
    Ok(HttpResponse::Ok()
        .content_type(content_type)
        .insert_header((header::ETAG, format!("\"{tag}\"")))
        .insert_header((header::CACHE_CONTROL, "public, max-age=3600"))
        .body(bytes))
}

fn missing(exchange: &Exchange) -> actix_web::Error {
    exchange
        .refuse(Refusal::new(
            StatusCode::NOT_FOUND,
            "There is nothing at this path.",
        ))
        .into()
}
