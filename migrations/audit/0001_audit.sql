-- What is hashed is stored as it is hashed: text and bytes, no JSON type that an engine would rewrite.
CREATE TABLE audit_events (
    stream        UUID        NOT NULL,
    sequence      BIGINT      NOT NULL,
    id            UUID        NOT NULL UNIQUE,
    time          TIMESTAMPTZ NOT NULL,
    event_type    TEXT        NOT NULL,
    outcome       TEXT        NOT NULL,
    tenant_id     UUID        NOT NULL,
    client_id     TEXT,
    user_id       TEXT,
    ip            TEXT,
    user_agent    TEXT,
    request_id    TEXT,
    token_family  TEXT,
    metadata      TEXT        NOT NULL,
    previous_hash BYTEA       NOT NULL,
    hash          BYTEA       NOT NULL,
    PRIMARY KEY (stream, sequence)
);
CREATE INDEX audit_events_time ON audit_events (tenant_id, time, id);
CREATE INDEX audit_events_client ON audit_events (tenant_id, client_id, time, id);
CREATE INDEX audit_events_user ON audit_events (tenant_id, user_id, time, id);
CREATE INDEX audit_events_family ON audit_events (tenant_id, token_family, time, id);

-- One numbered, signed chain over the heads of all streams. `heads` is the JSON text that was signed. The public key
-- stands beside each signature, so that checking needs no secret; whether it is the right one is a matter of its
-- fingerprint.
CREATE TABLE audit_checkpoints (
    number        BIGINT      NOT NULL PRIMARY KEY,
    time          TIMESTAMPTZ NOT NULL,
    heads         TEXT        NOT NULL,
    previous_hash BYTEA       NOT NULL,
    hash          BYTEA       NOT NULL,
    key_id        TEXT        NOT NULL,
    public_key    BYTEA       NOT NULL,
    signature     BYTEA       NOT NULL
);
