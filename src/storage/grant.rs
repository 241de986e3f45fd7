//! A token family's row, and what can come of presenting one of its tokens. The statements are in `grants.rs`.

use crate::types::{ClientId, GrantId, Resource, ScopeSet, SessionId, TenantId, Timestamp, UserId};
use serde_json::{Map, Value};
use sqlx::types::Json;

/// Bytes of randomness in a code or refresh token.
pub const SALT_LENGTH: usize = 16;

/// A token family. `salt` and `generation` belong to the newest refresh token, or to the code while it is pending.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Grant {
    /// Whose it is.
    pub tenant_id: TenantId,
    /// The family's id; in access tokens the claim `gid`.
    pub id: GrantId,
    /// The client that was granted something.
    pub client_id: ClientId,
    /// Who granted it.
    pub user_id: UserId,
    /// The browser session in which it was granted; `None` for devices.
    pub session_id: Option<SessionId>,
    /// What was granted.
    pub scope: ScopeSet,
    /// For which resources (RFC 8707); empty means the issuer.
    pub resources: Json<Vec<Resource>>,
    /// The `claims` parameter (OIDC Core §5.5).
    pub claims: Json<Map<String, Value>>,
    /// The request's `nonce`.
    pub nonce: Option<String>,
    /// When the user signed in.
    pub auth_time: Timestamp,
    /// How strongly.
    pub acr: String,
    /// By which methods (RFC 8176).
    pub amr: Json<Vec<String>>,
    /// Where the code was sent.
    pub redirect_uri: String,
    /// Whether the authorization request named it.
    pub redirect_uri_sent: bool,
    /// S256 challenge of the request (RFC 7636).
    pub code_challenge: Option<String>,
    /// Thumbprint of the key that the tokens are bound to.
    pub confirmation: Option<String>,
    /// Whether it outlives its session (`offline_access`).
    pub offline: bool,
    /// The user's epoch when it was granted.
    pub user_epoch: i64,
    /// The client's epoch when it was granted.
    pub client_epoch: i64,
    /// The consent's epoch when it was granted; `None` where no consent was asked for.
    pub consent_epoch: Option<i64>,
    /// Where the family stands.
    pub state: GrantState,
    /// How often it was rotated; 0 while the code is out.
    pub generation: i64,
    /// Salt of the newest token.
    pub salt: Vec<u8>,
    /// Salt of the token before.
    pub previous_salt: Option<Vec<u8>>,
    /// When the newest token was made.
    pub rotated_at: Option<Timestamp>,
    /// The address that it was made for.
    pub rotated_ip: Option<String>,
    /// The code's end.
    pub code_expires_at: Timestamp,
    /// When it was granted.
    pub created_at: Timestamp,
    /// The family's end, which no rotation moves.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Why.
    pub revoke_reason: Option<String>,
}

/// Where a family stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum GrantState {
    /// The code is out.
    Pending,
    /// The code was redeemed.
    Active,
    /// Over.
    Revoked,
}

/// What a presented code or refresh token says, after its MAC was found right.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// The family.
    pub id: GrantId,
    /// The token's generation.
    pub generation: i64,
    /// The token's salt.
    pub salt: &'a [u8],
    /// The client that presents it.
    pub client_id: &'a ClientId,
}

/// What came of redeeming a code.
#[derive(Debug)]
pub enum Redemption {
    /// The code was good and is used now.
    Redeemed(Box<Grant>),
    /// Something that goes with the code was wrong (verifier, redirect URI): its family is to be revoked.
    Mismatch(Box<Grant>),
    /// Another client presented it: its family is to be revoked.
    Stolen(Box<Grant>),
    /// It was used before, a short while ago: its family is to be revoked.
    Replayed(Box<Grant>),
    /// Too old, or used before and long ago, or what it rests on was taken away, or from a lost timeline.
    Refused(&'static str, Option<Box<Grant>>),
}

/// What came of using a refresh token.
#[derive(Debug)]
pub enum Rotation {
    /// The token was the newest one; the row now has its successor's salt.
    Rotated(Box<Grant>),
    /// The token before the newest one, within the retry window: the same successor again.
    Repeated(Box<Grant>),
    /// Another client presented it: its family is to be revoked.
    Stolen(Box<Grant>),
    /// An older one: theft, its family is to be revoked.
    Replayed(Box<Grant>),
    /// Expired, revoked, or what it rests on was taken away, or from a lost timeline.
    Refused(&'static str, Option<Box<Grant>>),
}

/// How a rotation is to be done.
#[derive(Clone, Copy, Debug)]
pub struct RotateBy<'a> {
    /// Salt of the successor.
    pub new_salt: &'a [u8],
    /// The caller's address.
    pub ip: &'a str,
    /// The retry window; 0 for none.
    pub retry_seconds: i64,
    /// Whether a repeat has to come from the same address (public clients without a key of their own).
    pub same_address: bool,
    /// Whether the token itself stays (`refresh_token_rotation: false`).
    pub keep: bool,
    /// Thumbprint of the key that the request proved to have.
    pub confirmation: Option<&'a str>,
}

/// Why a refresh token did not rotate, by the row as it is now.
pub(super) fn classify(
    grant: Box<Grant>,
    token: Presented<'_>,
    by: RotateBy<'_>,
    now: Timestamp,
) -> Rotation {
    if grant.client_id != *token.client_id {
        return Rotation::Stolen(grant);
    }
    if token.generation > grant.generation {
        return Rotation::Refused("lost_timeline", Some(grant));
    }
    if token.generation == grant.generation && grant.salt != token.salt {
        return Rotation::Refused("lost_timeline", Some(grant));
    }
    // Absent after a rotation that was put back; then only the MAC says that the token was issued, which is enough.
    let previous = grant.previous_salt.as_deref();
    if token.generation + 1 == grant.generation && previous.is_some_and(|salt| salt != token.salt) {
        return Rotation::Refused("lost_timeline", Some(grant));
    }
    if token.generation < grant.generation {
        // R-REF-04: also after the token's own end, as long as the row is there.
        return Rotation::Replayed(grant);
    }
    let why = if grant.state == GrantState::Revoked {
        "revoked"
    } else if grant.expires_at <= now {
        "expired"
    } else if grant.confirmation.is_some() && grant.confirmation.as_deref() != by.confirmation {
        "wrong_key"
    } else {
        "no_longer_authorized"
    };
    Rotation::Refused(why, Some(grant))
}
