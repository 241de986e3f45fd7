//! The server: listeners, TLS, and an end in order.

mod connection;
mod endpoints;
mod management;
mod tls;

pub use self::endpoints::routes;
pub use self::management::Health;
pub use self::tls::Certificates;

use self::connection::{Connection, Stream};
use crate::fault::Fault;
use crate::protect::routes::Routes;
use crate::protect::{Edge, outermost, proxy_protocol};
use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Protocol};
use actix_server::{GracefulShutdownSignal, Server, ServerHandle};
use actix_service::{
    IntoServiceFactory as _, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config,
};
use actix_web::dev::AppConfig;
use actix_web::middleware::from_fn;
use actix_web::{App, web};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What is being served when the server is told to stop may take so long.
const STOP_S: u64 = 30;
/// How long a connection is kept for a further request.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a closing connection may take to be read to its end.
const DISCONNECT: Duration = Duration::from_secs(5);
/// How often certificate files are looked at.
const CERTIFICATES_EVERY: Duration = Duration::from_secs(10);

/// What is served.
#[derive(Clone)]
pub struct Service {
    /// What stands around the endpoints.
    pub edge: Edge,
    /// Registers the endpoints; called once for each worker.
    pub routes: Arc<dyn Fn(&mut Routes) + Send + Sync>,
    /// Hands the endpoints what they work with (actix's app data); called once for each worker.
    pub data: Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>,
    /// What readiness looks at.
    pub health: Health,
    /// Threads that serve; one per core where it is not said.
    pub workers: Option<usize>,
}

/// Sockets that are bound already.
#[derive(Debug)]
pub struct Listeners {
    /// For everybody.
    pub public: TcpListener,
    /// For the operator.
    pub management: TcpListener,
}

impl Listeners {
    /// Binds the addresses of the configuration.
    ///
    /// # Errors
    /// When an address cannot be bound; says which.
    pub fn bind(public: SocketAddr, management: SocketAddr) -> Result<Self, Fault> {
        Ok(Self {
            public: bind(public)?,
            management: bind(management)?,
        })
    }
}

/// A server that runs until [`Running::stop`].
#[derive(Debug)]
pub struct Running {
    /// The public listener's address.
    pub address: SocketAddr,
    /// The management listener's address.
    pub management_address: SocketAddr,
    public: Part,
    management: Part,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Part {
    handle: ServerHandle,
    task: JoinHandle<io::Result<()>>,
}

/// Starts to serve on the runtime that this is called on, with threads of its own for requests.
///
/// # Errors
/// When the certificate cannot be read or a socket cannot be listened on.
pub async fn start(service: Service, listeners: Listeners) -> Result<Running, Fault> {
    let config = service.edge.config();
    let address = local_address(&listeners.public)?;
    let management_address = local_address(&listeners.management)?;
    let certificates = match &config.tls {
        Some(files) => Some(Certificates::open(files).await?),
        None => None,
    };
    let acceptor = match &certificates {
        Some(certificates) => {
            let tls = certificates.server_config(config.tls_1_3_only)?;
            Some(TlsAcceptor::from(Arc::new(tls)))
        }
        None => None,
    };
    // The first requests are to be shared with the other replicas already.
    service.edge.limits().tend().await;
    if let Err(fault) = service.edge.refresh_limits().await {
        tracing::warn!("limits changed while running hold once the database answers: {fault}");
    }
    let mut tasks = vec![
        tokio::spawn(tend(service.edge.clone())),
        tokio::spawn(tend_limits(service.edge.clone())),
    ];
    if let Some(certificates) = certificates {
        tasks.push(tokio::spawn(watch(certificates)));
    }
    Ok(Running {
        address,
        management_address,
        public: serve_public(&service, listeners.public, acceptor)?,
        management: serve_management(&service, listeners.management)?,
        tasks,
    })
}

impl Running {
    /// Stops in order: no new connections, what runs is finished (30 s at most), the management listener goes last.
    pub async fn stop(self) {
        for part in [self.public, self.management] {
            part.handle.stop(true).await;
            match part.task.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!("a listener failed: {error}"),
                Err(error) => tracing::error!("a listener ended: {error}"),
            }
        }
        for task in self.tasks {
            task.abort();
        }
    }

    /// Serves until the process is asked to end (SIGTERM or SIGINT), then stops in order.
    pub async fn until_signalled(self) {
        asked_to_end().await;
        tracing::info!("stopping: no new connections, what runs is finished");
        self.stop().await;
    }
}

fn serve_public(
    service: &Service,
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
) -> Result<Part, Fault> {
    let cores = || thread::available_parallelism().map_or(1, NonZero::get);
    let workers = service.workers.unwrap_or_else(cores);
    // Each worker counts its own.
    let connections = service.edge.config().http.max_connections.div_ceil(workers);
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(connections)
        .shutdown_timeout(STOP_S)
        .disable_signals();
    let signal = builder.graceful_shutdown_signal();
    let service = service.clone();
    let server = builder
        .listen("public", listener, move || {
            public_service(service.clone(), acceptor.clone(), signal.clone())
        })
        .map_err(|error| Fault::internal("the public listener cannot be used").caused_by(error))?;
    Ok(Part::spawn(server.run()))
}

