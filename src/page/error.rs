//! The page that tells of an error.

use super::{Layout, Text, respond};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use uuid::Uuid;

/// What a person is told about an error: what it is, and what to do now.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    /// A few words.
    pub title: Text,
    /// One or two sentences.
    pub detail: Text,
}

impl Advice {
    /// What can be said about an error of which only the status is known. `retry_after_s` is when to come again.
    pub fn of(status: StatusCode, retry_after_s: Option<u32>) -> Self {
        let say = |title, detail| Self {
            title: Text::new(title),
            detail: Text::new(detail),
        };
        match status {
            StatusCode::FORBIDDEN => say("error-403-title", "error-403-advice"),
            StatusCode::NOT_FOUND => say("error-404-title", "error-404-advice"),
            StatusCode::TOO_MANY_REQUESTS => Self {
                title: Text::new("error-429-title"),
                detail: Text::new("error-429-advice").count("minutes", minutes(retry_after_s)),
            },
            StatusCode::SERVICE_UNAVAILABLE => say("error-503-title", "error-503-advice"),
            status if status.is_server_error() => say("error-500-title", "error-500-advice"),
            _ => say("error-400-title", "error-400-advice"),
        }
    }

    /// Too many attempts to sign in: the same for an account that exists and for one that does not.
    pub fn too_many_attempts(retry_after_s: u32) -> Self {
        Self {
            title: Text::new("error-attempts-title"),
            detail: Text::new("error-attempts-advice").count("minutes", minutes(Some(retry_after_s))),
        }
    }
}

fn minutes(seconds: Option<u32>) -> u32 {
    seconds.unwrap_or_default().div_ceil(60).max(1)
}

/// An error told to a person: what is wrong, what to do, and the id under which the log knows it.
#[derive(Clone, Debug, Template)]
#[template(path = "error.html")]
pub struct PageError {
    layout: Layout,
    status: u16,
    advice: Advice,
    technical: Option<String>,
    request_id: Uuid,
}

impl PageError {
    /// An error page. `technical` is for those who make applications: which rule, which parameter; in English.
    pub fn new(status: StatusCode, advice: Advice, technical: Option<String>, request_id: Uuid) -> Self {
        Self {
            layout: Layout::default(),
            status: status.as_u16(),
            advice,
            technical,
            request_id,
        }
    }

    /// The answer. It carries the page itself along, so that the edge, which knows the reader and the issuer's path, can
    /// render it again with [`PageError::for_reader`].
    pub fn respond(self) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = respond(status, &self);
        response.extensions_mut().insert(self);
        response
    }

    /// The page's HTML in another layout than the plain one; `None` when that one is right.
    pub fn for_reader(mut self, layout: Layout) -> Option<String> {
        if layout == self.layout {
            return None;
        }
        self.layout = layout;
        self.render().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Language, STYLESHEET_PATH};
    use super::*;
    use std::sync::Arc;

    fn page() -> PageError {
        let advice = Advice::of(StatusCode::BAD_REQUEST, None);
        let technical = Some("No client is called \"<script>\".".to_owned());
        PageError::new(StatusCode::BAD_REQUEST, advice, technical, Uuid::from_u128(7))
    }

    #[test]
    fn an_error_page_escapes_and_names_the_request() {
        let html = page().render().unwrap();
        assert!(html.contains("No client is called"));
        assert!(!html.contains("<script"));
        assert!(html.contains(&Uuid::from_u128(7).to_string()));
    }

    #[test]
    fn a_page_has_a_language_a_viewport_one_heading_and_nothing_inline() {
        let html = page().render().unwrap();
        assert!(html.starts_with("<!doctype html>\n<html lang=\"en\">"), "{html}");
        assert!(html.contains("name=\"viewport\""));
        assert_eq!(html.matches("<h1").count(), 1);
        assert!(!html.contains("style=") && !html.contains("<style"));
    }

    #[test]
    fn the_edge_gives_a_page_its_path_and_language() {
        assert!(STYLESHEET_PATH.starts_with("/assets/grantor-"));
        assert!(page().render().unwrap().contains(STYLESHEET_PATH.as_str()));
        assert_eq!(page().for_reader(Layout::default()), None);
        let german = Layout::new("/id", Language::find("de").unwrap(), Arc::default());
        let html = page().for_reader(german).unwrap();
        assert!(html.contains("\"/id/assets/grantor-"), "{html}");
        assert!(html.contains("<html lang=\"de\">"), "{html}");
        assert!(html.contains("lang=\"en\">No client is called"), "{html}");
    }

    #[test]
    fn every_status_has_its_words() {
        for status in (400..600).filter_map(|status| StatusCode::from_u16(status).ok()) {
            for language in Language::all() {
                let advice = Advice::of(status, Some(90));
                assert!(!advice.title.say(language).starts_with("error-"), "{status}");
                assert!(!advice.detail.say(language).starts_with("error-"), "{status}");
            }
        }
        let wait = |seconds| Advice::of(StatusCode::TOO_MANY_REQUESTS, Some(seconds)).detail;
        assert_eq!(wait(61), Text::new("error-429-advice").count("minutes", 2));
        assert_eq!(wait(0), Text::new("error-429-advice").count("minutes", 1));
    }
}
