//! People: their rows, and the identifiers by which they are found.

use super::{Db, Tx, changed, on};
use crate::fault::Fault;
use crate::types::{TenantId, Timestamp, UserId};
use serde_json::{Map, Value};
use sqlx::types::Json;
use std::fmt;

/// A person's account as stored. Personal data is sealed; `account::profile` opens it.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct User {
    /// Whose it is.
    pub tenant_id: TenantId,
    /// The account's id, never used again.
    pub id: UserId,
    /// The username in NFKC as it was typed; `None` where it is an e-mail address.
    pub username: Option<String>,
    /// Whether the account may be used.
    pub enabled: bool,
    /// Sessions and grants copy it; raising it ends all of them.
    pub epoch: i64,
    /// `None` for an account without a password.
    pub password_hash: Option<PasswordHash>,
    /// When the password was set.
    pub password_changed_at: Option<Timestamp>,
    /// Whether the password was set by somebody else and has to be changed at sign-in.
    pub password_temporary: bool,
    /// Roles; `admin` allows every admin scope.
    pub roles: Json<Vec<String>>,
    /// Claims of OIDC Core §5.1 that are kept in clear.
    pub claims: Json<Map<String, Value>>,
    /// The username where it is an e-mail address, sealed.
    pub sealed_username: Option<Vec<u8>>,
    /// `email`, sealed.
    pub email: Option<Vec<u8>>,
    /// `phone_number`, sealed.
    pub phone_number: Option<Vec<u8>>,
    /// `address`, sealed.
    pub address: Option<Vec<u8>>,
    /// `birthdate`, sealed.
    pub birthdate: Option<Vec<u8>>,
    /// Attributes that are no personal data, in clear.
    pub attributes: Json<Map<String, Value>>,
    /// All others, sealed together.
    pub sealed_attributes: Option<Vec<u8>>,
    /// The id of the data key that sealed them.
    pub sealed_with: String,
    /// Claim `email_verified`.
    pub email_verified: bool,
    /// Claim `phone_number_verified`.
    pub phone_verified: bool,
    /// Raised by every change of what the admin API shows.
    pub version: i64,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A salted, slow hash of a password in the form in which it is stored (PHC or modular crypt format). `Debug` hides it.
#[derive(Clone, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// A hash by its text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The hash as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

macro_rules! columns {
    () => {
        "tenant_id, id, username, enabled, epoch, password_hash, password_changed_at, password_temporary, roles, \
         claims, sealed_username, email, phone_number, address, birthdate, sealed_with, email_verified, \
         phone_verified, version, created_at, updated_at, attributes, sealed_attributes"
    };
}

/// Inserts a user; the identifiers belong into the same transaction.
pub async fn insert(tx: &mut Tx, user: &User) -> Result<(), Fault> {
    const SQL: &str = concat!(
        "INSERT INTO users (",
        columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)"
    );
    changed!(
        tx,
        sqlx::query(SQL)
            .bind(user.tenant_id)
            .bind(user.id)
            .bind(&user.username)
            .bind(user.enabled)
            .bind(user.epoch)
            .bind(&user.password_hash)
            .bind(user.password_changed_at)
            .bind(user.password_temporary)
            .bind(&user.roles)
            .bind(&user.claims)
            .bind(&user.sealed_username)
            .bind(&user.email)
            .bind(&user.phone_number)
            .bind(&user.address)
            .bind(&user.birthdate)
            .bind(&user.sealed_with)
            .bind(user.email_verified)
            .bind(user.phone_verified)
            .bind(user.version)
            .bind(user.created_at)
            .bind(user.updated_at)
            .bind(&user.attributes)
            .bind(&user.sealed_attributes)
    )?;
    Ok(())
}

