//! The one way by which the server sends requests of its own: to a client's `jwks_uri` or logout endpoint, later to webhook
//! endpoints. Whoever registers a client chooses these URLs, so the requests are guarded against reaching what only the
//! server can reach (server-side request forgery): https only, public addresses only, no redirects, no proxy, bounded in
//! time and size. The address that was checked is the address that is connected to.

mod addresses;
mod hosts;

use self::addresses::{Guarded, NOT_PUBLIC, NotPublic, may_reach};
use self::hosts::{Hosts, Try};
use crate::config::OutgoingConfig;
use crate::fault::Fault;
use ipnet::IpNet;
use reqwest::{Certificate, Client, ClientBuilder, Response, header, redirect};
use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use url::{Host, Url};

/// How long connecting may take, looking the name up included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the whole exchange may take.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends guarded requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// For https: public addresses and those that the deployment allows.
    https: Client,
    /// For http: only addresses that the deployment allows.
    http: Client,
    allow: Arc<[IpNet]>,
    hosts: Hosts,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// `Content-Type` without parameters, in lower case; empty where there is none.
    pub content_type: String,
    /// The body, complete.
    pub body: Vec<u8>,
}

/// Why there is no answer. The texts are fixed: none repeats what a client registered or a server sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutgoingError {
    /// The guard refused the target; worth an audit record.
    #[error("{0}")]
    Forbidden(&'static str),
    /// The other side did not answer as it should.
    #[error("{0}")]
    Failed(&'static str),
}

const TOO_LARGE: OutgoingError = OutgoingError::Failed("the answer is too large");
const RESTING: OutgoingError =
    OutgoingError::Failed("the target did not answer several times in a row and is left alone for a while");

impl Outgoing {
    /// Prepares the clients.
    ///
    /// # Errors
    /// When the CA bundle cannot be read.
    pub fn new(config: &OutgoingConfig) -> Result<Self, Fault> {
        // reqwest takes the process's provider; whoever comes first sets it, and it is ring everywhere.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut extra = Vec::new();
        if let Some(path) = &config.ca {
            let pem = std::fs::read(path).map_err(|error| {
                Fault::internal(format!("outgoing.ca: {} cannot be read", path.display())).caused_by(error)
            })?;
            extra = Certificate::from_pem_bundle(&pem).map_err(|error| {
                Fault::internal("outgoing.ca is not a PEM bundle of certificates").caused_by(error)
            })?;
        }
        let allow: Arc<[IpNet]> = config.allow.clone().into();
        Ok(Self {
            https: client(&extra, &allow, true)?,
            http: client(&extra, &allow, false)?,
            allow,
            hosts: Hosts::new(config.failures, Duration::from_secs(config.open_s)),
        })
    }

    /// How many hosts are left alone at the moment.
    pub fn resting(&self) -> usize {
        self.hosts.resting()
    }

    /// Fetches a document of at most `max_bytes`. A host that did not answer several times in a row is not asked for a while.
    ///
    /// # Errors
    /// Whatever is in the way of a complete answer. An error status is an answer.
    pub async fn get(&self, url: &str, accept: &str, max_bytes: usize) -> Result<Answer, OutgoingError> {
        let url = Url::parse(url).map_err(|_| OutgoingError::Forbidden("the target is not a URL"))?;
        let client = self.client_for(&url)?;
        let attempt = self.hosts.enter(&url).ok_or(RESTING)?;
        let fetched = async {
            let response = client.get(url).header(header::ACCEPT, accept).send().await;
            read(response.map_err(|error| classify(&error))?, max_bytes).await
        };
        let fetched = fetched.await;
        if fetched.is_ok() || fetched == Err(TOO_LARGE) {
            Try::answered(attempt);
        }
        fetched
    }

    /// Sends a document and reads an answer of at most `max_bytes`.
    ///
    /// # Errors
    /// As [`Outgoing::get`].
    pub async fn post(
        &self,
        url: &str,
        content_type: &str,
        body: Vec<u8>,
        max_bytes: usize,
    ) -> Result<Answer, OutgoingError> {
        read(self.send(url, content_type, body).await?, max_bytes).await
    }

    /// Delivers a document and gives the status of the answer, whose body is not read.
    ///
    /// # Errors
    /// As [`Outgoing::get`].
    pub async fn deliver(&self, url: &str, content_type: &str, body: Vec<u8>) -> Result<u16, OutgoingError> {
        Ok(self.send(url, content_type, body).await?.status().as_u16())
    }

    async fn send(&self, url: &str, content_type: &str, body: Vec<u8>) -> Result<Response, OutgoingError> {
        let url = Url::parse(url).map_err(|_| OutgoingError::Forbidden("the target is not a URL"))?;
        let client = self.client_for(&url)?;
        client
            .post(url)
            .header(header::CONTENT_TYPE, content_type)
            .body(body)
            .send()
            .await
            .map_err(|error| classify(&error))
    }

    /// The client for a URL that may be requested. An address literal never reaches the resolver, so it is checked here.
    fn client_for(&self, url: &Url) -> Result<&Client, OutgoingError> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(OutgoingError::Forbidden("the target has a user name in its URL"));
        }
        let (client, public_too) = match url.scheme() {
            "https" => (&self.https, true),
            "http" => (&self.http, false),
            _ => return Err(OutgoingError::Forbidden("the target is not https")),
        };
        let literal = match url.host() {
            None => return Err(OutgoingError::Forbidden("the target names no host")),
            Some(Host::Domain(_)) => return Ok(client),
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
        };
        if may_reach(literal, &self.allow, public_too) {
            Ok(client)
        } else {
            Err(OutgoingError::Forbidden(NOT_PUBLIC))
        }
    }
}

