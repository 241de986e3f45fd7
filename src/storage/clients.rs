//! Clients, the resources that they are, and the assertion identifiers that they have used.

pub use super::client_metadata::ClientMetadata;

use super::registration_tokens::RegistrationBounds;
use super::{Db, Tx, changed, on};
use crate::fault::Fault;
use crate::types::{ClientId, RegistrationTokenId, Resource, TenantId, Timestamp, TokenHash};
use sqlx::types::Json;

/// How long it is kept when a client was deleted: longer than any token of it can live. A day.
const DELETED_KEPT_S: i64 = 86_400;

/// A registered client (RFC 6749 §2).
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Client {
    /// Whose it is.
    pub tenant_id: TenantId,
    /// Its identifier, unique within the tenant; the `sub` of tokens that it gets for itself.
    pub client_id: ClientId,
    /// A disabled client is refused like an unknown one.
    pub enabled: bool,
    /// Grants copy it; raising it ends all that was granted before.
    pub epoch: i64,
    /// Tokens without a grant that were issued before are inactive.
    pub tokens_valid_from: Timestamp,
    /// The hash of its secret, where it has one.
    pub secret_hash: Option<TokenHash>,
    /// The hash of the secret before the last rotation.
    pub previous_secret_hash: Option<TokenHash>,
    /// Until when the previous secret works.
    pub previous_secret_expires_at: Option<Timestamp>,
    /// What is registered for it.
    pub metadata: Json<ClientMetadata>,
    /// Raised by every change; the `ETag`.
    pub version: i64,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The hash of its registration access token (RFC 7592), where it registered itself.
    pub registration_token_hash: Option<TokenHash>,
    /// The initial access token that it registered with.
    pub registered_with: Option<RegistrationTokenId>,
    /// What that token let it have at most.
    pub registration_bounds: Option<Json<RegistrationBounds>>,
    /// The address that it registered from, where it needed no token.
    pub registered_from: Option<String>,
    /// When it last got a token, to within a day; kept for clients that registered themselves.
    pub last_used_at: Option<Timestamp>,
}

impl Client {
    /// The epoch and `tokens_valid_from` of a client that is registered at `now`. The epoch counts from the instant,
    /// so that nothing that was granted to a deleted client of the same name comes to life again.
    fn first_validity(now: Timestamp) -> (i64, Timestamp) {
        (now.micros(), now.plus_seconds(-1))
    }

    /// A client as it is registered at `now`: enabled, in its first version.
    pub fn new(
        tenant_id: TenantId,
        client_id: ClientId,
        metadata: ClientMetadata,
        secret_hash: Option<TokenHash>,
        now: Timestamp,
    ) -> Self {
        let (epoch, tokens_valid_from) = Self::first_validity(now);
        Self {
            tenant_id,
            client_id,
            enabled: true,
            epoch,
            tokens_valid_from,
            secret_hash,
            previous_secret_hash: None,
            previous_secret_expires_at: None,
            metadata: Json(metadata),
            version: 1,
            created_at: now,
            updated_at: now,
            registration_token_hash: None,
            registered_with: None,
            registration_bounds: None,
            registered_from: None,
            last_used_at: None,
        }
    }

    /// Whether it registered itself, and no administrator made it.
    pub fn registered_itself(&self) -> bool {
        self.registration_token_hash.is_some()
    }

    /// Whether a token that is bound to no grant and was issued at `iat` (Unix seconds) still counts. `iat` has whole
    /// seconds: within the second of a revocation the token loses.
    pub fn honours_tokens_from(&self, iat: i64) -> bool {
        self.enabled && iat > self.tokens_valid_from.seconds()
    }
}

/// Whether an identifier that must not come twice was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// The first time.
    Fresh,
    /// It was used before.
    Replayed,
}

