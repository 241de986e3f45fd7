//! Every route × what bounds it: the tier of limits that it falls under, and the longest body that it takes.

use crate::support::{Engine, TestApp};
use crate::surface::{Access, access, holds, method, name, path, routes};
use grantor::protect::limits::Tier;
use grantor::protect::routes::{Body, RouteInfo};
use grantor::surface::Surface;
use grantor::types::ADMIN_SCOPES;

/// The least that can be set.
const SETTINGS: [(&str, &str); 2] = [("body.max_json", "64KiB"), ("body.max_form", "8KiB")];

/// Which limit counts besides that of whoever asks (R-LIM-31).
fn tier(route: &RouteInfo) -> Tier {
    match (route.method.as_str(), route.path.as_str()) {
        ("POST", "/admin/v1/keys/rotate" | "/admin/v1/tenants") => Tier::Expensive,
        (
            "POST",
            "/oauth2/register"
            | "/admin/v1/clients/{client_id}/secret"
            | "/admin/v1/keys/{kid}/retire"
            | "/admin/v1/keys/{kid}/revoke",
        ) => Tier::Sensitive,
        _ if route.policy.surface == Surface::Document => Tier::Public,
        _ => Tier::Standard,
    }
}

#[tokio::test]
async fn every_route_falls_under_the_tier_of_what_it_costs() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    for route in routes(&app) {
        assert_eq!(route.policy.tier, tier(&route), "{}", name(&route));
    }
}

/// R-VAL-18 and R-LIM-37: refused by its size, in the format of the surface, for whoever sends it.
#[tokio::test]
async fn every_body_is_refused_that_is_longer_than_its_kind_may_be() {
    let app = TestApp::spawn_with(Engine::Sqlite, &SETTINGS).await;
    let token = crate::admin::token(&app, &ADMIN_SCOPES.join(" ")).await;
    for route in routes(&app) {
        let (content_type, body) = match route.policy.body {
            _ if route.method.as_str() == "GET" => continue,
            Body::None => continue,
            Body::Form | Body::FormIfAny => ("application/x-www-form-urlencoded", padded("a=", "", 8 << 10)),
            Body::Json | Body::MergePatch => ("application/json", padded("{\"a\":\"", "\"}", 64 << 10)),
        };
        let mut call = app.http.call(method(route.method.as_str()), &path(&route));
        if let Access::Admin(_) = access(&route) {
            call = call.bearer(&token);
        }
        let answer = call.body(content_type, body).send().await;
        holds(&route, &answer, 413);
    }
}

/// One byte longer than allowed.
fn padded(begin: &str, end: &str, longest: usize) -> String {
    let padding = longest + 1 - begin.len() - end.len();
    format!("{begin}{}{end}", "a".repeat(padding))
}
