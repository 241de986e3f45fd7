//! The layers around the endpoints: one around everything, one around each route.

use crate::audit::Audit;
use crate::clock::Clock;
use crate::config::Config;
use crate::entropy::Entropy;
use crate::fault::Fault;
use crate::page::PageError;
use crate::protect::Exchange;
use crate::protect::address::TrustedProxies;
use crate::protect::attempts::Attempts;
use crate::protect::cors::{self, RegisteredOrigins};
use crate::protect::exchange::nothing_here;
use crate::protect::head::{refused_body, refused_head};
use crate::protect::headers;
use crate::protect::limits::quota::Quotas;
use crate::protect::limits::{Limits, Shared, Tier};
use crate::protect::load::Load;
use crate::protect::metrics::{Gauges, Metrics, Resting};
use crate::protect::place::Place;
use crate::protect::refusals::Refusals;
use crate::protect::request_log::{Line, Logged};
use crate::protect::routes::{Payer, RouteInfo};
use crate::protect::suspicion::Suspicion;
use crate::storage::{Store, limits as changed_limits, plans};
use crate::surface::{Refusal, Refused, Surface};
use crate::tenants::Tenants;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::http::uri::PathAndQuery;
use actix_web::http::{StatusCode, Uri};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, HttpResponse, ResponseError as _};
use futures_util::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// So many plans are known, over all tenants.
const MAX_PLANS: i64 = 100_000;
/// So many answers may wait at once because little is left of a limit.
const MAX_DELAYED: usize = 1_024;

/// What the layers share over all requests. Cheap to clone; goes into actix's app data.
#[derive(Clone, Debug)]
pub struct Edge(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    config: Arc<Config>,
    clock: Clock,
    entropy: Entropy,
    store: Store,
    limits: Limits,
    quotas: Quotas,
    suspicion: Suspicion,
    /// Places for answers that wait.
    delayed: Semaphore,
    attempts: Attempts,
    load: Load,
    metrics: Metrics,
    refusals: Refusals,
    proxies: TrustedProxies,
    origins: Box<dyn RegisteredOrigins>,
    tenants: Tenants,
    hsts: Option<HeaderValue>,
}