/// Registers a client. `false` when the identifier is taken.
///
/// The identifier may have been another client's. `iat` has whole seconds: what was issued to that one in the second of
/// its deletion must not count as this one's, so the tokens of this one count from the next second then.
pub async fn insert(db: impl Into<Db<'_>>, client: &Client) -> Result<bool, Fault> {
    const SQL: &str =
        "INSERT INTO clients (tenant_id, client_id, enabled, epoch, tokens_valid_from, secret_hash,
            previous_secret_hash, previous_secret_expires_at, metadata, version, created_at, updated_at,
            registration_token_hash, registered_with, registration_bounds, registered_from, last_used_at)
        VALUES ($1, $2, $3, $4,
            COALESCE((SELECT deleted_at FROM deleted_clients WHERE tenant_id = $1 AND client_id = $2), $5),
            $6, NULL, NULL, $7, $8, $9, $10, $11, $12, $13, $14, $15)
        ON CONFLICT (tenant_id, client_id) DO NOTHING";
    let inserted = changed!(
        db,
        sqlx::query(SQL)
            .bind(client.tenant_id)
            .bind(&client.client_id)
            .bind(client.enabled)
            .bind(client.epoch)
            .bind(client.tokens_valid_from)
            .bind(&client.secret_hash)
            .bind(&client.metadata)
            .bind(client.version)
            .bind(client.created_at)
            .bind(client.updated_at)
            .bind(&client.registration_token_hash)
            .bind(client.registered_with)
            .bind(&client.registration_bounds)
            .bind(&client.registered_from)
            .bind(client.last_used_at)
    )?;
    Ok(inserted == 1)
}

/// Finds a client by its identifier.
pub async fn find(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    client_id: &ClientId,
) -> Result<Option<Client>, Fault> {
    const SQL: &str = "SELECT tenant_id, client_id, enabled, epoch, tokens_valid_from, secret_hash,
            previous_secret_hash, previous_secret_expires_at, metadata, version, created_at, updated_at,
            registration_token_hash, registered_with, registration_bounds, registered_from, last_used_at
        FROM clients WHERE tenant_id = $1 AND client_id = $2";
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(client_id)
        .fetch_optional(conn))
}

/// Where a page of clients starts: after this one, in the order of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    /// When the last client of the page before was registered.
    pub created_at: Timestamp,
    /// That client's identifier.
    pub client_id: ClientId,
}

/// A page of clients, newest first.
pub async fn list(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    after: Option<&After>,
    limit: i64,
) -> Result<Vec<Client>, Fault> {
    const FIRST: &str = "SELECT tenant_id, client_id, enabled, epoch, tokens_valid_from, secret_hash,
            previous_secret_hash, previous_secret_expires_at, metadata, version, created_at, updated_at,
            registration_token_hash, registered_with, registration_bounds, registered_from, last_used_at
        FROM clients WHERE tenant_id = $1
        ORDER BY created_at DESC, client_id DESC LIMIT $2";
    const NEXT: &str = "SELECT tenant_id, client_id, enabled, epoch, tokens_valid_from, secret_hash,
            previous_secret_hash, previous_secret_expires_at, metadata, version, created_at, updated_at,
            registration_token_hash, registered_with, registration_bounds, registered_from, last_used_at
        FROM clients WHERE tenant_id = $1 AND (created_at, client_id) < ($3, $4)
        ORDER BY created_at DESC, client_id DESC LIMIT $2";
    match after {
        None => on!(db, |conn| sqlx::query_as(FIRST)
            .bind(tenant)
            .bind(limit)
            .fetch_all(conn)),
        Some(after) => on!(db, |conn| sqlx::query_as(NEXT)
            .bind(tenant)
            .bind(limit)
            .bind(after.created_at)
            .bind(&after.client_id)
            .fetch_all(conn)),
    }
}

