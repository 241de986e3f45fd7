//! Forms that only the person in front of the browser can send.
//!
//! A browser gets a cookie before anybody signs in. Each form carries a token that is bound to that cookie and to what
//! the form is for; besides, a browser says from where a form was sent. Both have to be right (R-HDR-15).

use crate::entropy::Entropy;
use crate::fault::Fault;
use crate::keys::{Purpose, TenantKeys};
use crate::protect::cookies::{Cookie, Cookies};
use crate::sealed::aad;
use crate::types::{Issuer, TenantId, TokenHash, base64url};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The name of the form's hidden field.
pub const FIELD: &str = "csrf";

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A browser, known by its cookie.
#[derive(Clone, Debug)]
pub struct Browser {
    tenant: TenantId,
    hash: TokenHash,
    new_cookie: Option<HeaderValue>,
}

impl Browser {
    /// The browser that sent a request. One that is new here gets a cookie: its answer has to carry
    /// [`Browser::new_cookie`].
    pub fn of(
        cookies: Cookies,
        entropy: &Entropy,
        tenant: TenantId,
        headers: &HeaderMap,
    ) -> Result<Self, Fault> {
        if let Some(known) = Self::known(cookies, tenant, headers) {
            return Ok(known);
        }
        let secret = entropy.token("")?;
        Ok(Self {
            tenant,
            hash: TokenHash::of(secret.expose()),
            new_cookie: Some(cookies.set(Cookie::Browser, tenant, &secret)),
        })
    }

    /// The browser that sent a request, if it has been here before.
    pub fn known(cookies: Cookies, tenant: TenantId, headers: &HeaderMap) -> Option<Self> {
        let secret = cookies.read(Cookie::Browser, tenant, headers)?;
        Some(Self {
            tenant,
            hash: TokenHash::of(secret.expose()),
            new_cookie: None,
        })
    }

    /// The `Set-Cookie` of a browser that is new here.
    pub fn new_cookie(&self) -> Option<HeaderValue> {
        self.new_cookie.clone()
    }

    /// What stands for the browser in sealed texts.
    pub fn hash(&self) -> &TokenHash {
        &self.hash
    }

    /// The token of a form in this browser. `purpose` says what the form is for and on what it acts: the same token is of
    /// no use to any other form, session or object.
    pub fn form_token(&self, keys: &TenantKeys, purpose: &[&str]) -> Result<String, Fault> {
        let key = keys.purpose(Purpose::Mac)?;
        let mac = key.mac(&self.message(purpose));
        Ok(format!("{}.{}", key.id(), base64url(&mac)))
    }

    /// Whether a form carries the token that was made for it. Compares in constant time.
    pub fn is_form_token(&self, keys: &TenantKeys, purpose: &[&str], token: &str) -> bool {
        let Some((key_id, mac)) = token.split_once('.') else {
            return false;
        };
        let (Some(key), Ok(mac)) = (
            keys.purpose_by_id(Purpose::Mac, key_id),
            URL_SAFE_NO_PAD.decode(mac),
        ) else {
            return false;
        };
        key.verify_mac(&self.message(purpose), &mac)
    }

    fn message(&self, purpose: &[&str]) -> Vec<u8> {
        let (tenant, browser) = (self.tenant.to_string(), base64url(self.hash.as_bytes()));
        let mut parts = vec!["form", tenant.as_str(), browser.as_str()];
        parts.extend(purpose);
        aad(&parts)
    }
}

/// Whether a form was sent from a page of this server, as far as its browser says so.
///
/// `Sec-Fetch-Site` (Fetch Metadata) cannot be forged by a page; `Origin` neither, but it is `null` when the page that
/// holds the form sends no referrer, which is how ours are. A program that sends neither has no cookies to abuse.
pub fn is_own_form(issuer: &Issuer, headers: &HeaderMap) -> bool {
    let site = headers.get(&SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
    match (site, origin) {
        (Some(b"same-origin"), Some(b"null") | None) | (None, None) => true,
        (Some(b"same-origin") | None, Some(origin)) => origin == issuer.origin().as_bytes(),
        (Some(_), _) => false,
    }
}

/// Whether a request was caused by another site, so that cookies which are `SameSite=Strict` did not come along.
pub fn is_cross_site(headers: &HeaderMap) -> bool {
    headers
        .get(&SEC_FETCH_SITE)
        .is_some_and(|site| site.as_bytes() == b"cross-site")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(lines: &[(&str, &str)]) -> bool {
        let issuer = Issuer::parse("https://id.example/t/a").unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        is_own_form(&issuer, &headers)
    }

    #[test]
    fn a_form_from_elsewhere_is_recognised() {
        let own_origin = ("origin", "https://id.example");
        let same = ("sec-fetch-site", "same-origin");
        assert!(own(&[own_origin, same]));
        assert!(own(&[("origin", "null"), same]), "our pages send no referrer");
        assert!(own(&[own_origin]));
        assert!(own(&[]));
        for bad in [
            "null",
            "https://evil.example",
            "http://id.example",
            "https://id.example:8443",
            "https://id.example.evil.example",
            "",
        ] {
            assert!(!own(&[("origin", bad)]), "{bad}");
        }
        for bad in ["cross-site", "same-site", "none", "", "Same-Origin"] {
            assert!(!own(&[own_origin, ("sec-fetch-site", bad)]), "{bad}");
        }
        assert!(!own(&[("origin", "https://evil.example"), same]));
    }
}
