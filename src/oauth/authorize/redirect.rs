//! Where an authorization response goes.

use crate::oauth::error::{ErrorCode, OauthError};
use crate::storage::clients::Client;
use crate::types::{Issuer, RedirectUri};
use std::borrow::Cow;
use url::form_urlencoded;

/// How the response travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseMode {
    /// In the query of the redirect URI.
    Query,
    /// In the body of a form that posts itself (OAuth 2.0 Form Post Response Mode).
    FormPost,
}

impl ResponseMode {
    /// Every mode, in the order in which metadata lists them.
    pub const ALL: [Self; 2] = [Self::Query, Self::FormPost];

    /// The registered name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::FormPost => "form_post",
        }
    }

    /// Reads `response_mode`; absent means `query`, the default for codes (OAuth 2.0 Multiple Response Types §2.1).
    pub fn parse(text: Option<&str>) -> Result<Self, OauthError> {
        match text {
            None => Ok(Self::Query),
            Some(text) => Self::ALL
                .into_iter()
                .find(|mode| mode.as_str() == text)
                .ok_or_else(|| OauthError::invalid_request("response_mode must be query or form_post")),
        }
    }
}

/// A redirect URI that was found among the client's registered ones. There is no other way to make one, so that a
/// redirect to anywhere else does not compile (RFC 9700 §2.1, §4.11).
#[derive(Clone, Debug)]
pub struct ValidRedirect {
    uri: String,
    registered: RedirectUri,
    sent: bool,
}

impl ValidRedirect {
    /// Matches a requested URI against the registered ones; without one the only registered URI is meant
    /// (RFC 6749 §3.1.2.3).
    ///
    /// # Errors
    /// A sentence for the page that is shown instead of a redirect.
    pub fn of(client: &Client, requested: Option<&str>) -> Result<Self, &'static str> {
        let native = client.metadata.is_native();
        // Stored text is parsed again: a row may be older than a rule or have been changed by hand.
        let mut registered = client
            .metadata
            .redirect_uris
            .iter()
            .filter_map(|uri| RedirectUri::parse(uri, native).ok());
        match requested {
            Some(requested) => registered
                .find(|uri| uri.matches(requested, native))
                .map(|registered| Self { uri: requested.to_owned(), registered, sent: true })
                .ok_or("The redirect_uri of this request is not registered for the application. It has to be exactly one of the registered ones."),
            None => match (registered.next(), registered.next()) {
                (Some(only), None) => Ok(Self { uri: only.as_str().to_owned(), registered: only, sent: false }),
                (None, _) => Err("The application has no registered redirect_uri."),
                (Some(_), Some(_)) => {
                    Err("The application has registered several redirect_uris, so its request has to name one.")
                }
            },
        }
    }

    /// The URI as it was requested.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Whether the request named it.
    pub fn was_sent(&self) -> bool {
        self.sent
    }

    /// Whether anybody on the device could receive what is sent there.
    pub fn is_unverifiable(&self) -> bool {
        self.registered.is_unverifiable()
    }

    /// What a page's `form-action` has to allow, since Chrome applies it to the redirect after a form post: the origin,
    /// or the scheme where there is none.
    pub fn form_action(&self) -> String {
        self.registered.origin().map_or_else(
            || format!("{}:", self.uri.split(':').next().unwrap_or_default()),
            |_| origin_of(&self.uri),
        )
    }

    /// The host, for people.
    pub fn host(&self) -> Option<String> {
        url::Url::parse(&self.uri).ok()?.host_str().map(str::to_owned)
    }
}

fn origin_of(uri: &str) -> String {
    url::Url::parse(uri)
        .map(|url| url.origin().ascii_serialization())
        .unwrap_or_default()
}

/// A response on its way to the client.
#[derive(Clone, Debug)]
pub struct AuthorizationResponse {
    /// Where to.
    pub redirect: ValidRedirect,
    /// How.
    pub mode: ResponseMode,
    parameters: Vec<(&'static str, Cow<'static, str>)>,
}

impl AuthorizationResponse {
    /// A code (RFC 6749 §4.1.2) with `state` as it came and `iss` (RFC 9207 §2).
    pub fn code(
        redirect: ValidRedirect,
        mode: ResponseMode,
        code: &str,
        state: Option<&str>,
        issuer: &Issuer,
    ) -> Self {
        Self {
            redirect,
            mode,
            parameters: vec![("code", Cow::Owned(code.to_owned()))],
        }
        .finish(state, issuer)
    }

    /// An error (RFC 6749 §4.1.2.1); RFC 9207 §2 wants `iss` there too.
    pub fn error(
        redirect: ValidRedirect,
        mode: ResponseMode,
        error: &OauthError,
        state: Option<&str>,
        issuer: &Issuer,
    ) -> Self {
        let code: ErrorCode = error.code();
        let description = error.description().to_owned();
        let parameters = vec![
            ("error", Cow::Borrowed(code.as_str())),
            ("error_description", Cow::Owned(description)),
        ];
        Self {
            redirect,
            mode,
            parameters,
        }
        .finish(state, issuer)
    }

    /// With the state of the session (OpenID Connect Session Management §2).
    #[must_use]
    pub fn with_session_state(mut self, state: Option<String>) -> Self {
        self.parameters
            .extend(state.map(|state| ("session_state", Cow::Owned(state))));
        self
    }

    fn finish(mut self, state: Option<&str>, issuer: &Issuer) -> Self {
        if let Some(state) = state {
            self.parameters.push(("state", Cow::Owned(state.to_owned())));
        }
        self.parameters
            .push(("iss", Cow::Owned(issuer.as_str().to_owned())));
        self
    }

    /// Names and values, for the form.
    pub fn parameters(&self) -> &[(&'static str, Cow<'static, str>)] {
        &self.parameters
    }

    /// The `Location` of a redirect: the query that the URI has stays (RFC 6749 §3.1.2).
    pub fn location(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.parameters {
            query.append_pair(name, value);
        }
        let uri = &self.redirect.uri;
        let joint = match uri.split_once('?') {
            None => "?",
            Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        format!("{uri}{joint}{}", query.finish())
    }
}