/// Whether the tenant has any client: the first start creates one where there is none.
pub async fn any(db: impl Into<Db<'_>>, tenant: TenantId) -> Result<bool, Fault> {
    const SQL: &str =
        "SELECT COUNT(*) FROM (SELECT 1 AS one FROM clients WHERE tenant_id = $1 LIMIT 1) AS found";
    let count: i64 = on!(db, |conn| sqlx::query_scalar(SQL).bind(tenant).fetch_one(conn))?;
    Ok(count > 0)
}

/// Whether a registration names a URI of this origin, or the origin itself. `origin` holds nothing but the characters of
/// one, of which only `_` has a meaning in a pattern; it is escaped.
pub async fn any_names_origin(db: impl Into<Db<'_>>, tenant: TenantId, origin: &str) -> Result<bool, Fault> {
    const POSTGRES: &str =
        "SELECT COUNT(*) FROM (SELECT 1 AS one FROM clients WHERE tenant_id = $1 AND enabled
        AND (metadata::text LIKE $2 ESCAPE '!' OR metadata::text LIKE $3 ESCAPE '!') LIMIT 1) AS found";
    const SQLITE: &str = "SELECT COUNT(*) FROM (SELECT 1 AS one FROM clients WHERE tenant_id = $1 AND enabled
        AND (metadata LIKE $2 ESCAPE '!' OR metadata LIKE $3 ESCAPE '!') LIMIT 1) AS found";
    let origin = origin.replace('_', "!_");
    let (uri, alone) = (format!("%\"{origin}/%"), format!("%\"{origin}\"%"));
    let count: i64 = on!(db, |conn, sql = (POSTGRES, SQLITE)| sqlx::query_scalar(sql)
        .bind(tenant)
        .bind(&uri)
        .bind(&alone)
        .fetch_one(conn))?;
    Ok(count > 0)
}

/// Writes a client's registration, secrets and state if it still has the version that `client` was read with; the row's version
/// is raised by one. `false` when somebody else changed or deleted it meanwhile.
///
/// When `revoke` is set, everything that was granted to it before ends too.
pub async fn update(
    db: impl Into<Db<'_>>,
    client: &Client,
    revoke: bool,
    now: Timestamp,
) -> Result<bool, Fault> {
    const SQL: &str =
        "UPDATE clients SET enabled = $4, metadata = $5, secret_hash = $6, previous_secret_hash = $7,
            previous_secret_expires_at = $8, version = version + 1, updated_at = $9,
            epoch = epoch + $10, tokens_valid_from = CASE WHEN $10 = 1 THEN $9 ELSE tokens_valid_from END
        WHERE tenant_id = $1 AND client_id = $2 AND version = $3";
    let updated = changed!(
        db,
        sqlx::query(SQL)
            .bind(client.tenant_id)
            .bind(&client.client_id)
            .bind(client.version)
            .bind(client.enabled)
            .bind(&client.metadata)
            .bind(&client.secret_hash)
            .bind(&client.previous_secret_hash)
            .bind(client.previous_secret_expires_at)
            .bind(now)
            .bind(i64::from(revoke))
    )?;
    Ok(updated == 1)
}

/// Ends everything that was granted to any client of any tenant so far: after a restore, when nobody knows what of it had
/// been revoked.
pub async fn raise_all_epochs(tx: &mut Tx, now: Timestamp) -> Result<u64, Fault> {
    const SQL: &str = "UPDATE clients SET epoch = epoch + 1, tokens_valid_from = $1";
    changed!(tx, sqlx::query(SQL).bind(now))
}

/// Deletes a client if it still has this version. What was granted to it ends with it. When it was is kept for as long as
/// one of its tokens can live, for a client that is registered under the same identifier.
pub async fn delete(
    tx: &mut Tx,
    tenant: TenantId,
    client_id: &ClientId,
    version: i64,
    now: Timestamp,
) -> Result<bool, Fault> {
    const SQL: &str = "DELETE FROM clients WHERE tenant_id = $1 AND client_id = $2 AND version = $3";
    let deleted = changed!(
        &mut *tx,
        sqlx::query(SQL).bind(tenant).bind(client_id).bind(version)
    )?;
    if deleted == 0 {
        return Ok(false);
    }
    note_deleted(tx, tenant, client_id, now).await?;
    Ok(true)
}

