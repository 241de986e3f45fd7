//! One line per request, written when its answer is over: sent, or given up by whoever asked. The line's members are the
//! log's schema (docs/operations.md).
//!
//! What must not be in a log cannot get here: no query, no header but `User-Agent`, no body.

use crate::protect::Exchange;
use crate::protect::address::limit_key;
use crate::protect::exchange::State;
use crate::protect::limits::Tier;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The status in the line of a request whose sender went away before the answer was sent.
const ABORTED: u16 = 499;
/// The route of what matched none.
const NO_ROUTE: &str = "unknown";

/// The line of one request. It is written when it is dropped.
#[derive(Debug)]
pub(super) struct Line {
    exchange: Exchange,
    status: Option<StatusCode>,
    response_bytes: u64,
    is_sent: bool,
}

impl Line {
    /// Begins a line; as long as nothing else is said, the request was aborted.
    pub(super) fn begin(exchange: &Exchange) -> Self {
        exchange.edge().metrics().begin();
        Self {
            exchange: exchange.clone(),
            status: None,
            response_bytes: 0,
            is_sent: false,
        }
    }

    /// Writes the line of an answer that goes out by another way than a body.
    pub(super) fn sent(mut self, status: StatusCode, response_bytes: usize) {
        self.status = Some(status);
        self.response_bytes = response_bytes as u64;
        self.is_sent = true;
    }

    /// Follows an answer until its last byte.
    pub(super) fn follow(mut self, status: StatusCode, body: BoxBody) -> Logged {
        self.status = Some(status);
        // A body without bytes is not asked for any, and the answer to HEAD is not sent.
        self.is_sent = self.exchange.method() == Method::HEAD
            || matches!(body.size(), BodySize::None | BodySize::Sized(0));
        Logged { body, line: self }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let exchange = &self.exchange;
        let took = exchange.started().elapsed();
        let status = match self.status {
            Some(status) if self.is_sent => status.as_u16(),
            _ => ABORTED,
        };
        let state = exchange.state();
        let route = state.route.as_ref().map_or(NO_ROUTE, |route| &route.path);
        let method = exchange.method().as_str();
        let edge = exchange.edge();
        edge.metrics().end(method, route, status, took);
        let limited = state.decision.filter(|decision| !decision.passed);
        let caller = exchange.caller();
        if let Some(decision) = limited {
            edge.metrics().limited(decision.tier);
            let key = match limited_key(decision.tier, &state) {
                "client_id" => state
                    .client
                    .as_ref()
                    .map(|client| format!("{}/{client}", exchange.tenant().id)),
                "user_id" => state.user.map(|user| user.to_string()),
                "tenant" => Some(exchange.tenant().id.to_string()),
                "all" => None,
                _ => Some(limit_key(caller.address).to_string()),
            };
            edge.refusals()
                .tell(exchange, decision.tier, key.unwrap_or_default());
        }
        tracing::info!(
            target: "grantor::request",
            request_id = %caller.request_id,
            trace_id = exchange.trace_id().map(|id| tracing::field::display(id.simple())),
            method,
            route,
            path = exchange.path(),
            status,
            sent_status = self.status.filter(|_| !self.is_sent).map(|status| status.as_u16()),
            duration_ms = took.as_secs_f64() * 1000.0,
            request_bytes = state.request_bytes,
            response_bytes = self.response_bytes,
            tenant = exchange.known_tenant().map(|tenant| tracing::field::display(tenant.id)),
            client_id = state.client.as_ref().map(tracing::field::display),
            user_id = state.user.map(tracing::field::display),
            address = %caller.address,
            user_agent = caller.user_agent,
            limited_by = limited.map(|decision| decision.tier.as_str()),
            limited_key = limited.map(|decision| limited_key(decision.tier, &state)),
            "request"
        );
    }
}

/// Which member of the line is the key of the limit that refused.
fn limited_key(tier: Tier, state: &State) -> &'static str {
    match tier {
        Tier::Global => "all",
        Tier::Public | Tier::Authentication => "address",
        Tier::PerUser => "user_id",
        Tier::PerTenant => "tenant",
        _ => match (&state.client, state.user) {
            // Who only names a public client is counted by address.
            (Some(_), _) if state.paid_by_address.is_none() => "client_id",
            (None, Some(_)) if tier == Tier::Sensitive => "user_id",
            _ => "address",
        },
    }
}

/// The body of an answer, followed by its line.
#[derive(Debug)]
pub struct Logged {
    body: BoxBody,
    line: Line,
}

impl MessageBody for Logged {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let next = ready!(Pin::new(&mut self.body).poll_next(context));
        match &next {
            Some(Ok(bytes)) if self.line.exchange.method() != Method::HEAD => {
                self.line.response_bytes += bytes.len() as u64;
                // A body whose size was said is not asked again after its last byte.
                if self.body.size() == BodySize::Sized(self.line.response_bytes) {
                    self.line.is_sent = true;
                }
            }
            None => self.line.is_sent = true,
            Some(_) => {}
        }
        Poll::Ready(next)
    }
}
