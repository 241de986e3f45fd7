//! The token family: one row for everything that one authorization yields.
//!
//! Each decision is one guarded statement. Revoking a user, client, consent or session touches only *that* row: every
//! statement here that gives something tests their epochs (see `live!`), so that nothing granted before lives on.

pub use super::grant::{Grant, GrantState, Presented, Redemption, RotateBy, Rotation, SALT_LENGTH};

use super::grant::classify;
use super::{Db, Store, Tx, changed, on};
use crate::fault::Fault;
use crate::types::{ClientId, GrantId, SessionId, TenantId, Timestamp, UserId};

/// For how long a code that comes again is taken for theft; old codes lie in histories and logs.
const CODE_REPLAY_SECONDS: i64 = 600;

macro_rules! columns {
    () => {
        "tenant_id, id, client_id, user_id, session_id, scope, resources, claims, nonce, auth_time, acr, amr, \
         redirect_uri, redirect_uri_sent, code_challenge, confirmation, offline, user_epoch, client_epoch, \
         consent_epoch, state, generation, salt, previous_salt, rotated_at, rotated_ip, code_expires_at, created_at, \
         expires_at, revoked_at, revoke_reason"
    };
}

/// Whether user, client, session and consent still stand as they stood when the grant was made. `$now` is the number of
/// the statement's parameter with the present time.
macro_rules! live {
    ($now:literal) => {
        concat!(
            " AND EXISTS (SELECT 1 FROM tenants WHERE tenants.id = grants.tenant_id AND tenants.enabled) \
              AND EXISTS (SELECT 1 FROM users WHERE users.tenant_id = grants.tenant_id AND users.id = grants.user_id \
                AND users.enabled AND users.epoch = grants.user_epoch) \
              AND EXISTS (SELECT 1 FROM clients WHERE clients.tenant_id = grants.tenant_id \
                AND clients.client_id = grants.client_id AND clients.enabled AND clients.epoch = grants.client_epoch) \
              AND (grants.offline OR grants.session_id IS NULL OR EXISTS (SELECT 1 FROM sessions \
                WHERE sessions.tenant_id = grants.tenant_id AND sessions.id = grants.session_id \
                AND sessions.ended_at IS NULL AND sessions.expires_at > ",
            $now,
            ")) AND (grants.consent_epoch IS NULL OR EXISTS (SELECT 1 FROM consents \
                WHERE consents.tenant_id = grants.tenant_id AND consents.user_id = grants.user_id \
                AND consents.client_id = grants.client_id AND consents.epoch = grants.consent_epoch \
                AND consents.withdrawn_at IS NULL)) "
        )
    };
}

/// Inserts a grant whose code goes out.
pub async fn insert(db: impl Into<Db<'_>>, grant: &Grant) -> Result<(), Fault> {
    const SQL: &str = concat!(
        "INSERT INTO grants (",
        columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, \
          $22, $23, $24, $25, $26, $27, $28, $29, $30, $31)"
    );
    changed!(
        db,
        sqlx::query(SQL)
            .bind(grant.tenant_id)
            .bind(grant.id)
            .bind(&grant.client_id)
            .bind(grant.user_id)
            .bind(grant.session_id)
            .bind(&grant.scope)
            .bind(&grant.resources)
            .bind(&grant.claims)
            .bind(&grant.nonce)
            .bind(grant.auth_time)
            .bind(&grant.acr)
            .bind(&grant.amr)
            .bind(&grant.redirect_uri)
            .bind(grant.redirect_uri_sent)
            .bind(&grant.code_challenge)
            .bind(&grant.confirmation)
            .bind(grant.offline)
            .bind(grant.user_epoch)
            .bind(grant.client_epoch)
            .bind(grant.consent_epoch)
            .bind(grant.state)
            .bind(grant.generation)
            .bind(&grant.salt)
            .bind(&grant.previous_salt)
            .bind(grant.rotated_at)
            .bind(&grant.rotated_ip)
            .bind(grant.code_expires_at)
            .bind(grant.created_at)
            .bind(grant.expires_at)
            .bind(grant.revoked_at)
            .bind(&grant.revoke_reason)
    )?;
    Ok(())
}

