-- Dynamic client registration (RFC 7591, RFC 7592).

-- A client that registered itself has the hash of its registration access token; one that an administrator made has none
-- of these columns.
ALTER TABLE clients ADD COLUMN registration_token_hash BYTEA;
-- The initial access token that it was registered with.
ALTER TABLE clients ADD COLUMN registered_with UUID;
-- What that token let it have at most, for as long as it lives.
ALTER TABLE clients ADD COLUMN registration_bounds JSONB;
-- The address, or network of addresses, that it was registered from without one.
ALTER TABLE clients ADD COLUMN registered_from TEXT;
-- When it last got a token, to within a day.
ALTER TABLE clients ADD COLUMN last_used_at TIMESTAMPTZ;
CREATE INDEX clients_registered ON clients (last_used_at) WHERE registration_token_hash IS NOT NULL;

-- Initial access tokens.
CREATE TABLE registration_tokens (
    tenant_id   UUID        NOT NULL REFERENCES tenants (id),
    id          UUID        NOT NULL,
    token_hash  BYTEA       NOT NULL,
    description TEXT,
    -- What clients that are registered with it may have at most.
    bounds      JSONB       NOT NULL,
    max_uses    BIGINT      NOT NULL,
    uses        BIGINT      NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL,
    expires_at  TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX registration_tokens_hash ON registration_tokens (tenant_id, token_hash);
CREATE INDEX registration_tokens_expires ON registration_tokens (expires_at);

-- When clients were deleted, for as long as a token of theirs can live: a client that is registered under the same
-- identifier must not inherit what was issued in the second of the deletion.
CREATE TABLE deleted_clients (
    tenant_id  UUID        NOT NULL,
    client_id  TEXT        NOT NULL,
    deleted_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant_id, client_id)
);
CREATE INDEX deleted_clients_deleted ON deleted_clients (deleted_at);
