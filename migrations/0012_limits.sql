-- Limits that were changed while running: one row, read by every replica once a second.
CREATE TABLE limit_changes (
    id            BIGINT      NOT NULL PRIMARY KEY,
    -- By tier what is changed over the configuration.
    overrides     JSONB       NOT NULL,
    version       BIGINT      NOT NULL,
    -- Raised with every change of any plan.
    plans_version BIGINT      NOT NULL
);
INSERT INTO limit_changes (id, overrides, version, plans_version) VALUES (1, '{}', 1, 1);

-- What clients may be put on (member `plan`): limits and a monthly quota under a name.
CREATE TABLE plans (
    tenant_id  UUID        NOT NULL REFERENCES tenants (id),
    name       TEXT        NOT NULL,
    terms      JSONB       NOT NULL,
    version    BIGINT      NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant_id, name)
);
CREATE INDEX plans_created ON plans (tenant_id, created_at, name);

-- Requests of a client in a calendar month (UTC); `month` is year * 12 + month - 1.
CREATE TABLE quota_use (
    tenant_id UUID   NOT NULL,
    client_id TEXT   NOT NULL,
    month     BIGINT NOT NULL,
    used      BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, client_id, month)
);
CREATE INDEX quota_use_month ON quota_use (month);