/// Redeems a code: exactly one of any number of racing requests gets [`Redemption::Redeemed`]. The redirect URI and the
/// PKCE challenge are compared in the same statement.
///
/// `challenge` is the S256 transformation of the presented verifier, `None` without one.
pub async fn redeem(
    store: &Store,
    tenant: TenantId,
    code: Presented<'_>,
    redirect_uri: Option<&str>,
    challenge: Option<&str>,
    by: RotateBy<'_>,
    now: Timestamp,
) -> Result<Redemption, Fault> {
    const SQL: &str = concat!(
        "UPDATE grants SET state = 'active', generation = 1, previous_salt = salt, salt = $5, rotated_at = $6, \
           rotated_ip = $7 \
         WHERE tenant_id = $1 AND id = $2 AND salt = $3 AND client_id = $4 AND state = 'pending' AND generation = 0 \
           AND code_expires_at > $6 AND expires_at > $6 \
           AND (redirect_uri = $8 OR ($8 IS NULL AND NOT redirect_uri_sent)) \
           AND code_challenge IS NOT DISTINCT FROM $9 \
           AND (confirmation IS NULL OR confirmation = $10)",
        live!("$6"),
        "RETURNING ",
        columns!()
    );
    let redeemed: Option<Grant> = on!(&mut store.write().await?, |conn| {
        sqlx::query_as(SQL)
            .bind(tenant)
            .bind(code.id)
            .bind(code.salt)
            .bind(code.client_id)
            .bind(by.new_salt)
            .bind(now)
            .bind(by.ip)
            .bind(redirect_uri)
            .bind(challenge)
            .bind(by.confirmation)
            .fetch_optional(conn)
    })?;
    if let Some(grant) = redeemed {
        return Ok(Redemption::Redeemed(Box::new(grant)));
    }
    let Some(grant) = find(&mut store.write().await?, tenant, code.id)
        .await?
        .map(Box::new)
    else {
        return Ok(Redemption::Refused("unknown", None));
    };
    if grant.client_id != *code.client_id {
        return Ok(Redemption::Stolen(grant));
    }
    if grant.state == GrantState::Pending {
        if grant.salt != code.salt {
            return Ok(Redemption::Refused("lost_timeline", Some(grant)));
        }
        if grant.code_expires_at <= now {
            return Ok(Redemption::Refused("expired", Some(grant)));
        }
        // RFC 9700 §2.1.1, RFC 7636 §4.6: whoever has the code but not the verifier did not get it from us.
        return Ok(Redemption::Mismatch(grant));
    }
    if now < grant.created_at.plus_seconds(CODE_REPLAY_SECONDS) {
        return Ok(Redemption::Replayed(grant));
    }
    Ok(Redemption::Refused("used_long_ago", Some(grant)))
}

/// Redeems what a person agreed to for a device (RFC 8628 §3.5): exactly one of any number of racing polls gets the grant,
/// whose `previous_salt` is what [`put_back`] needs. The device code was checked before; there is no other token for it.
pub async fn redeem_approved(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    id: GrantId,
    client: &ClientId,
    by: RotateBy<'_>,
    now: Timestamp,
) -> Result<Option<Grant>, Fault> {
    const SQL: &str = concat!(
        "UPDATE grants SET state = 'active', generation = 1, previous_salt = salt, salt = $4, rotated_at = $5, \
           rotated_ip = $6 \
         WHERE tenant_id = $1 AND id = $2 AND client_id = $3 AND state = 'pending' AND generation = 0 \
           AND code_expires_at > $5 AND expires_at > $5 AND (confirmation IS NULL OR confirmation = $7)",
        live!("$5"),
        "RETURNING ",
        columns!()
    );
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(id)
        .bind(client)
        .bind(by.new_salt)
        .bind(now)
        .bind(by.ip)
        .bind(by.confirmation)
        .fetch_optional(conn))
}

