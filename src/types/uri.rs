//! URIs with a meaning: the issuer, where a browser may be sent back to, what a token is for.

use super::{Malformed, TenantName};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use url::{Host, Url};

/// Longest URI that is stored or compared.
const MAX_LENGTH: usize = 2000;

/// Whether a host names this machine: `localhost`, `127.0.0.0/8` or `::1`.
pub fn is_loopback_host(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => name.eq_ignore_ascii_case("localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// An absolute URI, parsed and exactly as it is written: at most 2000 printable ASCII characters.
///
/// The parser mends much that RFC 3986 forbids. What is mended here would be compared or requested in another form by
/// somebody else, so that it is refused: `https:x`, `https:/x` and `https:///x` name no host, although browsers find one.
pub fn absolute_uri(text: &str) -> Result<Url, Malformed> {
    if text.len() > MAX_LENGTH {
        return Err(Malformed("at most 2000 characters"));
    }
    if !text
        .bytes()
        .all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'\\'))
    {
        return Err(Malformed(
            "must be a URI of printable ASCII characters; encode others",
        ));
    }
    let url = Url::parse(text).map_err(|_| Malformed("must be an absolute URI"))?;
    if url.is_special() && authority_of(text).is_empty() {
        return Err(Malformed("must name a host after \"//\""));
    }
    Ok(url)
}

/// The issuer identifier (RFC 8414 §2): https, or http on a loopback host; no query, no fragment, no trailing slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    text: String,
    url: Url,
}

impl Issuer {
    /// Accepts an issuer identifier in the exact form in which it will be compared.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let url = Url::parse(text)
            .map_err(|_| Malformed("must be an absolute URL such as https://id.example.com"))?;
        let host = url.host().ok_or(Malformed("must name a host"))?;
        match url.scheme() {
            "https" => {}
            "http" if is_loopback_host(&host) => {}
            "http" => {
                return Err(Malformed(
                    "must be https unless the host is loopback (localhost, 127.0.0.1, [::1])",
                ));
            }
            _ => return Err(Malformed("must be an https URL")),
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(Malformed(
                "must have neither query nor fragment (RFC 8414 section 2)",
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Malformed("must not contain a user name"));
        }
        if text.ends_with('/') {
            return Err(Malformed("must not end with a slash"));
        }
        // The text is compared character by character by every relying party, so it must be the normal form.
        if url.as_str().trim_end_matches('/') != text {
            return Err(Malformed(
                "must be written in normal form: lower-case scheme and host, no default port, no dot segments",
            ));
        }
        Ok(Self {
            text: text.to_owned(),
            url,
        })
    }

    /// The issuer of a tenant below this one: `/t/{name}`.
    #[must_use]
    pub fn of_tenant(&self, name: &TenantName) -> Self {
        let mut url = self.url.clone();
        url.set_path(&format!("{}/t/{name}", self.path()));
        Self {
            text: format!("{}/t/{name}", self.text),
            url,
        }
    }

    /// The identifier as it stands in `iss`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The URL of something below the issuer; `path` starts with a slash.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }

