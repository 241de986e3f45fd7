//! How a refusal looks from outside: every part of the server has one format for errors, made here and nowhere else.

use crate::fault::{Fault, FaultKind};
use crate::page::{Advice, PageError};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use std::borrow::Cow;
use std::fmt;
use uuid::Uuid;

/// What a 429 of the authentication tier says: the same for an account that exists and one that does not.
pub const TOO_MANY_ATTEMPTS: &str = "Too many login attempts, please try again later";

/// After how many seconds to come again when something that the server needs does not answer.
const UNAVAILABLE_RETRY_S: u32 = 2;

/// A part of the server with a format of its own for errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// OAuth endpoints: `error` and `error_description` (RFC 6749 §5.2), no other member.
    Oauth,
    /// The admin API: problem details (RFC 9457).
    Admin,
    /// Pages for people: HTML.
    Page,
    /// Public documents (metadata, JWKS, the API's description): problem details.
    Document,
}

/// Why a request is refused, before it has a format.
#[derive(Clone, Debug)]
pub struct Refusal(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    status: StatusCode,
    code: Cow<'static, str>,
    title: Cow<'static, str>,
    detail: Cow<'static, str>,
    errors: Vec<Invalid>,
    headers: Vec<(HeaderName, HeaderValue)>,
    words: Words,
}

/// What a page says of a refusal.
#[derive(Clone, Debug)]
enum Words {
    /// What its status says, and for developers the detail.
    OfStatus,
    /// This, and for developers the detail.
    Besides(Advice),
    /// This alone.
    Instead(Advice),
}

/// One thing that is wrong with a request's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Invalid {
    /// Where: a JSON pointer (RFC 6901), or the name of a parameter.
    pub pointer: String,
    /// What is wrong and what would be right; never the value.
    pub detail: String,
}

impl Refusal {
    /// A refusal with the OAuth error code, title and text that fit its status. `detail` says which rule, and what
    /// would pass; it must not repeat a secret.
    pub fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        let (code, title) = match status {
            StatusCode::INTERNAL_SERVER_ERROR => ("server_error", "Internal error"),
            StatusCode::SERVICE_UNAVAILABLE => ("temporarily_unavailable", "Temporarily unavailable"),
            StatusCode::TOO_MANY_REQUESTS => ("temporarily_unavailable", "Too many requests"),
            status => ("invalid_request", status.canonical_reason().unwrap_or("Refused")),
        };
        Self(Box::new(Parts {
            status,
            code: code.into(),
            title: title.into(),
            detail: detail.into(),
            errors: Vec::new(),
            headers: Vec::new(),
            words: Words::OfStatus,
        }))
    }

    /// With words for the person on a page; the detail stands below them, for developers.
    #[must_use]
    pub fn explained(mut self, advice: Advice) -> Self {
        self.0.words = Words::Besides(advice);
        self
    }

    /// With words for the person on a page, which say all that there is to say.
    #[must_use]
    pub fn told(mut self, advice: Advice) -> Self {
        self.0.words = Words::Instead(advice);
        self
    }

    /// With another code: the `error` of RFC 6749, or the last part of a problem's `type`.
    #[must_use]
    pub fn code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.0.code = code.into();
        self
    }

    /// With another title.
    #[must_use]
    pub fn title(mut self, title: impl Into<Cow<'static, str>>) -> Self {
        self.0.title = title.into();
        self
    }

    /// With the places that are wrong, for surfaces that show them.
    #[must_use]
    pub fn errors(mut self, errors: Vec<Invalid>) -> Self {
        self.0.errors = errors;
        self
    }

    /// With a header, such as `Allow` or `WWW-Authenticate`. A value that cannot stand in a header is left out.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.0.headers.push((name, value));
        }
        self
    }

    /// With the seconds after which it makes sense to come again.
    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Self {
        self.header(header::RETRY_AFTER, &seconds.to_string())
    }

    fn retry_after_s(&self) -> Option<u32> {
        let header = self
            .0
            .headers
            .iter()
            .find(|(name, _)| *name == header::RETRY_AFTER);
        header.and_then(|(_, value)| value.to_str().ok()?.parse().ok())
    }

    /// What is wrong and what would be right.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Our own fault, without saying what it is.
    pub fn of_fault(fault: &Fault) -> Self {
        match fault.kind() {
            FaultKind::Unavailable => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "The server cannot answer right now. Please try again.",
            )
            .retry_after(UNAVAILABLE_RETRY_S),
            FaultKind::Internal => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The server failed. The request id helps its operator to find out why.",
            ),
        }
    }
}

