-- Pushed authorization requests (RFC 9126) lie beside those that are too long for a URL. NULL in all of these columns: the
-- row is one of the latter.
ALTER TABLE authorization_requests ADD COLUMN client_id TEXT;
-- Whose quota it counts in: the client's where it proved who it is, else the address's.
ALTER TABLE authorization_requests ADD COLUMN counted_for TEXT;
-- Until when it may be opened for the first time; after that only in the browser that opened it.
ALTER TABLE authorization_requests ADD COLUMN open_until TIMESTAMPTZ;
-- Hash of that browser's cookie.
ALTER TABLE authorization_requests ADD COLUMN opened_by BYTEA;
-- When its code was issued.
ALTER TABLE authorization_requests ADD COLUMN used_at TIMESTAMPTZ;
CREATE INDEX authorization_requests_quota ON authorization_requests (tenant_id, counted_for);
