//! What could be presented at each route, and how a thief would do it.

use super::loot::Loot;
use super::{BYE, TWIN, World};
use crate::support::html;
use crate::support::http::Call;
use crate::support::relying_party::{CALLBACK, Pkce};
use crate::support::user_agent::Browser;
use crate::surface;
use grantor::protect::routes::RouteInfo;
use reqwest::Method;
use serde_json::json;

/// Something that a tenant has issued, at a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// The administrator's token and all cookies, where nothing is asked for.
    Anything,
    /// A bearer token of this name.
    Bearer(&'static str),
    /// A client's id and secret.
    Secret,
    /// A client's assertion.
    Assertion,
    /// A form field, beside the authentication of a client of the other tenant.
    Field(&'static str, &'static str),
    /// A code with its verifier, in the same way.
    Code,
    /// A token for the client configuration endpoint of the other tenant's client.
    Registration,
    /// The same, for the client that it belongs to.
    OwnRegistration,
    /// A parameter of an authorization request of the other tenant's client.
    Asked(&'static str, &'static str),
    /// An authorization request of a client of the tenant.
    Client,
    /// An authorization request for those who are signed in.
    Silent,
    /// A query parameter, in a browser with all cookies.
    Query(&'static str, &'static str),
    /// A wish to sign out, with a token that names the session.
    Hint,
    /// A form's token, in a browser with all cookies.
    Form(&'static str),
    /// A code that a device shows, typed by a person of the other tenant.
    Typed,
    /// The id of something in the account of a person of the other tenant.
    Mine(&'static str, &'static str),
    /// The id of an object, by an administrator of the other tenant.
    Object,
}

use Piece::{
    Anything, Asked, Assertion, Bearer, Client, Code, Field, Form, Hint, Mine, Object, OwnRegistration,
    Query, Registration, Secret, Silent, Typed,
};

const OF_CLIENTS: &[Piece] = &[
    Secret,
    Assertion,
    Field("token", "access"),
    Field("token", "refresh"),
    Field("token", "admin"),
    Field("token", "id"),
    Field("token", "code"),
];

/// The routes that are not of the admin API.
const PRESENTED: &[(&str, &[Piece])] = &[
    ("/", &[Anything]),
    ("/.well-known/change-password", &[Anything]),
    ("/.well-known/oauth-authorization-server", &[Anything]),
    ("/.well-known/openid-configuration", &[Anything]),
    ("/oauth2/jwks", &[Anything]),
    ("/openapi.json", &[Anything]),
    ("/docs", &[Anything]),
    ("/docs/{file}", &[Anything]),
    ("/oauth2/check_session", &[Anything]),
    (
        "/oauth2/authorize",
        &[
            Client,
            Silent,
            Query("interaction", "interaction"),
            Asked("request_uri", "request_uri"),
            Asked("id_token_hint", "id"),
        ],
    ),
    (
        "/oauth2/token",
        &[
            Secret,
            Assertion,
            Code,
            Field("refresh_token", "refresh"),
            Field("device_code", "device_code"),
        ],
    ),
    ("/oauth2/device_authorization", &[Secret, Assertion]),
    ("/oauth2/par", &[Secret, Assertion, Asked("id_token_hint", "id")]),
    ("/oauth2/introspect", OF_CLIENTS),
    ("/oauth2/revoke", OF_CLIENTS),
    ("/oauth2/register", &[Bearer("initial"), Bearer("admin")]),
    (
        "/oauth2/register/{client_id}",
        &[Registration, OwnRegistration, Bearer("admin")],
    ),
    ("/oauth2/userinfo", &[Bearer("access"), Bearer("admin")]),
    ("/oauth2/logout", &[Anything, Hint, Form("logout form")]),
    (
        "/login",
        &[
            Anything,
            Query("interaction", "interaction"),
            Form("sign-in form"),
        ],
    ),
    ("/login/password", &[Form("sign-in form")]),
    (
        "/consent",
        &[
            Anything,
            Query("interaction", "interaction"),
            Form("sign-in form"),
        ],
    ),
    (
        "/device",
        &[Anything, Query("ticket", "ticket"), Form("device form"), Typed],
    ),
    ("/account", &[Anything]),
    (
        "/account/sessions",
        &[Form("account form"), Mine("session", "/admin/v1/sessions")],
    ),
    (
        "/account/grants",
        &[Form("account form"), Mine("grant", "/admin/v1/grants")],
    ),
    (
        "/account/consents",
        &[Form("account form"), Mine("client_id", "/admin/v1/clients")],
    ),
    ("/account/attributes", &[Anything, Form("account form")]),
    ("/account/profile", &[Anything, Form("profile form")]),
    ("/account/password", &[Anything, Form("password form")]),
];

/// What could be presented at a route.
#[track_caller]
pub fn at(route: &RouteInfo) -> Vec<Piece> {
    if route.path.starts_with("/admin/v1/") {
        let id = route.path.contains('{').then_some(Object);
        return [Bearer("admin"), Bearer("access")]
            .into_iter()
            .chain(id)
            .collect();
    }
    let row = PRESENTED.iter().find(|(path, _)| *path == route.path);
    let row = row.unwrap_or_else(|| {
        panic!(
            "{}: what of another tenant could be presented there?",
            surface::name(route)
        )
    });
    // A form's token and the id of something to change go with POST, a page's parameter with GET.
    let fits = |piece: &&Piece| match piece {
        Form(_) | Typed | Mine(..) => route.method != "GET",
        Hint | Query(..) => route.path != "/oauth2/authorize" || route.method == "GET",
        _ => true,
    };
    row.1.iter().filter(fits).copied().collect()
}

/// The list that an admin route with an id is about.
pub fn list_of(route: &RouteInfo) -> &str {
    route.path.split_once("/{").unwrap().0
}

/// Presents `loot` at a route of the tenant `to`, in the way in which it would work at its own tenant.
pub async fn present<'a>(piece: Piece, loot: &Loot, to: &'a World, route: &RouteInfo) -> Call<'a> {
    let plain = || surface::call(&to.app, route, route.method.as_str());
    let cookies = loot.cookies(&to.loot);
    match piece {
        Anything => plain().bearer(loot.get("admin")).header("cookie", &cookies),
        Bearer(name) => plain().bearer(loot.get(name)),
        Secret => {
            let fields = fields_for(route, "access", to.loot.get("access"));
            to.app
                .http
                .post(&route.path)
                .basic(loot.get("client"), loot.get("secret"))
                .form(&fields)
        }
        Assertion => {
            let mut fields = fields_for(route, "access", to.loot.get("access"));
            fields.push((
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ));
            fields.push(("client_assertion", loot.get("assertion")));
            fields.push(("client_id", TWIN));
            to.app.http.post(&route.path).form(&fields)
        }
        Field(parameter, name) => {
            let client = if name == "device_code" { &to.device } else { &to.rp };
            client.call(
                &to.app,
                &route.path,
                &fields_for(route, parameter, loot.get(name)),
            )
        }
        Code => {
            let fields = [
                ("grant_type", "authorization_code"),
                ("code", loot.get("code")),
                ("redirect_uri", CALLBACK),
                ("code_verifier", loot.get("verifier")),
            ];
            to.rp.call(&to.app, &route.path, &fields)
        }
        Registration => {
            of_registration(to, route, to.loot.get("registered")).bearer(loot.get("registration"))
        }
        OwnRegistration => {
            of_registration(to, route, loot.get("registered")).bearer(loot.get("registration"))
        }
        Asked(parameter, name) => asked(to, route, to.rp.client_id.as_str(), (parameter, loot.get(name))),
        Client => asked(to, route, loot.get("client"), ("state", "s")),
        Silent => {
            let call = asked(to, route, to.rp.client_id.as_str(), ("prompt", "none"));
            call.header("cookie", &cookies)
        }
        Query(parameter, name) => {
            let fields = [(parameter, loot.get(name))];
            with_fields(to, route, &fields).header("cookie", &cookies)
        }
        Hint => {
            let fields = [
                ("id_token_hint", loot.get("id")),
                ("post_logout_redirect_uri", BYE),
                ("client_id", loot.get("client")),
            ];
            with_fields(to, route, &fields).header("cookie", &cookies)
        }
        Form(name) => {
            let fields = [
                ("csrf", loot.get(name)),
                ("interaction", ""),
                ("username", to.person.username.as_str()),
                ("password", crate::support::people::PASSWORD),
                ("decision", "allow"),
            ];
            let fields: Vec<_> = fields
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .collect();
            with_fields(to, route, &fields).header("cookie", &cookies)
        }
        Typed => {
            let (cookies, csrf) = own_form(to, "/device", "user_code").await;
            let fields = [("csrf", csrf.as_str()), ("user_code", loot.get("user_code"))];
            to.app
                .http
                .post(&route.path)
                .form(&fields)
                .header("cookie", &cookies)
        }
        Mine(field, list) => {
            let (cookies, csrf) = own_form(to, "/account", "grant").await;
            let fields = [("csrf", csrf.as_str()), (field, loot.object(list).unwrap())];
            to.app
                .http
                .post(&route.path)
                .form(&fields)
                .header("cookie", &cookies)
        }
        Object => {
            let id = loot.object(list_of(route)).unwrap();
            let target = route
                .path
                .split('/')
                .map(|part| if part.starts_with('{') { id } else { part });
            let target = target.collect::<Vec<_>>().join("/");
            let method: Method = route.method.as_str().parse().unwrap();
            let call = to.app.http.call(method, &target).bearer(&to.admin);
            match route.method.as_str() {
                "GET" | "DELETE" => call,
                _ => call.json(&json!({})),
            }
        }
    }
}

