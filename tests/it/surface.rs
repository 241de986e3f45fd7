//! Every route × who calls it and how: a caller without credentials, with a bearer token that is none, with one that
//! lacks the scope, by another method, with another content type. A route that is missing in the table fails, and so does
//! a row without a route.

use crate::support::http::{Answer, Call};
use crate::support::{Engine, TestApp};
use grantor::protect::routes::{Body, RouteInfo, Routes};
use grantor::server::Service;
use grantor::surface::Surface;
use grantor::types::ADMIN_SCOPES;
use reqwest::Method;
use std::collections::BTreeSet;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody; so a request without anything is answered.
    Public(u16),
    /// A client that authenticates as it is registered (RFC 6749 §2.3).
    Client,
    /// Whoever holds a token of a person (RFC 6750).
    Bearer,
    /// Whoever holds a token with this scope of the admin API.
    Admin(&'static str),
}

/// The table.
const ROUTES: &[(&str, &str, Access)] = &[
    (
        "GET",
        "/.well-known/oauth-authorization-server",
        Access::Public(200),
    ),
    ("GET", "/.well-known/openid-configuration", Access::Public(200)),
    ("GET", "/oauth2/jwks", Access::Public(200)),
    // What may not be redirected is a page.
    ("GET", "/oauth2/authorize", Access::Public(400)),
    ("POST", "/oauth2/authorize", Access::Public(400)),
    ("POST", "/oauth2/token", Access::Client),
    ("POST", "/oauth2/device_authorization", Access::Client),
    ("POST", "/oauth2/par", Access::Client),
    ("POST", "/oauth2/introspect", Access::Client),
    ("POST", "/oauth2/revoke", Access::Client),
    // Clients do not register themselves unless the settings let them.
    ("POST", "/oauth2/register", Access::Public(404)),
    ("GET", "/oauth2/register/{client_id}", Access::Public(404)),
    ("PUT", "/oauth2/register/{client_id}", Access::Public(404)),
    ("DELETE", "/oauth2/register/{client_id}", Access::Public(404)),
    ("GET", "/oauth2/userinfo", Access::Bearer),
    ("POST", "/oauth2/userinfo", Access::Bearer),
    ("GET", "/oauth2/logout", Access::Public(200)),
    // Becomes a GET, since cookies may not have come along.
    ("POST", "/oauth2/logout", Access::Public(303)),
    // Off unless it is configured.
    ("GET", "/oauth2/check_session", Access::Public(404)),
    ("GET", "/", Access::Public(303)),
    ("GET", "/.well-known/change-password", Access::Public(303)),
    ("GET", "/login", Access::Public(200)),
    // A form without its token.
    ("POST", "/login", Access::Public(403)),
    ("POST", "/login/password", Access::Public(403)),
    // Nobody asks for consent.
    ("GET", "/consent", Access::Public(400)),
    ("POST", "/consent", Access::Public(400)),
    ("GET", "/device", Access::Public(200)),
    // A form without its token.
    ("POST", "/device", Access::Public(403)),
    // Whoever is not signed in has to do that first.
    ("GET", "/account", Access::Public(303)),
    ("POST", "/account/sessions", Access::Public(303)),
    ("POST", "/account/grants", Access::Public(303)),
    ("POST", "/account/consents", Access::Public(303)),
    ("GET", "/account/attributes", Access::Public(303)),
    ("POST", "/account/attributes", Access::Public(303)),
    ("GET", "/account/profile", Access::Public(303)),
    ("POST", "/account/profile", Access::Public(303)),
    ("GET", "/account/password", Access::Public(303)),
    ("POST", "/account/password", Access::Public(303)),
    ("GET", "/openapi.json", Access::Public(200)),
    ("GET", "/docs", Access::Public(200)),
    ("GET", "/docs/{file}", Access::Public(404)),
    ("GET", "/admin/v1/clients", Access::Admin("clients:read")),
    ("POST", "/admin/v1/clients", Access::Admin("clients:write")),
    (
        "GET",
        "/admin/v1/clients/{client_id}",
        Access::Admin("clients:read"),
    ),
    (
        "PATCH",
        "/admin/v1/clients/{client_id}",
        Access::Admin("clients:write"),
    ),
    (
        "DELETE",
        "/admin/v1/clients/{client_id}",
        Access::Admin("clients:write"),
    ),
    (
        "POST",
        "/admin/v1/clients/{client_id}/secret",
        Access::Admin("clients:write"),
    ),
    (
        "POST",
        "/admin/v1/clients/{client_id}/revoke",
        Access::Admin("clients:write"),
    ),
    ("GET", "/admin/v1/users", Access::Admin("users:read")),
    ("POST", "/admin/v1/users", Access::Admin("users:write")),
    ("GET", "/admin/v1/users/{id}", Access::Admin("users:read")),
    ("PATCH", "/admin/v1/users/{id}", Access::Admin("users:write")),
    ("DELETE", "/admin/v1/users/{id}", Access::Admin("users:write")),
    (
        "POST",
        "/admin/v1/users/{id}/revoke",
        Access::Admin("users:write"),
    ),
    ("GET", "/admin/v1/sessions", Access::Admin("sessions:read")),
    ("GET", "/admin/v1/sessions/{id}", Access::Admin("sessions:read")),
    (
        "DELETE",
        "/admin/v1/sessions/{id}",
        Access::Admin("sessions:write"),
    ),
    ("GET", "/admin/v1/grants", Access::Admin("grants:read")),
    ("GET", "/admin/v1/grants/{id}", Access::Admin("grants:read")),
    ("DELETE", "/admin/v1/grants/{id}", Access::Admin("grants:write")),
    ("GET", "/admin/v1/consents", Access::Admin("consents:read")),
    ("GET", "/admin/v1/consents/{id}", Access::Admin("consents:read")),
    (
        "DELETE",
        "/admin/v1/consents/{id}",
        Access::Admin("consents:write"),
    ),
    ("GET", "/admin/v1/deliveries", Access::Admin("webhooks:read")),
    ("GET", "/admin/v1/deliveries/{id}", Access::Admin("webhooks:read")),
    (
        "DELETE",
        "/admin/v1/deliveries/{id}",
        Access::Admin("webhooks:write"),
    ),
    (
        "POST",
        "/admin/v1/deliveries/{id}/retry",
        Access::Admin("webhooks:write"),
    ),
    ("GET", "/admin/v1/keys", Access::Admin("keys:read")),
    ("GET", "/admin/v1/keys/{kid}", Access::Admin("keys:read")),
    ("POST", "/admin/v1/keys/rotate", Access::Admin("keys:write")),
    ("POST", "/admin/v1/keys/{kid}/retire", Access::Admin("keys:write")),
    ("POST", "/admin/v1/keys/{kid}/revoke", Access::Admin("keys:write")),
    ("GET", "/admin/v1/limits", Access::Admin("limits:read")),
    ("PATCH", "/admin/v1/limits", Access::Admin("limits:write")),
    ("GET", "/admin/v1/plans", Access::Admin("limits:read")),
    ("POST", "/admin/v1/plans", Access::Admin("limits:write")),
    ("GET", "/admin/v1/plans/{name}", Access::Admin("limits:read")),
    ("PATCH", "/admin/v1/plans/{name}", Access::Admin("limits:write")),
    ("DELETE", "/admin/v1/plans/{name}", Access::Admin("limits:write")),
    (
        "GET",
        "/admin/v1/clients/{client_id}/quota",
        Access::Admin("limits:read"),
    ),
    (
        "GET",
        "/admin/v1/registration-tokens",
        Access::Admin("registration:read"),
    ),
    (
        "POST",
        "/admin/v1/registration-tokens",
        Access::Admin("registration:write"),
    ),
    (
        "GET",
        "/admin/v1/registration-tokens/{id}",
        Access::Admin("registration:read"),
    ),
    (
        "DELETE",
        "/admin/v1/registration-tokens/{id}",
        Access::Admin("registration:write"),
    ),
    ("GET", "/admin/v1/tenants", Access::Admin("tenants:read")),
    ("POST", "/admin/v1/tenants", Access::Admin("tenants:write")),
    ("GET", "/admin/v1/tenants/{id}", Access::Admin("tenants:read")),
    ("PATCH", "/admin/v1/tenants/{id}", Access::Admin("tenants:write")),
    ("DELETE", "/admin/v1/tenants/{id}", Access::Admin("tenants:write")),
    ("GET", "/admin/v1/audit", Access::Admin("audit:read")),
    ("GET", "/admin/v1/audit/{id}", Access::Admin("audit:read")),
];

