//! What one tenant has issued is nothing in another one: at every route of the surface table, in every direction.
//!
//! The measure is what nobody has issued: a text of another tenant is answered as the same text with a letter changed, and
//! leaves its tenant as it was.

mod administrators;
mod flows;
mod loot;
pub mod presented;
mod routes;

use self::loot::Loot;
use crate::support::provider::PATIENT;
use crate::support::relying_party::RelyingParty;
use crate::support::request_object::ClientKey;
use crate::support::user_agent::Browser;
use crate::support::{Engine, TestApp, people::Person};
use grantor::clients;
use grantor::storage::clients::{Client, ClientMetadata};
use grantor::types::{AuthMethod, ClientId, GrantType, ScopeSet};
use std::collections::BTreeMap;

pub const SETTINGS: &[(&str, &str)] = &[
    PATIENT,
    ("tokens.algorithms", "ES256"),
    ("token.alg", "ES256"),
    ("registration.mode", "token"),
    ("session.management", "true"),
];
/// What clients are registered for and people agree to.
const SCOPE: &str = "openid profile email offline_access";
/// Where a client goes back to after a logout.
const BYE: &str = "https://rp.example/bye";
/// The client that has the same id and the same key in every tenant.
const TWIN: &str = "twin";

/// A tenant in which somebody has signed in at a client.
pub struct World {
    pub app: TestApp,
    /// A token with every admin scope of the tenant.
    pub admin: String,
    pub rp: RelyingParty,
    pub device: RelyingParty,
    pub person: Person,
    pub browser: Browser,
    /// Everything that the tenant has issued.
    pub loot: Loot,
}

impl World {
    async fn new(app: TestApp, username: &str, key: &ClientKey) -> Self {
        let admin = app.admin_token(&app.admin_scopes()).await;
        let rp = RelyingParty::with(&app, |metadata| {
            metadata.client_name = Some(format!("Shop of {username}"));
            metadata.scope = ScopeSet::parse(SCOPE).unwrap();
            metadata.require_consent = true;
            metadata.post_logout_redirect_uris = vec![BYE.to_owned()];
            metadata.backchannel_logout_uri = Some("https://rp.example/logout".to_owned());
        })
        .await;
        let device = RelyingParty::with(&app, |metadata| {
            metadata.client_name = Some(format!("Television of {username}"));
            metadata.grant_types = vec![GrantType::DeviceCode, GrantType::RefreshToken];
            metadata.token_endpoint_auth_method = AuthMethod::None;
            metadata.redirect_uris = Vec::new();
        })
        .await;
        twin(&app, key).await;
        let person = Person::new(&app, username).await;
        let browser = Browser::new(&app);
        let mut world = Self {
            app,
            admin,
            rp,
            device,
            person,
            browser,
            loot: Loot::default(),
        };
        world.loot = Loot::of(&mut world, key).await;
        world
    }
}

/// Registers the client whose key and id tell no tenants apart.
async fn twin(app: &TestApp, key: &ClientKey) {
    let mut metadata = ClientMetadata {
        redirect_uris: vec![crate::support::relying_party::CALLBACK.to_owned()],
        grant_types: vec![GrantType::ClientCredentials, GrantType::AuthorizationCode],
        token_endpoint_auth_method: AuthMethod::PrivateKeyJwt,
        scope: ScopeSet::parse("openid").unwrap(),
        jwks: Some(key.jwks()),
        ..ClientMetadata::default()
    };
    clients::complete(&mut metadata);
    let client = Client::new(
        app.tenant,
        ClientId::parse(TWIN).unwrap(),
        metadata,
        None,
        app.now(),
    );
    let mut conn = app.db.main.write().await.unwrap();
    let inserted = grantor::storage::clients::insert(&mut conn, &client).await;
    assert!(inserted.unwrap());
}

/// A tenant as it is when it is used.
pub async fn world(app: TestApp, username: &str) -> World {
    World::new(app, username, &ClientKey::new("twins", "ES256")).await
}

/// The first tenant and two others.
async fn worlds(engine: Engine) -> [World; 3] {
    let app = TestApp::spawn_with(engine, SETTINGS).await;
    let key = ClientKey::new("twins", "ES256");
    let (acme, beta) = (app.make_tenant("acme").await, app.make_tenant("beta").await);
    [
        World::new(app, "zuleika", &key).await,
        World::new(acme, "quentin", &key).await,
        World::new(beta, "yolande", &key).await,
    ]
}

/// Every direction between the first tenant and another one, and between two others: from, to.
const DIRECTIONS: [(usize, usize); 4] = [(0, 1), (1, 0), (1, 2), (2, 1)];

/// All rows of a tenant but those that change by themselves.
pub async fn everything_of(app: &TestApp) -> BTreeMap<String, Vec<String>> {
    const BUSY: [&str; 2] = ["deliveries", "audit_outbox"];
    let mut everything = BTreeMap::new();
    for table in super::tables_with_tenant(app).await {
        if !BUSY.contains(&table.as_str()) {
            let rows = super::rows_of(app, &table, app.tenant).await;
            everything.insert(table, rows);
        }
    }
    everything
}
