//! Errors of the OAuth endpoints (RFC 6749 §5.2 and its extensions).

use crate::clients::NotEncrypted;
use crate::fault::{Fault, FaultKind};
use crate::types::Malformed;
use actix_web::http::StatusCode;
use std::borrow::Cow;
use std::fmt;

/// A registered error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// RFC 6749 §5.2.
    InvalidRequest,
    /// RFC 6749 §5.2.
    InvalidClient,
    /// RFC 6749 §5.2.
    InvalidGrant,
    /// RFC 6749 §5.2.
    UnauthorizedClient,
    /// RFC 6749 §5.2.
    UnsupportedGrantType,
    /// RFC 6749 §5.2.
    InvalidScope,
    /// RFC 8707 §2.
    InvalidTarget,
    /// RFC 6749 §4.1.2.1.
    AccessDenied,
    /// RFC 6749 §4.1.2.1.
    UnsupportedResponseType,
    /// OIDC Core §3.1.2.6.
    LoginRequired,
    /// OIDC Core §3.1.2.6.
    InteractionRequired,
    /// OIDC Core §3.1.2.6.
    ConsentRequired,
    /// OIDC Core §3.1.2.6.
    AccountSelectionRequired,
    /// OIDC Core §3.1.2.6, RFC 9101 §7.
    RequestNotSupported,
    /// RFC 9101 §7.
    InvalidRequestObject,
    /// RFC 9101 §7.
    InvalidRequestUri,
    /// OIDC Core §3.1.2.6.
    RegistrationNotSupported,
    /// OpenID Connect "Unmet Authentication Requirements" 1.0.
    UnmetAuthenticationRequirements,
    /// RFC 8628 §3.5.
    AuthorizationPending,
    /// RFC 8628 §3.5.
    SlowDown,
    /// RFC 8628 §3.5.
    ExpiredToken,
    /// RFC 7009 §2.2.1.
    UnsupportedTokenType,
    /// RFC 6750 §3.1.
    InvalidToken,
    /// RFC 6750 §3.1.
    InsufficientScope,
    /// RFC 7591 §3.2.2.
    InvalidRedirectUri,
    /// RFC 7591 §3.2.2.
    InvalidClientMetadata,
    /// RFC 7591 §3.2.2.
    UnapprovedSoftwareStatement,
    /// RFC 6749 §4.1.2.1.
    TemporarilyUnavailable,
    /// RFC 6749 §4.1.2.1.
    ServerError,
}