/// A token that is well-formed and signed by nobody.
const GARBAGE: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImsifQ.e30.AAAA";

#[tokio::test]
async fn every_route_is_in_the_table_and_every_row_has_a_route() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let registered: BTreeSet<_> = routes(&app).iter().map(name).collect();
    let listed: BTreeSet<_> = ROUTES
        .iter()
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    assert_eq!(
        registered, listed,
        "left: what the server has; right: what this test's table has"
    );
    assert_eq!(listed.len(), ROUTES.len(), "a row stands twice");
}

#[tokio::test]
async fn without_credentials_nothing_but_public_documents_answers() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    for route in routes(&app) {
        let answer = call(&app, &route, route.method.as_str()).send().await;
        holds(&route, &answer, refused_with(&route));
        match access(&route) {
            Access::Public(_) => {}
            Access::Client => assert_eq!(answer.oauth_error(401), "invalid_client", "{}", name(&route)),
            // RFC 6750 §3.1: without authentication information no error code.
            Access::Bearer | Access::Admin(_) => {
                let challenge = answer.header("www-authenticate");
                assert!(
                    challenge.starts_with("Bearer") && !challenge.contains("error="),
                    "{challenge}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_bearer_token_that_is_none_opens_nothing() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    for route in routes(&app) {
        let answer = call(&app, &route, route.method.as_str())
            .bearer(GARBAGE)
            .send()
            .await;
        holds(&route, &answer, refused_with(&route));
        if matches!(access(&route), Access::Bearer | Access::Admin(_)) {
            let challenge = answer.header("www-authenticate");
            assert!(
                challenge.contains("error=\"invalid_token\""),
                "{}: {challenge}",
                name(&route)
            );
        }
    }
}

/// R-GRT-34: what no page shows is protected all the same.
#[tokio::test]
async fn a_token_with_every_admin_scope_but_the_one_that_is_needed_opens_nothing() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    for route in routes(&app) {
        let Access::Admin(needed) = access(&route) else {
            continue;
        };
        let others: Vec<_> = ADMIN_SCOPES
            .into_iter()
            .filter(|scope| *scope != needed)
            .collect();
        let token = crate::admin::token(&app, &others.join(" ")).await;
        let call = call(&app, &route, route.method.as_str()).bearer(&token);
        let answer = call.send().await;
        holds(&route, &answer, 403);
        let challenge = answer.header("www-authenticate");
        let expected = format!("error=\"insufficient_scope\", scope=\"{needed}\"");
        assert!(challenge.contains(&expected), "{}: {challenge}", name(&route));
    }
}

#[tokio::test]
async fn another_method_is_405_and_names_those_that_are_allowed() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    for route in routes(&app) {
        // A method that no route has.
        let answer = call(&app, &route, "TRACE").send().await;
        holds(&route, &answer, 405);
        let allowed: Vec<_> = answer.header("allow").split(", ").collect();
        assert!(
            allowed.contains(&route.method.as_str()),
            "{}: {allowed:?}",
            name(&route)
        );
    }
}