fn client(extra: &[Certificate], allow: &Arc<[IpNet]>, public_too: bool) -> Result<Client, Fault> {
    let trusting_system = builder(allow, public_too).tls_certs_merge(extra.iter().cloned());
    trusting_system
        .build()
        .or_else(|error| {
            tracing::warn!(
                "the system has no trusted certificates, so that outgoing https is verified against outgoing.ca alone: {error}"
            );
            builder(allow, public_too).tls_certs_only(extra.iter().cloned()).build()
        })
        .map_err(|error| Fault::internal("the client for outgoing requests cannot be made").caused_by(error))
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the wrapper that the lint points to"
)]
fn builder(allow: &Arc<[IpNet]>, public_too: bool) -> ClientBuilder {
    Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .user_agent(concat!("grantor/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TOTAL_TIMEOUT)
        .pool_max_idle_per_host(2)
        .pool_idle_timeout(Duration::from_secs(30))
        .dns_resolver(Guarded {
            allow: allow.clone(),
            public_too,
        })
}

async fn read(mut response: Response, max_bytes: usize) -> Result<Answer, OutgoingError> {
    let status = response.status().as_u16();
    let content_type = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase())
        .unwrap_or_default();
    let announced = response.content_length().unwrap_or(0);
    if announced > max_bytes as u64 {
        return Err(TOO_LARGE);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| classify(&error))? {
        if body.len() + chunk.len() > max_bytes {
            return Err(TOO_LARGE);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        status,
        content_type,
        body,
    })
}

fn classify(error: &reqwest::Error) -> OutgoingError {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.is::<NotPublic>() {
            return OutgoingError::Forbidden(NOT_PUBLIC);
        }
        source = cause.source();
    }
    OutgoingError::Failed(if error.is_timeout() {
        "the target did not answer in time"
    } else if error.is_connect() {
        "no connection to the target could be made"
    } else {
        "the exchange with the target broke off"
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    fn outgoing(allow: &[&str]) -> Outgoing {
        Outgoing::new(&OutgoingConfig {
            ca: None,
            allow: allow.iter().map(|net| net.parse().unwrap()).collect(),
            ..OutgoingConfig::default()
        })
        .unwrap()
    }

    /// Answers every connection with the same bytes; gives the port.
    async fn server(answer: Vec<u8>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let answer = answer.clone();
                tokio::spawn(async move {
                    let _ = stream.read(&mut [0; 4096]).await;
                    let _ = stream.write_all(&answer).await;
                });
            }
        });
        port
    }

    fn http(head: &str, body: &str) -> Vec<u8> {
        format!(
            "HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    #[tokio::test]
    async fn what_is_not_public_or_not_https_is_never_connected_to() {
        let port = server(http("200 OK", "{}")).await;
        let guarded = outgoing(&[]);
        for target in [
            format!("https://127.0.0.1:{port}/"),
            format!("https://localhost:{port}/"),
            format!("https://[::1]:{port}/"),
            format!("https://[::ffff:127.0.0.1]:{port}/"),
            format!("https://0x7f.1:{port}/"),
            format!("https://2130706433:{port}/"),
            format!("http://127.0.0.1:{port}/"),
            format!("http://localhost:{port}/"),
            "http://1.1.1.1/".to_owned(),
            "https://169.254.169.254/latest/meta-data/".to_owned(),
            "https://u:p@1.1.1.1/".to_owned(),
            "file:///etc/passwd".to_owned(),
            "gopher://1.1.1.1/".to_owned(),
            "not a url".to_owned(),
        ] {
            let refused = guarded.get(&target, "*/*", 100).await;
            assert!(
                matches!(refused, Err(OutgoingError::Forbidden(_))),
                "{target}: {refused:?}"
            );
        }
    }

    /// Whoever waits for a host that does not answer waits a few times, and then not at all until the host was left alone.
    #[tokio::test]
    async fn a_host_that_does_not_answer_is_left_alone_for_a_while() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let open = Outgoing::new(&OutgoingConfig {
            allow: vec!["127.0.0.0/8".parse().unwrap()],
            failures: 2,
            open_s: 1,
            ..OutgoingConfig::default()
        })
        .unwrap();
        drop(listener);
        for _ in 0..2 {
            let error = open.get(&url, "*/*", 100).await.unwrap_err();
            assert_eq!(
                error,
                OutgoingError::Failed("no connection to the target could be made")
            );
        }
        assert_eq!(open.get(&url, "*/*", 100).await.unwrap_err(), RESTING);
        assert_eq!(open.resting(), 1);
        let port = server(http("200 OK", "{}")).await;
        let other = format!("http://127.0.0.1:{port}/");
        assert!(
            open.get(&other, "*/*", 100).await.is_ok(),
            "another port is another host"
        );
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert_eq!(open.resting(), 0);
        assert_ne!(
            open.get(&url, "*/*", 100).await.unwrap_err(),
            RESTING,
            "it is tried again"
        );
    }

    #[tokio::test]
    async fn an_allowed_network_is_reached_without_tls_too() {
        let port = server(http(
            "200 OK\r\nContent-Type: Application/JSON; charset=utf-8",
            "{\"a\":1}",
        ))
        .await;
        let open = outgoing(&["127.0.0.0/8", "::1/128"]);
        for host in ["127.0.0.1", "localhost"] {
            let answer = open
                .get(&format!("http://{host}:{port}/"), "*/*", 100)
                .await
                .unwrap();
            assert_eq!(
                (answer.status, answer.content_type.as_str()),
                (200, "application/json")
            );
            assert_eq!(answer.body, b"{\"a\":1}");
        }
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let port = server(http("302 Found\r\nLocation: http://127.0.0.1:1/", "")).await;
        let answer = outgoing(&["127.0.0.0/8"])
            .get(&format!("http://127.0.0.1:{port}/"), "*/*", 100)
            .await;
        assert_eq!(answer.unwrap().status, 302);
    }

    #[tokio::test]
    async fn an_answer_that_is_too_large_is_not_kept() {
        let announced = server(http("200 OK", &"x".repeat(101))).await;
        let mut endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
        endless.extend(vec![b'x'; 100_000]);
        let unannounced = server(endless).await;
        let open = outgoing(&["127.0.0.0/8"]);
        for port in [announced, unannounced] {
            let refused = open.get(&format!("http://127.0.0.1:{port}/"), "*/*", 100).await;
            assert_eq!(
                refused.unwrap_err(),
                OutgoingError::Failed("the answer is too large")
            );
        }
    }
}