/// Makes `blind` the user's identifiers, in place of those before. `false` when one of them is another user's; the
/// transaction must not be committed then. They are taken in sorted order, so that two users who want the same two do not
/// wait for each other.
pub async fn set_identifiers(
    tx: &mut Tx,
    tenant: TenantId,
    user: UserId,
    blind: &[[u8; 32]],
) -> Result<bool, Fault> {
    const DELETE: &str = "DELETE FROM user_identifiers WHERE tenant_id = $1 AND user_id = $2";
    const INSERT: &str = "INSERT INTO user_identifiers (tenant_id, blind, user_id) VALUES ($1, $2, $3)
        ON CONFLICT (tenant_id, blind) DO UPDATE SET user_id = excluded.user_id
        WHERE user_identifiers.user_id = excluded.user_id";
    changed!(&mut *tx, sqlx::query(DELETE).bind(tenant).bind(user))?;
    let mut sorted = blind.to_vec();
    sorted.sort_unstable();
    for blind in sorted {
        let own = changed!(
            &mut *tx,
            sqlx::query(INSERT).bind(tenant).bind(blind.as_slice()).bind(user)
        )?;
        if own == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A user by id.
pub async fn find(db: impl Into<Db<'_>>, tenant: TenantId, id: UserId) -> Result<Option<User>, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM users WHERE tenant_id = $1 AND id = $2"
    );
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(id)
        .fetch_optional(conn))
}

/// The user who has this identifier.
pub async fn find_by_identifier(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    blind: &[u8; 32],
) -> Result<Option<User>, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM users WHERE tenant_id = $1 AND id = (SELECT user_id FROM user_identifiers
            WHERE user_identifiers.tenant_id = $1 AND blind = $2)"
    );
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(blind.as_slice())
        .fetch_optional(conn))
}

/// Users, newest first, from after the given one on.
pub async fn list(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    after: Option<(Timestamp, UserId)>,
    limit: i64,
) -> Result<Vec<User>, Fault> {
    const FIRST: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM users WHERE tenant_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2"
    );
    const NEXT: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM users WHERE tenant_id = $1 AND (created_at, id) < ($3, $4) ORDER BY created_at DESC, id DESC LIMIT $2"
    );
    match after {
        None => on!(db, |conn| sqlx::query_as(FIRST)
            .bind(tenant)
            .bind(limit)
            .fetch_all(conn)),
        Some((created_at, id)) => on!(db, |conn| sqlx::query_as(NEXT)
            .bind(tenant)
            .bind(limit)
            .bind(created_at)
            .bind(id)
            .fetch_all(conn)),
    }
}

/// Whether the tenant has any user.
pub async fn any(db: impl Into<Db<'_>>, tenant: TenantId) -> Result<bool, Fault> {
    const SQL: &str = "SELECT EXISTS (SELECT 1 FROM users WHERE tenant_id = $1)";
    on!(db, |conn| sqlx::query_scalar(SQL).bind(tenant).fetch_one(conn))
}

/// Writes what may be edited, if the row still has `user.version`; gives the row as it is then. Disabling raises the
/// epoch, so that enabling again brings no old session or grant back.
pub async fn update(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    user: &User,
    now: Timestamp,
) -> Result<Option<User>, Fault> {
    const SQL: &str = concat!(
        "UPDATE users SET username = $4, enabled = $5, roles = $6, claims = $7, sealed_username = $8, email = $9, \
           phone_number = $10, address = $11, birthdate = $12, sealed_with = $13, email_verified = $14, \
           phone_verified = $15, password_temporary = $17, attributes = $18, \
           sealed_attributes = $19, version = version + 1, updated_at = $16, \
           epoch = CASE WHEN enabled AND NOT $5 THEN epoch + 1 ELSE epoch END \
         WHERE tenant_id = $1 AND id = $2 AND version = $3 RETURNING ",
        columns!()
    );
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(user.id)
        .bind(user.version)
        .bind(&user.username)
        .bind(user.enabled)
        .bind(&user.roles)
        .bind(&user.claims)
        .bind(&user.sealed_username)
        .bind(&user.email)
        .bind(&user.phone_number)
        .bind(&user.address)
        .bind(&user.birthdate)
        .bind(&user.sealed_with)
        .bind(user.email_verified)
        .bind(user.phone_verified)
        .bind(now)
        .bind(user.password_temporary)
        .bind(&user.attributes)
        .bind(&user.sealed_attributes)
        .fetch_optional(conn))
}

