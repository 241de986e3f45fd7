-- A tenant that is being deleted is nobody's from this instant; its rows go in portions, its own last. Until then its
-- name is one that no tenant can have, so that a new one may take the former name at once.
ALTER TABLE tenants ADD COLUMN deleted_at TIMESTAMPTZ;
CREATE INDEX tenants_deleted ON tenants (deleted_at) WHERE deleted_at IS NOT NULL;
-- Lists are newest first.
CREATE INDEX tenants_newest ON tenants (created_at, id);