    /// The path of the issuer, without trailing slash: empty for most.
    pub fn path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    /// Scheme, host and port, as browsers write an `Origin`.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Whether the issuer is served over https.
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Whether the host is this machine. Requirements that hold "in production" hold where it is not.
    pub fn is_loopback(&self) -> bool {
        self.url.host().is_some_and(|host| is_loopback_host(&host))
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A redirect URI as registered (RFC 6749 §3.1.2, RFC 8252, RFC 9700 §2.1): an absolute https URI, http on loopback,
/// or for native applications a private-use scheme with a dot. No fragment, no wildcard, no user information.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct RedirectUri(String);

impl RedirectUri {
    /// Accepts what a client of this kind may register. `native` is `application_type: native`.
    pub fn parse(text: &str, native: bool) -> Result<Self, Malformed> {
        if text.contains('*') {
            return Err(Malformed(
                "wildcards are not supported: register each URI exactly",
            ));
        }
        let url = absolute_uri(text)?;
        if text.contains('#') {
            return Err(Malformed("must not have a fragment (RFC 6749 section 3.1.2)"));
        }
        if !url.username().is_empty() || url.password().is_some() || authority_of(text).contains('@') {
            return Err(Malformed("must not contain user information"));
        }
        match (url.scheme(), url.host()) {
            ("https", Some(_)) => Ok(Self(text.to_owned())),
            ("http", Some(host)) if is_redirect_loopback(&host) => Ok(Self(text.to_owned())),
            ("http", _) => Err(Malformed(
                "http is for localhost, 127.0.0.1 and [::1] only; use https",
            )),
            // RFC 8252 §7.1 and §8.4: a private-use scheme is a reversed domain name, so it has a dot.
            (scheme, _) if native && scheme.contains('.') => Ok(Self(text.to_owned())),
            (_, _) if native => Err(Malformed(
                "a private-use scheme must be a reversed domain name such as com.example.app (RFC 8252 section 7.1)",
            )),
            _ => Err(Malformed(
                "must be https; private-use schemes are for application_type \"native\"",
            )),
        }
    }

    /// The URI as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a requested URI is this one: the exact string, or for native applications on a loopback IP address the
    /// same with any port (RFC 8252 §7.3).
    pub fn matches(&self, requested: &str, native: bool) -> bool {
        if self.0 == requested {
            return true;
        }
        native
            && match (loopback_without_port(&self.0), loopback_without_port(requested)) {
                (Some(own), Some(other)) => own == other,
                _ => false,
            }
    }

    /// Whether anybody on the device could receive what is sent there: loopback, or a private-use scheme.
    pub fn is_unverifiable(&self) -> bool {
        match Url::parse(&self.0) {
            Ok(url) if url.scheme() == "https" || url.scheme() == "http" => {
                url.host().is_some_and(|host| is_loopback_host(&host))
            }
            _ => true,
        }
    }

    /// The origin for CORS and CSP, where the URI has one.
    pub fn origin(&self) -> Option<String> {
        let url = Url::parse(&self.0).ok()?;
        let origin = url.origin();
        origin.is_tuple().then(|| origin.ascii_serialization())
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_redirect_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => *address == Ipv4Addr::LOCALHOST,
        Host::Ipv6(address) => *address == Ipv6Addr::LOCALHOST,
    }
}

fn authority_of(text: &str) -> &str {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or("")
}

/// An http URI on a loopback IP literal, taken apart around its port. The text is cut, not normalised: apart from the
/// port the match stays exact.
fn loopback_without_port(text: &str) -> Option<(&str, &str)> {
    for host in ["http://127.0.0.1", "http://[::1]"] {
        if let Some(rest) = text.strip_prefix(host) {
            let rest = match rest.strip_prefix(':') {
                Some(port) => {
                    let end = port.find(['/', '?', '#']).unwrap_or(port.len());
                    let (digits, rest) = port.split_at(end);
                    digits
                        .parse::<u16>()
                        .ok()
                        .filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))?;
                    rest
                }
                None => rest,
            };
            return (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((host, rest));
        }
    }
    None
}

/// A resource indicator (RFC 8707 §2): an absolute URI without fragment, at most 2000 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Resource(String);

impl Resource {
    /// Accepts a resource indicator.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        absolute_uri(text)?;
        if text.contains('#') {
            return Err(Malformed("must not have a fragment (RFC 8707 section 2)"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The resource as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Resource {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        Self::parse(&text)
    }
}

impl From<Resource> for String {
    fn from(resource: Resource) -> Self {
        resource.0
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_issuer_is_https_or_loopback_and_in_normal_form() {
        for good in [
            "https://id.example.com",
            "https://id.example.com/base",
            "http://localhost:8080",
            "http://[::1]:1",
            "http://127.0.0.1",
        ] {
            assert!(Issuer::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://id.example.com",
            "https://id.example.com/",
            "https://ID.example.com",
            "https://id.example.com:443",
            "https://id.example.com?x",
            "https://id.example.com#x",
            "https://u@id.example.com",
            "ftp://id.example.com",
            "id.example.com",
            "",
        ] {
            assert!(Issuer::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_tenants_issuer_is_one_like_any_other() {
        let name = TenantName::parse("acme").unwrap();
        for base in ["https://id.example.com", "https://id.example.com/base"] {
            let issuer = Issuer::parse(base).unwrap().of_tenant(&name);
            assert_eq!(issuer, Issuer::parse(&format!("{base}/t/acme")).unwrap());
        }
    }

    #[test]
    fn rfc8252_redirect_uris() {
        for good in [
            "https://app.example/cb?x=1",
            "http://localhost/cb",
            "http://127.0.0.1:7/cb",
            "http://[::1]/cb",
        ] {
            assert!(RedirectUri::parse(good, false).is_ok(), "{good}");
        }
        assert!(RedirectUri::parse("com.example.app:/cb", true).is_ok());
        for bad in [
            "http://app.example/cb",
            "http://127.0.0.2/cb",
            "http://localhost.evil.example/cb",
            "https://*.example/cb",
            "https://app.example/cb#",
            "https://user@app.example/cb",
            "https://@app.example/cb",
            "/cb",
            "com.example.app:/cb",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://app.example/a b",
            "https:app.example/cb",
            "https:/app.example/cb",
            "https:///app.example/cb",
            "https://",
        ] {
            assert!(RedirectUri::parse(bad, false).is_err(), "{bad}");
        }
        for bad in ["myapp:/cb", "javascript:alert(1)"] {
            assert!(RedirectUri::parse(bad, true).is_err(), "{bad}");
        }
    }

    #[test]
    fn rfc8252_s7_3_a_loopback_address_matches_with_any_port() {
        let uri = RedirectUri::parse("http://127.0.0.1/cb", true).unwrap();
        assert!(uri.matches("http://127.0.0.1:49152/cb", true));
        assert!(!uri.matches("http://127.0.0.1:49152/cb", false));
        for bad in [
            "http://127.0.0.1:49152/cb/",
            "http://127.0.0.1:x@evil.example/cb",
            "http://127.0.0.1:1@evil.example/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.1:99999/cb",
            "http://[::1]:49152/cb",
            "http://localhost:49152/cb",
            "https://127.0.0.1/cb",
        ] {
            assert!(!uri.matches(bad, true), "{bad}");
        }
        let name = RedirectUri::parse("http://localhost/cb", true).unwrap();
        assert!(
            !name.matches("http://localhost:1/cb", true),
            "only IP literals float"
        );
    }

    proptest! {
        #[test]
        fn no_text_panics_and_a_match_is_exact(text in "\\PC{0,60}", other in "\\PC{0,60}") {
            let _ = Issuer::parse(&text);
            let _ = Resource::parse(&text);
            if let Ok(uri) = RedirectUri::parse(&text, true) {
                prop_assert!(uri.matches(&text, true));
                prop_assert!(text == other || !uri.matches(&other, false));
            }
        }
    }
}
