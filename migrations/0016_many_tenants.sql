-- What is looked for over all tenants is found without reading the keys of each: at the start which master keys are needed,
-- every few seconds what is due.
CREATE INDEX signing_keys_master ON signing_keys (master_key_id);
CREATE INDEX purpose_keys_master ON purpose_keys (master_key_id);
CREATE INDEX signing_keys_expires ON signing_keys (expires_at, tenant_id);
CREATE INDEX signing_keys_activates ON signing_keys (activates_at, tenant_id);
CREATE INDEX signing_keys_activated ON signing_keys (activated_at, tenant_id, state) WHERE state = 'active';
CREATE INDEX signing_keys_current ON signing_keys (tenant_id, alg, state) WHERE state IN ('active', 'next');
CREATE INDEX purpose_keys_expires ON purpose_keys (expires_at, tenant_id);
CREATE INDEX purpose_keys_activated ON purpose_keys (activated_at, purpose, tenant_id, state) WHERE state = 'active';