/// Uses a refresh token. Of any number of racing requests exactly one gets [`Rotation::Rotated`] (RFC 9700 §4.14.2);
/// what the others are is read from the row afterwards.
pub async fn rotate(
    store: &Store,
    tenant: TenantId,
    token: Presented<'_>,
    by: RotateBy<'_>,
    now: Timestamp,
) -> Result<Rotation, Fault> {
    const ROTATE: &str = concat!(
        "UPDATE grants SET generation = generation + 1, previous_salt = salt, salt = $6, rotated_at = $7, \
           rotated_ip = $8 \
         WHERE tenant_id = $1 AND id = $2 AND generation = $3 AND salt = $4 AND client_id = $5 AND state = 'active' \
           AND expires_at > $7 AND (confirmation IS NULL OR confirmation = $9)",
        live!("$7"),
        "RETURNING ",
        columns!()
    );
    const KEEP: &str = concat!(
        "UPDATE grants SET rotated_at = $7, rotated_ip = $8 \
         WHERE tenant_id = $1 AND id = $2 AND generation = $3 AND salt = $4 AND client_id = $5 AND state = 'active' \
           AND expires_at > $7 AND (confirmation IS NULL OR confirmation = $9) AND $6 = $6",
        live!("$7"),
        "RETURNING ",
        columns!()
    );
    let sql = if by.keep { KEEP } else { ROTATE };
    let rotated: Option<Grant> = on!(&mut store.write().await?, |conn| {
        sqlx::query_as(sql)
            .bind(tenant)
            .bind(token.id)
            .bind(token.generation)
            .bind(token.salt)
            .bind(token.client_id)
            .bind(by.new_salt)
            .bind(now)
            .bind(by.ip)
            .bind(by.confirmation)
            .fetch_optional(conn)
    })?;
    if let Some(grant) = rotated {
        return Ok(Rotation::Rotated(Box::new(grant)));
    }
    if by.retry_seconds > 0
        && let Some(grant) = repeat(&mut store.write().await?, tenant, token, by, now).await?
    {
        return Ok(Rotation::Repeated(Box::new(grant)));
    }
    // The writer's connection also on SQLite: what is read here must not be older than the statement that failed.
    let Some(grant) = find(&mut store.write().await?, tenant, token.id)
        .await?
        .map(Box::new)
    else {
        return Ok(Rotation::Refused("unknown", None));
    };
    Ok(classify(grant, token, by, now))
}

/// The same successor again: the presented token is the one before the newest, which has not been used.
async fn repeat(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    token: Presented<'_>,
    by: RotateBy<'_>,
    now: Timestamp,
) -> Result<Option<Grant>, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM grants WHERE tenant_id = $1 AND id = $2 AND generation = $3 AND previous_salt = $4 AND client_id = $5 \
           AND state = 'active' AND expires_at > $6 AND rotated_at > $7 AND (NOT $8 OR rotated_ip = $9) \
           AND (confirmation IS NULL OR confirmation = $10)",
        live!("$6")
    );
    on!(db, |conn| {
        sqlx::query_as(SQL)
            .bind(tenant)
            .bind(token.id)
            .bind(token.generation + 1)
            .bind(token.salt)
            .bind(token.client_id)
            .bind(now)
            .bind(now.plus_seconds(-by.retry_seconds))
            .bind(by.same_address)
            .bind(by.ip)
            .bind(by.confirmation)
            .fetch_optional(conn)
    })
}

/// Puts a rotation or redemption back whose audit record could not be written: no token left the process, so the same
/// code or token works again. `false` when the row has moved on meanwhile (revoked, say), which is left as it is.
pub async fn put_back(db: impl Into<Db<'_>>, done: &Grant, before: &Presented<'_>) -> Result<bool, Fault> {
    const ROTATION: &str = "UPDATE grants SET generation = $5, salt = $6, previous_salt = NULL
        WHERE tenant_id = $1 AND id = $2 AND generation = $3 AND salt = $4 AND state = 'active'";
    const CODE: &str =
        "UPDATE grants SET state = 'pending', generation = $5, salt = $6, previous_salt = NULL,
          rotated_at = NULL, rotated_ip = NULL
        WHERE tenant_id = $1 AND id = $2 AND generation = $3 AND salt = $4 AND state = 'active'";
    let sql = if before.generation == 0 { CODE } else { ROTATION };
    Ok(changed!(
        db,
        sqlx::query(sql)
            .bind(done.tenant_id)
            .bind(done.id)
            .bind(done.generation)
            .bind(&done.salt)
            .bind(before.generation)
            .bind(before.salt)
    )? == 1)
}

/// The row, whatever its state.
pub async fn find(db: impl Into<Db<'_>>, tenant: TenantId, id: GrantId) -> Result<Option<Grant>, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM grants WHERE tenant_id = $1 AND id = $2"
    );
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(id)
        .fetch_optional(conn))
}

