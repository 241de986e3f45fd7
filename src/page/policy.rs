//! Content security policies of pages.

use actix_web::http::header::HeaderValue;

/// What a page may do besides showing its own text and stylesheet. Origins or schemes; anything that could end the
/// directive is left out.
#[derive(Clone, Debug, Default)]
pub struct Policy<'a> {
    /// Where its forms lead besides this server. Chrome applies `form-action` to the redirect after a post as well.
    pub forms: &'a [&'a str],
    /// From where it shows images, such as a client's logo.
    pub images: &'a [&'a str],
    /// From where it shows frames: nowhere, for most.
    pub frames: &'a [&'a str],
    /// From where it shows the tenant's logo.
    pub logo: Option<String>,
    /// Whether it runs the server's own script.
    pub script: bool,
}

impl Policy<'_> {
    /// The value of `Content-Security-Policy`.
    pub fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.text()).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
    }

    fn text(&self) -> String {
        let script = if self.script { " script-src 'self';" } else { "" };
        let frames = match list(self.frames) {
            none if none.is_empty() => none,
            frames => format!(" frame-src{frames};"),
        };
        let images: Vec<&str> = self.images.iter().copied().chain(self.logo.as_deref()).collect();
        format!(
            "default-src 'none'; style-src 'self';{script} img-src 'self'{};{frames} base-uri 'none'; \
             form-action 'self'{}; frame-ancestors 'none'",
            list(&images),
            list(self.forms)
        )
    }
}

fn list(sources: &[&str]) -> String {
    let is_source = |source: &&str| {
        source
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+' | b':' | b'/'))
    };
    sources
        .iter()
        .map(|source| match source.split_once("//[") {
            // A policy cannot name an IPv6 address (CSP3 §2.3.1 host-source), only the scheme.
            Some((scheme, _)) => scheme,
            None => source,
        })
        .filter(is_source)
        .fold(String::new(), |list, source| list + " " + source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_policy_allows_nothing_inline_and_cannot_be_extended() {
        let policy = Policy {
            forms: &["https://app.example", "com.example.app:", "http://[::1]:8000"],
            images: &["https://x; script-src *"],
            ..Policy::default()
        };
        let text = policy.text();
        assert!(
            text.contains("form-action 'self' https://app.example com.example.app: http:;"),
            "{text}"
        );
        assert!(!text.contains("unsafe-inline") && !text.contains('*'), "{text}");
        assert!(!text.contains("script-src"), "{text}");
    }
}
