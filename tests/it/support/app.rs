//! The server as tests run it: on a port of its own, on a database of its own, with a clock that they move and
//! randomness that a seed determines.
//!
//! Keys and the admin client come from a template: no test waits for an RSA key to be made.

use super::db::{Engine, TestDb};
use super::http::Http;
use grantor::app::{App, Stores};
use grantor::clients;
use grantor::clock::Clock;
use grantor::config::Config;
use grantor::entropy::Entropy;
use grantor::jobs;
use grantor::sealed::MasterKeys;
use grantor::server::{self, Listeners, Service};
use grantor::storage::clients::{Client, ClientMetadata};
use grantor::storage::tenants::{self, TenantRow};
use grantor::types::{
    ADMIN_SCOPES, AuthMethod, ClientId, FIRST_TENANT_SCOPES, GrantType, ScopeSet, TenantId, TenantName,
    Timestamp, TokenHash,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use tokio::sync::{OnceCell, oneshot};

/// Where a test's clock stands at first: 2026-07-01T00:00:00Z.
pub const START: Timestamp = Timestamp::from_seconds(1_782_864_000);
/// The master key of every test.
pub const MASTER_KEY: &str = "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// The client that holds every admin scope.
pub const ADMIN_ID: &str = "admin";
/// Its secret.
pub const ADMIN_SECRET: &str = "gcs_the-secret-of-the-first-admin-client-in-tests";

/// Limits that no test reaches by accident. One that is about a limit sets its own.
const WIDE_LIMITS: [&str; 7] = [
    "standard",
    "expensive",
    "sensitive",
    "public",
    "per_user",
    "per_key",
    "global",
];

/// A running server. It stops when it is dropped.
pub struct TestApp {
    /// Its databases; shared by replicas.
    pub db: Arc<TestDb>,
    /// Its parts.
    pub app: Arc<App>,
    /// A client for its base URL.
    pub http: Http,
    /// Where it listens, and where the tenant is below that; its issuer, unless it is a replica of another one.
    pub base: String,
    /// The tenant that it is asked as.
    pub tenant: TenantId,
    issuer: String,
    settings: Vec<(String, String)>,
    running: Option<Running>,
}

/// The thread that the server runs on, and how to end it.
struct Running {
    stop: oneshot::Sender<End>,
    thread: JoinHandle<()>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// As SIGTERM: finish, flush, note.
    Orderly,
    /// The test is over.
    AtOnce,
}

impl TestApp {
    /// A server with the tests' configuration.
    pub async fn spawn(engine: Engine) -> Self {
        Self::spawn_with(engine, &[]).await
    }

    /// The same with further settings, by their dotted names.
    pub async fn spawn_with(engine: Engine, settings: &[(&str, &str)]) -> Self {
        Self::on(Arc::new(started_db(engine).await), settings).await
    }

    /// A server on databases that are there already.
    pub async fn on(db: Arc<TestDb>, settings: &[(&str, &str)]) -> Self {
        Self::start(db, None, owned(settings), Clock::manual(START)).await
    }

    /// Another server on the same databases and with the same issuer, clock and settings.
    pub async fn replica(&self) -> Self {
        assert_eq!(
            self.tenant,
            TenantId::FIRST,
            "a replica of the server, not of a tenant"
        );
        let issuer = self.app.config.issuer.as_str().to_owned();
        Self::start(
            self.db.clone(),
            Some(issuer),
            self.settings.clone(),
            self.app.clock.clone(),
        )
        .await
    }

    /// Makes a tenant with keys and the client that holds all its admin scopes.
    pub async fn make_tenant(&self, name: &str) -> Self {
        let now = self.now();
        let row = TenantRow {
            id: TenantId(self.app.entropy.uuid_v7(now).expect("randomness")),
            name: TenantName::parse(name).expect("a name"),
            enabled: true,
            settings: Default::default(),
            version: 1,
            created_at: now,
        };
        let keys = self.app.keys.first_keys(row.id, now).await.expect("keys");
        let mut tx = self.app.store.begin().await.expect("a transaction");
        let inserted = tenants::insert(&mut tx, &row).await;
        assert!(inserted.expect("the database answers"), "the name is taken");
        keys.insert(&mut tx).await.expect("the database answers");
        let inserted = grantor::storage::clients::insert(&mut tx, &admin_client(row.id)).await;
        assert!(inserted.expect("the database answers"));
        tx.commit().await.expect("the database answers");
        self.app.tenants.invalidate();
        self.in_tenant(name, row.id)
    }

    /// The same server, asked as another tenant. It stops with the first.
    pub fn in_tenant(&self, name: &str, tenant: TenantId) -> Self {
        let below = |base: &str| format!("{base}/t/{name}");
        Self {
            http: Http::new(&below(&self.base)),
            base: below(&self.base),
            issuer: below(&self.issuer),
            tenant,
            db: self.db.clone(),
            app: self.app.clone(),
            settings: self.settings.clone(),
            running: None,
        }
    }

    /// The admin scopes that this tenant has.
    pub fn admin_scopes(&self) -> String {
        admin_scopes(self.tenant)
    }

    /// The metadata document (OpenID Connect Discovery §4).
    pub async fn metadata(&self) -> serde_json::Value {
        let document = self.http.get("/.well-known/openid-configuration");
        document.send().await.expect(200).json()
    }

    /// The issuer identifier.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The server's present time.
    pub fn now(&self) -> Timestamp {
        self.app.clock.now()
    }

    /// Moves the clock of this server and of its replicas.
    pub fn advance(&self, seconds: i64) {
        self.app.clock.advance_seconds(seconds);
    }

    /// Stops it as an operator would: what runs is finished, the audit log flushed.
    pub async fn stop(mut self) {
        self.end(End::Orderly);
    }

    async fn start(
        db: Arc<TestDb>,
        issuer: Option<String>,
        settings: Vec<(String, String)>,
        clock: Clock,
    ) -> Self {
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        let listeners = Listeners::bind(any, any).expect("two ports");
        let base = format!("http://{}", listeners.public.local_addr().expect("an address"));
        let config = Arc::new(config(&db, issuer.as_deref().unwrap_or(&base), &settings));
        let issuer = config.issuer.as_str().to_owned();
        let (stop, stopped) = oneshot::channel();
        let (ready, built) = oneshot::channel();
        // A thread and runtime of its own: the server works while the test's thread is busy, and outlives its awaits.
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(serve(config, clock, listeners, ready, stopped));
        });
        let app = built.await.expect("the server starts");
        Self {
            http: Http::new(&base),
            db,
            app,
            base,
            tenant: TenantId::FIRST,
            issuer,
            settings,
            running: Some(Running { stop, thread }),
        }
    }

    fn end(&mut self, how: End) {
        if let Some(running) = self.running.take() {
            let _ = running.stop.send(how);
            let _ = running.thread.join();
        }
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.end(End::AtOnce);
    }
}

