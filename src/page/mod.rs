//! What every page for people shares: the layout, the stylesheet and the page that tells of an error.
//!
//! A page is an askama template that extends `templates/layout.html` and has a field `layout: Layout`. Pages work
//! without JavaScript and carry no inline style or script, so that the content security policy can forbid both.

mod notice;
mod policy;

pub use self::notice::{Notice, Tone, form_post, go_on};
pub use self::policy::Policy;

use crate::types::Timestamp;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use askama::Template;
use ring::digest;
use std::sync::LazyLock;
use time::OffsetDateTime;
use time::macros::format_description;
use uuid::Uuid;

/// The one stylesheet.
pub const STYLESHEET: &str = include_str!("../../assets/grantor.css");

/// The path of the stylesheet below the issuer. It changes with the content, so that it may be cached for ever.
pub static STYLESHEET_PATH: LazyLock<String> = LazyLock::new(|| named_after("grantor", STYLESHEET, "css"));

/// The one script: it posts the form of [`form_post`]. No other page has any.
pub const SCRIPT: &str = include_str!("../../assets/submit.js");

/// The path of the script below the issuer.
pub static SCRIPT_PATH: LazyLock<String> = LazyLock::new(|| named_after("submit", SCRIPT, "js"));

fn named_after(name: &str, content: &str, extension: &str) -> String {
    let hash = digest::digest(&digest::SHA256, content.as_bytes());
    let short = hash.as_ref().get(..8).unwrap_or_default();
    format!("/assets/{name}-{}.{extension}", hex::encode(short))
}

/// What the layout needs to know.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// The path of the issuer, before every path of the server: empty for most.
    pub base: String,
    /// Who is signed in, shown in the header; empty when nobody is or it is not known.
    pub signed_in_as: String,
}

impl Layout {
    /// A layout for nobody in particular.
    pub fn new(base: &str) -> Self {
        Self {
            base: base.to_owned(),
            signed_in_as: String::new(),
        }
    }

    /// Where the stylesheet is.
    pub fn stylesheet(&self) -> String {
        format!("{}{}", self.base, *STYLESHEET_PATH)
    }
}

/// An HTML answer.
///
/// A template that cannot be rendered is a defect: the answer is an empty 500.
pub fn respond(status: StatusCode, template: &impl Template) -> HttpResponse {
    match template.render() {
        Ok(html) => HttpResponse::build(status)
            .content_type("text/html; charset=utf-8")
            .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
            .body(html),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered: {error}");
            HttpResponse::InternalServerError().finish()
        }
    }
}

/// A time as people read it, in UTC: pages do not know where their reader is.
pub fn when(at: Timestamp) -> String {
    let format = format_description!("[day padding:none] [month repr:short] [year], [hour]:[minute] UTC");
    OffsetDateTime::from_unix_timestamp(at.seconds())
        .ok()
        .and_then(|at| at.format(format).ok())
        .unwrap_or_else(|| at.to_string())
}

/// An error told to a person: what is wrong, what to do, and the id under which the log knows it.
#[derive(Clone, Debug, Template)]
#[template(path = "error.html")]
pub struct PageError {
    layout: Layout,
    status: u16,
    title: String,
    detail: String,
    request_id: Uuid,
}

impl PageError {
    /// An error page. `title` is a few words, `detail` one or two sentences.
    pub fn new(status: StatusCode, title: &str, detail: &str, request_id: Uuid) -> Self {
        Self {
            layout: Layout::default(),
            status: status.as_u16(),
            title: title.to_owned(),
            detail: detail.to_owned(),
            request_id,
        }
    }

    /// The answer. It carries the page itself along, so that the edge, which knows the issuer's path, can render it
    /// again with [`PageError::below`].
    pub fn respond(self) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = respond(status, &self);
        response.extensions_mut().insert(self);
        response
    }

    /// The page's HTML on a server whose issuer has a path.
    pub fn below(mut self, base: &str) -> Option<String> {
        base.clone_into(&mut self.layout.base);
        self.render().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html() -> String {
        PageError::new(
            StatusCode::BAD_REQUEST,
            "Unknown client",
            "No client is called \"<script>\".",
            Uuid::from_u128(7),
        )
        .render()
        .unwrap()
    }

    #[test]
    fn an_error_page_escapes_and_names_the_request() {
        let html = html();
        assert!(html.contains("Unknown client"));
        assert!(!html.contains("<script"));
        assert!(html.contains(&Uuid::from_u128(7).to_string()));
    }

    #[test]
    fn a_page_has_a_language_a_viewport_one_heading_and_nothing_inline() {
        let html = html();
        assert!(html.starts_with("<!doctype html>\n<html lang=\"en\">"), "{html}");
        assert!(html.contains("name=\"viewport\""));
        assert_eq!(html.matches("<h1").count(), 1);
        assert!(!html.contains("style=") && !html.contains("<style"));
    }

    #[test]
    fn a_time_is_written_for_people() {
        let at = Timestamp::parse("2026-03-04T05:06:07Z").unwrap();
        assert_eq!(when(at), "4 Mar 2026, 05:06 UTC");
    }

    #[test]
    fn the_stylesheet_is_named_after_its_content() {
        assert!(STYLESHEET_PATH.starts_with("/assets/grantor-"));
        assert!(html().contains(STYLESHEET_PATH.as_str()));
        let page = PageError::new(StatusCode::NOT_FOUND, "a", "b", Uuid::nil());
        assert!(page.below("/id").unwrap().contains("\"/id/assets/grantor-"));
    }
}
