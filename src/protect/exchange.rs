//! One request and its answer, as all the layers around an endpoint see it.

use crate::fault::Fault;
use crate::page::Advice;
use crate::protect::Edge;
use crate::protect::caller;
use crate::protect::limits::{Decision, Tier};
use crate::protect::load;
use crate::protect::reader::Reader;
use crate::protect::routes::{Policy, RouteInfo};
use crate::surface::{Refusal, Refused, Surface};
use crate::tenants::{Site, Tenant};
use crate::types::{Caller, ClientId, Timestamp, UserId};
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use std::cell::{OnceCell, RefCell};
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// So many characters of a path are kept for the log.
const MAX_PATH: usize = 512;

/// Extractor: what is known of a request, and what an endpoint has to tell the layers around it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Exchange(pub(super) Rc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) edge: Edge,
    pub(super) caller: Caller,
    pub(super) trace_id: Option<Uuid>,
    pub(super) now: Timestamp,
    pub(super) started: Instant,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) accept_language: Option<HeaderValue>,
    pub(super) site: OnceCell<Site>,
    pub(super) tenant: OnceCell<Arc<Tenant>>,
    pub(super) state: RefCell<State>,
}

/// What becomes known while the request is served.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) route: Option<Rc<RouteInfo>>,
    pub(super) fallback: Option<Surface>,
    pub(super) client: Option<ClientId>,
    pub(super) user: Option<UserId>,
    pub(super) decision: Option<Decision>,
    /// The tier of which the address paid for the request, until somebody better known does.
    pub(super) paid_by_address: Option<Tier>,
    /// Whether the shared store was not asked yet: who pays is still to be found out.
    pub(super) owed: bool,
    pub(super) allowed_origins: Option<Vec<String>>,
    pub(super) request_bytes: u64,
    pub(super) reader: Reader,
    /// The place among the requests that are being worked on.
    pub(super) place: Option<load::Place>,
}

impl Exchange {
    /// Begins to serve a request. Without randomness there is no id, and the fault is what has to be answered.
    pub(super) fn begin(edge: &Edge, request: &ServiceRequest) -> (Self, Option<Fault>) {
        let headers = request.headers();
        let trace_id = caller::trace_id(headers);
        let (request_id, failed) = match caller::correlation_id(headers).or(trace_id) {
            Some(id) => (id, None),
            None => new_id(edge),
        };
        let caller = Caller {
            request_id,
            address: edge.proxies().client(request.peer_addr(), headers),
            user_agent: caller::user_agent(headers),
        };
        let mut exchange = Self::new(edge, caller, request.method().clone(), request.path());
        if let Some(inner) = Rc::get_mut(&mut exchange.0) {
            inner.trace_id = trace_id;
            inner.accept_language = headers.get(header::ACCEPT_LANGUAGE).cloned();
            inner.state.get_mut().request_bytes = headers
                .get(header::CONTENT_LENGTH)
                .and_then(|value| value.to_str().ok())
                .and_then(|text| text.parse().ok())
                .unwrap_or(0);
        }
        request.extensions_mut().insert(exchange.clone());
        (exchange, failed)
    }

    /// Begins to refuse what could not be read as a request.
    pub(super) fn unread(edge: &Edge, peer: Option<SocketAddr>, method: Method, path: &str) -> Self {
        let caller = Caller {
            request_id: new_id(edge).0,
            address: edge.proxies().client(peer, &HeaderMap::new()),
            user_agent: String::new(),
        };
        Self::new(edge, caller, method, path)
    }

    fn new(edge: &Edge, caller: Caller, method: Method, path: &str) -> Self {
        Self(Rc::new(Inner {
            caller,
            trace_id: None,
            now: edge.clock().now(),
            started: Instant::now(),
            method,
            path: path.chars().take(MAX_PATH).collect(),
            accept_language: None,
            site: OnceCell::new(),
            tenant: OnceCell::new(),
            state: RefCell::default(),
            edge: edge.clone(),
        }))
    }

    /// The exchange of a request.
    ///
    /// # Errors
    /// When the request did not come through the edge, which is a defect.
    pub fn of(request: &HttpRequest) -> Result<Self, actix_web::Error> {
        request.extensions().get::<Self>().cloned().ok_or_else(|| {
            actix_web::error::ErrorInternalServerError("a request did not come through the edge")
        })
    }

    /// Who asks.
    pub fn caller(&self) -> &Caller {
        &self.0.caller
    }

    /// The request's id.
    pub fn request_id(&self) -> Uuid {
        self.0.caller.request_id
    }

    /// When the request arrived; the one `now` of the request.
    pub fn now(&self) -> Timestamp {
        self.0.now
    }

    /// The server's edge.
    pub fn edge(&self) -> &Edge {
        &self.0.edge
    }

    /// The tenant that the request is for. Every endpoint is behind `Exchange::enter_tenant`, so that it is the one
    /// whose issuer the URL shows; what is refused earlier is refused in the name of the first.
    pub fn tenant(&self) -> &Arc<Tenant> {
        self.known_tenant()
            .unwrap_or_else(|| self.0.edge.tenants().first())
    }

    /// The same, once it is known.
    pub(super) fn known_tenant(&self) -> Option<&Arc<Tenant>> {
        self.0.tenant.get()
    }

    /// Path and query of a request as its browser asked for it: below the tenant's issuer.
    pub fn target(&self, http: &HttpRequest) -> String {
        let below = http.uri().path_and_query().map_or("/", |target| target.as_str());
        format!("{}{below}", self.tenant().issuer.path())
    }

