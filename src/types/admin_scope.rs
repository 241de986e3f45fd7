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
