//! The session cookie.

use crate::config::SessionConfig;
use crate::types::{Issuer, Secret, TenantId};

/// How cookies are set at this issuer. Their names carry the tenant's id, so that signing in at one tenant says nothing
/// at another. On https they have the prefix `__Host-` (RFC 6265bis §4.1.3.2): the browser then takes them from this
/// host over TLS alone. An http issuer is always loopback and gets neither prefix nor `Secure`.
///
/// Values are those of `Entropy::token`, which need no quoting.
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

    /// The name of a kind of cookie (`session`, …) at a tenant.
    pub fn name(self, kind: &str, tenant: TenantId) -> String {
        let prefix = if self.secure { "__Host-" } else { "" };
        format!("{prefix}{kind}-{}", tenant.0.simple())
    }

    /// A `Set-Cookie` line. The cookie lasts as long as the browser runs; the server decides when its content is over.
    pub fn set(self, kind: &str, tenant: TenantId, value: &Secret) -> String {
        self.line(kind, tenant, value.expose(), "")
    }

    /// A `Set-Cookie` line that removes the cookie.
    pub fn clear(self, kind: &str, tenant: TenantId) -> String {
        self.line(kind, tenant, "", "; Max-Age=0")
    }

    /// The cookie's value in a `Cookie` header. One that comes twice is none: somebody else set one of them.
    pub fn read<'h>(self, header: &'h str, kind: &str, tenant: TenantId) -> Option<&'h str> {
        let name = self.name(kind, tenant);
        let mut values = header
            .split(';')
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value);
        values.next().filter(|_| values.next().is_none())
    }

    fn line(self, kind: &str, tenant: TenantId, value: &str, end: &str) -> String {
        let name = self.name(kind, tenant);
        let secure = if self.secure { "; Secure" } else { "" };
        let same_site = if self.strict { "Strict" } else { "Lax" };
        format!("{name}={value}; Path=/; HttpOnly{secure}; SameSite={same_site}{end}")
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
        };
        Cookies::new(&Issuer::parse(issuer).unwrap(), &config)
    }

    #[test]
    fn a_cookie_is_bound_to_its_host_and_out_of_reach_of_scripts() {
        let (https, value) = (
            cookies("https://id.example.org/x", false),
            Secret::new("value".to_owned()),
        );
        assert_eq!(
            https.set("session", T, &value),
            "__Host-session-00000000000000000000000000000001=value; Path=/; HttpOnly; Secure; SameSite=Lax"
        );
        assert_eq!(
            https.clear("session", T),
            "__Host-session-00000000000000000000000000000001=; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=0"
        );
        let strict = cookies("https://id.example.org", true).set("session", T, &value);
        assert!(strict.ends_with("; Secure; SameSite=Strict"));
    }

    #[test]
    fn an_http_issuer_gets_neither_prefix_nor_secure() {
        let value = Secret::new("value".to_owned());
        assert_eq!(
            cookies("http://localhost:8080", false).set("session", T, &value),
            "session-00000000000000000000000000000001=value; Path=/; HttpOnly; SameSite=Lax"
        );
    }

    #[test]
    fn a_cookie_is_read_only_when_it_is_unambiguous() {
        let http = cookies("http://localhost:8080", false);
        let name = http.name("session", T);
        let read = |header: &str| http.read(header, "session", T).map(ToOwned::to_owned);
        assert_eq!(read(&format!("a=b; {name}=x; c=d")), Some("x".to_owned()));
        assert_eq!(read(&format!("{name}=x; {name}=y")), None);
        assert_eq!(read(&format!("x{name}=x; {name}")), None);
        assert_eq!(read(""), None);
    }
}
