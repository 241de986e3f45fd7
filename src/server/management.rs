//! The management listener: whether the process lives, whether it can serve, and its numbers. Never on the public one.

use crate::clock::Clock;
use crate::config::Config;
use crate::fault::Fault;
use crate::keys::KeyRing;
use crate::outgoing::Outgoing;
use crate::protect::{Edge, Resting};
use crate::storage::{Schema, SchemaState, Store, health};
use crate::types::TenantId;
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::middleware::DefaultHeaders;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// An answer is to be there within 5 s, also when a database is not.
const PATIENCE: Duration = Duration::from_secs(4);
/// Beyond it, times that two replicas compare would be wrong.
const MAX_SKEW_S: i64 = 5;

/// What readiness looks at.
#[derive(Clone, Debug)]
pub struct Health {
    /// The configuration.
    pub config: Arc<Config>,
    /// The main database.
    pub store: Store,
    /// The audit store.
    pub audit_store: Store,
    /// Signing keys.
    pub keys: KeyRing,
    /// The clock.
    pub clock: Clock,
    /// The limits.
    pub edge: Edge,
    /// The requests that the server sends.
    pub outgoing: Outgoing,
}

impl Health {
    /// Each check by name: `ok`, or what to look for. Details are logged, not sent.
    pub async fn checks(&self) -> Vec<(&'static str, Result<(), Fault>)> {
        vec![
            ("database", bounded(self.clocks_agree()).await),
            ("migrations", bounded(is_current(&self.store, Schema::Main)).await),
            (
                "audit",
                bounded(is_current(&self.audit_store, Schema::Audit)).await,
            ),
            ("keys", bounded(self.can_sign()).await),
            ("limiter", self.limits_are_shared()),
        ]
    }

    async fn clocks_agree(&self) -> Result<(), Fault> {
        let theirs = health::time(&mut self.store.read().await?).await?;
        let skew = self.clock.now().micros_since(theirs).abs();
        if skew > MAX_SKEW_S * 1_000_000 {
            return Err(Fault::unavailable(format!(
                "the clocks of server and database differ by {} s; at most {MAX_SKEW_S} s are allowed",
                skew / 1_000_000
            )));
        }
        Ok(())
    }

    fn resting(&self) -> Resting {
        Resting {
            database: self.store.breaker().is_open(),
            hosts: self.outgoing.resting(),
        }
    }

    fn limits_are_shared(&self) -> Result<(), Fault> {
        match self.edge.limits().is_shared() {
            None | Some(true) => Ok(()),
            Some(false) => Err(Fault::unavailable("the store of the limits does not answer")),
        }
    }

    async fn can_sign(&self) -> Result<(), Fault> {
        let keys = self.keys.of(TenantId::FIRST).await?;
        keys.signer(self.config.tokens.default_algorithm).map(drop)
    }
}

async fn is_current(store: &Store, schema: Schema) -> Result<(), Fault> {
    match store.schema_state(schema).await? {
        SchemaState::Current => Ok(()),
        SchemaState::Pending(count) => Err(Fault::unavailable(format!("{count} migrations are pending"))),
    }
}

async fn bounded(check: impl Future<Output = Result<(), Fault>>) -> Result<(), Fault> {
    match tokio::time::timeout(PATIENCE, check).await {
        Ok(result) => result,
        Err(_) => Err(Fault::unavailable("a check took longer than 4 s")),
    }
}

/// The routes of the management listener.
pub(super) fn configure(config: &mut web::ServiceConfig, health: Health, edge: Edge) {
    config
        .app_data(web::Data::new(health))
        .app_data(web::Data::new(edge))
        .route("/health/live", web::get().to(live))
        .route("/health/ready", web::get().to(ready))
        .route("/metrics", web::get().to(metrics));
}

/// What every answer of the management listener carries.
pub(super) fn default_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((header::CACHE_CONTROL, "no-store"))
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((header::X_FRAME_OPTIONS, "DENY"))
        .add((
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ))
}

async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

async fn ready(health: web::Data<Health>) -> HttpResponse {
    let mut checks = Map::new();
    let mut is_ready = true;
    // Together they must not take longer than one may.
    let results = tokio::time::timeout(PATIENCE, health.checks()).await;
    for (name, result) in results.unwrap_or_else(|_| vec![("database", Err(Fault::unavailable("slow")))]) {
        let state = match result {
            Ok(()) => "ok",
            Err(fault) => {
                tracing::warn!(check = name, "not ready: {fault}");
                is_ready = false;
                "failed"
            }
        };
        checks.insert(name.to_owned(), Value::from(state));
    }
    let (code, status) = if is_ready {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    };
    HttpResponse::build(code).json(json!({"status": status, "checks": checks}))
}

async fn metrics(request: HttpRequest, edge: web::Data<Edge>, health: web::Data<Health>) -> HttpResponse {
    if let Some(token) = &edge.config().management_token {
        let given = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map_or("", |(_, token)| token.trim());
        if !token.matches(given) {
            return HttpResponse::Unauthorized()
                .insert_header((header::WWW_AUTHENTICATE, "Bearer"))
                .finish();
        }
    }
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(edge.render_metrics(health.resting()))
}
