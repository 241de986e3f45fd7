//! What every page knows: where the server is, who is signed in, and in which language it speaks.

use super::catalogue::{self, Text};
use super::{Language, Look, Policy, STYLESHEET_PATH};
use crate::types::Timestamp;
use actix_web::HttpResponse;
use actix_web::http::header;
use askama::filters::Safe;
use fluent_bundle::FluentArgs;
use std::fmt::{Display, Write as _};
use std::sync::Arc;

/// Stand around a name in a text until the text has been escaped. Private use: no text of ours has them.
const MARKS: [char; 2] = ['\u{E000}', '\u{E001}'];

/// What the layout needs to know. Templates take their texts from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The path of the issuer, before every path of the server: empty for most.
    pub base: String,
    /// Who is signed in, shown in the header; empty when nobody is or it is not known.
    pub signed_in_as: String,
    /// The language of the page.
    pub language: Language,
    /// The languages that it was wished for in (`ui_locales`), for its forms to carry along; empty where there is no wish.
    pub wished: String,
    /// How the tenant's pages look.
    pub look: Arc<Look>,
}

impl Layout {
    /// A layout for nobody in particular.
    pub fn new(base: &str, language: Language, look: Arc<Look>) -> Self {
        Self {
            base: base.to_owned(),
            signed_in_as: String::new(),
            language,
            wished: String::new(),
            look,
        }
    }

    /// How the service is called.
    pub fn brand(&self) -> &str {
        self.look.name()
    }

    /// Gives a page of this layout its policy: what it may do besides what every page of the tenant may.
    pub fn allow(&self, response: &mut HttpResponse, more: Policy<'_>) {
        let logo = self.look.logo_origin();
        let policy = Policy { logo, ..more };
        response
            .headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, policy.header());
    }

    /// Where the tenant's own stylesheet is.
    pub fn own_stylesheet(&self) -> Option<String> {
        let version = self.look.version()?;
        Some(format!("{}/assets/look-{version}.css", self.base))
    }

    /// Where the stylesheet is.
    pub fn stylesheet(&self) -> String {
        format!("{}{}", self.base, *STYLESHEET_PATH)
    }

    /// A text that takes no arguments.
    pub fn say(&self, key: &str) -> String {
        self.language.say(key)
    }

    /// A text that came with its arguments.
    pub fn tell(&self, text: &Text) -> String {
        text.say(self.language)
    }

    /// A text that names one thing.
    pub fn with(&self, key: &str, name: &'static str, value: impl Display) -> String {
        let mut arguments = FluentArgs::new();
        arguments.set(name, value.to_string());
        catalogue::say(self.language, key, &arguments)
    }

    /// A text that names one thing, which stands out: HTML, with everything in it escaped.
    pub fn strong(&self, key: &str, name: &'static str, value: impl Display) -> Safe<String> {
        let [open, close] = MARKS;
        let value: String = value.to_string().chars().filter(|c| !MARKS.contains(c)).collect();
        let text = self.with(key, name, format!("{open}{value}{close}"));
        Safe(text.chars().fold(String::new(), push))
    }

    /// A time.
    pub fn when(&self, at: Timestamp) -> String {
        self.language.when(at)
    }
}

fn push(mut html: String, c: char) -> String {
    match c {
        '\u{E000}' => html.push_str("<strong>"),
        '\u{E001}' => html.push_str("</strong>"),
        '&' | '<' | '>' | '"' | '\'' => {
            // Writing into a text does not fail.
            let _ = write!(html, "&#{};", u32::from(c));
        }
        c => html.push(c),
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_out_and_is_escaped() {
        let layout = Layout::default();
        let Safe(html) = layout.strong("login-for", "client", "<b>\u{E001}&'\"");
        assert!(
            html.contains("<strong>&#60;b&#62;&#38;&#39;&#34;</strong>"),
            "{html}"
        );
        assert_eq!(html.matches('<').count(), 2, "{html}");
    }
}
