//! A migrated database for each test, on either engine.
//!
//! Migrating takes longer than most tests. So each test process migrates one template per engine and every test gets a
//! copy: `CREATE DATABASE … TEMPLATE` on PostgreSQL, copied files on SQLite. [`TestDb`] removes its copy when it goes; what
//! a killed process left behind is removed by a later one.

use grantor::clock::Clock;
use grantor::entropy::Entropy;
use grantor::storage::{Schema, Store};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::OnceCell;

/// Names of databases and folders start with it; time, place and process of their making follow.
const PREFIX: &str = "grantor_test_";
/// What is older was left behind, wherever its process ran.
const STALE_SECONDS: i64 = 3600;
/// Connections of a test's store; tests run side by side on one server.
const CONNECTIONS: u32 = 8;

/// Which database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file in a temporary folder.
    Sqlite,
    /// A database of its own on the server that `GRANTOR_TEST_POSTGRES_URL` names.
    Postgres,
}

impl Engine {
    /// Whether tests can run on it. Says once on standard error when those on PostgreSQL are left out.
    pub fn is_available(self) -> bool {
        static SAID: Once = Once::new();
        let available = self == Self::Sqlite || server_url().is_some();
        if !available {
            // Not `eprintln!`, which the test harness keeps to itself when a test passes.
            SAID.call_once(|| {
                let _ = writeln!(
                    std::io::stderr(),
                    "left out: all tests on PostgreSQL, because GRANTOR_TEST_POSTGRES_URL is not set (scripts/test sets it)"
                );
            });
        }
        available
    }
}

/// A migrated main database and audit store of one test.
pub struct TestDb {
    /// The main database.
    pub main: Store,
    /// The audit store.
    pub audit: Store,
    /// `GRANTOR_DATABASE_URL` for a server on this database.
    pub url: String,
    /// `GRANTOR_AUDIT_DATABASE_URL`, where it is not derived from [`Self::url`].
    pub audit_url: Option<String>,
    copy: Copy,
}

/// What is removed when the test is over.
enum Copy {
    Folder(PathBuf),
    Database(String),
}

impl TestDb {
    /// A fresh copy of the migrated template.
    pub async fn new(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => Self::copy_of_folder(&migrated_folder().await).await,
            Engine::Postgres => Self::copy_of_database(&migrated_database().await).await,
        }
    }

    async fn copy_of_folder(template: &Path) -> Self {
        let folder = new_folder();
        for file in ["grantor.db", "audit.db"] {
            std::fs::copy(template.join(file), folder.join(file)).expect("the template is copied");
        }
        let (url, audit_url) = sqlite_urls(&folder);
        Self {
            main: open(&url, None).await,
            audit: open(&audit_url, None).await,
            url,
            audit_url: Some(audit_url),
            copy: Copy::Folder(folder),
        }
    }

    /// Nobody may be connected to the template.
    async fn copy_of_database(template: &str) -> Self {
        let name = new_name();
        create_database(&name, Some(template)).await;
        let url = database_url(&name);
        Self {
            main: open(&url, None).await,
            audit: open(&url, Some("audit")).await,
            url,
            audit_url: None,
            copy: Copy::Database(name),
        }
    }

    /// A copy of this one, whose stores have to be closed.
    pub async fn copy(&self) -> Self {
        match &self.copy {
            Copy::Folder(folder) => Self::copy_of_folder(folder).await,
            Copy::Database(name) => Self::copy_of_database(name).await,
        }
    }

    /// The engine below.
    pub fn engine(&self) -> Engine {
        match self.copy {
            Copy::Folder(_) => Engine::Sqlite,
            Copy::Database(_) => Engine::Postgres,
        }
    }

    /// Further stores on the same databases, as another replica has them.
    pub async fn stores(&self) -> (Store, Store) {
        match &self.audit_url {
            Some(audit_url) => (open(&self.url, None).await, open(audit_url, None).await),
            None => (open(&self.url, None).await, open(&self.url, Some("audit")).await),
        }
    }

    /// Runs statements on the audit store, as somebody with rights on it would.
    pub async fn audit_execute(&self, sql: &'static str) {
        let done = match &self.audit {
            Store::Postgres { pool, .. } => sqlx::raw_sql(sql).execute(pool).await.map(drop),
            Store::Sqlite { writer, .. } => sqlx::raw_sql(sql).execute(writer).await.map(drop),
        };
        done.expect("the statement runs");
    }

    /// The folder with the files on SQLite.
    pub fn folder(&self) -> Option<&Path> {
        match &self.copy {
            Copy::Folder(folder) => Some(folder),
            Copy::Database(_) => None,
        }
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        match &self.copy {
            Copy::Folder(folder) => drop(std::fs::remove_dir_all(folder)),
            Copy::Database(name) => drop_database_blocking(name),
        }
    }
}

/// Drops a database from where nothing can be awaited.
pub fn drop_database_blocking(name: &str) {
    let name = name.to_owned();
    // A thread of its own: the test's runtime may be the one that is being dropped.
    let dropped = std::thread::spawn(move || {
        if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
            runtime.block_on(drop_database(&name));
        }
    });
    drop(dropped.join());
}

