//! Front-channel logout (OpenID Connect Front-Channel Logout 1.0): a page that loads the logout pages of the session's
//! clients in frames, so that they reach their own cookies in this browser.

use super::backchannel;
use crate::account::sid;
use crate::fault::Fault;
use crate::page::{self, Layout, Policy, Text};
use crate::storage::sessions::Session;
use crate::visit::Visit;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use url::{Url, form_urlencoded};

/// Most frames on one page; a person is rarely signed in to so many applications at once.
const MAX_FRAMES: usize = 50;
/// How long the frames have before the page goes on by itself, in seconds (contract: 3 at most).
const SECONDS: u8 = 2;

/// The frames that a session's end needs.
pub(super) struct Frames(Vec<String>);

#[derive(Template)]
#[template(path = "logout_frames.html")]
struct Page<'a> {
    layout: Layout,
    warning: Option<Text>,
    frames: &'a [String],
    /// Where the page goes on to: was found registered.
    next: Option<&'a str>,
    seconds: u8,
}

impl Frames {
    /// Those of all clients of a session that registered a `frontchannel_logout_uri`.
    pub(super) async fn of(visit: &Visit<'_>, session: &Session) -> Result<Self, Fault> {
        let issuer = visit.exchange.tenant().issuer.as_str();
        let clients = backchannel::clients_to_tell(visit.app, visit.tenant, session.id).await?;
        let mut frames = Vec::new();
        for client in clients {
            let Some(uri) = &client.metadata.frontchannel_logout_uri else {
                continue;
            };
            let sid = sid(&visit.keys, session.id, &client.client_id)?;
            frames.push(with_session(uri, issuer, &sid));
        }
        if frames.len() > MAX_FRAMES {
            tracing::warn!(
                "a session has {} clients with front-channel logout; {MAX_FRAMES} of them are told",
                frames.len()
            );
            frames.truncate(MAX_FRAMES);
        }
        Ok(Self(frames))
    }

    /// Whether nobody is to be told.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The page with the frames. It goes on to `next` by itself, without a script.
    pub(super) fn page(&self, layout: Layout, next: Option<&str>, warning: Option<Text>) -> HttpResponse {
        let status = match warning {
            None => StatusCode::OK,
            Some(_) => StatusCode::BAD_REQUEST,
        };
        let page = Page {
            layout,
            warning,
            frames: &self.0,
            next,
            seconds: SECONDS,
        };
        let mut response = page::respond(status, &page);
        let mut origins: Vec<_> = self
            .0
            .iter()
            .filter_map(|frame| Url::parse(frame).ok())
            .map(|frame| frame.origin().ascii_serialization())
            .collect();
        origins.sort();
        origins.dedup();
        let origins: Vec<_> = origins.iter().map(String::as_str).collect();
        let policy = Policy {
            frames: &origins,
            ..Policy::default()
        };
        page.layout.allow(&mut response, policy);
        response
    }
}

/// §3: "the OP renders an iframe with the RP's front-channel logout URI", with `iss` and `sid`. They are always there, also
/// where `frontchannel_logout_session_required` does not ask for it: with them a client need not take every visitor's word.
fn with_session(uri: &str, issuer: &str, sid: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("iss", issuer).append_pair("sid", sid);
    let joint = if uri.contains('?') { '&' } else { '?' };
    format!("{uri}{joint}{}", query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s2_a_query_that_was_registered_stays() {
        assert_eq!(
            with_session("https://rp.example/out", "https://id.example", "s-1"),
            "https://rp.example/out?iss=https%3A%2F%2Fid.example&sid=s-1"
        );
        assert_eq!(
            with_session("https://rp.example/out?a=b", "https://id.example", "s-1"),
            "https://rp.example/out?a=b&iss=https%3A%2F%2Fid.example&sid=s-1"
        );
    }

    #[test]
    fn the_policy_names_exactly_the_frames_origins() {
        let frames = Frames(vec![
            "https://b.example/out?x=1".to_owned(),
            "https://a.example:8443/out".to_owned(),
            "https://b.example/other".to_owned(),
        ]);
        let response = frames.page(Layout::default(), Some("https://rp.example/bye"), None);
        let policy = response.headers().get("content-security-policy").unwrap();
        let policy = policy.to_str().unwrap();
        assert!(
            policy.contains("; frame-src https://a.example:8443 https://b.example;"),
            "{policy}"
        );
        assert!(!policy.contains("script-src"), "{policy}");
    }
}
