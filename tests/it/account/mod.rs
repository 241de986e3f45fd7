//! People and their sessions on both engines.

mod people;
mod personal;
mod session;
mod sign_in;

use crate::support::{Engine, TestDb};
use grantor::account::profile::Profile;
use grantor::account::{Accounts, Credential, SignIn};
use grantor::audit::{Audit, AuditSigner, CHECKPOINT_EVERY, Event, EventType, Outcome, Parts};
use grantor::clock::Clock;
use grantor::config::Config;
use grantor::entropy::Entropy;
use grantor::keys::KeyRing;
use grantor::sealed::MasterKeys;
use grantor::storage::users::User;
use grantor::storage::{Conn, Store};
use grantor::types::{Caller, Secret, TenantId, Timestamp};
use serde_json::{Map, Value};
use uuid::Uuid;

const T: TenantId = TenantId::FIRST;
const START: Timestamp = Timestamp::from_seconds(1_790_000_000);
const PASSWORD: &str = "down the rabbit hole";

/// A server's parts over a database of its own.
struct World {
    db: TestDb,
    config: Config,
    clock: Clock,
    keys: KeyRing,
    audit: Audit,
    accounts: Accounts,
}

impl World {
    async fn new(engine: Engine) -> Self {
        Self::with(TestDb::new(engine).await, &[]).await
    }

    async fn with(db: TestDb, settings: &[(&str, &str)]) -> Self {
        let mut pairs = vec![("tokens.algorithms", "ES256"), ("token.alg", "ES256")];
        pairs.extend(settings);
        let config = Config::from_pairs(&pairs).unwrap();
        let (clock, entropy) = (Clock::manual(START), Entropy::system());
        let master = MasterKeys::parse(&MasterKeys::generate(&Entropy::seeded(1), "a").unwrap()).unwrap();
        let (main, store) = db.stores().await;
        let keys = KeyRing::open(main.clone(), clock.clone(), entropy.clone(), &config, master)
            .await
            .unwrap();
        let signer = AuditSigner::generate(&entropy).unwrap();
        let audit = Audit::start(Parts {
            main: main.clone(),
            store,
            clock: clock.clone(),
            entropy: entropy.clone(),
            signer: AuditSigner::from_pkcs8("audit-1", &signer).unwrap(),
            anchor: None,
            checkpoint_every: CHECKPOINT_EVERY,
        })
        .unwrap();
        let accounts = Accounts::new(&config, main, keys.clone(), audit.clone(), entropy).unwrap();
        Self {
            db,
            config,
            clock,
            keys,
            audit,
            accounts,
        }
    }

    /// A user with a password.
    async fn user(&self, profile: Profile) -> User {
        let checked = profile.check().unwrap();
        let event = self.event(EventType::UserCreated);
        self.accounts
            .create(T, &checked, Some(password(PASSWORD)), event, START)
            .await
            .unwrap()
            .unwrap()
    }

    async fn alice(&self) -> User {
        self.user(alice()).await
    }

    fn event(&self, event_type: EventType) -> Event {
        let id = Entropy::system().uuid_v7(START).unwrap();
        Event::new(id, START, T, event_type, Outcome::Success)
    }

    async fn sign_in(&self, username: &str, password: &str) -> SignIn {
        let password = Secret::new(password.to_owned());
        self.accounts
            .sign_in(T, username, &password, &caller(), START)
            .await
            .unwrap()
    }

    /// What the audit log holds: type, outcome, user and metadata.
    async fn records(&self) -> Vec<Record> {
        const SQL: &str =
            "SELECT event_type, outcome, user_id, metadata FROM audit_events ORDER BY stream, sequence";
        self.audit.flush().await;
        let rows: Vec<(String, String, Option<String>, String)> = match self.db.audit.read().await.unwrap() {
            Conn::Postgres(mut conn, _) => sqlx::query_as(SQL).fetch_all(&mut *conn).await.unwrap(),
            Conn::Sqlite(mut conn, _) => sqlx::query_as(SQL).fetch_all(&mut *conn).await.unwrap(),
        };
        rows.into_iter()
            .map(|(event_type, outcome, user, metadata)| Record {
                event_type,
                outcome,
                user,
                metadata: serde_json::from_str(&metadata).unwrap(),
            })
            .collect()
    }

    fn store(&self) -> &Store {
        &self.db.main
    }
}

#[derive(Debug)]
struct Record {
    event_type: String,
    outcome: String,
    user: Option<String>,
    metadata: Map<String, Value>,
}

fn alice() -> Profile {
    Profile {
        username: "Alice".to_owned(),
        enabled: true,
        email: Some("alice@wonder.example".to_owned()),
        name: Some("Alice Liddell".to_owned()),
        ..Profile::default()
    }
}

fn bob() -> Profile {
    Profile {
        username: "bob".to_owned(),
        enabled: true,
        ..Profile::default()
    }
}

fn password(text: &str) -> Credential {
    Credential::Password {
        password: Secret::new(text.to_owned()),
        temporary: false,
    }
}

fn caller() -> Caller {
    Caller {
        request_id: Uuid::nil(),
        address: "192.0.2.7".parse().unwrap(),
        user_agent: "browser".to_owned(),
    }
}