/// The URL of a database on the test server.
pub fn database_url(name: &str) -> String {
    let mut url: url::Url = server_url()
        .expect("is_available() was asked")
        .parse()
        .expect("GRANTOR_TEST_POSTGRES_URL is a URL");
    url.set_path(name);
    url.into()
}

/// A new, empty folder below the system's temporary one.
pub fn new_folder() -> PathBuf {
    let folder = std::env::temp_dir().join(new_name());
    std::fs::create_dir_all(&folder).expect("a temporary folder can be made");
    folder
}

/// A name for a database or folder that is used once.
pub fn new_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!(
        "{PREFIX}{}_{}_{}_{count}",
        now_seconds(),
        place(),
        std::process::id()
    )
}

/// Creates a database, empty or as a copy.
pub async fn create_database(name: &str, template: Option<&str>) {
    let mut server = server().await;
    let sql = match template {
        None => format!("CREATE DATABASE {name}"),
        Some(template) => {
            // Faster than copying through the write-ahead log, which is what newer servers do unless told.
            let strategy = if server.server_version_num().unwrap_or(0) >= 150_000 {
                "STRATEGY file_copy"
            } else {
                ""
            };
            format!("CREATE DATABASE {name} TEMPLATE {template} {strategy}")
        }
    };
    sqlx::query(AssertSqlSafe(sql))
        .execute(&mut server)
        .await
        .expect("the database is created");
}

async fn migrated_folder() -> PathBuf {
    static TEMPLATE: OnceCell<PathBuf> = OnceCell::const_new();
    let make = async || {
        sweep_folders();
        let folder = new_folder();
        let (url, audit_url) = sqlite_urls(&folder);
        migrate(&open(&url, None).await, &open(&audit_url, None).await, None).await;
        folder
    };
    TEMPLATE.get_or_init(make).await.clone()
}

async fn migrated_database() -> String {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    let make = async || {
        sweep_databases().await;
        let name = new_name();
        create_database(&name, None).await;
        let url = database_url(&name);
        let (main, audit) = (open(&url, None).await, open(&url, Some("audit")).await);
        migrate(&main, &audit, Some("audit")).await;
        name
    };
    TEMPLATE.get_or_init(make).await.clone()
}

async fn migrate(main: &Store, audit: &Store, audit_schema: Option<&str>) {
    let holder = Entropy::system().uuid_v4().expect("randomness");
    main.migrate(Schema::Main, None, &Clock::System, holder)
        .await
        .expect("the main database is migrated");
    audit
        .migrate(Schema::Audit, audit_schema, &Clock::System, holder)
        .await
        .expect("the audit store is migrated");
    // Closed, so that the files are complete and the database can be copied.
    main.close().await;
    audit.close().await;
}

async fn open(url: &str, schema: Option<&str>) -> Store {
    Store::open(url, schema, CONNECTIONS)
        .await
        .expect("the store opens")
}

fn sqlite_urls(folder: &Path) -> (String, String) {
    let url = |file| format!("sqlite://{}", folder.join(file).display());
    (url("grantor.db"), url("audit.db"))
}

fn server_url() -> Option<String> {
    std::env::var("GRANTOR_TEST_POSTGRES_URL")
        .ok()
        .filter(|url| !url.is_empty())
}

async fn server() -> PgConnection {
    let url = server_url().expect("is_available() was asked");
    PgConnection::connect(&url)
        .await
        .expect("the server of GRANTOR_TEST_POSTGRES_URL answers")
}

async fn drop_database(name: &str) {
    let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    // A test that is over has nothing to learn from this: what stays is swept later.
    let _ = tokio::time::timeout(Duration::from_secs(10), async {
        sqlx::query(AssertSqlSafe(sql)).execute(&mut server().await).await
    })
    .await;
}

async fn sweep_databases() {
    let names: Vec<String> =
        sqlx::query_scalar("SELECT datname FROM pg_database WHERE datname LIKE 'grantor\\_test\\_%'")
            .fetch_all(&mut server().await)
            .await
            .expect("the databases are listed");
    for name in names.iter().filter(|name| is_stale(name)) {
        drop_database(name).await;
    }
}

fn sweep_folders() {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for entry in entries.flatten() {
        if is_stale(&entry.file_name().to_string_lossy()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether the process that made it is over.
fn is_stale(name: &str) -> bool {
    let mut parts = name.strip_prefix(PREFIX).unwrap_or("").split('_');
    let Some(made) = parts.next().and_then(|seconds| seconds.parse::<i64>().ok()) else {
        return false;
    };
    let process_is_over = parts.next() == Some(&place())
        && parts
            .next()
            .is_some_and(|pid| !Path::new("/proc").join(pid).exists());
    process_is_over || made < now_seconds() - STALE_SECONDS
}

/// Where this process's number means something: this boot of this machine and, in containers, this process name space.
fn place() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let mut hasher = DefaultHasher::new();
    (boot, space).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

fn now_seconds() -> i64 {
    Clock::System.now().micros() / 1_000_000
}
