//! Values that cannot be wrong: parsed once at the edge, passed on as types.
//!
//! Nothing here does I/O, knows actix or holds SQL text; how the types look in
//! a database column is in `storage/codec.rs`.

mod admin_scope;
mod algorithm;
mod attribute;
mod caller;
mod event;
mod ids;
mod language_tag;
mod registration;
mod scope;
mod secret;
mod time;
mod uri;
mod user_code;

pub use self::admin_scope::{ADMIN_ROLE, ADMIN_SCOPES, FIRST_TENANT_SCOPES, is_admin_scope, role_allows};
pub use self::algorithm::Algorithm;
pub use self::attribute::{
    Access, Attribute, AttributeKind, Attributes, Audience, MAX_ATTRIBUTES, MAX_NUMBER, MAX_TEXT, MAX_TEXTS,
    attribute_name,
};
pub use self::caller::Caller;
pub use self::event::{Event, EventType, Outcome};
pub use self::ids::{ClientId, GrantId, Kid, RegistrationTokenId, SessionId, TenantId, TenantName, UserId};
pub use self::language_tag::{MAX_LANGUAGE_TAG, is_language_tag};
pub use self::registration::{
    ApplicationType, AssertionAudience, AuthMethod, ConsumerClass, ContentEncryption, GrantType,
    IntrospectionRight, KeyManagement, ResponseType, SubjectType,
};
pub use self::scope::{Scope, ScopeSet};
pub use self::secret::{Secret, TokenHash, base64url};
pub use self::time::Timestamp;
pub use self::uri::{Issuer, RedirectUri, Resource, absolute_uri, is_loopback_host};
pub use self::user_code::UserCode;

use serde::Serialize;
use std::borrow::Cow;

/// A value from outside that does not have the form that its type demands. The
/// text says what would be right and never repeats the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// What is wrong with one member of a document from outside: where, as a JSON Pointer (RFC 6901), and what would be
/// right. Never repeats the value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The member.
    pub pointer: String,
    /// What would be right.
    pub detail: Cow<'static, str>,
}

impl Violation {
    /// A violation at a member.
    pub fn new(pointer: impl Into<String>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            pointer: pointer.into(),
            detail: detail.into(),
        }
    }
}