/// Notes when a client was deleted, in the transaction that deletes it.
pub(super) async fn note_deleted(
    tx: &mut Tx,
    tenant: TenantId,
    client_id: &ClientId,
    now: Timestamp,
) -> Result<(), Fault> {
    const SQL: &str = "INSERT INTO deleted_clients (tenant_id, client_id, deleted_at) VALUES ($1, $2, $3)
        ON CONFLICT (tenant_id, client_id) DO UPDATE SET deleted_at = excluded.deleted_at";
    changed!(tx, sqlx::query(SQL).bind(tenant).bind(client_id).bind(now))?;
    Ok(())
}

/// Forgets deleted clients none of whose tokens can be alive any more, at most `limit` at once; gives how many.
pub async fn purge_deleted(db: impl Into<Db<'_>>, now: Timestamp, limit: i64) -> Result<u64, Fault> {
    const SQL: &str = "DELETE FROM deleted_clients WHERE (tenant_id, client_id) IN
        (SELECT tenant_id, client_id FROM deleted_clients WHERE deleted_at < $1 ORDER BY deleted_at LIMIT $2)";
    changed!(
        db,
        sqlx::query(SQL)
            .bind(now.plus_seconds(-DELETED_KEPT_S))
            .bind(limit)
    )
}

/// Makes the client the owner of exactly these resources. Gives the first one that belongs to another client; the
/// caller then rolls back.
pub async fn set_resource_identifiers(
    tx: &mut Tx,
    tenant: TenantId,
    client_id: &ClientId,
    resources: &[Resource],
) -> Result<Option<usize>, Fault> {
    const CLEAR: &str = "DELETE FROM client_resources WHERE tenant_id = $1 AND client_id = $2";
    const CLAIM: &str = "INSERT INTO client_resources (tenant_id, resource, client_id) VALUES ($1, $2, $3)
        ON CONFLICT (tenant_id, resource) DO NOTHING";
    changed!(&mut *tx, sqlx::query(CLEAR).bind(tenant).bind(client_id))?;
    for (position, resource) in resources.iter().enumerate() {
        let claimed = changed!(
            &mut *tx,
            sqlx::query(CLAIM)
                .bind(tenant)
                .bind(resource.as_str())
                .bind(client_id)
        )?;
        if claimed == 0 {
            return Ok(Some(position));
        }
    }
    Ok(None)
}

/// Notes that an assertion was used. RFC 7523 §3, item 7: "The authorization server MAY ensure that JWTs are not
/// replayed by maintaining the set of used "jti" values for the length of time for which the JWT would be considered
/// valid". The insert decides: of two that come at once, on any replica, one is fresh.
pub async fn use_jti(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    client_id: &ClientId,
    jti: &TokenHash,
    expires_at: Timestamp,
) -> Result<Use, Fault> {
    const SQL: &str =
        "INSERT INTO used_jtis (tenant_id, client_id, jti_hash, expires_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (tenant_id, client_id, jti_hash) DO NOTHING";
    let inserted = changed!(
        db,
        sqlx::query(SQL)
            .bind(tenant)
            .bind(client_id)
            .bind(jti)
            .bind(expires_at)
    )?;
    Ok(if inserted == 1 { Use::Fresh } else { Use::Replayed })
}

/// Forgets assertions that have expired, at most `limit` at once; gives how many.
pub async fn purge_jtis(db: impl Into<Db<'_>>, before: Timestamp, limit: i64) -> Result<u64, Fault> {
    const SQL: &str = "DELETE FROM used_jtis WHERE (tenant_id, client_id, jti_hash) IN
        (SELECT tenant_id, client_id, jti_hash FROM used_jtis WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    changed!(db, sqlx::query(SQL).bind(before).bind(limit))
}
