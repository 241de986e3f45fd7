-- One text for both engines: PostgreSQL's type names, which SQLite takes with the affinity that storage/codec.rs
-- expects. NOT NULL wherever the Rust field is no Option: SQLite decodes NULL silently as zero.

-- The oldest release that still works on this schema; an older binary refuses to start.
CREATE TABLE schema_info (
    id             BIGINT NOT NULL PRIMARY KEY,
    oldest_release TEXT   NOT NULL
);
INSERT INTO schema_info (id, oldest_release) VALUES (1, '0.1.0');

CREATE TABLE tenants (
    id         UUID        NOT NULL PRIMARY KEY,
    name       TEXT        NOT NULL UNIQUE,
    enabled    BOOLEAN     NOT NULL,
    settings   JSONB       NOT NULL,
    version    BIGINT      NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

-- Keys that sign tokens. `next`, `active` and `retiring` are published; `retired` ones only check id_token_hints and
-- `revoked` ones nothing. `wrapped` is the private key as PKCS#8, sealed with the master key that `master_key_id` names,
-- with tenant, algorithm and kid as associated data; it is there only while the key signs or is going to.
CREATE TABLE signing_keys (
    tenant_id     UUID        NOT NULL REFERENCES tenants (id),
    kid           TEXT        NOT NULL,
    alg           TEXT        NOT NULL,
    state         TEXT        NOT NULL,
    public_jwk    JSONB       NOT NULL,
    wrapped       BYTEA,
    master_key_id TEXT,
    -- Since when it is published.
    created_at    TIMESTAMPTZ NOT NULL,
    -- When a `next` key becomes active, where somebody asked for it before its time.
    activates_at  TIMESTAMPTZ,
    activated_at  TIMESTAMPTZ,
    -- When it stopped signing.
    retired_at    TIMESTAMPTZ,
    -- When it leaves the present state: `retiring` the published set, `retired` and `revoked` the table.
    expires_at    TIMESTAMPTZ,
    PRIMARY KEY (tenant_id, kid)
);
-- What makes concurrent first starts and rotations agree on one key for each algorithm and state.
CREATE UNIQUE INDEX signing_keys_active ON signing_keys (tenant_id, alg) WHERE state = 'active';
CREATE UNIQUE INDEX signing_keys_next ON signing_keys (tenant_id, alg) WHERE state = 'next';

-- Random keys of the server itself (MAC, sealing, personal data, blind index, pairwise, audit signature).
CREATE TABLE purpose_keys (
    tenant_id     UUID        NOT NULL REFERENCES tenants (id),
    id            TEXT        NOT NULL,
    purpose       TEXT        NOT NULL,
    state         TEXT        NOT NULL,
    wrapped       BYTEA       NOT NULL,
    master_key_id TEXT        NOT NULL,
    created_at    TIMESTAMPTZ NOT NULL,
    activated_at  TIMESTAMPTZ,
    -- When a `retiring` key is removed.
    expires_at    TIMESTAMPTZ,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX purpose_keys_active ON purpose_keys (tenant_id, purpose) WHERE state = 'active';
CREATE UNIQUE INDEX purpose_keys_next ON purpose_keys (tenant_id, purpose) WHERE state = 'next';

CREATE TABLE clients (
    tenant_id                  UUID        NOT NULL REFERENCES tenants (id),
    client_id                  TEXT        NOT NULL,
    enabled                    BOOLEAN     NOT NULL,
    -- Grants copy it; raising it ends all that was granted before.
    epoch                      BIGINT      NOT NULL,
    -- Tokens without a grant that were issued before are inactive.
    tokens_valid_from          TIMESTAMPTZ NOT NULL,
    secret_hash                BYTEA,
    previous_secret_hash       BYTEA,
    previous_secret_expires_at TIMESTAMPTZ,
    metadata                   JSONB       NOT NULL,
    version                    BIGINT      NOT NULL,
    created_at                 TIMESTAMPTZ NOT NULL,
    updated_at                 TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant_id, client_id)
);
CREATE INDEX clients_created ON clients (tenant_id, created_at, client_id);

-- The resources that a client itself is (member `resource_identifiers`): one owner each.
CREATE TABLE client_resources (
    tenant_id UUID NOT NULL,
    resource  TEXT NOT NULL,
    client_id TEXT NOT NULL,
    PRIMARY KEY (tenant_id, resource),
    FOREIGN KEY (tenant_id, client_id) REFERENCES clients (tenant_id, client_id) ON DELETE CASCADE
);

-- Assertion identifiers that were used (RFC 7523 section 3, item 7), as SHA-256, until the assertion expires.
CREATE TABLE used_jtis (
    tenant_id  UUID        NOT NULL,
    client_id  TEXT        NOT NULL,
    jti_hash   BYTEA       NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant_id, client_id, jti_hash)
);
CREATE INDEX used_jtis_expires ON used_jtis (expires_at);

-- Single access tokens that were revoked (RFC 7009), until they expire.
CREATE TABLE revoked_tokens (
    tenant_id  UUID        NOT NULL,
    jti        TEXT        NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant_id, jti)
);
CREATE INDEX revoked_tokens_expires ON revoked_tokens (expires_at);

-- The sliding log of the authentication tier: the latest attempts of one key, changed by compare-and-set on `version`.
CREATE TABLE authentication_attempts (
    key_hash      BYTEA       NOT NULL PRIMARY KEY,
    attempts      JSONB       NOT NULL,
    version       BIGINT      NOT NULL,
    blocked_until TIMESTAMPTZ,
    expires_at    TIMESTAMPTZ NOT NULL
);
CREATE INDEX authentication_attempts_expires ON authentication_attempts (expires_at);
CREATE INDEX authentication_attempts_blocked ON authentication_attempts (blocked_until);

-- Audit events that were committed together with the change that they record, on their way to the audit store.
CREATE TABLE audit_outbox (
    id            UUID        NOT NULL PRIMARY KEY,
    tenant_id     UUID        NOT NULL,
    event         TEXT        NOT NULL,
    created_at    TIMESTAMPTZ NOT NULL,
    claimed_until TIMESTAMPTZ NOT NULL
);
CREATE INDEX audit_outbox_claim ON audit_outbox (claimed_until);

-- How far each audit stream had come, noted here so that a cut tail of the audit store is found. The stream of zeros is
-- the chain of checkpoints.
CREATE TABLE audit_heads (
    stream   UUID        NOT NULL PRIMARY KEY,
    sequence BIGINT      NOT NULL,
    hash     BYTEA       NOT NULL,
    noted_at TIMESTAMPTZ NOT NULL
);

-- The public keys that have signed audit checkpoints, from their first use.
CREATE TABLE audit_signers (
    id         TEXT        NOT NULL PRIMARY KEY,
    public_key BYTEA       NOT NULL,
    noted_at   TIMESTAMPTZ NOT NULL
);

