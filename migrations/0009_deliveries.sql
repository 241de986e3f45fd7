-- Sessions that have ended and whose relying parties are still to be told. Written in the transaction that ends the
-- session; a job turns each into a delivery for every client. No foreign key: a deleted user's sessions stand here too.
CREATE TABLE ended_sessions (
    tenant_id  UUID        NOT NULL REFERENCES tenants (id),
    session_id UUID        NOT NULL,
    user_id    UUID        NOT NULL,
    ended_at   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant_id, session_id)
);
CREATE INDEX ended_sessions_order ON ended_sessions (ended_at);

-- Sessions that run, by their absolute end: the job that ends them passes over those that have ended otherwise.
CREATE INDEX sessions_running ON sessions (expires_at) WHERE ended_at IS NULL;

-- Messages on their way to receivers outside. A delivered one is removed; one that could not be delivered stays for a while
-- as a dead letter.
CREATE TABLE deliveries (
    tenant_id    UUID        NOT NULL REFERENCES tenants (id),
    -- The same at every attempt, so that a receiver recognises a message that comes twice.
    id           UUID        NOT NULL,
    -- What the message is: says how it is made and where it goes.
    kind         TEXT        NOT NULL,
    -- Who gets it. Messages of one kind to one receiver share its bound.
    receiver     TEXT        NOT NULL,
    -- What the message is made from at each attempt: identifiers, no token and no personal data.
    payload      JSONB       NOT NULL,
    -- Attempts that were begun, and how many there may be.
    attempts     BIGINT      NOT NULL,
    max_attempts BIGINT      NOT NULL,
    -- When it may be taken: the next attempt, or while one is under way the end of its lease.
    due_at       TIMESTAMPTZ NOT NULL,
    -- The attempt under way.
    claim        UUID,
    -- The message is of no use later.
    expires_at   TIMESTAMPTZ NOT NULL,
    last_error   TEXT,
    dead_at      TIMESTAMPTZ,
    created_at   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX deliveries_due ON deliveries (tenant_id, kind, receiver, due_at) WHERE dead_at IS NULL;
CREATE INDEX deliveries_expiry ON deliveries (expires_at) WHERE dead_at IS NULL;
CREATE INDEX deliveries_dead ON deliveries (dead_at) WHERE dead_at IS NOT NULL;
