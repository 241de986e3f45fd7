//! Pages that say one thing.

use super::{Layout, Policy, SCRIPT_PATH, Text, respond};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use std::borrow::Cow;
use uuid::Uuid;

/// How a notice is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing to worry about.
    #[default]
    Info,
    /// It worked.
    Good,
    /// It did not work.
    Error,
}

impl Tone {
    /// The class in the stylesheet.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Info => "notice",
            Self::Good => "notice good",
            Self::Error => "notice error",
        }
    }
}

/// A page that says one thing and perhaps offers one way on.
#[derive(Clone, Debug, Template)]
#[template(path = "notice.html")]
pub struct Notice {
    layout: Layout,
    tone: Tone,
    title: Text,
    detail: Vec<Text>,
    link: Option<(String, Text)>,
    request_id: Option<Uuid>,
}

impl Notice {
    /// A notice. `title` is a few words, `detail` one or two sentences.
    pub fn new(layout: Layout, tone: Tone, title: Text, detail: Text) -> Self {
        Self {
            layout,
            tone,
            title,
            detail: vec![detail],
            link: None,
            request_id: None,
        }
    }

    /// With more to say.
    #[must_use]
    pub fn and(mut self, detail: Text) -> Self {
        self.detail.push(detail);
        self
    }

    /// With a way on. `href` is a path of this server or was checked by the caller.
    #[must_use]
    pub fn link(mut self, href: &str, text: Text) -> Self {
        self.link = Some((href.to_owned(), text));
        self
    }

    /// With the request's id, for what an operator may be asked about.
    #[must_use]
    pub fn request(mut self, id: Uuid) -> Self {
        self.request_id = Some(id);
        self
    }

    /// The answer.
    pub fn respond(&self, status: StatusCode) -> HttpResponse {
        respond(status, self)
    }
}

/// A page that goes on to another address by itself, without a script. The browser then comes from this server, so that
/// it sends cookies that are `SameSite=Strict`.
#[derive(Clone, Debug, Template)]
#[template(path = "go_on.html")]
struct GoOn<'a> {
    layout: Layout,
    url: &'a str,
}

/// Sends the browser to a path and query of this server as if it had followed a link here.
pub fn go_on(layout: Layout, path_and_query: &str) -> HttpResponse {
    let page = GoOn {
        layout,
        url: path_and_query,
    };
    respond(StatusCode::OK, &page)
}

/// A form that posts itself (OAuth 2.0 Form Post Response Mode). Without scripts its button does it.
#[derive(Clone, Debug, Template)]
#[template(path = "form_post.html")]
struct FormPost<'a> {
    layout: Layout,
    script: String,
    action: &'a str,
    host: String,
    fields: &'a [(&'a str, Cow<'a, str>)],
}

/// The answer that posts `fields` to `action`, a redirect URI that was found registered. `origin` is what the policy has
/// to allow for it.
pub fn form_post(
    layout: Layout,
    action: &str,
    origin: &str,
    fields: &[(&str, Cow<'_, str>)],
) -> HttpResponse {
    let url = url::Url::parse(action).ok();
    let host = url.as_ref().and_then(url::Url::host_str).map(ToOwned::to_owned);
    let page = FormPost {
        host: host.unwrap_or_else(|| layout.say("the-application")),
        script: format!("{}{}", layout.base, *SCRIPT_PATH),
        layout,
        action,
        fields,
    };
    let mut response = respond(StatusCode::OK, &page);
    let policy = Policy {
        forms: &[origin],
        script: true,
        ..Policy::default()
    };
    page.layout.allow(&mut response, policy);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::to_bytes;

    async fn text(response: HttpResponse) -> String {
        String::from_utf8(to_bytes(response.into_body()).await.unwrap().to_vec()).unwrap()
    }

    #[actix_web::test]
    async fn form_post_s2_fields_are_escaped_and_the_policy_names_the_target() {
        let fields = [
            ("code", Cow::Borrowed("gac_1")),
            ("state", Cow::Borrowed("\"><script>")),
        ];
        let response = form_post(
            Layout::default(),
            "https://app.example/cb?a=1&b",
            "https://app.example",
            &fields,
        );
        let policy = response
            .headers()
            .get("content-security-policy")
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        assert!(
            policy.contains("form-action 'self' https://app.example;"),
            "{policy}"
        );
        assert!(policy.contains("script-src 'self';"), "{policy}");
        let html = text(response).await;
        assert!(!html.contains("\"><script>"), "{html}");
        assert!(
            html.contains("method=\"post\" action=\"https://app.example/cb?a=1&#38;b\""),
            "{html}"
        );
        assert!(html.contains("name=\"code\" value=\"gac_1\""), "{html}");
        assert!(html.contains("<button"), "it works without scripts");
    }

    #[actix_web::test]
    async fn going_on_needs_no_script() {
        let html = text(go_on(Layout::default(), "/oauth2/authorize?a=\"&b=1")).await;
        assert!(
            html.contains("http-equiv=\"refresh\" content=\"0;url=/oauth2/authorize?a=&#34;&#38;b=1\""),
            "{html}"
        );
        assert!(!html.contains("<script"));
    }
}
