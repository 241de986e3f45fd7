//! What an operation of the HTTP API is: the one place from which its route, the scope that it needs and its
//! description are taken.

use super::page;
use crate::protect::limits::Tier;
use crate::protect::routes::{Body, Policy};
use actix_web::http::Method;

/// An operation of the admin API.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// `operationId`.
    pub id: &'static str,
    /// The method.
    pub method: Verb,
    /// The path below the issuer, with parameters in braces.
    pub path: &'static str,
    /// The group in the description.
    pub tag: &'static str,
    /// One line.
    pub summary: &'static str,
    /// What else there is to know; may be empty.
    pub description: &'static str,
    /// The scope that the caller's token must hold.
    pub scope: &'static str,
    /// The name of the body's schema, where there is a body.
    pub body: Option<&'static str>,
    /// Parameters besides those in the path.
    pub parameters: &'static [Parameter],
    /// The status of success.
    pub success: u16,
    /// The name of the answer's schema, where there is an answer.
    pub answer: Option<&'static str>,
    /// Whether the answer has an `ETag`.
    pub versioned: bool,
    /// Statuses of refusals that not every operation has: 404, 409, 412.
    pub refusals: &'static [u16],
}

/// A method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Get,
    Post,
    Patch,
    Delete,
}

/// A parameter of the query or a header.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub description: &'static str,
    /// What it may be.
    pub kind: ParameterKind,
}

/// What a parameter may be.
#[derive(Clone, Copy, Debug)]
pub enum ParameterKind {
    /// A whole number in the query.
    Integer {
        /// The least.
        minimum: i64,
        /// The most.
        maximum: i64,
        /// What holds where it is absent.
        default: i64,
    },
    /// A text in the query.
    Text {
        /// The longest.
        max_length: usize,
    },
    /// A text of a certain form in the query.
    Matching(&'static str),
    /// An IP address in the query.
    Address,
    /// An RFC 3339 time in the query.
    Time,
    /// One of these words in the query.
    Word(&'static [&'static str]),
    /// A header.
    Header,
}

/// How many entries a page of a list has.
pub const LIMIT: Parameter = Parameter {
    name: "limit",
    description: "Entries of a page.",
    kind: ParameterKind::Integer {
        minimum: 1,
        maximum: 100,
        default: 20,
    },
};

/// Where a page of a list starts.
pub const CURSOR: Parameter = Parameter {
    name: "cursor",
    description: "`next_cursor` of the page before.",
    kind: ParameterKind::Matching(page::CURSOR_BY_ID),
};

/// Where a page of a list starts whose entries have names.
pub const CURSOR_BY_NAME: Parameter = Parameter {
    kind: ParameterKind::Matching(page::CURSOR_BY_NAME),
    ..CURSOR
};

/// Entries of one user.
pub const USER_ID: Parameter = Parameter {
    name: "user_id",
    description: "Only those of this user.",
    kind: ParameterKind::Matching("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"),
};

/// Entries of one client.
pub const CLIENT_ID: Parameter = Parameter {
    name: "client_id",
    description: "Only those of this client.",
    kind: ParameterKind::Matching("^[A-Za-z0-9._~-]{1,64}$"),
};

/// The version that a change is made to.
pub const IF_MATCH: Parameter = Parameter {
    name: "If-Match",
    description: "The `ETag` of the version that is to be changed; another version is refused with 412.",
    kind: ParameterKind::Header,
};

impl Verb {
    /// As HTTP has it.
    pub fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Post => Method::POST,
            Self::Patch => Method::PATCH,
            Self::Delete => Method::DELETE,
        }
    }

    /// As OpenAPI writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

impl Operation {
    /// What the layers around the operation have to know.
    pub fn policy(&self) -> Policy {
        let body = match (self.body, self.method) {
            (None, _) => Body::None,
            (Some(_), Verb::Patch) => Body::MergePatch,
            (Some(_), _) => Body::Json,
        };
        let policy = Policy::ADMIN.body(body);
        let ends_with = |ends: &[&str]| ends.iter().any(|end| self.path.ends_with(end));
        if ends_with(&["/rotate"]) || self.id == "createTenant" {
            // Making keys is a second's work for a core.
            policy.tier(Tier::Expensive)
        } else if ends_with(&["/secret", "/keys/{kid}/retire", "/keys/{kid}/revoke"]) {
            policy.tier(Tier::Sensitive)
        } else {
            policy
        }
    }
}