#[tokio::test]
async fn another_content_type_is_415() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    for route in routes(&app) {
        if route.policy.body == Body::None || route.method == Method::GET.as_str() {
            continue;
        }
        let request = app.http.call(method(route.method.as_str()), &path(&route));
        let answer = request
            .body("text/plain", "grant_type=client_credentials")
            .send()
            .await;
        holds(&route, &answer, 415);
    }
}

/// Applications open the pages of an authorization and a logout in pop-ups; nobody else's window is tied to ours.
fn opener_policy(path: &str) -> &'static str {
    match path {
        "/oauth2/authorize" | "/login" | "/login/password" | "/consent" | "/oauth2/logout" => "unsafe-none",
        _ => "same-origin",
    }
}

/// What holds for every answer: its status, the headers that all have, and the format of errors of its surface.
#[track_caller]
pub fn holds(route: &RouteInfo, answer: &Answer, status: u16) {
    let name = name(route);
    assert_eq!(answer.status.as_u16(), status, "{name}: {}", answer.text());
    for (header, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", opener_policy(&route.path)),
        ("strict-transport-security", ""),
    ] {
        assert_eq!(answer.header(header), value, "{name}: {header}");
    }
    assert!(
        answer
            .header("content-security-policy")
            .contains("frame-ancestors 'none'"),
        "{name}"
    );
    assert!(
        answer.header("permissions-policy").contains("camera=()"),
        "{name}"
    );
    let reader = answer.header("cross-origin-resource-policy");
    assert!(
        ["same-origin", "cross-origin"].contains(&reader),
        "{name}: {reader}"
    );
    assert!(
        uuid::Uuid::parse_str(answer.header("x-correlation-id")).is_ok(),
        "{name}"
    );
    assert!(!answer.header("ratelimit").is_empty(), "{name} is under no limit");
    assert!(
        answer.headers.get("server").is_none(),
        "{name} says what it is made of"
    );
    if status < 400 {
        return;
    }
    assert!(answer.header("cache-control").contains("no-store"), "{name}");
    assert_eq!(answer.header("x-frame-options"), "DENY", "{name}");
    match route.policy.surface {
        Surface::Oauth => {
            assert_eq!(answer.header("content-type"), "application/json", "{name}");
            let body = answer.json();
            let members: Vec<_> = body
                .as_object()
                .expect("an object")
                .keys()
                .map(String::as_str)
                .collect();
            assert_eq!(members, ["error", "error_description"], "{name}: {body}");
        }
        Surface::Admin | Surface::Document => {
            assert_eq!(
                answer.header("content-type"),
                "application/problem+json",
                "{name}"
            );
            let body = answer.json();
            for member in ["type", "title", "detail", "instance"] {
                assert!(body[member].is_string(), "{name}: no {member} in {body}");
            }
            assert_eq!(body["status"], status, "{name}");
            assert!(
                body["instance"]
                    .as_str()
                    .is_some_and(|id| id.contains(answer.header("x-correlation-id")))
            );
        }
        Surface::Page => {
            assert!(answer.header("content-type").starts_with("text/html"), "{name}");
            assert!(
                answer.text().contains(answer.header("x-correlation-id")),
                "{name}: no request id"
            );
        }
    }
}