    /// Notes which tenant the URL names.
    pub(super) fn at(&self, site: Site) {
        // The path is looked at once.
        let _ = self.0.site.set(site);
    }

    /// Finds the tenant that the URL names.
    ///
    /// # Errors
    /// 404 when there is none, 403 when it is disabled, 503 when that cannot be found out.
    pub(super) async fn enter_tenant(&self) -> Result<(), Refused> {
        let site = self.0.site.get().unwrap_or(&Site::Nobody);
        let found = self.0.edge.tenants().find(site).await;
        let Some(tenant) = found.map_err(|fault| self.fault(&fault))? else {
            return Err(self.refuse(nothing_here()));
        };
        let enabled = tenant.enabled;
        // Nobody else sets it.
        let _ = self.0.tenant.set(tenant);
        if enabled {
            Ok(())
        } else {
            let detail = "This tenant is disabled: nothing is served here until an administrator enables it.";
            Err(self.refuse(Refusal::new(StatusCode::FORBIDDEN, detail)))
        }
    }

    /// The format of this request's errors.
    pub fn surface(&self) -> Surface {
        let state = self.0.state.borrow();
        state.route.as_ref().map_or_else(
            || state.fallback.unwrap_or(Surface::Document),
            |route| route.policy.surface,
        )
    }

    /// A refusal in the format of this request's surface.
    pub fn refuse(&self, refusal: Refusal) -> Refused {
        Refused::new(self.surface(), refusal, self.request_id())
    }

    /// Our own fault in the format of this request's surface; logged here, once.
    pub fn fault(&self, fault: &Fault) -> Refused {
        Refused::fault(self.surface(), fault, self.request_id())
    }

    /// Tells which origins may read the answer: those of the authenticated or named client.
    pub fn allow_origins(&self, origins: Vec<String>) {
        self.0.state.borrow_mut().allowed_origins = Some(origins);
    }

    /// Notes what a limit says: the answer shows the tightest.
    pub(super) fn note_decision(&self, decision: Decision) {
        let mut state = self.0.state.borrow_mut();
        state.decision = Some(
            state
                .decision
                .map_or(decision, |earlier| earlier.tighter(decision)),
        );
    }

    /// Tells that the answer is 401: what an address gets that many of is suspicious (R-LIM-26).
    pub(super) fn unauthorized(&self) {
        let edge = &self.0.edge;
        if edge.suspicion().refused(self.0.caller.address, self.0.now) {
            edge.refusals().tightened(self);
        }
    }

    /// How long the answer is to wait, because little is left of a limit (R-LIM-27).
    pub(super) fn delay(&self) -> Option<Duration> {
        let config = &self.0.edge.config().limits;
        let decision = self.0.state.borrow().decision?;
        decision.delay(config.throttle_start_percent, config.throttle_max_delay_ms)
    }

    pub(super) fn accept_language(&self) -> Option<&str> {
        self.0
            .accept_language
            .as_ref()
            .and_then(|list| list.to_str().ok())
    }

    pub(super) fn reader_mut(&self) -> std::cell::RefMut<'_, Reader> {
        std::cell::RefMut::map(self.0.state.borrow_mut(), |state| &mut state.reader)
    }

    /// Counts the request among those that are being worked on.
    ///
    /// # Errors
    /// 503 when there are too many.
    pub(super) fn begin_work(&self) -> Result<(), Refused> {
        let place = self.0.edge.load().enter(self.surface(), self.0.now);
        let place = place.map_err(|refusal| self.refuse(refusal))?;
        self.0.state.borrow_mut().place = Some(place);
        Ok(())
    }

    /// Counts it no longer: it is answered, or it waits for its body. Gives whether it was counted.
    pub(super) fn pause_work(&self) -> bool {
        self.0.state.borrow_mut().place.take().is_some()
    }

    pub(super) fn received(&self, bytes: usize) {
        self.0.state.borrow_mut().request_bytes = bytes as u64;
    }

    pub(super) fn enter(&self, route: &Rc<RouteInfo>) {
        self.0.state.borrow_mut().route = Some(Rc::clone(route));
    }

    pub(super) fn unknown_path(&self, surface: Surface) {
        self.0.state.borrow_mut().fallback = Some(surface);
    }

    pub(super) fn state(&self) -> std::cell::Ref<'_, State> {
        self.0.state.borrow()
    }

    pub(super) fn policy(&self) -> Option<Policy> {
        self.0.state.borrow().route.as_ref().map(|route| route.policy)
    }

    pub(super) fn method(&self) -> &Method {
        &self.0.method
    }

    pub(super) fn path(&self) -> &str {
        &self.0.path
    }

    pub(super) fn started(&self) -> Instant {
        self.0.started
    }

    pub(super) fn trace_id(&self) -> Option<Uuid> {
        self.0.trace_id
    }
}

fn new_id(edge: &Edge) -> (Uuid, Option<Fault>) {
    match edge.entropy().uuid_v4() {
        Ok(id) => (id, None),
        Err(fault) => (Uuid::nil(), Some(fault)),
    }
}

/// The 404 of a path that no route has, and of a tenant that nobody is.
pub(super) fn nothing_here() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "There is nothing at this path.")
        .told(Advice::of(StatusCode::NOT_FOUND, None))
}

impl FromRequest for Exchange {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}