/// The configuration of a test, where `settings` say nothing else.
pub fn config(db: &TestDb, issuer: &str, settings: &[(String, String)]) -> Config {
    let mut all = vec![
        ("issuer".to_owned(), issuer.to_owned()),
        ("database_url".to_owned(), db.url.clone()),
        ("database.max_connections".to_owned(), "8".to_owned()),
        ("master_key".to_owned(), MASTER_KEY.to_owned()),
        // A crowded machine is no ailing database.
        ("breaker.latency_ms".to_owned(), "10000".to_owned()),
        ("breaker.open_s".to_owned(), "1".to_owned()),
    ];
    if let Some(url) = &db.audit_url {
        all.push(("audit_database_url".to_owned(), url.clone()));
    }
    for tier in WIDE_LIMITS {
        all.push((format!("limits.{tier}.rate"), "1000000000".to_owned()));
    }
    for (name, value) in settings {
        all.retain(|(own, _)| own != name);
        all.push((name.clone(), value.clone()));
    }
    let pairs: Vec<_> = all
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    Config::from_pairs(&pairs).unwrap_or_else(|errors| panic!("the test's configuration: {errors}"))
}

async fn serve(
    config: Arc<Config>,
    clock: Clock,
    listeners: Listeners,
    ready: oneshot::Sender<Arc<App>>,
    stopped: oneshot::Receiver<End>,
) {
    let app = Arc::new(build(config, clock).await);
    jobs::start(app.clone());
    let running = server::start(Service::of(&app, Some(1)), listeners)
        .await
        .expect("it starts");
    let _ = ready.send(app.clone());
    if stopped.await == Ok(End::Orderly) {
        running.stop().await;
        app.shutdown().await;
    }
}

async fn build(config: Arc<Config>, clock: Clock) -> App {
    static SEED: AtomicU64 = AtomicU64::new(1);
    let stores = Stores::open(&config).await.expect("the stores open");
    let master = MasterKeys::parse(MASTER_KEY).expect("a master key");
    let entropy = Entropy::seeded(SEED.fetch_add(1, Ordering::Relaxed));
    App::build(config, stores, master, clock, entropy)
        .await
        .expect("the parts fit together")
}

/// A copy of a database on which the first start has happened.
pub async fn started_db(engine: Engine) -> TestDb {
    static SQLITE: OnceCell<Arc<TestDb>> = OnceCell::const_new();
    static POSTGRES: OnceCell<Arc<TestDb>> = OnceCell::const_new();
    let template = match engine {
        Engine::Sqlite => &SQLITE,
        Engine::Postgres => &POSTGRES,
    };
    let template = template
        .get_or_init(|| async move { Arc::new(first_start(engine).await) })
        .await;
    template.copy().await
}

async fn first_start(engine: Engine) -> TestDb {
    let db = TestDb::new(engine).await;
    let config = Arc::new(config(&db, "http://localhost:8080", &[]));
    let app = build(config, Clock::manual(START)).await;
    let mut conn = db.main.write().await.expect("a connection");
    let inserted = grantor::storage::clients::insert(&mut conn, &admin_client(TenantId::FIRST)).await;
    assert!(inserted.expect("the database answers"));
    drop(conn);
    app.audit.shutdown().await;
    app.store.close().await;
    app.audit_store.close().await;
    db.main.close().await;
    db.audit.close().await;
    db
}

fn admin_scopes(tenant: TenantId) -> String {
    let has = |scope: &&str| tenant == TenantId::FIRST || !FIRST_TENANT_SCOPES.contains(scope);
    let scopes: Vec<_> = ADMIN_SCOPES.into_iter().filter(has).collect();
    scopes.join(" ")
}

fn admin_client(tenant: TenantId) -> Client {
    let mut metadata = ClientMetadata {
        grant_types: vec![GrantType::ClientCredentials],
        token_endpoint_auth_method: AuthMethod::ClientSecretBasic,
        scope: ScopeSet::parse(&admin_scopes(tenant)).expect("scopes"),
        ..ClientMetadata::default()
    };
    clients::complete(&mut metadata);
    Client::new(
        tenant,
        ClientId::parse(ADMIN_ID).expect("a client id"),
        metadata,
        Some(TokenHash::of(ADMIN_SECRET)),
        START,
    )
}

fn owned(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    settings.iter().map(pair).collect()
}