impl Edge {
    /// The edge of a server. `store` is the main database, for attempts; `shared` is where replicas count together;
    /// `origins` knows what clients have registered, `tenants` which tenants there are.
    ///
    /// # Errors
    /// When the metrics cannot be set up.
    pub fn new(
        config: Arc<Config>,
        clock: Clock,
        entropy: Entropy,
        store: Store,
        shared: Option<Shared>,
        origins: Box<dyn RegisteredOrigins>,
        tenants: Tenants,
    ) -> Result<Self, Fault> {
        let text = |text: String| HeaderValue::from_str(&text).ok();
        let hsts = format!("max-age={}", config.http.hsts_max_age_s);
        Ok(Self(Arc::new(Parts {
            limits: Limits::new(config.limits.clone(), shared, clock.now()),
            quotas: Quotas::new(store.clone()),
            suspicion: Suspicion::new(&config.limits),
            delayed: Semaphore::new(MAX_DELAYED),
            attempts: Attempts::new(store.clone(), &config.limits),
            store,
            load: Load::new(config.http.max_in_flight),
            metrics: Metrics::new()?,
            refusals: Refusals::new(),
            proxies: TrustedProxies::new(config.trusted_proxies.clone()),
            hsts: config.issuer.is_https().then(|| text(hsts)).flatten(),
            config,
            clock,
            entropy,
            origins,
            tenants,
        })))
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The tenants.
    pub fn tenants(&self) -> &Tenants {
        &self.0.tenants
    }

    /// The limits of this process.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Waits before an answer is sent. So many wait at most; the others are answered at once.
    pub async fn slow_down(&self, delay: Duration) {
        if let Ok(_place) = self.0.delayed.try_acquire() {
            tokio::time::sleep(delay).await;
        }
    }

    /// Monthly quotas.
    pub fn quotas(&self) -> &Quotas {
        &self.0.quotas
    }

    pub(super) fn suspicion(&self) -> &Suspicion {
        &self.0.suspicion
    }

    /// Learns which limits and plans were changed. Called about once a second, and after a change on this replica.
    ///
    /// # Errors
    /// When the database does not answer; what held before goes on.
    pub async fn refresh_limits(&self) -> Result<(), Fault> {
        let limits = &self.0.limits;
        let mut conn = self.0.store.read().await?;
        let changes = changed_limits::changes(&mut conn).await?;
        if !limits.has_adopted(&changes) {
            let plans = plans::all(&mut conn, MAX_PLANS).await?;
            limits.adopt(&changes, plans);
            if let Some(limit) = limits.of(Tier::Authentication) {
                self.0.attempts.adopt(limit);
            }
        }
        Ok(())
    }

    /// The authentication tier.
    pub fn attempts(&self) -> &Attempts {
        &self.0.attempts
    }

    /// The numbers for the operator.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Lets the audit log know whom limits refuse.
    pub fn audit_refusals(&self, audit: Audit) {
        self.0.refusals.tell_to(audit);
    }

    pub(super) fn load(&self) -> &Load {
        &self.0.load
    }

    pub(super) fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    /// The numbers as Prometheus reads them. `resting` is what is left alone for having failed.
    pub fn render_metrics(&self, resting: Resting) -> String {
        let (limits, load) = (&self.0.limits, &self.0.load);
        self.0.metrics.render(&Gauges {
            limit_keys: limits.keys(),
            limits_shared: limits.is_shared(),
            working: load.working(),
            shed: load.shed(),
            resting,
        })
    }

    pub(super) fn entropy(&self) -> &Entropy {
        &self.0.entropy
    }

    /// Peers whose word about the client's address is believed.
    pub fn proxies(&self) -> &TrustedProxies {
        &self.0.proxies
    }

    pub(super) fn origins(&self) -> &dyn RegisteredOrigins {
        self.0.origins.as_ref()
    }

    pub(super) fn hsts(&self) -> Option<HeaderValue> {
        self.0.hsts.clone()
    }
}

/// The layer around everything: gives the request its id, the answer its headers, and the log its line; takes issuer and
/// tenant off the path, so that routes are found by what is below them.
pub async fn outermost(
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<Logged>, Error> {
    let Some(edge) = request.app_data::<Edge>().cloned() else {
        return Err(actix_web::error::ErrorInternalServerError("the edge is missing"));
    };
    let (exchange, failed) = Exchange::begin(&edge, &request);
    let line = Line::begin(&exchange);
    let origin = cors::origin(request.headers()).and_then(|origin| HeaderValue::from_str(origin).ok());
    let refused = match failed {
        Some(fault) => Some(exchange.fault(&fault).refusal().clone()),
        None => refused_head(&request),
    };
    let below = take_off(&exchange, &mut request);
    let mut response = match (refused, below) {
        (None, true) => next.call(request).await?,
        (refused, _) => {
            let surface = Surface::of_unknown_path(request.path(), prefers_html(request.headers()));
            exchange.unknown_path(surface);
            let refused = match refused {
                Some(refusal) => exchange.refuse(refusal),
                None => nowhere(&exchange).await,
            };
            request.error_response(refused)
        }
    };
    response = in_our_format(&exchange, response);
    cors::answer(&exchange, origin, response.headers_mut()).await;
    headers::complete(&exchange, response.headers_mut());
    let status = response.status();
    if status == StatusCode::UNAUTHORIZED {
        exchange.unauthorized();
    }
    if let Some(delay) = exchange.delay() {
        exchange.edge().slow_down(delay).await;
    }
    Ok(response.map_body(|_, body| line.follow(status, body)))
}

/// Takes issuer and tenant off the request's path; `false` when the path is not below the issuer.
fn take_off(exchange: &Exchange, request: &mut ServiceRequest) -> bool {
    let Some(place) = Place::of(exchange.edge().config().issuer.path(), request.path()) else {
        return false;
    };
    let (site, path) = (place.site, place.path);
    let rewritten = if path == request.path() {
        None
    } else {
        let mut parts = request.uri().clone().into_parts();
        let target = match request.uri().query() {
            Some(query) => format!("{path}?{query}"),
            None => path.into_owned(),
        };
        let Ok(target) = PathAndQuery::try_from(target) else {
            return false;
        };
        parts.path_and_query = Some(target);
        let Ok(uri) = Uri::from_parts(parts) else {
            return false;
        };
        Some(uri)
    };
    exchange.at(site);
    if let Some(uri) = rewritten {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
    true
}

/// Why there is nothing at a path that no route has.
async fn nowhere(exchange: &Exchange) -> Refused {
    match exchange.arrive(Tier::Standard, Payer::Address).await {
        Err(refused) => refused,
        Ok(()) => match exchange.enter_tenant().await {
            Err(refused) => refused,
            Ok(()) => exchange.refuse(nothing_here()),
        },
    }
}

/// The layer around one route: limits, then the kind of body, then the endpoint.
pub(super) async fn route(
    info: Rc<RouteInfo>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let exchange = Exchange::of(request.request())?;
    exchange.enter(&info);
    if let Err(refused) = arrive(&exchange, info.policy.tier, info.policy.payer).await {
        return Ok(request.error_response(refused));
    }
    if let Some(refusal) = refused_body(&exchange, info.policy.body, &request) {
        return Ok(request.into_response(respond(&exchange, &refusal)));
    }
    if info.policy.surface != Surface::Document
        && let Err(refused) = exchange.begin_work()
    {
        return Ok(request.error_response(refused));
    }
    let response = caught(&exchange, request, next).await?;
    exchange.pause_work();
    match exchange.settle().await {
        Ok(()) => Ok(response),
        Err(refused) => Ok(ServiceResponse::from_err(refused, response.request().clone())),
    }
}

/// The layer around what a path answers besides its routes: `OPTIONS`, and methods that it does not have. `info` is the
/// route whose policy holds.
pub(super) async fn beside(
    info: Option<Rc<RouteInfo>>,
    tier: Tier,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let exchange = Exchange::of(request.request())?;
    if let Some(info) = info {
        exchange.enter(&info);
    }
    match arrive(&exchange, tier, Payer::Address).await {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(refused) => Ok(request.error_response(refused)),
    }
}

/// Counts the request, then finds its tenant: looking for one that does not exist is paid for too.
async fn arrive(exchange: &Exchange, tier: Tier, payer: Payer) -> Result<(), Refused> {
    exchange.arrive(tier, payer).await?;
    exchange.enter_tenant().await
}

/// The answer for a path that no route has.
pub(super) async fn unknown_path(exchange: Exchange, http: HttpRequest) -> HttpResponse {
    let surface = Surface::of_unknown_path(http.path(), prefers_html(http.headers()));
    exchange.unknown_path(surface);
    nowhere(&exchange).await.error_response()
}

/// Calls the endpoint; one that panics gets a 500 and does no harm to others.
async fn caught(
    exchange: &Exchange,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let http = request.request().clone();
    match AssertUnwindSafe(next.call(request)).catch_unwind().await {
        Ok(result) => Ok(result?.map_into_boxed_body()),
        Err(panic) => {
            // The panic hook has logged the place; the text may hold anything, a secret too.
            drop(panic);
            let refused = exchange.fault(&Fault::internal("an endpoint panicked"));
            Ok(ServiceResponse::from_err(refused, http))
        }
    }
}

fn respond(exchange: &Exchange, refusal: &Refusal) -> HttpResponse {
    exchange.surface().refuse(refusal, exchange.request_id())
}

/// Errors that actix or one of its extractors made, in the format of the surface; error pages as their reader needs them.
fn in_our_format(exchange: &Exchange, response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let is_ours = response.headers().get(header::CONTENT_TYPE).is_some_and(|value| {
        [
            &b"application/json"[..],
            b"application/problem+json",
            b"text/html",
        ]
        .iter()
        .any(|ours| value.as_bytes().starts_with(ours))
    });
    if !is_ours {
        let refusal = Refusal::new(status, "The request cannot be understood.");
        let (request, foreign) = response.into_parts();
        let mut response = respond(exchange, &refusal);
        for (name, value) in foreign.headers() {
            if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
                response.headers_mut().append(name.clone(), value.clone());
            }
        }
        return ServiceResponse::new(request, response);
    }
    let page = response.response().extensions().get::<PageError>().cloned();
    match page.and_then(|page| page.for_reader(exchange.layout())) {
        Some(html) => response.map_body(|_, _| BoxBody::new(html)),
        None => response,
    }
}

/// Whether somebody looks at the answer: `Accept` names HTML.
pub(super) fn prefers_html(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}
