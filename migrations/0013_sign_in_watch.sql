-- Failed sign-ins by account and place: which pairs have to wait, from which places many accounts are tried, and from where
-- an account's owner has signed in. An account is named by a keyed hash of what was typed, whether there is such an
-- account or not; a place is the hash of a network or of a device's cookie.
CREATE TABLE sign_in_watch (
    tenant_id   UUID        NOT NULL,
    account     BYTEA       NOT NULL,
    place       BYTEA       NOT NULL,
    failures    BIGINT      NOT NULL,
    failed_at   TIMESTAMPTZ,
    -- Until when the account is known to be used from the place.
    known_until TIMESTAMPTZ,
    expires_at  TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant_id, account, place)
);
CREATE INDEX sign_in_watch_account ON sign_in_watch (tenant_id, account, failed_at);
CREATE INDEX sign_in_watch_place ON sign_in_watch (place, failed_at);
CREATE INDEX sign_in_watch_failed ON sign_in_watch (tenant_id, failed_at);
CREATE INDEX sign_in_watch_known ON sign_in_watch (tenant_id, account, known_until) WHERE known_until IS NOT NULL;
CREATE INDEX sign_in_watch_expires ON sign_in_watch (expires_at);
