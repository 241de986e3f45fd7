//! `/admin/v1/clients`.

mod change;
mod handlers;
mod register;

pub use self::register::{register, view};

use super::operation::{CURSOR_BY_NAME, IF_MATCH, LIMIT, Operation, Verb};
use crate::protect::routes::Routes;

/// The list and the place of creation.
const PATH: &str = "/admin/v1/clients";

/// What all operations of this resource share.
const BASE: Operation = Operation {
    id: "",
    method: Verb::Get,
    path: "/admin/v1/clients/{client_id}",
    tag: "Clients",
    summary: "",
    description: "",
    scope: "clients:write",
    body: None,
    parameters: &[],
    success: 200,
    answer: None,
    versioned: false,
    refusals: &[404],
};

const LIST: Operation = Operation {
    id: "listClients",
    path: PATH,
    summary: "List clients, newest first",
    scope: "clients:read",
    parameters: &[LIMIT, CURSOR_BY_NAME],
    answer: Some("ClientList"),
    refusals: &[],
    ..BASE
};

const CREATE: Operation = Operation {
    id: "createClient",
    method: Verb::Post,
    path: PATH,
    summary: "Register a client",
    description: "The answer alone holds the client's secret. A caller cannot give an admin scope that it lacks.",
    body: Some("ClientCreate"),
    success: 201,
    answer: Some("ClientCreated"),
    versioned: true,
    refusals: &[409],
    ..BASE
};

const READ: Operation = Operation {
    id: "readClient",
    summary: "Read a client",
    scope: "clients:read",
    answer: Some("Client"),
    versioned: true,
    ..BASE
};

const UPDATE: Operation = Operation {
    id: "updateClient",
    method: Verb::Patch,
    summary: "Change a client",
    description: "A merge patch (RFC 7396). A client with admin scopes that the caller lacks cannot be changed.",
    body: Some("ClientPatch"),
    parameters: &[IF_MATCH],
    answer: Some("Client"),
    versioned: true,
    refusals: &[404, 409, 412],
    ..BASE
};

const DELETE: Operation = Operation {
    id: "deleteClient",
    method: Verb::Delete,
    summary: "Delete a client",
    description: "Everything granted to it ends at once.",
    parameters: &[IF_MATCH],
    success: 204,
    refusals: &[404, 412],
    ..BASE
};

const ROTATE_SECRET: Operation = Operation {
    id: "rotateClientSecret",
    method: Verb::Post,
    path: "/admin/v1/clients/{client_id}/secret",
    summary: "Give a client a new secret",
    description: "The present secret goes on working for grace_seconds; the one before it ends at once.",
    body: Some("ClientSecretRotate"),
    parameters: &[IF_MATCH],
    answer: Some("ClientSecret"),
    versioned: true,
    refusals: &[404, 409, 412],
    ..BASE
};

const REVOKE: Operation = Operation {
    id: "revokeClient",
    method: Verb::Post,
    path: "/admin/v1/clients/{client_id}/revoke",
    summary: "Disable a client and end everything granted to it",
    description: "What it was granted stays ended, also after it is enabled again.",
    parameters: &[IF_MATCH],
    success: 204,
    refusals: &[404, 412],
    ..BASE
};

/// Every operation of this resource.
pub(super) const OPERATIONS: &[&Operation] =
    &[&LIST, &CREATE, &READ, &UPDATE, &DELETE, &ROTATE_SECRET, &REVOKE];

pub(super) fn routes(routes: &mut Routes) {
    super::add(routes, &LIST, handlers::list);
    super::add(routes, &CREATE, handlers::create);
    super::add(routes, &READ, handlers::read);
    super::add(routes, &UPDATE, handlers::update);
    super::add(routes, &DELETE, handlers::delete);
    super::add(routes, &ROTATE_SECRET, handlers::rotate_secret);
    super::add(routes, &REVOKE, handlers::revoke);
}
