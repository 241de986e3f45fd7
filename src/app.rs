//! The server's parts, put together once. Only endpoints, jobs and commands name [`App`]; everything else is given the
//! part that it uses.

use crate::account::Accounts;
use crate::audit::{Anchor, Audit, AuditSigner, CHECKPOINT_EVERY, Event, EventType, Outcome, Parts};
use crate::clients::authentication::{Authenticator, ClientKeys};
use crate::clients::{ClientCache, ClientOrigins, Registrar, RequestObjects};
use crate::clock::Clock;
use crate::config::{BreakerConfig, Config};
use crate::entropy::Entropy;
use crate::fault::Fault;
use crate::keys::{KeyRing, Purpose};
use crate::outgoing::Outgoing;
use crate::protect::Edge;
use crate::protect::cookies::Cookies;
use crate::protect::limits::Shared;
use crate::sealed::MasterKeys;
use crate::storage::{Breaker, Store, Thresholds};
use crate::tenants::Tenants;
use crate::types::{Caller, ClientId, TenantId, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// Everything that a request may need.
pub struct App {
    /// The configuration.
    pub config: Arc<Config>,
    /// The main database.
    pub store: Store,
    /// The audit store, for reading.
    pub audit_store: Store,
    /// The clock.
    pub clock: Clock,
    /// Randomness.
    pub entropy: Entropy,
    /// Signing and purpose keys.
    pub keys: KeyRing,
    /// The audit log, for writing.
    pub audit: Audit,
    /// What stands around the endpoints.
    pub edge: Edge,
    /// How cookies are set.
    pub cookies: Cookies,
    /// Tenants by name.
    pub tenants: Tenants,
    /// Clients by id.
    pub clients: ClientCache,
    /// Makes, changes and removes clients.
    pub registrar: Registrar,
    /// People and their sessions.
    pub accounts: Accounts,
    /// Proof of who a client is.
    pub authenticator: Authenticator,
    /// Request objects that lie at their clients.
    pub request_objects: RequestObjects,
    /// Guarded requests to others.
    pub outgoing: Outgoing,
}

/// The two databases.
#[derive(Clone, Debug)]
pub struct Stores {
    /// Clients, keys, users, grants.
    pub main: Store,
    /// Audit events.
    pub audit: Store,
}

impl Stores {
    /// Opens both. Connections are made when they are needed.
    ///
    /// # Errors
    /// When a URL is not understood.
    pub async fn open(config: &Config) -> Result<Self, Fault> {
        let database = &config.database;
        let (audit_url, audit_schema) = database.audit();
        Ok(Self {
            main: Store::open(database.url.expose(), None, database.max_connections)
                .await?
                .guarded(breaker(&database.breaker)),
            // Its one writer notices by itself when the store is down, and refuses whoever waits.
            audit: Store::open(audit_url.expose(), audit_schema, database.max_connections).await?,
        })
    }
}

impl App {
    /// Puts the parts together over prepared stores. Runs on the tokio runtime that the audit log lives on.
    ///
    /// # Errors
    /// When the database does not answer, or a master key that stored keys need is missing or wrong.
    pub async fn build(
        config: Arc<Config>,
        stores: Stores,
        master: MasterKeys,
        clock: Clock,
        entropy: Entropy,
    ) -> Result<Self, Fault> {
        let store = stores.main;
        let keys = KeyRing::open(store.clone(), clock.clone(), entropy.clone(), &config, master).await?;
        let outgoing = Outgoing::new(&config.outgoing)?;
        let audit_key = keys.audit_signer().await?;
        let audit = Audit::start(Parts {
            main: store.clone(),
            store: stores.audit.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
            signer: AuditSigner::from_pkcs8(audit_key.id, &audit_key.pkcs8)?,
            anchor: config
                .audit
                .anchor
                .as_deref()
                .map(|place| anchor(place, &outgoing)),
            checkpoint_every: CHECKPOINT_EVERY,
        })?;
        let clients = ClientCache::new(store.clone());
        let authenticator =
            Authenticator::new(store.clone(), clients.clone(), ClientKeys::new(outgoing.clone()));
        let origins = Box::new(ClientOrigins::new(store.clone()));
        let tenants = Tenants::new(store.clone(), &config)?;
        let shared = shared_limits(&config, &keys, &clock).await?;
        let edge = Edge::new(
            config.clone(),
            clock.clone(),
            entropy.clone(),
            store.clone(),
            shared,
            origins,
            tenants.clone(),
        )?;
        edge.audit_refusals(audit.clone());
        let accounts = Accounts::new(
            &config,
            store.clone(),
            keys.clone(),
            audit.clone(),
            entropy.clone(),
        )?;
        let registrar = Registrar::new(
            store.clone(),
            clients.clone(),
            audit.clone(),
            entropy.clone(),
            outgoing.clone(),
        );
        Ok(Self {
            accounts,
            cookies: Cookies::new(&config.issuer, &config.session),
            audit_store: stores.audit,
            config,
            store,
            clock,
            entropy,
            keys,
            audit,
            edge,
            registrar,
            tenants,
            clients,
            authenticator,
            request_objects: RequestObjects::new(outgoing.clone()),
            outgoing,
        })
    }

    /// The orderly end, once nothing is served any more: the audit log is written out and closed with a checkpoint.
    pub async fn shutdown(&self) {
        if let Err(fault) = self.edge.quotas().flush().await {
            tracing::warn!("what clients used of their quotas in the last second is lost: {fault}");
        }
        self.audit.shutdown().await;
        self.audit_store.close().await;
        self.store.close().await;
    }

    /// Notes that a client's registration leads where the server must not go: `member` is the one that holds the address.
    ///
    /// # Errors
    /// When there is no randomness for the record's id.
    pub fn note_blocked(
        &self,
        (now, tenant): (Timestamp, TenantId),
        caller: &Caller,
        client: Option<&ClientId>,
        member: &str,
    ) -> Result<(), Fault> {
        let event = self
            .event(now, EventType::SsrfBlocked, Outcome::Failure, tenant)?
            .by(caller)
            .with("member", member);
        self.audit.note(match client {
            Some(client) => event.client(client),
            None => event,
        });
        Ok(())
    }

    /// An audit record with an id of its own.
    pub fn event(
        &self,
        now: Timestamp,
        event_type: EventType,
        outcome: Outcome,
        tenant: TenantId,
    ) -> Result<Event, Fault> {
        Ok(Event::new(
            self.entropy.uuid_v7(now)?,
            now,
            tenant,
            event_type,
            outcome,
        ))
    }
}

fn breaker(config: &BreakerConfig) -> Breaker {
    let thresholds = Thresholds {
        latency: Duration::from_millis(config.latency_ms),
        failed_percent: config.failed_percent,
        window: Duration::from_secs(config.window_s),
        open: Duration::from_secs(config.open_s),
    };
    Breaker::new("the main database", thresholds)
}

/// The store in which replicas count together, where one is configured. Its keys are hashes under a key that is never
/// rotated, so that a limit is not forgotten with one.
///
/// # Errors
/// When the key cannot be read or the URL is not understood.
pub async fn shared_limits(config: &Config, keys: &KeyRing, clock: &Clock) -> Result<Option<Shared>, Fault> {
    let Some(url) = &config.limits.redis_url else {
        return Ok(None);
    };
    let keys = keys.of(TenantId::FIRST).await?;
    let key = keys.purpose(Purpose::BlindIndex)?.mac_key("limits")?;
    let patience = Duration::from_millis(config.limits.redis_timeout_ms);
    Shared::new(url, patience, key, clock.clone()).map(Some)
}

/// Where checkpoints go besides the database: a URL gets each by `POST`, a file a line for each.
fn anchor(place: &str, outgoing: &Outgoing) -> Anchor {
    if !place.starts_with("https:") && !place.starts_with("http:") {
        return Anchor::file(place);
    }
    let (outgoing, url) = (outgoing.clone(), place.to_owned());
    Anchor::new(move |checkpoint: String| {
        let (outgoing, url) = (outgoing.clone(), url.clone());
        Box::pin(async move {
            let answer = outgoing
                .post(&url, "application/json", checkpoint.into_bytes(), 4096)
                .await;
            match answer {
                Ok(answer) if (200..300).contains(&answer.status) => Ok(()),
                Ok(answer) => Err(Fault::unavailable(format!(
                    "audit.anchor answered {}",
                    answer.status
                ))),
                Err(error) => Err(Fault::unavailable("audit.anchor was not reached").caused_by(error)),
            }
        })
    })
}