pub fn routes(app: &TestApp) -> Vec<RouteInfo> {
    let config = &app.app.config;
    let mut routes = Routes::new(config.http.cors_max_age_s);
    let before: Vec<_> = routes.infos().cloned().collect();
    (Service::of(&app.app, None).routes)(&mut routes);
    // The stylesheet's, whose path is made of its hash.
    routes
        .infos()
        .filter(|route| !before.contains(route))
        .cloned()
        .collect()
}

pub fn access(route: &RouteInfo) -> Access {
    let row = ROUTES
        .iter()
        .find(|(method, path, _)| *method == route.method.as_str() && *path == route.path);
    row.unwrap_or_else(|| panic!("{} is not in the table", name(route)))
        .2
}

/// The status for a caller who has no right to it.
fn refused_with(route: &RouteInfo) -> u16 {
    match access(route) {
        Access::Public(status) => status,
        Access::Client | Access::Bearer | Access::Admin(_) => 401,
    }
}

pub fn name(route: &RouteInfo) -> String {
    format!("{} {}", route.method, route.path)
}

/// A path that is there, with something in the place of each parameter.
pub fn path(route: &RouteInfo) -> String {
    let parts = route
        .path
        .split('/')
        .map(|part| if part.starts_with('{') { "none" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

pub fn method(name: &str) -> Method {
    name.parse().expect("a method")
}

/// A request by this method with a body of the kind that the route wants.
pub fn call<'a>(app: &'a TestApp, route: &RouteInfo, by: &str) -> Call<'a> {
    let call = app.http.call(method(by), &path(route));
    match route.policy.body {
        _ if by == "GET" || by == "TRACE" => call,
        Body::None => call,
        Body::Form | Body::FormIfAny => call.form(&[("a", "b")]),
        Body::Json | Body::MergePatch => call.json(&serde_json::json!({})),
    }
}
