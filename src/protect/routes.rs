//! The way in: every endpoint is registered here, with the policy that holds for it.

use crate::page;
use crate::protect::cors::{self, Cors};
use crate::protect::edge;
use crate::protect::exchange::{Exchange, nothing_here};
use crate::protect::limits::Tier;
use crate::surface::{Refusal, Surface};
use actix_web::dev::{Handler, ServiceRequest};
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::from_fn;
use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder, ResponseError as _, Route, guard, web};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What a request's body has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// There is none; one that comes all the same is not read.
    None,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// A form, or nothing at all.
    FormIfAny,
    /// `application/json`.
    Json,
    /// `application/merge-patch+json` (RFC 7396) or `application/json`.
    MergePatch,
}

/// Who is counted for a request in the store that replicas share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payer {
    /// The address, on arrival. For what has an effect although nobody has said who it is.
    Address,
    /// The client, once it is known; the address after all when none was.
    Client,
}

/// What holds for a route before and after its handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The format of errors.
    pub surface: Surface,
    /// The limit that counts besides those of address, client and user.
    pub tier: Tier,
    /// Who may read answers from a script.
    pub cors: Cors,
    /// What the body is, where the method has one.
    pub body: Body,
    /// Who is counted.
    pub payer: Payer,
    /// Whether a window that another site has opened stays tied to it (HTML, Cross-Origin-Opener-Policy).
    pub keeps_opener: bool,
}

impl Policy {
    /// An OAuth endpoint: a form, callable by the scripts of registered clients.
    pub const OAUTH: Self = Self {
        surface: Surface::Oauth,
        tier: Tier::Standard,
        cors: Cors::Clients,
        body: Body::Form,
        payer: Payer::Client,
        keeps_opener: false,
    };
    /// An operation of the admin API: JSON.
    pub const ADMIN: Self = Self {
        surface: Surface::Admin,
        tier: Tier::Standard,
        cors: Cors::None,
        body: Body::Json,
        payer: Payer::Client,
        keeps_opener: false,
    };
    /// A page for people, or the target of its form.
    pub const PAGE: Self = Self {
        surface: Surface::Page,
        tier: Tier::Standard,
        cors: Cors::None,
        body: Body::Form,
        payer: Payer::Address,
        keeps_opener: false,
    };
    /// A public document.
    pub const DOCUMENT: Self = Self {
        surface: Surface::Document,
        tier: Tier::Public,
        cors: Cors::Any,
        body: Body::None,
        payer: Payer::Address,
        keeps_opener: false,
    };

    /// A page on the way through an authorization or a logout. Applications open it in a pop-up that reports back to
    /// them in the end, so that it must stay tied to its opener.
    pub const JOURNEY: Self = Self {
        keeps_opener: true,
        ..Self::PAGE
    };

    /// The same with another tier.
    #[must_use]
    pub const fn tier(mut self, tier: Tier) -> Self {
        self.tier = tier;
        self
    }

    /// The same with another rule for scripts.
    #[must_use]
    pub const fn cors(mut self, cors: Cors) -> Self {
        self.cors = cors;
        self
    }

    /// The same for an endpoint that also serves callers who do not say who they are: their address is counted before.
    #[must_use]
    pub const fn paid_by_address(mut self) -> Self {
        self.payer = Payer::Address;
        self
    }

    /// The same with another kind of body.
    #[must_use]
    pub const fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }
}

/// A registered route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteInfo {
    /// The method; `GET` answers `HEAD` too.
    pub method: Method,
    /// The path below the issuer, with parameters in braces.
    pub path: String,
    /// What holds for it.
    pub policy: Policy,
}

/// Collects the routes of all modules.
pub struct Routes {
    max_age_s: u64,
    infos: Vec<Rc<RouteInfo>>,
    /// By path: the routes with their methods.
    resources: BTreeMap<String, Vec<(Rc<RouteInfo>, Route)>>,
}

impl Routes {
    /// No routes but those of the pages' stylesheet and scripts. `cors_max_age_s` is how long a preflight may be cached.
    pub fn new(cors_max_age_s: u64) -> Self {
        let mut routes = Self {
            max_age_s: cors_max_age_s,
            infos: Vec::new(),
            resources: BTreeMap::new(),
        };
        let policy = Policy::DOCUMENT.cors(Cors::None);
        routes.add(Method::GET, &page::STYLESHEET_PATH, policy, stylesheet);
        routes.add(Method::GET, &page::SCRIPT_PATH, policy, script);
        routes.add(Method::GET, &page::CHECK_SESSION_PATH, policy, check_session);
        routes.add(Method::GET, "/assets/look-{version}.css", policy, look);
        routes.add(Method::GET, "/favicon.svg", policy, icon);
        routes.add(Method::GET, "/favicon.ico", policy, icon);
        routes.add(Method::GET, "/robots.txt", policy, robots);
        routes
    }