impl ErrorCode {
    /// Name and status, one table.
    const fn row(self) -> (&'static str, StatusCode) {
        match self {
            Self::InvalidRequest => ("invalid_request", StatusCode::BAD_REQUEST),
            Self::InvalidClient => ("invalid_client", StatusCode::UNAUTHORIZED),
            Self::InvalidGrant => ("invalid_grant", StatusCode::BAD_REQUEST),
            Self::UnauthorizedClient => ("unauthorized_client", StatusCode::BAD_REQUEST),
            Self::UnsupportedGrantType => ("unsupported_grant_type", StatusCode::BAD_REQUEST),
            Self::InvalidScope => ("invalid_scope", StatusCode::BAD_REQUEST),
            Self::InvalidTarget => ("invalid_target", StatusCode::BAD_REQUEST),
            Self::AccessDenied => ("access_denied", StatusCode::BAD_REQUEST),
            Self::UnsupportedResponseType => ("unsupported_response_type", StatusCode::BAD_REQUEST),
            Self::LoginRequired => ("login_required", StatusCode::BAD_REQUEST),
            Self::InteractionRequired => ("interaction_required", StatusCode::BAD_REQUEST),
            Self::ConsentRequired => ("consent_required", StatusCode::BAD_REQUEST),
            Self::AccountSelectionRequired => ("account_selection_required", StatusCode::BAD_REQUEST),
            Self::RequestNotSupported => ("request_not_supported", StatusCode::BAD_REQUEST),
            Self::InvalidRequestObject => ("invalid_request_object", StatusCode::BAD_REQUEST),
            Self::InvalidRequestUri => ("invalid_request_uri", StatusCode::BAD_REQUEST),
            Self::RegistrationNotSupported => ("registration_not_supported", StatusCode::BAD_REQUEST),
            Self::UnmetAuthenticationRequirements => {
                ("unmet_authentication_requirements", StatusCode::BAD_REQUEST)
            }
            Self::AuthorizationPending => ("authorization_pending", StatusCode::BAD_REQUEST),
            Self::SlowDown => ("slow_down", StatusCode::BAD_REQUEST),
            Self::ExpiredToken => ("expired_token", StatusCode::BAD_REQUEST),
            Self::UnsupportedTokenType => ("unsupported_token_type", StatusCode::BAD_REQUEST),
            Self::InvalidToken => ("invalid_token", StatusCode::UNAUTHORIZED),
            Self::InsufficientScope => ("insufficient_scope", StatusCode::FORBIDDEN),
            Self::InvalidRedirectUri => ("invalid_redirect_uri", StatusCode::BAD_REQUEST),
            Self::InvalidClientMetadata => ("invalid_client_metadata", StatusCode::BAD_REQUEST),
            Self::UnapprovedSoftwareStatement => ("unapproved_software_statement", StatusCode::BAD_REQUEST),
            Self::TemporarilyUnavailable => ("temporarily_unavailable", StatusCode::SERVICE_UNAVAILABLE),
            Self::ServerError => ("server_error", StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// The name in `error`.
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The status that goes with it at an endpoint that answers JSON.
    pub const fn status(self) -> StatusCode {
        self.row().1
    }
}

/// A refusal at an OAuth endpoint. The description is for the developer of the client; a [`Fault`] behind it is for
/// the log only.
#[derive(Debug)]
pub struct OauthError {
    code: ErrorCode,
    description: Cow<'static, str>,
    /// The scheme that the client used in `Authorization`, to be named in `WWW-Authenticate` (RFC 6749 §5.2).
    pub challenge: Option<&'static str>,
    /// Whether what was presented could have been a guess at a secret: then it counts against the address (R-LIM-03).
    pub is_guess: bool,
    fault: Option<Fault>,
}

impl OauthError {
    /// A refusal. `description` is made of the characters of RFC 6749 §5.2 (no quote, no backslash, ASCII).
    pub fn new(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            description: description.into(),
            challenge: None,
            is_guess: false,
            fault: None,
        }
    }

    /// `invalid_request`.
    pub fn invalid_request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidRequest, description)
    }

    /// `invalid_grant`: the same text whatever the reason, which stands in the audit log (R-REF-17).
    pub fn invalid_grant() -> Self {
        Self::new(
            ErrorCode::InvalidGrant,
            "The code or refresh token is not valid for this client and request. Start a new authorization request",
        )
    }

    /// `invalid_client`: the same text whatever the reason.
    pub fn invalid_client(challenge: Option<&'static str>) -> Self {
        Self {
            challenge,
            ..Self::new(ErrorCode::InvalidClient, "Client authentication failed")
        }
    }

    /// The same, counted as a guess at a secret.
    #[must_use]
    pub fn guessed(mut self) -> Self {
        self.is_guess = true;
        self
    }

    /// The code.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// The description.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// What is behind it, if it is our own fault.
    pub fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }
}

impl From<Fault> for OauthError {
    fn from(fault: Fault) -> Self {
        let (code, description) = match fault.kind() {
            FaultKind::Unavailable => (
                ErrorCode::TemporarilyUnavailable,
                "The server cannot answer at present. Try again later",
            ),
            FaultKind::Internal => (ErrorCode::ServerError, "The server made an error"),
        };
        Self {
            fault: Some(fault),
            ..Self::new(code, description)
        }
    }
}

impl From<NotEncrypted> for OauthError {
    fn from(why: NotEncrypted) -> Self {
        let description = why.describe();
        match why {
            NotEncrypted::NoKey => Self::invalid_request(description),
            NotEncrypted::KeysUnavailable | NotEncrypted::KeysForbidden => {
                Self::new(ErrorCode::TemporarilyUnavailable, description)
            }
            NotEncrypted::Fault(fault) => fault.into(),
        }
    }
}

impl From<Malformed> for OauthError {
    fn from(malformed: Malformed) -> Self {
        Self::invalid_request(malformed.0)
    }
}

impl fmt::Display for OauthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.description)
    }
}
