//! `/admin/v1/users`.

mod document;
mod handlers;

use super::operation::{CURSOR, IF_MATCH, LIMIT, Operation, Parameter, ParameterKind, Verb};
use crate::protect::routes::Routes;

/// The list and the place of creation.
const PATH: &str = "/admin/v1/users";

/// Longest name to look for: that of an e-mail address.
const MAX_USERNAME: usize = 254;

/// Looks for one user.
const USERNAME: Parameter = Parameter {
    name: "username",
    description: "Only the user of this username or e-mail address.",
    kind: ParameterKind::Text {
        max_length: MAX_USERNAME,
    },
};

/// What all operations of this resource share.
const BASE: Operation = Operation {
    id: "",
    method: Verb::Get,
    path: "/admin/v1/users/{id}",
    tag: "Users",
    summary: "",
    description: "",
    scope: "users:write",
    body: None,
    parameters: &[],
    success: 200,
    answer: None,
    versioned: false,
    refusals: &[404],
};

const LIST: Operation = Operation {
    id: "listUsers",
    path: PATH,
    summary: "List users, newest first",
    scope: "users:read",
    parameters: &[LIMIT, CURSOR, USERNAME],
    answer: Some("UserList"),
    refusals: &[],
    ..BASE
};

const CREATE: Operation = Operation {
    id: "createUser",
    method: Verb::Post,
    path: PATH,
    summary: "Make an account",
    description: "A caller cannot give a role that allows admin scopes which it lacks.",
    body: Some("UserCreate"),
    success: 201,
    answer: Some("User"),
    versioned: true,
    refusals: &[409],
    ..BASE
};

const READ: Operation = Operation {
    id: "readUser",
    summary: "Read a user",
    scope: "users:read",
    answer: Some("User"),
    versioned: true,
    ..BASE
};

const UPDATE: Operation = Operation {
    id: "updateUser",
    method: Verb::Patch,
    summary: "Change a user",
    description: "A merge patch (RFC 7396). A user whose roles allow admin scopes that the caller lacks cannot be changed. \
        Disabling, or setting a password, ends all sessions and token families.",
    body: Some("UserPatch"),
    parameters: &[IF_MATCH],
    answer: Some("User"),
    versioned: true,
    refusals: &[404, 409, 412],
    ..BASE
};

const DELETE: Operation = Operation {
    id: "deleteUser",
    method: Verb::Delete,
    summary: "Delete a user",
    description: "Sessions, consents and everything granted by the user end at once.",
    parameters: &[IF_MATCH],
    success: 204,
    refusals: &[404, 412],
    ..BASE
};

const REVOKE: Operation = Operation {
    id: "revokeUser",
    method: Verb::Post,
    path: "/admin/v1/users/{id}/revoke",
    summary: "End all sessions and token families of a user",
    description: "The user can sign in again.",
    success: 204,
    ..BASE
};

/// Every operation of this resource.
pub(super) const OPERATIONS: &[&Operation] = &[&LIST, &CREATE, &READ, &UPDATE, &DELETE, &REVOKE];

pub(super) fn routes(routes: &mut Routes) {
    super::add(routes, &LIST, handlers::list);
    super::add(routes, &CREATE, handlers::create);
    super::add(routes, &READ, handlers::read);
    super::add(routes, &UPDATE, handlers::update);
    super::add(routes, &DELETE, handlers::delete);
    super::add(routes, &REVOKE, handlers::revoke);
}