/// The form in which a parameter is of use at an endpoint for clients.
fn fields_for<'f>(route: &RouteInfo, parameter: &'f str, value: &'f str) -> Vec<(&'f str, &'f str)> {
    match (route.path.as_str(), parameter) {
        ("/oauth2/token", "refresh_token") => vec![("grant_type", "refresh_token"), (parameter, value)],
        ("/oauth2/token", "device_code") => {
            vec![
                ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
                (parameter, value),
            ]
        }
        ("/oauth2/token", _) => vec![("grant_type", "client_credentials")],
        _ => vec![("token", value), ("scope", "openid")],
    }
}

fn of_registration<'a>(to: &'a World, route: &RouteInfo, client: &str) -> Call<'a> {
    let method: Method = route.method.as_str().parse().unwrap();
    let call = to.app.http.call(method, &format!("/oauth2/register/{client}"));
    if route.method == "PUT" {
        return call.json(&json!({"client_id": client, "redirect_uris": ["https://evil.example/cb"]}));
    }
    call
}

/// An authorization request, pushed or sent to a browser, with a parameter more.
fn asked<'a>(to: &'a World, route: &RouteInfo, client: &str, more: (&str, &str)) -> Call<'a> {
    let pkce = Pkce::of("a verifier that is long enough to be one, and the same each time");
    let fields = [
        ("client_id", client),
        ("response_type", "code"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid"),
        ("code_challenge", pkce.challenge.as_str()),
        ("code_challenge_method", "S256"),
        more,
    ];
    if route.path == "/oauth2/par" {
        return to.rp.call(&to.app, &route.path, &fields[1..]);
    }
    with_fields(to, route, &fields)
}

/// Parameters in the query or in the form, as the method wants it.
fn with_fields<'a>(to: &'a World, route: &RouteInfo, fields: &[(&str, &str)]) -> Call<'a> {
    if route.method != "GET" {
        return to.app.http.post(&route.path).form(fields);
    }
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(fields);
    to.app.http.get(&format!("{}?{}", route.path, query.finish()))
}

/// The cookies of somebody who is signed in, and the token of the form with this field.
async fn own_form(to: &World, path: &str, field: &str) -> (String, String) {
    let mut browser: Browser = to.browser.clone();
    let page = browser.open(path).await;
    let form = html::forms(&page.html())
        .into_iter()
        .find(|form| form.has(field))
        .unwrap();
    let pairs = ["browser", "session"].map(|word| {
        let cookie = browser.cookie(word).unwrap();
        format!("{}={}", cookie.name, cookie.value)
    });
    (pairs.join("; "), form.value("csrf").unwrap().to_owned())
}