    /// Registers an endpoint, once for all tenants: `path` is below the issuer, which the edge takes off.
    pub fn add<F, Args>(&mut self, method: Method, path: &str, policy: Policy, handler: F)
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let info = Rc::new(RouteInfo {
            method,
            path: path.to_owned(),
            policy,
        });
        self.infos.push(Rc::clone(&info));
        let route = match info.method.clone() {
            Method::GET => Route::new().guard(guard::Any(guard::Get()).or(guard::Head())),
            method => Route::new().method(method),
        };
        let entered = Rc::clone(&info);
        let route = route
            .to(handler)
            .wrap(from_fn(move |request: ServiceRequest, next| {
                edge::route(Rc::clone(&entered), request, next)
            }));
        self.resources
            .entry(info.path.clone())
            .or_default()
            .push((info, route));
    }

    /// Every route that was registered, once each.
    pub fn infos(&self) -> impl Iterator<Item = &RouteInfo> {
        self.infos.iter().map(Rc::as_ref)
    }

    /// Hands the routes to actix, with answers for `OPTIONS`, for other methods and for unknown paths.
    pub fn mount(self, config: &mut web::ServiceConfig) {
        // actix takes the first resource that matches; a path without parameters comes before one with.
        let mut resources: Vec<_> = self.resources.into_iter().collect();
        resources.sort_by_key(|(path, _)| path.contains('{'));
        for (path, routes) in resources {
            config.service(resource(&path, routes, self.max_age_s));
        }
        config.default_service(web::route().to(edge::unknown_path));
    }
}

fn resource(path: &str, routes: Vec<(Rc<RouteInfo>, Route)>, max_age_s: u64) -> actix_web::Resource {
    let infos: Rc<[Rc<RouteInfo>]> = routes.iter().map(|(info, _)| Rc::clone(info)).collect();
    let methods: Rc<str> = allowed_methods(&infos).into();
    let mut resource = web::resource(path);
    for (_, route) in routes {
        resource = resource.route(route);
    }
    let first = infos.first().map(Rc::clone);
    let allow = Rc::clone(&methods);
    let options = move |request: HttpRequest| {
        let cors = policy_asked_for(&infos, &request).cors;
        let response = cors::options(request.headers(), cors, &allow, max_age_s);
        std::future::ready(response)
    };
    let other = move |exchange: Exchange| {
        let detail = format!("{} is not allowed here. Allowed: {methods}.", exchange.method());
        let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, detail).header(header::ALLOW, &methods);
        std::future::ready(exchange.refuse(refusal).error_response())
    };
    let beside = |tier| {
        let first = first.clone();
        from_fn(move |request: ServiceRequest, next| edge::beside(first.clone(), tier, request, next))
    };
    // Preflights carry nothing but an address and are answered from memory.
    let options = Route::new()
        .method(Method::OPTIONS)
        .to(options)
        .wrap(beside(Tier::Public));
    let other = web::route().to(other).wrap(beside(Tier::Standard));
    resource.route(options).default_service(other)
}

/// The methods of a path as in `Allow`.
fn allowed_methods(infos: &[Rc<RouteInfo>]) -> String {
    let mut methods = Vec::new();
    for info in infos {
        methods.push(info.method.as_str());
        if info.method == Method::GET {
            methods.push("HEAD");
        }
    }
    methods.push("OPTIONS");
    methods.join(", ")
}

/// The policy of the method that a preflight is about; of the path's first where it names none.
fn policy_asked_for(infos: &[Rc<RouteInfo>], request: &HttpRequest) -> Policy {
    let method = request.headers().get(header::ACCESS_CONTROL_REQUEST_METHOD);
    infos
        .iter()
        .find(|info| method.is_some_and(|method| method.as_bytes() == info.method.as_str().as_bytes()))
        .or(infos.first())
        .map_or(Policy::DOCUMENT.cors(Cors::None), |info| info.policy)
}

async fn stylesheet() -> impl Responder {
    asset("text/css; charset=utf-8", page::STYLESHEET)
}

async fn script() -> impl Responder {
    asset("text/javascript; charset=utf-8", page::SCRIPT)
}

async fn check_session() -> impl Responder {
    asset("text/javascript; charset=utf-8", page::CHECK_SESSION)
}

/// The stylesheet of the tenant's own. One of another version is not kept: it is asked for by a page from before a change.
async fn look(exchange: Exchange, version: web::Path<String>) -> HttpResponse {
    let layout = exchange.layout();
    let Some(text) = layout.look.stylesheet() else {
        return exchange.refuse(nothing_here()).error_response();
    };
    let mut response = asset("text/css; charset=utf-8", text.to_owned());
    if layout.look.version() != Some(version.as_str()) {
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

async fn icon() -> impl Responder {
    HttpResponse::Ok()
        .content_type("image/svg+xml")
        .insert_header((
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=86400"),
        ))
        .body(page::ICON)
}

/// RFC 9309: nothing here is for search engines.
async fn robots() -> impl Responder {
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header((
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=86400"),
        ))
        .body("User-agent: *\nDisallow: /\n")
}

/// Named after its content, so that it may be kept for ever.
fn asset(content_type: &'static str, content: impl Into<Cow<'static, str>>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(content_type)
        .insert_header((
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=31536000, immutable"),
        ))
        .body(content.into().into_owned())
}
