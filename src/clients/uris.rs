//! The kinds of URI that a registration holds, besides redirect URIs.

use crate::types::{absolute_uri, is_loopback_host};
use url::Url;

/// Longest hash in a fragment: 512 bits in base64url.
const MAX_HASH: usize = 86;

type Refusal = Option<&'static str>;

/// A page for people: home page, logo, terms, policy; or where a third party starts a sign-in.
pub(super) fn page(text: &str) -> Refusal {
    let url = match absolute(text) {
        Ok(url) => url,
        Err(why) => return Some(why),
    };
    (url.scheme() != "https").then_some("must be an https URL")
}

/// What the server itself requests. Plain http is for deployments that let it reach inner networks; the guard of
/// outgoing requests then decides.
pub(super) fn fetched(text: &str, http_too: bool) -> Refusal {
    let url = match absolute(text) {
        Ok(url) => url,
        Err(why) => return Some(why),
    };
    match url.scheme() {
        "https" => None,
        "http" if http_too => None,
        _ => Some("must be an https URL (http only where outgoing.allow holds the target)"),
    }
}

/// Where a request object lies (OpenID Connect Core §6.2, RFC 9101 §5.2): what the server fetches, with a fragment that
/// names the document's version, if there is one.
pub(super) fn request_object(text: &str, http_too: bool) -> Refusal {
    let (document, version) = text.split_once('#').unwrap_or((text, ""));
    let digit = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if version.len() > MAX_HASH || !version.bytes().all(digit) {
        return Some("may have only a base64url hash as its fragment (OpenID Connect Core section 6.2)");
    }
    fetched(document, http_too)
}

/// What a browser loads in a frame at logout. OpenID Connect Front-Channel Logout §2: "The domain, port, and scheme of
/// this URL MUST be the same as that of a registered Redirection URI value."
///
/// "This URL SHOULD use the https scheme […]; however, it MAY use the http scheme, provided that the Client Type is
/// confidential": `http_too`.
pub(super) fn frame(text: &str, redirect_uris: &[String], http_too: bool) -> Refusal {
    let url = match absolute(text) {
        Ok(url) => url,
        Err(why) => return Some(why),
    };
    if url.scheme() != "https" && !(http_too && url.scheme() == "http") {
        return Some("must be an https URL (http for confidential clients only)");
    }
    let same_origin = redirect_uris
        .iter()
        .filter_map(|uri| Url::parse(uri).ok())
        .any(|uri| uri.origin() == url.origin());
    (!same_origin).then_some("must have the scheme, host and port of a redirect URI")
}

/// An origin as browsers write it.
pub(super) fn origin(text: &str) -> Refusal {
    let url = match absolute(text) {
        Ok(url) => url,
        Err(why) => return Some(why),
    };
    let secure = match url.scheme() {
        "https" => true,
        "http" => url.host().is_some_and(|host| is_loopback_host(&host)),
        _ => false,
    };
    if !secure {
        return Some("must be an https origin, or http on a loopback host");
    }
    (url.origin().ascii_serialization() != text)
        .then_some("must be an origin such as https://app.example.com: lower case, no path, no default port")
}

/// An absolute URL with a host, without user information and fragment, in printable ASCII.
fn absolute(text: &str) -> Result<Url, &'static str> {
    let url = absolute_uri(text).map_err(|malformed| malformed.0)?;
    if text.contains(['*', '`', '{', '}']) {
        return Err("must not contain *, `, { or }; encode them");
    }
    if url.host().is_none() {
        return Err("must name a host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain user information");
    }
    if url.fragment().is_some() {
        return Err("must not have a fragment");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_fetched_documents_are_https() {
        assert_eq!(page("https://app.example/logo.png"), None);
        for bad in [
            "http://app.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "//app.example",
            "https://u@app.example/",
            "https://app.example/#x",
            "https://app.example/\"><script>",
            "",
        ] {
            assert!(page(bad).is_some() && fetched(bad, false).is_some(), "{bad}");
        }
        assert_eq!(fetched("http://10.0.0.1/jwks", true), None);
    }

    #[test]
    fn openid_core_s6_2_a_request_uri_may_name_the_version_of_its_document() {
        let hash = "GkurKxf5T0Y-mnPFCHqWOMiZi4VS138cQO_V7PZHAdM";
        assert_eq!(
            request_object(&format!("https://rp.example/r.jwt#{hash}"), false),
            None
        );
        assert_eq!(request_object("https://rp.example/r.jwt", false), None);
        for bad in [
            "http://rp.example/r.jwt",
            "https://rp.example/r.jwt#a/b",
            "urn:ietf:params:oauth:request_uri:x",
            "https://u@rp.example/r",
        ] {
            assert!(request_object(bad, false).is_some(), "{bad}");
        }
        assert!(request_object(&format!("https://rp.example/#{}", "r".repeat(100)), false).is_some());
    }

    #[test]
    fn an_origin_has_one_spelling() {
        for good in [
            "https://app.example",
            "https://app.example:8443",
            "http://localhost:3000",
        ] {
            assert_eq!(origin(good), None, "{good}");
        }
        for bad in [
            "null",
            "*",
            "https://*.example",
            "https://app.example/",
            "https://APP.example",
            "https://app.example:443",
            "http://app.example",
            "https://app.example?x",
        ] {
            assert!(origin(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn front_channel_logout_s2_the_frame_is_of_a_redirect_uris_origin() {
        let registered = ["https://app.example/cb".to_owned()];
        assert_eq!(frame("https://app.example/out?x=1", &registered, true), None);
        assert!(frame("https://app.example:444/out", &registered, true).is_some());
        assert!(frame("https://other.example/out", &registered, true).is_some());
        let local = [
            "http://127.0.0.1:3000/cb".to_owned(),
            "com.example.app://x/cb".to_owned(),
        ];
        assert_eq!(frame("http://127.0.0.1:3000/out", &local, true), None);
        assert!(frame("http://127.0.0.1:3000/out", &local, false).is_some());
        assert!(frame("com.example.app://x/out", &local, true).is_some());
    }
}