/// The row if it is active and all that it rests on still stands: for the admin API and for refresh tokens.
pub async fn find_live(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    id: GrantId,
    now: Timestamp,
) -> Result<Option<Grant>, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM grants WHERE tenant_id = $1 AND id = $2 AND state = 'active' AND expires_at > $3",
        live!("$3")
    );
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(id)
        .bind(now)
        .fetch_optional(conn))
}

/// The same for one access token of the family, which may have been revoked by itself: for introspection and UserInfo.
pub async fn find_live_for_token(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    id: GrantId,
    jti: &str,
    now: Timestamp,
) -> Result<Option<Grant>, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM grants WHERE tenant_id = $1 AND id = $2 AND state = 'active' AND expires_at > $3 \
           AND NOT EXISTS (SELECT 1 FROM revoked_tokens WHERE revoked_tokens.tenant_id = grants.tenant_id \
             AND revoked_tokens.jti = $4)",
        live!("$3")
    );
    on!(db, |conn| sqlx::query_as(SQL)
        .bind(tenant)
        .bind(id)
        .bind(now)
        .bind(jti)
        .fetch_optional(conn))
}

/// Ends a family. `false` when it was over already.
pub async fn revoke(
    tx: &mut Tx,
    tenant: TenantId,
    id: GrantId,
    reason: &str,
    now: Timestamp,
) -> Result<bool, Fault> {
    const SQL: &str = "UPDATE grants SET state = 'revoked', revoked_at = $3, revoke_reason = $4
        WHERE tenant_id = $1 AND id = $2 AND state <> 'revoked'";
    Ok(changed!(tx, sqlx::query(SQL).bind(tenant).bind(id).bind(now).bind(reason))? == 1)
}

/// A position in a list that is newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    /// When the last one shown was granted.
    pub created_at: Timestamp,
    /// Its id.
    pub id: GrantId,
}

/// Live families of a user or a client or both, newest first.
pub async fn list_live(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    user: Option<UserId>,
    client: Option<&ClientId>,
    after: Option<After>,
    limit: i64,
    now: Timestamp,
) -> Result<Vec<Grant>, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM grants WHERE tenant_id = $1 AND (user_id = $2 OR $2 IS NULL) AND (client_id = $3 OR $3 IS NULL) \
           AND (created_at < $4 OR (created_at = $4 AND id < $5)) AND state = 'active' AND expires_at > $6",
        live!("$6"),
        "ORDER BY created_at DESC, id DESC LIMIT $7"
    );
    let after = after.unwrap_or(After {
        created_at: Timestamp::from_seconds(253_402_300_799),
        id: GrantId(uuid::Uuid::max()),
    });
    on!(db, |conn| {
        sqlx::query_as(SQL)
            .bind(tenant)
            .bind(user)
            .bind(client)
            .bind(after.created_at)
            .bind(after.id)
            .bind(now)
            .bind(limit)
            .fetch_all(conn)
    })
}

/// Clients that still hold something from this session, also in families that are over: those to tell about a logout.
pub async fn clients_of_session(
    db: impl Into<Db<'_>>,
    tenant: TenantId,
    session: SessionId,
) -> Result<Vec<ClientId>, Fault> {
    const SQL: &str = "SELECT DISTINCT client_id FROM grants WHERE tenant_id = $1 AND session_id = $2";
    on!(db, |conn| sqlx::query_scalar(SQL)
        .bind(tenant)
        .bind(session)
        .fetch_all(conn))
}

/// Removes families that ended more than a day ago and whose session is over too; at most `limit` rows. Until then the
/// row is what a reuse is recognised by (R-REF-20) and what logout finds the relying parties with.
pub async fn purge(db: impl Into<Db<'_>>, now: Timestamp, limit: i64) -> Result<u64, Fault> {
    const SQL: &str = "DELETE FROM grants WHERE (tenant_id, id) IN (
        SELECT tenant_id, id FROM grants WHERE expires_at < $1
          AND NOT EXISTS (SELECT 1 FROM sessions WHERE sessions.tenant_id = grants.tenant_id
            AND sessions.id = grants.session_id AND sessions.ended_at IS NULL AND sessions.expires_at > $2)
        ORDER BY expires_at LIMIT $3)";
    changed!(
        db,
        sqlx::query(SQL)
            .bind(now.plus_seconds(-86_400))
            .bind(now)
            .bind(limit)
    )
}
