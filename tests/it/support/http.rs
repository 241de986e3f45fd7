//! Plain HTTP for tests: no redirects followed, nothing remembered, nothing retried.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use std::net::IpAddr;
use std::time::Duration;

/// A client for one base URL.
#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
    base: String,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

/// A request that is being put together.
#[must_use]
pub struct Call<'h> {
    http: &'h Http,
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Http {
    /// A client for URLs below `base`.
    pub fn new(base: &str) -> Self {
        Self::built(base, |builder| builder)
    }

    /// A client whose connections come from another loopback address, as another host's would.
    pub fn from_address(base: &str, address: IpAddr) -> Self {
        Self::built(base, |builder| builder.local_address(address))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "tests talk to servers on loopback, which Outgoing refuses"
    )]
    fn built(base: &str, with: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder) -> Self {
        // Another test may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(20))
            .no_proxy();
        Self {
            client: with(builder).build().expect("a client"),
            base: base.to_owned(),
        }
    }

    /// A request to a path below the base, or to an absolute URL.
    pub fn call(&self, method: Method, target: &str) -> Call<'_> {
        let url = if target.starts_with('/') {
            format!("{}{target}", self.base)
        } else {
            target.to_owned()
        };
        Call {
            http: self,
            method,
            url,
            headers: HeaderMap::new(),
            body: Vec::new(),
        }
    }

    /// `GET`.
    pub fn get(&self, target: &str) -> Call<'_> {
        self.call(Method::GET, target)
    }

    /// `POST`.
    pub fn post(&self, target: &str) -> Call<'_> {
        self.call(Method::POST, target)
    }
}

impl Call<'_> {
    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header's name");
        self.headers
            .append(name, HeaderValue::from_str(value).expect("a header's value"));
        self
    }

    /// With a bearer token.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With Basic authentication of a client (RFC 6749 §2.3.1: both parts form-encoded).
    pub fn basic(self, id: &str, secret: &str) -> Self {
        use base64::Engine as _;
        let encode =
            |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
        let pair = format!("{}:{}", encode(id), encode(secret));
        let pair = base64::engine::general_purpose::STANDARD.encode(pair);
        self.header("authorization", &format!("Basic {pair}"))
    }

    /// With a body of some type.
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// With a form.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        self.body("application/x-www-form-urlencoded", form.finish())
    }

    /// With JSON.
    pub fn json(self, value: &Value) -> Self {
        self.body("application/json", value.to_string())
    }

    /// Sends it.
    pub async fn send(self) -> Answer {
        self.try_send().await.expect("the server answers")
    }

    /// Sends it to a server that may be gone.
    pub async fn try_send(self) -> Result<Answer, reqwest::Error> {
        let request = self
            .http
            .client
            .request(self.method, &self.url)
            .headers(self.headers);
        let response = request.body(self.body).send().await?;
        Ok(Answer {
            status: response.status(),
            headers: response.headers().clone(),
            body: response.bytes().await?.to_vec(),
        })
    }
}

impl Answer {
    /// A header as text; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{}: no JSON ({error}): {}", self.status, self.text()))
    }

    /// Asserts the status; shows the body where it is another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }
}
