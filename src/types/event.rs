//! What an audit record says.

use super::{Caller, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

macro_rules! event_types {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What happened. Closed: every type that is ever written stands here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum EventType {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl EventType {
            /// Every type.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The names of every one of them, in the same order.
            pub const NAMES: &[&'static str] = &[$($name,)*];

            /// The name in `event_type`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

event_types! {
    /// A client proved, or failed to prove, who it is.
    ClientAuthentication = "client_authentication",
    /// Tokens left the server by a grant other than refresh.
    TokenIssued = "token_issued",
    /// A refresh token was used, with or without success.
    TokenRefresh = "token_refresh",
    /// A refresh token came again after it had been rotated: theft.
    RefreshReuseDetected = "refresh_reuse_detected",
    /// An authorization code came again.
    CodeReuseDetected = "code_reuse_detected",
    /// A token was revoked.
    TokenRevoked = "token_revoked",
    /// A token family was ended.
    FamilyRevoked = "family_revoked",
    /// An authorization code was issued.
    AuthorizationGranted = "authorization_granted",
    /// A device asked for an authorization and got its codes.
    DeviceRequested = "device_requested",
    /// Somebody typed a user code that no device waits under.
    DeviceCodeEntered = "device_code_entered",
    /// A person agreed to what a device asked for.
    DeviceApproved = "device_approved",
    /// A person refused what a device asked for.
    DeviceDenied = "device_denied",
    /// A device code came from another client than its own.
    DeviceCodeMisused = "device_code_misused",
    /// An account fails to be signed in to from many networks.
    AccountAttacked = "account_attacked",
    /// Many accounts fail to be signed in to from one network.
    CredentialStuffingDetected = "credential_stuffing_detected",
    /// Many accounts of a tenant fail to be signed in to at once.
    PasswordSprayingDetected = "password_spraying_detected",
    /// Somebody signed in, or tried to.
    Login = "login",
    /// A session was ended by its user.
    Logout = "logout",
    /// A session was ended otherwise.
    SessionEnded = "session_ended",
    /// Consent was given or refused.
    Consent = "consent",
    /// Consent was withdrawn.
    ConsentWithdrawn = "consent_withdrawn",
    /// A caller lacked a scope.
    ScopeViolation = "scope_violation",
    /// A limit refused a request.
    RateLimited = "rate_limited",
    /// A caller was refused for another reason than a missing scope.
    AccessDenied = "access_denied",
    /// A client was registered.
    ClientCreated = "client_created",
    /// A client was changed.
    ClientUpdated = "client_updated",
    /// A client was deleted.
    ClientDeleted = "client_deleted",
    /// A client was disabled, and everything granted to it ended.
    ClientRevoked = "client_revoked",
    /// A client got a new secret.
    ClientSecretRotated = "client_secret_rotated",
    /// An initial access token was made.
    RegistrationTokenCreated = "registration_token_created",
    /// An initial access token was deleted.
    RegistrationTokenDeleted = "registration_token_deleted",
    /// Limits were changed while running.
    LimitsUpdated = "limits_updated",
    /// What somebody has used of limits was forgotten.
    LimitsReset = "limits_reset",
    /// An address gets less of its limits after a burst of refusals.
    LimitTightened = "limit_tightened",
    /// A plan was made.
    PlanCreated = "plan_created",
    /// A plan was changed.
    PlanUpdated = "plan_updated",
    /// A plan was deleted.
    PlanDeleted = "plan_deleted",
    /// A user was created.
    UserCreated = "user_created",
    /// A user was changed.
    UserUpdated = "user_updated",
    /// A user was deleted.
    UserDeleted = "user_deleted",
    /// A password was changed.
    UserPasswordChanged = "user_password_changed",
    /// All sessions and families of a user were ended.
    UserRevoked = "user_revoked",
    /// A tenant was made.
    TenantCreated = "tenant_created",
    /// A tenant was changed, enabled or disabled.
    TenantUpdated = "tenant_updated",
    /// A tenant was deleted.
    TenantDeleted = "tenant_deleted",
    /// Signing keys were rotated.
    KeyRotated = "key_rotated",
    /// A signing key was retired.
    KeyRetired = "key_retired",
    /// A compromised signing key was taken away.
    KeyRevoked = "key_revoked",
    /// Stored keys were wrapped anew.
    KeysResealed = "keys_resealed",
    /// The audit log was read or exported.
    AuditRead = "audit_read",
    /// The server made its first keys, client and user.
    Bootstrap = "bootstrap",
    /// The main database was restored from a backup, and what it brought back was ended.
    RestoreEnded = "restore_ended",
    /// The main database was restored from a backup, and what it brought back goes on.
    RestoreAccepted = "restore_accepted",
    /// The server started.
    ServerStarted = "server_started",
    /// The server stopped in order.
    ServerStopped = "server_stopped",
    /// A message to a receiver outside could not be delivered and is a dead letter.
    DeliveryFailed = "delivery_failed",
    /// A dead letter was sent on its way again.
    DeliveryRetried = "delivery_retried",
    /// A message to a receiver outside was removed.
    DeliveryDeleted = "delivery_deleted",
    /// An outgoing request to a forbidden address was refused.
    SsrfBlocked = "ssrf_blocked",
    /// Ordinary refusals that came while the log could not keep up, counted together.
    RefusalsCounted = "refusals_counted",
    /// The audit store could not be written for a while; `metadata` says since when and how many requests failed for it.
    AuditInterrupted = "audit_interrupted",
    /// An earlier record (`metadata.record`) reached the store although its request had been refused for want of it:
    /// what it tells was put back, and nothing left the server.
    RecordWithdrawn = "record_withdrawn",
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As the actor wanted.
    Success,
    /// Refused or failed.
    Failure,
}

impl Outcome {
    /// The name in `outcome`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
}

/// One audit record before it is chained. Never holds a password, token, secret, or personal data beyond opaque ids,
/// address and user agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The record's own id; writing the same id twice records it once.
    pub id: Uuid,
    /// When it happened.
    pub time: Timestamp,
    /// What happened.
    pub event_type: EventType,
    /// How it ended.
    pub outcome: Outcome,
    /// Whose it is.
    pub tenant: TenantId,
    /// The client concerned, also the one that a failed authentication claimed to be.
    pub client_id: Option<String>,
    /// The user concerned.
    pub user_id: Option<String>,
    /// The caller's address.
    pub ip: Option<String>,
    /// The caller's `User-Agent`.
    pub user_agent: Option<String>,
    /// The request's id.
    pub request_id: Option<String>,
    /// The token family concerned.
    pub token_family: Option<String>,
    /// Everything else: `method`, `failure_reason`, `generation`, `actor`, `changes`, …
    pub metadata: Map<String, Value>,
}

impl Event {
    /// A record with what every record has; the builder methods add the rest.
    pub fn new(id: Uuid, time: Timestamp, tenant: TenantId, event_type: EventType, outcome: Outcome) -> Self {
        Self {
            id,
            time,
            event_type,
            outcome,
            tenant,
            client_id: None,
            user_id: None,
            ip: None,
            user_agent: None,
            request_id: None,
            token_family: None,
            metadata: Map::new(),
        }
    }

    /// Says from where: address, user agent and request id.
    #[must_use]
    pub fn by(mut self, caller: &Caller) -> Self {
        if !caller.address.is_unspecified() {
            self.ip = Some(caller.address.to_string());
        }
        if !caller.user_agent.is_empty() {
            self.user_agent = Some(caller.user_agent.clone());
        }
        self.request_id = Some(caller.request_id.to_string());
        self
    }

    /// Names the client.
    #[must_use]
    pub fn client(mut self, client_id: impl ToString) -> Self {
        self.client_id = Some(client_id.to_string());
        self
    }

    /// Names the user.
    #[must_use]
    pub fn user(mut self, user_id: impl ToString) -> Self {
        self.user_id = Some(user_id.to_string());
        self
    }

    /// Names the token family.
    #[must_use]
    pub fn family(mut self, family: impl ToString) -> Self {
        self.token_family = Some(family.to_string());
        self
    }

    /// Says why it failed, in the fixed words of the code, not of a caller.
    #[must_use]
    pub fn because(self, reason: &str) -> Self {
        self.with("failure_reason", reason)
    }

    /// Adds a member to `metadata`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.metadata.insert(name.to_owned(), value.into());
        self
    }
}
