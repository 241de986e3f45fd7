//! What every page for people shares: the layout, the stylesheet and the page that tells of an error.
//!
//! A page is an askama template that extends `templates/layout.html` and has a field `layout: Layout`. Pages work
//! without JavaScript and carry no inline style or script, so that the content security policy can forbid both. What they
//! say stands in `locales/`, one file per language.

mod catalogue;
mod error;
mod language;
mod layout;
mod look;
mod notice;
mod policy;

pub use self::catalogue::Text;
pub use self::error::{Advice, PageError};
pub use self::language::{Language, accepted, listed, ranges};
pub use self::layout::Layout;
pub use self::look::{Color, Look};
pub use self::notice::{Notice, Tone, form_post, go_on};
pub use self::policy::Policy;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use askama::Template;
use ring::digest;
use std::sync::LazyLock;

/// The one stylesheet.
pub const STYLESHEET: &str = include_str!("../../assets/grantor.css");

/// The path of the stylesheet below the issuer. It changes with the content, so that it may be cached for ever.
pub static STYLESHEET_PATH: LazyLock<String> = LazyLock::new(|| named_after("grantor", STYLESHEET, "css"));

/// The icon of pages in tabs and bookmarks.
pub const ICON: &str = include_str!("../../assets/favicon.svg");

/// The script that posts the form of [`form_post`]. No other page for people has any.
pub const SCRIPT: &str = include_str!("../../assets/submit.js");

/// The path of the script below the issuer.
pub static SCRIPT_PATH: LazyLock<String> = LazyLock::new(|| named_after("submit", SCRIPT, "js"));

/// The script of the frame of session management, which shows nothing.
pub const CHECK_SESSION: &str = include_str!("../../assets/check_session.js");

/// The path of that script below the issuer.
pub static CHECK_SESSION_PATH: LazyLock<String> =
    LazyLock::new(|| named_after("check-session", CHECK_SESSION, "js"));

fn named_after(name: &str, content: &str, extension: &str) -> String {
    let hash = digest::digest(&digest::SHA256, content.as_bytes());
    let short = hash.as_ref().get(..8).unwrap_or_default();
    format!("/assets/{name}-{}.{extension}", hex::encode(short))
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
