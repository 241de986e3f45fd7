//! Limits that several replicas share, in Redis or Valkey: every limit of a request in one round trip, decided by one
//! atomic script that reads the store's own clock.
//!
//! The store is a help, not a need: while it does not answer in time, [`Shared::take`] gives `None` at once and each
//! replica counts by itself. [`Shared::tend`] finds out when it answers again. Nothing personal lies there: keys are
//! authenticated hashes, values are instants.

use super::bucket::{Cost, Taken};
use super::{Key, Layer, Tier};
use crate::clock::Clock;
use crate::config::Limit;
use crate::fault::Fault;
use crate::types::{Secret, Timestamp};
use arc_swap::ArcSwapOption;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, Script};
use ring::hmac;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Every key begins with it; the braces keep the keys of a request together where the store is a cluster.
const PREFIX: &str = "{grantor}:";
/// What [`Shared::tend`] counts to see whether the script can be run.
const PROBE: Limit = Limit {
    rate: 1_000_000_000,
    period_s: 1,
    burst: 1_000_000_000,
};

/// A connection to the store, or the lack of one.
pub struct Shared {
    client: Client,
    patience: Duration,
    connection: ArcSwapOption<MultiplexedConnection>,
    /// Whether the log says already that the store is away.
    is_told: AtomicBool,
    script: Script,
    key: hmac::Key,
    clock: Clock,
}

impl Shared {
    /// A store that is not connected yet and may take `patience` for each answer. `key` is the same for all replicas and
    /// secret.
    ///
    /// # Errors
    /// When the URL is not understood.
    pub fn new(url: &Secret, patience: Duration, key: hmac::Key, clock: Clock) -> Result<Self, Fault> {
        Ok(Self {
            client: Client::open(url.expose())
                .map_err(|error| Fault::internal("redis_url is not understood").caused_by(error))?,
            patience,
            connection: ArcSwapOption::empty(),
            is_told: AtomicBool::new(false),
            script: Script::new(include_str!("take.lua")),
            key,
            clock,
        })
    }

    /// Whether the store answered the last time.
    pub fn is_up(&self) -> bool {
        self.connection.load().is_some()
    }

    /// Takes one request off each limit, or off none when one refuses; `None` while the store does not answer.
    pub(super) async fn take(&self, layers: &[Layer<'_>], now: Timestamp) -> Option<Vec<Taken>> {
        let connection = self.connection.load_full()?;
        // A clock that a test moves counts instead of the store's.
        let now = match self.clock {
            Clock::System => 0,
            Clock::Manual(_) => now.micros(),
        };
        match self.run(&connection, layers, now).await {
            Ok(taken) => Some(taken),
            Err(error) => {
                self.lost(&connection, &error);
                None
            }
        }
    }

    /// Forgets what was counted there; gives whether anything was.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(super) async fn forget(&self, places: &[(Tier, Key<'_>)]) -> Result<bool, Fault> {
        let unreachable =
            |error| Fault::unavailable("the store of the limits does not answer").caused_by(error);
        let mut connection = match self.connection.load_full() {
            Some(connection) => (*connection).clone(),
            None => self.connect().await.map_err(unreachable)?,
        };
        let mut delete = redis::cmd("DEL");
        for (tier, key) in places {
            delete.arg(self.name_of(*tier, *key));
        }
        let removed: i64 = delete.query_async(&mut connection).await.map_err(unreachable)?;
        Ok(removed > 0)
    }

    /// Sees whether the store answers, and connects to it again when it did not. Called about once a second.
    pub(super) async fn tend(&self) {
        let probe = [Layer {
            tier: Tier::Global,
            key: Key::Operation("probe", &Key::All),
            limit: PROBE,
        }];
        let before = self.connection.load_full();
        let connection = match &before {
            Some(connection) => Ok(Arc::clone(connection)),
            None => self.connect().await.map(Arc::new),
        };
        let tried = match connection {
            Ok(connection) => self.run(&connection, &probe, 0).await.map(|_| connection),
            Err(error) => Err(error),
        };
        match (before, tried) {
            (Some(connection), Err(error)) => self.lost(&connection, &error),
            (None, Ok(connection)) => {
                self.connection.store(Some(connection));
                self.is_told.store(false, Ordering::Relaxed);
                tracing::info!(
                    alert = "shared_limits",
                    "limits are shared with the other replicas"
                );
            }
            (None, Err(error)) => self.tell(&error),
            (Some(_), Ok(_)) => {}
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.patience))
            .set_response_timeout(Some(self.patience));
        self.client
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    /// The store does not answer on this connection.
    fn lost(&self, connection: &Arc<MultiplexedConnection>, error: &RedisError) {
        let before = self.connection.compare_and_swap(connection, None);
        if before
            .as_ref()
            .is_some_and(|before| Arc::ptr_eq(before, connection))
        {
            self.tell(error);
        }
    }

    /// Says that the store is away, once until it is back.
    fn tell(&self, error: &RedisError) {
        if !self.is_told.swap(true, Ordering::Relaxed) {
            tracing::error!(
                alert = "shared_limits",
                "the store of the limits does not answer; every replica counts by itself until it does: {error}"
            );
        }
    }

    async fn run(
        &self,
        connection: &MultiplexedConnection,
        layers: &[Layer<'_>],
        now_micros: i64,
    ) -> Result<Vec<Taken>, RedisError> {
        let mut call = self.script.prepare_invoke();
        call.arg(now_micros);
        for layer in layers {
            let Cost {
                cost,
                depth,
                forget_after_ms,
            } = Cost::of(layer.limit);
            call.key(self.name_of(layer.tier, layer.key))
                .arg(&[cost.0, i64::from(cost.1), depth.0, i64::from(depth.1)])
                .arg(layer.limit.rate)
                .arg(forget_after_ms);
        }
        let mut connection = connection.clone();
        let answer: Vec<(bool, i64, u32)> = call.invoke_async(&mut connection).await?;
        let taken =
            |(layer, (passed, ahead, parts)): (&Layer<'_>, _)| Taken::new(layer.limit, passed, ahead, parts);
        Ok(layers.iter().zip(answer).map(taken).collect())
    }

    fn name_of(&self, tier: Tier, key: Key<'_>) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(tier.as_str().as_bytes());
        context.update(&[0]);
        context.update(&key.to_bytes());
        let tag = context.sign();
        let half = tag.as_ref().get(..16).unwrap_or_default();
        format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(half))
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared(up: {})", self.is_up())
    }
}
