-- Failed sign-ins by account and network, both hashed: which pairs have to wait, which networks try many accounts, and
-- from where an account's owner has signed in.
CREATE TABLE sign_in_watch (
    tenant_id   UUID        NOT NULL,
    account     BYTEA       NOT NULL,
    network     BYTEA       NOT NULL,
    failures    BIGINT      NOT NULL,
    failed_at   TIMESTAMPTZ,
    -- Until when the network is one that the account is used from.
    known_until TIMESTAMPTZ,
    expires_at  TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant_id, account, network)
);
CREATE INDEX sign_in_watch_network ON sign_in_watch (tenant_id, network, failed_at);
CREATE INDEX sign_in_watch_failed ON sign_in_watch (tenant_id, failed_at);
CREATE INDEX sign_in_watch_expires ON sign_in_watch (expires_at);
