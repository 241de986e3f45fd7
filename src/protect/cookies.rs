//! The cookies of a browser: how they are called, and with which flags they are set.

use crate::config::SessionConfig;
use crate::types::{Issuer, Secret, TenantId};
use actix_web::http::header::{self, HeaderMap, HeaderValue};

/// Longer values are not ours.
const MAX_VALUE: usize = 256;
/// 90 days: as long as a device is known after a sign-in.
const DEVICE_LASTS: &str = "; Max-Age=7776000";

/// A cookie that this server sets. The server decides when its content is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// Tells one browser from another, from before anybody signs in: forms and authorization requests are bound to it. 256
    /// random bits that last until the browser is closed.
    Browser,
    /// The secret of a session, of the same kind.
    Session,
    /// What the frame of session management compares: scripts may read it and frames of other sites get it. It is derived
    /// from the session and opens nothing.
    State,
    /// Tells a device on which somebody has signed in from others, so that nobody elsewhere can lock its user out. It proves
    /// nothing, and lasts as long as the server knows the device after a sign-in.
    Device,
}

/// How cookies are set at this issuer.
#[derive(Clone, Copy, Debug)]
pub struct Cookies {
    secure: bool,
    strict: bool,
}

impl Cookies {
    /// As issuer and settings want it.
    pub fn new(issuer: &Issuer, config: &SessionConfig) -> Self {
        Self {
            secure: issuer.is_https(),
            strict: config.strict_cookie,
        }
    }

    /// The name, which carries the end of the tenant's id, since tenants share a host. With `__Host-` a browser takes a
    /// cookie only over TLS, from this very host and for all its paths (RFC 6265bis §4.1.3.2); an http issuer, which is
    /// loopback, has to do without.
    pub fn name(self, cookie: Cookie, tenant: TenantId) -> String {
        let prefix = if self.secure { "__Host-" } else { "" };
        let kind = match cookie {
            Cookie::Browser => "browser",
            Cookie::Session => "session",
            Cookie::State => "state",
            Cookie::Device => "device",
        };
        let id = tenant.0.simple().to_string();
        format!("{prefix}grantor-{kind}-{}", id.get(20..).unwrap_or_default())
    }

    /// The value that a request carries. One that comes twice was not set by this server alone, and counts as none.
    pub fn read(self, cookie: Cookie, tenant: TenantId, headers: &HeaderMap) -> Option<Secret> {
        let name = self.name(cookie, tenant);
        let mut values = headers
            .get_all(header::COOKIE)
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(own, _)| *own == name)
            .map(|(_, value)| value);
        let value = values.next()?;
        let fits = values.next().is_none() && (1..=MAX_VALUE).contains(&value.len());
        fits.then(|| Secret::new(value.to_owned()))
    }

    /// The `Set-Cookie` that sets it.
    pub fn set(self, cookie: Cookie, tenant: TenantId, value: &Secret) -> HeaderValue {
        let end = match cookie {
            Cookie::Device => DEVICE_LASTS,
            Cookie::Browser | Cookie::Session | Cookie::State => "",
        };
        self.header(cookie, tenant, value.expose(), end)
    }

    /// The `Set-Cookie` of one that lasts so many seconds, over the end of the browser.
    pub fn set_for(self, cookie: Cookie, tenant: TenantId, value: &Secret, seconds: i64) -> HeaderValue {
        self.header(cookie, tenant, value.expose(), &format!("; Max-Age={seconds}"))
    }

    /// The `Set-Cookie` that removes it.
    pub fn remove(self, cookie: Cookie, tenant: TenantId) -> HeaderValue {
        self.header(cookie, tenant, "", "; Max-Age=0")
    }

    /// Whether a request may have lost its cookies on the way, because another site caused it.
    pub fn may_be_missing(self, headers: &HeaderMap) -> bool {
        self.strict && super::csrf::is_cross_site(headers)
    }

    fn header(self, cookie: Cookie, tenant: TenantId, value: &str, end: &str) -> HeaderValue {
        let name = self.name(cookie, tenant);
        let secure = if self.secure { "; Secure" } else { "" };
        let (reach, same_site) = match cookie {
            // Browsers take `None` only together with `Secure`; without TLS everything is on loopback, and one site.
            Cookie::State if self.secure => ("", "None"),
            Cookie::State => ("", "Lax"),
            _ if self.strict => ("; HttpOnly", "Strict"),
            Cookie::Browser | Cookie::Session | Cookie::Device => ("; HttpOnly", "Lax"),
        };
        let text = format!("{name}={value}; Path=/{reach}{secure}; SameSite={same_site}{end}");
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: TenantId = TenantId::FIRST;

    fn cookies(issuer: &str, strict_cookie: bool) -> Cookies {
        let config = SessionConfig {
            max_s: 28_800,
            idle_s: 1_800,
            strict_cookie,
            management: false,
        };
        Cookies::new(&Issuer::parse(issuer).unwrap(), &config)
    }

    fn set(issuer: &str, strict: bool) -> String {
        let value = Secret::new("x".to_owned());
        let header = cookies(issuer, strict).set(Cookie::Session, T, &value);
        header.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_cookie_is_bound_to_its_host_and_out_of_reach_of_scripts() {
        assert_eq!(
            set("https://id.example/x", false),
            "__Host-grantor-session-000000000001=x; Path=/; HttpOnly; Secure; SameSite=Lax"
        );
        assert!(set("https://id.example", true).ends_with("; Secure; SameSite=Strict"));
        assert_eq!(
            set("http://localhost:8080", false),
            "grantor-session-000000000001=x; Path=/; HttpOnly; SameSite=Lax"
        );
        let removed = cookies("https://id.example", false).remove(Cookie::Session, T);
        assert!(removed.to_str().unwrap().ends_with("; Max-Age=0"));
    }

    #[test]
    fn a_cookie_is_read_only_when_it_is_unambiguous() {
        let cookies = cookies("http://localhost:8080", false);
        let name = cookies.name(Cookie::Session, T);
        let read = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::COOKIE, HeaderValue::from_str(line).unwrap());
            }
            let found = cookies.read(Cookie::Session, T, &headers);
            found.map(|value| value.expose().to_owned())
        };
        assert_eq!(read(&[&format!("a=b; {name}=x; c=d")]), Some("x".to_owned()));
        assert_eq!(read(&["a=b", &format!("{name}=x")]), Some("x".to_owned()));
        assert_eq!(read(&[&format!("{name}=x; {name}=y")]), None);
        assert_eq!(read(&[&format!("{name}=x"), &format!("{name}=y")]), None);
        assert_eq!(read(&[&format!("x{name}=x; {name}; {name}=")]), None);
        assert_eq!(read(&[]), None);
    }
}