impl Surface {
    /// An error in this surface's format. `code` is the `error` of RFC 6749 and the end of a problem's `type`.
    pub fn error(
        self,
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<Cow<'static, str>>,
        request_id: Uuid,
    ) -> HttpResponse {
        self.refuse(&Refusal::new(status, detail).code(code).title(title), request_id)
    }

    /// A refusal in this surface's format.
    pub fn refuse(self, refusal: &Refusal, request_id: Uuid) -> HttpResponse {
        let mut response = match self {
            Self::Oauth => oauth(refusal),
            Self::Admin | Self::Document => problem(refusal, request_id),
            Self::Page => page(refusal, request_id),
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in &refusal.0.headers {
            headers.append(name.clone(), value.clone());
        }
        response
    }

    /// Our own fault in this surface's format: logged here, once, with the request's id, and not told outside.
    pub fn fault(self, fault: &Fault, request_id: Uuid) -> HttpResponse {
        tracing::error!(request_id = %request_id, "a request failed: {fault}");
        self.refuse(&Refusal::of_fault(fault), request_id)
    }

    /// The surface of a path that no route has. `prefers_html` is what the request's `Accept` says.
    pub fn of_unknown_path(path: &str, prefers_html: bool) -> Self {
        if path.starts_with("/oauth2/") {
            Self::Oauth
        } else if path.starts_with("/admin/") {
            Self::Admin
        } else if prefers_html {
            Self::Page
        } else {
            Self::Document
        }
    }
}

/// RFC 6749 §5.2.
fn oauth(refusal: &Refusal) -> HttpResponse {
    #[derive(Serialize)]
    struct Body<'a> {
        error: &'a str,
        error_description: String,
    }
    HttpResponse::build(refusal.0.status)
        .insert_header((header::PRAGMA, "no-cache"))
        .json(Body {
            error: &refusal.0.code,
            error_description: describable(&refusal.0.detail),
        })
}

/// > Values for the "error_description" parameter MUST NOT include characters outside the set %x20-21 / %x23-5B /
/// > %x5D-7E. (RFC 6749 §5.2)
fn describable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '"' => '\'',
            '\\' => '/',
            ' '..='~' => c,
            _ => '?',
        })
        .collect()
}

/// In the language of nobody in particular: the edge knows the reader.
fn page(refusal: &Refusal, request_id: Uuid) -> HttpResponse {
    let Parts { status, detail, .. } = &*refusal.0;
    let technical = || status.is_client_error().then(|| detail.clone().into_owned());
    let (advice, technical) = match &refusal.0.words {
        Words::OfStatus => (Advice::of(*status, refusal.retry_after_s()), technical()),
        Words::Besides(advice) => (advice.clone(), technical()),
        Words::Instead(advice) => (advice.clone(), None),
    };
    PageError::new(*status, advice, technical, request_id).respond()
}

/// RFC 9457.
fn problem(refusal: &Refusal, request_id: Uuid) -> HttpResponse {
    #[derive(Serialize)]
    struct Body<'a> {
        r#type: String,
        title: &'a str,
        status: u16,
        detail: &'a str,
        instance: Uuid,
        #[serde(skip_serializing_if = "<[Invalid]>::is_empty")]
        errors: &'a [Invalid],
    }
    HttpResponse::build(refusal.0.status)
        .content_type("application/problem+json")
        .json(Body {
            r#type: format!("urn:grantor:problem:{}", refusal.0.code),
            title: &refusal.0.title,
            status: refusal.0.status.as_u16(),
            detail: &refusal.0.detail,
            instance: request_id,
            errors: &refusal.0.errors,
        })
}