/// What one worker does with a connection: TLS where it is asked for, HTTP, the layers, an endpoint.
fn public_service(
    service: Service,
    acceptor: Option<TlsAcceptor>,
    signal: GracefulShutdownSignal,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()> {
    let edge = service.edge.clone();
    let config = edge.config();
    let mut routes = Routes::new(config.http.cors_max_age_s);
    (service.routes)(&mut routes);
    let data = Arc::clone(&service.data);
    let app = App::new()
        .app_data(edge.clone())
        .configure(|config| data(config))
        .configure(|config| routes.mount(config))
        .wrap(from_fn(outermost));
    let patience = Duration::from_secs(config.http.header_timeout_s);
    let http = HttpService::build()
        .graceful_shutdown_signal(move || {
            let signal = signal.clone();
            async move { signal.notified().await }
        })
        .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
        .client_request_timeout(patience)
        .client_disconnect_timeout(DISCONNECT)
        .finish(map_config(
            app.into_factory()
                .map_err(|error: actix_web::Error| error.error_response()),
            |()| AppConfig::default(),
        ));
    fn_service(move |stream: TcpStream| {
        let (edge, acceptor) = (edge.clone(), acceptor.clone());
        async move {
            let accepted = tokio::time::timeout(patience, accept(stream, edge, acceptor)).await;
            accepted.unwrap_or_else(|_| Err(DispatchError::SlowRequestTimeout))
        }
    })
    .and_then(http)
}

async fn accept(
    mut stream: TcpStream,
    edge: Edge,
    acceptor: Option<TlsAcceptor>,
) -> Result<(Connection, Protocol, Option<SocketAddr>), DispatchError> {
    let mut peer = stream.peer_addr().ok();
    stream.set_nodelay(true)?;
    // Whoever else connects cannot say that it is somebody.
    let is_trusted = peer.is_some_and(|peer| edge.proxies().trusts(peer.ip().to_canonical()));
    if edge.config().proxy_protocol && is_trusted {
        peer = proxy_protocol::read(&mut stream).await?.or(peer);
    }
    let Some(acceptor) = acceptor else {
        return Ok((
            Connection::http1(Stream::Plain(stream), edge, peer),
            Protocol::Http1,
            peer,
        ));
    };
    let stream = acceptor.accept(stream).await?;
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let stream = Stream::Tls(Box::new(stream));
    Ok(if is_http2 {
        (Connection::http2(stream), Protocol::Http2, peer)
    } else {
        (Connection::http1(stream, edge, peer), Protocol::Http1, peer)
    })
}

fn serve_management(service: &Service, listener: TcpListener) -> Result<Part, Fault> {
    let builder = Server::build()
        .workers(1)
        .max_concurrent_connections(256)
        .shutdown_timeout(1)
        .disable_signals();
    let signal = builder.graceful_shutdown_signal();
    let (health, edge) = (service.health.clone(), service.edge.clone());
    let server = builder
        .listen("management", listener, move || {
            let (health, edge) = (health.clone(), edge.clone());
            let signal = signal.clone();
            let app = App::new()
                .configure(|config| management::configure(config, health, edge))
                .wrap(management::default_headers());
            HttpService::build()
                .graceful_shutdown_signal(move || {
                    let signal = signal.clone();
                    async move { signal.notified().await }
                })
                .client_request_timeout(Duration::from_secs(5))
                .finish(map_config(
                    app.into_factory()
                        .map_err(|error: actix_web::Error| error.error_response()),
                    |()| AppConfig::default(),
                ))
                .tcp()
        })
        .map_err(|error| Fault::internal("the management listener cannot be used").caused_by(error))?;
    Ok(Part::spawn(server.run()))
}

impl Part {
    fn spawn(server: Server) -> Self {
        Self {
            handle: server.handle(),
            task: tokio::spawn(server),
        }
    }
}

/// Keeps what the edge holds in memory up to date.
async fn tend(edge: Edge) {
    let mut ticks: u64 = 0;
    let mut every = tokio::time::interval(Duration::from_secs(1));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if let Err(fault) = edge.attempts().refresh(edge.clock().now()).await {
            tracing::debug!("blocked addresses are not known anew: {fault}");
        }
        ticks += 1;
        if ticks.is_multiple_of(5) {
            edge.metrics().tidy();
        }
    }
}

/// Keeps the connection to the store of the limits.
async fn tend_limits(edge: Edge) {
    let mut every = tokio::time::interval(Duration::from_secs(1));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        edge.limits().tend().await;
        if let Err(fault) = edge.refresh_limits().await {
            tracing::debug!("changed limits are not known anew: {fault}");
        }
        if let Err(fault) = edge.quotas().flush().await {
            tracing::debug!("what clients used of their quotas is added later: {fault}");
        }
    }
}

/// Reads certificates again when their files change.
async fn watch(certificates: Certificates) {
    loop {
        tokio::time::sleep(CERTIFICATES_EVERY).await;
        match certificates.reload().await {
            Ok(false) => {}
            Ok(true) => tracing::info!("the TLS certificate was read again"),
            Err(fault) => tracing::warn!("the TLS certificate stays as it was: {fault}"),
        }
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, Fault> {
    let listener = || -> io::Result<TcpListener> {
        let kind = socket2::Type::STREAM;
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), kind, None)?;
        // A server that starts again must not wait for the last one's connections to be forgotten.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(1024)?;
        Ok(socket.into())
    };
    listener().map_err(|error| Fault::internal(format!("{address} cannot be listened on")).caused_by(error))
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr, Fault> {
    listener
        .local_addr()
        .map_err(|error| Fault::internal("a listener has no address").caused_by(error))
}

#[cfg(unix)]
async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
        tracing::error!("signals cannot be listened to");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

#[cfg(not(unix))]
async fn asked_to_end() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::error!("signals cannot be listened to: {error}");
        std::future::pending::<()>().await;
    }
}