/// A password that is to be stored.
#[derive(Clone, Copy, Debug)]
pub struct NewPassword<'a> {
    /// Its hash.
    pub hash: &'a PasswordHash,
    /// Whether its user has to change it at sign-in.
    pub temporary: bool,
    /// The hash that it replaces: if the row has another one by now, nothing changes. `None` replaces any.
    pub instead_of: Option<&'a PasswordHash>,
}

/// Sets a password and ends all sessions and grants of the user in the same statement; gives the row as it is then.
pub async fn set_password(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    id: UserId,
    password: NewPassword<'_>,
    now: Timestamp,
) -> Result<Option<User>, Fault> {
    const SQL: &str = concat!(
        "UPDATE users SET password_hash = $3, password_temporary = $4, password_changed_at = $5, updated_at = $5, \
           epoch = epoch + 1, version = version + 1 \
         WHERE tenant_id = $1 AND id = $2 AND (password_hash = $6 OR $6 IS NULL) RETURNING ",
        columns!()
    );
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(id)
        .bind(password.hash)
        .bind(password.temporary)
        .bind(now)
        .bind(password.instead_of)
        .fetch_optional(conn))
}

/// Stores another hash of the same password, unless the password was changed meanwhile.
pub async fn replace_hash(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    id: UserId,
    old: &PasswordHash,
    new: &PasswordHash,
) -> Result<bool, Fault> {
    const SQL: &str = "UPDATE users SET password_hash = $4
        WHERE tenant_id = $1 AND id = $2 AND password_hash = $3";
    Ok(changed!(db, sqlx::query(SQL).bind(tenant).bind(id).bind(old).bind(new))? == 1)
}

/// Ends all sessions and grants of all users of all tenants: after a restore, when nobody knows which of them had ended.
pub async fn raise_all_epochs(tx: &mut Tx) -> Result<u64, Fault> {
    const SQL: &str = "UPDATE users SET epoch = epoch + 1";
    changed!(tx, sqlx::query(SQL))
}

/// Ends all sessions and grants of the user.
pub async fn raise_epoch(db: impl Into<Db<'_>>, tenant: TenantId, id: UserId) -> Result<bool, Fault> {
    const SQL: &str = "UPDATE users SET epoch = epoch + 1 WHERE tenant_id = $1 AND id = $2";
    Ok(changed!(db, sqlx::query(SQL).bind(tenant).bind(id))? == 1)
}

/// Deletes the user, with identifiers, sessions and consents; grants die because they find their user no more.
pub async fn delete(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    id: UserId,
    version: Option<i64>,
) -> Result<bool, Fault> {
    const SQL: &str = "DELETE FROM users WHERE tenant_id = $1 AND id = $2 AND (version = $3 OR $3 IS NULL)";
    Ok(changed!(db, sqlx::query(SQL).bind(tenant).bind(id).bind(version))? == 1)
}

/// Some users whose personal data is sealed with another data key than this one.
pub async fn list_sealed_with_other(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    key_id: &str,
    limit: i64,
) -> Result<Vec<User>, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM users WHERE tenant_id = $1 AND sealed_with <> $2 LIMIT $3"
    );
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(key_id)
        .bind(limit)
        .fetch_all(conn))
}

/// Writes the same personal data sealed anew, unless the row was changed meanwhile.
pub async fn reseal(db: impl Into<Db<'_>>, tenant: TenantId, user: &User) -> Result<bool, Fault> {
    const SQL: &str = "UPDATE users SET sealed_username = $4, email = $5, phone_number = $6, address = $7,
            birthdate = $8, sealed_with = $9, sealed_attributes = $10
        WHERE tenant_id = $1 AND id = $2 AND version = $3";
    Ok(changed!(
        db,
        sqlx::query(SQL)
            .bind(tenant)
            .bind(user.id)
            .bind(user.version)
            .bind(&user.sealed_username)
            .bind(&user.email)
            .bind(&user.phone_number)
            .bind(&user.address)
            .bind(&user.birthdate)
            .bind(&user.sealed_with)
            .bind(&user.sealed_attributes)
    )? == 1)
}
