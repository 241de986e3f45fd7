//! What stands around the endpoints, over real sockets: a server with endpoints made for these tests.

mod attempts;
mod bodies;
mod cors;
mod framing;
mod http2;
mod limits;
mod log;
mod management;
mod overload;
mod proxy_protocol;
mod raw;
mod surfaces;
mod tls;

use crate::support::http::Http;
use crate::support::{Engine, TestDb};
use actix_web::http::Method;
use actix_web::{HttpResponse, Responder, web};
use futures_util::future::LocalBoxFuture;
use grantor::app::shared_limits;
use grantor::clock::Clock;
use grantor::config::Config;
use grantor::entropy::Entropy;
use grantor::fault::Fault;
use grantor::keys::KeyRing;
use grantor::outgoing::Outgoing;
use grantor::protect::body::{FormBody, JsonBody};
use grantor::protect::cors::RegisteredOrigins;
use grantor::protect::limits::Tier;
use grantor::protect::routes::{Body, Policy, Routes};
use grantor::protect::{Edge, Exchange};
use grantor::sealed::MasterKeys;
use grantor::server::{self, Health, Listeners, Running, Service};
use grantor::storage::clients::{Client, ClientMetadata};
use grantor::tenants::Tenants;
use grantor::types::{ClientId, TenantId, Timestamp, UserId};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const START: Timestamp = Timestamp::from_seconds(1_790_000_000);
const MASTER: &str = "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// The origin that some client of the tenant has registered, and the one of the client `spa`.
const REGISTERED: &str = "https://registered.example";
const OWN: &str = "https://spa.example";

/// A running server.
struct Ground {
    running: Running,
    clock: Clock,
    edge: Edge,
    db: TestDb,
}

impl Ground {
    async fn new(settings: &[(&str, &str)]) -> Self {
        Self::on(TestDb::new(Engine::Sqlite).await, settings).await
    }

    async fn on(db: TestDb, settings: &[(&str, &str)]) -> Self {
        let mut all = vec![("tokens.algorithms", "ES256")];
        all.extend_from_slice(settings);
        let config = Arc::new(Config::from_pairs(&all).unwrap());
        let clock = Clock::manual(START);
        let entropy = Entropy::seeded(1);
        let master = MasterKeys::parse(MASTER).unwrap();
        let (store, audit_store) = db.stores().await;
        let keys = KeyRing::open(store.clone(), clock.clone(), entropy.clone(), &config, master)
            .await
            .unwrap();
        let shared = shared_limits(&config, &keys, &clock).await.unwrap();
        let edge = Edge::new(
            config.clone(),
            clock.clone(),
            entropy,
            store.clone(),
            shared,
            Box::new(Origins),
            Tenants::new(store.clone(), &config).unwrap(),
        )
        .unwrap();
        let service = Service {
            edge: edge.clone(),
            routes: Arc::new(routes),
            data: Arc::new(|_| {}),
            health: Health {
                outgoing: Outgoing::new(&config.outgoing).unwrap(),
                config,
                store,
                audit_store,
                keys,
                clock: clock.clone(),
                edge: edge.clone(),
            },
            workers: Some(1),
        };
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let running = server::start(service, Listeners::bind(any, any).unwrap())
            .await
            .unwrap();
        Self {
            running,
            clock,
            edge,
            db,
        }
    }

    fn http(&self) -> Http {
        Http::new(&format!("http://{}", self.running.address))
    }

    fn management(&self) -> Http {
        Http::new(&format!("http://{}", self.running.management_address))
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.running.address).await.unwrap()
    }

    /// Sends bytes and reads until the server closes the connection.
    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // A server that refuses early closes while we still send.
        let _ = stream.write_all(bytes).await;
        read_to_end(&mut stream).await
    }
}

