-- What a deployment keeps about people beyond the standard claims: attributes that are no personal data in clear, the
-- others as one sealed object, NULL where there are none.
ALTER TABLE users ADD COLUMN attributes JSONB NOT NULL DEFAULT '{}';
ALTER TABLE users ADD COLUMN sealed_attributes BYTEA;
