-- What devices asked for (RFC 8628), until a person has answered and the device has its tokens or gave up.
CREATE TABLE device_requests (
    tenant_id   UUID        NOT NULL,
    -- SHA-256 of the device code, and HMAC of the user code: neither can be read here, and the short one not be guessed.
    handle_hash BYTEA       NOT NULL,
    user_code   BYTEA       NOT NULL,
    client_id   TEXT        NOT NULL,
    scope       TEXT        NOT NULL,
    resources   JSONB       NOT NULL,
    -- From where it was asked, which the page shows; an address counts with its network, as everywhere.
    ip          TEXT        NOT NULL,
    network     TEXT        NOT NULL,
    user_agent  TEXT        NOT NULL,
    state       TEXT        NOT NULL,
    -- Seconds between polls; raised by five with each that comes too early.
    interval_s  BIGINT      NOT NULL,
    polls       BIGINT      NOT NULL,
    -- When the next poll may come, in microseconds since 1970: the one time here that is calculated with in SQL.
    next_poll   BIGINT      NOT NULL,
    -- Whether the latest poll came before its time.
    early       BOOLEAN     NOT NULL,
    -- The token family, once a person has agreed.
    grant_id    UUID,
    created_at  TIMESTAMPTZ NOT NULL,
    expires_at  TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant_id, handle_hash)
);
CREATE UNIQUE INDEX device_requests_user_code ON device_requests (tenant_id, user_code);
CREATE INDEX device_requests_client ON device_requests (tenant_id, client_id, expires_at);
CREATE INDEX device_requests_network ON device_requests (tenant_id, network, expires_at);
CREATE INDEX device_requests_expires ON device_requests (expires_at);