/// Reads until the end, which has to come.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = async {
        let mut buffer = [0; 4096];
        // A reset after the answer is an end too.
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            answer.extend_from_slice(&buffer[..count]);
        }
    };
    tokio::time::timeout(Duration::from_secs(20), read)
        .await
        .expect("the server closes the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

#[derive(Debug)]
struct Origins;

impl RegisteredOrigins for Origins {
    fn is_registered<'a>(&'a self, _: TenantId, origin: &'a str) -> LocalBoxFuture<'a, bool> {
        Box::pin(std::future::ready(origin == REGISTERED || origin == OWN))
    }
}

fn routes(routes: &mut Routes) {
    routes.add(Method::GET, "/.well-known/document", Policy::DOCUMENT, document);
    routes.add(Method::POST, "/oauth2/token", Policy::OAUTH, token);
    let json = Policy::OAUTH
        .body(Body::Json)
        .cors(grantor::protect::cors::Cors::Any);
    routes.add(Method::POST, "/oauth2/register", json, echo);
    routes.add(Method::GET, "/admin/v1/things", Policy::ADMIN, things);
    routes.add(Method::POST, "/admin/v1/things", Policy::ADMIN, echo);
    routes.add(
        Method::PATCH,
        "/admin/v1/things/{id}",
        Policy::ADMIN.body(Body::MergePatch),
        echo,
    );
    routes.add(
        Method::GET,
        "/admin/v1/export",
        Policy::ADMIN.tier(Tier::Expensive),
        things,
    );
    routes.add(
        Method::GET,
        "/admin/v1/rotate",
        Policy::ADMIN.tier(Tier::Sensitive),
        things,
    );
    routes.add(
        Method::GET,
        "/admin/v1/reset",
        Policy::ADMIN.tier(Tier::Sensitive),
        things,
    );
    routes.add(
        Method::POST,
        "/login",
        Policy::PAGE.tier(Tier::Authentication),
        login,
    );
    routes.add(Method::GET, "/page", Policy::PAGE, page);
    routes.add(Method::GET, "/fault/{kind}", Policy::PAGE, fault);
    routes.add(Method::GET, "/panic", Policy::ADMIN, panic);
    routes.add(Method::GET, "/slow", Policy::ADMIN, slow);
    routes.add(Method::GET, "/foreign/{number}", Policy::ADMIN, foreign);
}

async fn document() -> impl Responder {
    HttpResponse::Ok()
        .insert_header(("cache-control", "public, max-age=300"))
        .json(serde_json::json!({"issuer": "x"}))
}

/// Parameters: `client` is authenticated; `secret=wrong` fails; `spa` has an origin of its own.
async fn token(exchange: Exchange, form: FormBody) -> Result<HttpResponse, actix_web::Error> {
    let form = form
        .0
        .without_repeats(&["resource"])
        .map_err(|refusal| exchange.refuse(refusal))?;
    exchange.may_present_secret()?;
    if form.get("secret") == Some("wrong") {
        exchange.secret_failed().await?;
        return Ok(HttpResponse::Unauthorized().json(serde_json::json!({"error": "invalid_client"})));
    }
    if let Some(client) = form.get("client") {
        exchange.client(&named(client), None).await?;
        exchange.allow_origins(if client == "spa" {
            vec![OWN.to_owned()]
        } else {
            Vec::new()
        });
    }
    let names: Vec<_> = form.iter().map(|(name, _)| name.to_owned()).collect();
    Ok(HttpResponse::Ok().json(names))
}

async fn echo(exchange: Exchange, body: JsonBody) -> impl Responder {
    let _ = exchange;
    HttpResponse::Ok().json(body.0)
}

/// A client of this name, which nobody has registered.
fn named(client_id: &str) -> Client {
    let client_id = ClientId::parse(client_id).unwrap();
    Client::new(TenantId::FIRST, client_id, ClientMetadata::default(), None, START)
}

/// Header `x-client` is the authenticated client, `x-user` the user.
async fn things(
    exchange: Exchange,
    request: actix_web::HttpRequest,
) -> Result<HttpResponse, actix_web::Error> {
    let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap());
    let user = header("x-user").map(|user| UserId(user.parse().unwrap()));
    if let Some(client) = header("x-client") {
        exchange.client(&named(client), user).await?;
    } else if let Some(user) = user {
        exchange.user(user).await?;
    }
    Ok(HttpResponse::Ok().json(serde_json::json!([])))
}

async fn login(exchange: Exchange, form: FormBody) -> Result<HttpResponse, actix_web::Error> {
    exchange.sign_in_attempt().await?;
    if form.0.get("password") == Some("right") {
        return Ok(HttpResponse::NoContent().finish());
    }
    exchange.sign_in_failed().await?;
    Ok(HttpResponse::Forbidden().content_type("text/html").body("wrong"))
}

async fn page() -> impl Responder {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body("<!doctype html><title>page</title>")
}

async fn fault(exchange: Exchange, kind: web::Path<String>) -> Result<HttpResponse, actix_web::Error> {
    let fault = if *kind == "unavailable" {
        Fault::unavailable("postgres at 10.1.2.3 does not answer")
    } else {
        Fault::internal("sqlx: no such column")
    };
    Err(exchange.fault(&fault).into())
}

async fn panic() -> HttpResponse {
    panic!("canary in a panic");
}

async fn slow() -> impl Responder {
    tokio::time::sleep(Duration::from_millis(1500)).await;
    HttpResponse::Ok().json("done")
}

async fn foreign(number: web::Path<u32>) -> impl Responder {
    number.to_string()
}