/// A refusal that knows its surface and request: what extractors and handlers return.
#[derive(Debug)]
pub struct Refused {
    surface: Surface,
    refusal: Refusal,
    request_id: Uuid,
}

impl Refused {
    /// A refusal on a surface.
    pub fn new(surface: Surface, refusal: Refusal, request_id: Uuid) -> Self {
        Self {
            surface,
            refusal,
            request_id,
        }
    }

    /// Our own fault on a surface; logged here, once.
    pub fn fault(surface: Surface, fault: &Fault, request_id: Uuid) -> Self {
        tracing::error!(request_id = %request_id, "a request failed: {fault}");
        Self::new(surface, Refusal::of_fault(fault), request_id)
    }

    /// What is refused, for surfaces that answer in another way, such as a redirect.
    pub fn refusal(&self) -> &Refusal {
        &self.refusal
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.refusal.0.detail)
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        self.refusal.0.status
    }

    fn error_response(&self) -> HttpResponse {
        self.surface.refuse(&self.refusal, self.request_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::to_bytes;
    use serde_json::{Value, json};

    async fn text(response: HttpResponse) -> String {
        let body = to_bytes(response.into_body()).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[actix_web::test]
    async fn an_oauth_error_has_two_members_and_their_alphabet() {
        let refusal = Refusal::new(StatusCode::BAD_REQUEST, "not \"so\" \\ schön\n");
        let response = Surface::Oauth.refuse(&refusal, Uuid::nil());
        assert_eq!(
            response.headers().get("content-type").unwrap(),
            "application/json"
        );
        assert_eq!(response.headers().get("cache-control").unwrap(), "no-store");
        let body: Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!(
            body,
            json!({"error": "invalid_request", "error_description": "not 'so' / sch?n?"})
        );
    }

    #[actix_web::test]
    async fn a_problem_names_request_and_places() {
        let refusal = Refusal::new(StatusCode::BAD_REQUEST, "The body is not valid.")
            .code("invalid")
            .errors(vec![Invalid {
                pointer: "/scope".to_owned(),
                detail: "must be text".to_owned(),
            }]);
        let response = Surface::Admin.refuse(&refusal, Uuid::from_u128(1));
        assert_eq!(
            response.headers().get("content-type").unwrap(),
            "application/problem+json"
        );
        let body: Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!(body["type"], "urn:grantor:problem:invalid");
        assert_eq!(body["status"], 400);
        assert_eq!(body["instance"], Uuid::from_u128(1).to_string());
        assert_eq!(body["errors"][0]["pointer"], "/scope");
    }

    #[actix_web::test]
    async fn a_fault_is_not_told_on_any_surface() {
        let fault = Fault::unavailable("postgres at 10.0.0.1").caused_by("sqlx: no route");
        for surface in [Surface::Oauth, Surface::Admin, Surface::Page, Surface::Document] {
            let response = surface.fault(&fault, Uuid::nil());
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(response.headers().contains_key("retry-after"));
            let body = text(response).await;
            assert!(!body.contains("postgres") && !body.contains("sqlx"), "{body}");
        }
    }

    #[test]
    fn an_unknown_path_has_the_surface_of_its_neighbours() {
        assert_eq!(Surface::of_unknown_path("/oauth2/x", true), Surface::Oauth);
        assert_eq!(Surface::of_unknown_path("/admin/v1/x", true), Surface::Admin);
        assert_eq!(Surface::of_unknown_path("/x", true), Surface::Page);
        assert_eq!(Surface::of_unknown_path("/x", false), Surface::Document);
    }
}
