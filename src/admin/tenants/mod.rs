//! `/admin/v1/tenants`: the tenants of the deployment. Only the first tenant has them; elsewhere there is nothing at
//! these paths.

mod document;
mod handlers;
mod manage;

pub use self::document::view;
pub use self::manage::{Created, NotDone, change, check_patch, create, remove};

use super::operation::{CURSOR, IF_MATCH, LIMIT, Operation, Verb};
use crate::protect::routes::Routes;

/// The list and the place of creation.
const PATH: &str = "/admin/v1/tenants";

/// What all operations of this resource share.
const BASE: Operation = Operation {
    id: "",
    method: Verb::Get,
    path: "/admin/v1/tenants/{id}",
    tag: "Tenants",
    summary: "",
    description: "",
    scope: "tenants:write",
    body: None,
    parameters: &[],
    success: 200,
    answer: None,
    versioned: false,
    refusals: &[404],
};

const LIST: Operation = Operation {
    id: "listTenants",
    path: PATH,
    summary: "List tenants, newest first",
    description: "Tenants are administered in the first tenant; in every other one these paths answer 404.",
    scope: "tenants:read",
    parameters: &[LIMIT, CURSOR],
    answer: Some("TenantList"),
    ..BASE
};

const CREATE: Operation = Operation {
    id: "createTenant",
    method: Verb::Post,
    path: PATH,
    summary: "Make a tenant",
    description: "It gets keys and the client `admin`, which may get a token with every admin scope of the tenant; with \
        `admin_username` also a first user with the role admin. Their secrets are in this answer alone. Counted in the \
        expensive tier: keys are made.",
    body: Some("TenantCreate"),
    success: 201,
    answer: Some("TenantCreated"),
    versioned: true,
    refusals: &[404, 409],
    ..BASE
};

const READ: Operation = Operation {
    id: "readTenant",
    summary: "Read a tenant",
    scope: "tenants:read",
    answer: Some("Tenant"),
    versioned: true,
    ..BASE
};

const UPDATE: Operation = Operation {
    id: "updateTenant",
    method: Verb::Patch,
    summary: "Change, disable or enable a tenant",
    description: "A merge patch (RFC 7396). A disabled tenant serves nothing: its tokens, sessions and token families are of \
        no use until it is enabled again. The first tenant cannot be disabled.",
    body: Some("TenantPatch"),
    parameters: &[IF_MATCH],
    answer: Some("Tenant"),
    versioned: true,
    refusals: &[404, 409, 412],
    ..BASE
};

const DELETE: Operation = Operation {
    id: "deleteTenant",
    method: Verb::Delete,
    summary: "Delete a tenant",
    description: "Nothing of it works from this instant, and its name is free; its rows are removed within minutes. What \
        the audit log has of it stays. The first tenant cannot be deleted.",
    parameters: &[IF_MATCH],
    success: 204,
    refusals: &[404, 409, 412],
    ..BASE
};

/// Every operation of this resource.
pub(super) const OPERATIONS: &[&Operation] = &[&LIST, &CREATE, &READ, &UPDATE, &DELETE];

pub(super) fn routes(routes: &mut Routes) {
    super::add(routes, &LIST, handlers::list);
    super::add(routes, &CREATE, handlers::create);
    super::add(routes, &READ, handlers::read);
    super::add(routes, &UPDATE, handlers::update);
    super::add(routes, &DELETE, handlers::delete);
}
