-- People, their sessions and what they granted.

CREATE TABLE users (
    tenant_id           UUID        NOT NULL REFERENCES tenants (id),
    id                  UUID        NOT NULL,
    -- In clear and searchable; NULL where the username is an e-mail address, which is sealed below.
    username            TEXT,
    enabled             BOOLEAN     NOT NULL,
    -- Grants and sessions copy it; raising it ends all of them.
    epoch               BIGINT      NOT NULL,
    password_hash       TEXT,
    password_changed_at TIMESTAMPTZ,
    password_temporary  BOOLEAN     NOT NULL,
    roles               JSONB       NOT NULL,
    -- Claims that are not personal data in the sense of docs/security.md, in clear.
    claims              JSONB       NOT NULL,
    -- Personal data: each value sealed by itself, NULL where absent.
    sealed_username     BYTEA,
    email               BYTEA,
    phone_number        BYTEA,
    address             BYTEA,
    birthdate           BYTEA,
    -- The data key that sealed them, so that those under an older key are found.
    sealed_with         TEXT        NOT NULL,
    email_verified      BOOLEAN     NOT NULL,
    phone_verified      BOOLEAN     NOT NULL,
    version             BIGINT      NOT NULL,
    created_at          TIMESTAMPTZ NOT NULL,
    updated_at          TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX users_created ON users (tenant_id, created_at, id);
CREATE INDEX users_sealed_with ON users (tenant_id, sealed_with);

-- Usernames and e-mail addresses share one name space: HMAC of the canonical form under the blind-index key. A new key
-- is introduced by filling a second unique column.
CREATE TABLE user_identifiers (
    tenant_id UUID  NOT NULL,
    blind     BYTEA NOT NULL,
    user_id   UUID  NOT NULL,
    PRIMARY KEY (tenant_id, blind),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX user_identifiers_user ON user_identifiers (tenant_id, user_id);

CREATE TABLE sessions (
    tenant_id    UUID        NOT NULL,
    id           UUID        NOT NULL,
    user_id      UUID        NOT NULL,
    user_epoch   BIGINT      NOT NULL,
    secret_hash  BYTEA       NOT NULL,
    auth_time    TIMESTAMPTZ NOT NULL,
    acr          TEXT        NOT NULL,
    amr          JSONB       NOT NULL,
    ip           TEXT        NOT NULL,
    user_agent   TEXT        NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL,
    last_seen_at TIMESTAMPTZ NOT NULL,
    expires_at   TIMESTAMPTZ NOT NULL,
    ended_at     TIMESTAMPTZ,
    end_reason   TEXT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX sessions_secret ON sessions (tenant_id, secret_hash);
CREATE INDEX sessions_user ON sessions (tenant_id, user_id, id);
CREATE INDEX sessions_expires ON sessions (expires_at);

-- What authorization requests asked of the user by themselves (prompt, max_age) and got, until it is used, once.
CREATE TABLE session_interactions (
    tenant_id  UUID NOT NULL,
    session_id UUID NOT NULL,
    request_id UUID NOT NULL,
    kind       TEXT NOT NULL,
    PRIMARY KEY (tenant_id, session_id, request_id, kind),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE consents (
    tenant_id    UUID        NOT NULL,
    user_id      UUID        NOT NULL,
    client_id    TEXT        NOT NULL,
    id           UUID        NOT NULL,
    scope        TEXT        NOT NULL,
    -- Grants copy it; withdrawal raises it.
    epoch        BIGINT      NOT NULL,
    granted_at   TIMESTAMPTZ NOT NULL,
    withdrawn_at TIMESTAMPTZ,
    PRIMARY KEY (tenant_id, user_id, client_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, client_id) REFERENCES clients (tenant_id, client_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX consents_id ON consents (tenant_id, id);

-- The token family: one row for everything that one authorization yields. Rotation touches no indexed column.
CREATE TABLE grants (
    tenant_id         UUID        NOT NULL,
    id                UUID        NOT NULL,
    client_id         TEXT        NOT NULL,
    user_id           UUID        NOT NULL,
    session_id        UUID,
    scope             TEXT        NOT NULL,
    resources         JSONB       NOT NULL,
    claims            JSONB       NOT NULL,
    nonce             TEXT,
    auth_time         TIMESTAMPTZ NOT NULL,
    acr               TEXT        NOT NULL,
    amr               JSONB       NOT NULL,
    redirect_uri      TEXT        NOT NULL,
    -- Whether the authorization request named it, so that the token request has to (RFC 6749 section 4.1.3).
    redirect_uri_sent BOOLEAN     NOT NULL,
    code_challenge    TEXT,
    -- Thumbprint of the key that the tokens are bound to (RFC 7800), NULL for bearer tokens.
    confirmation      TEXT,
    offline           BOOLEAN     NOT NULL,
    user_epoch        BIGINT      NOT NULL,
    client_epoch      BIGINT      NOT NULL,
    -- NULL where no consent was asked for.
    consent_epoch     BIGINT,
    state             TEXT        NOT NULL,
    generation        BIGINT      NOT NULL,
    salt              BYTEA       NOT NULL,
    previous_salt     BYTEA,
    rotated_at        TIMESTAMPTZ,
    rotated_ip        TEXT,
    code_expires_at   TIMESTAMPTZ NOT NULL,
    created_at        TIMESTAMPTZ NOT NULL,
    expires_at        TIMESTAMPTZ NOT NULL,
    revoked_at        TIMESTAMPTZ,
    revoke_reason     TEXT,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX grants_user ON grants (tenant_id, user_id, created_at);
CREATE INDEX grants_client ON grants (tenant_id, client_id, created_at);
CREATE INDEX grants_session ON grants (tenant_id, session_id);
CREATE INDEX grants_expires ON grants (expires_at);

-- Authorization requests that are too long for a URL, kept by the hash of their handle.
CREATE TABLE authorization_requests (
    tenant_id   UUID        NOT NULL,
    handle_hash BYTEA       NOT NULL,
    sealed      BYTEA       NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL,
    expires_at  TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant_id, handle_hash)
);
CREATE INDEX authorization_requests_expires ON authorization_requests (expires_at);
