//! The scopes of the admin API.

/// Every scope that allows an operation of the admin API. They are never granted by default, and whoever lacks one may
/// not give it.
pub const ADMIN_SCOPES: [&str; 23] = [
    "clients:read",
    "clients:write",
    "users:read",
    "users:write",
    "sessions:read",
    "sessions:write",
    "grants:read",
    "grants:write",
    "consents:read",
    "consents:write",
    "keys:read",
    "keys:write",
    "limits:read",
    "limits:write",
    "alerts:read",
    "alerts:write",
    "webhooks:read",
    "webhooks:write",
    "registration:read",
    "registration:write",
    "tenants:read",
    "tenants:write",
    "audit:read",
];

/// Whether a scope allows an operation of the admin API.
pub fn is_admin_scope(scope: &str) -> bool {
    ADMIN_SCOPES.contains(&scope)
}

/// Scopes over the tenants themselves, which only the first tenant has.
pub const FIRST_TENANT_SCOPES: [&str; 2] = ["tenants:read", "tenants:write"];

/// The role that allows every admin scope.
pub const ADMIN_ROLE: &str = "admin";

/// Whether a user with these roles may hold a scope: an admin scope needs a role that allows it, any other needs none.
pub fn role_allows(roles: &[String], scope: &str) -> bool {
    !is_admin_scope(scope) || roles.iter().any(|role| role == ADMIN_ROLE)
}
