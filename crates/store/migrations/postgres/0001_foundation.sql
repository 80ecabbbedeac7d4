-- Times are TIMESTAMPTZ, written by Keywright and never by the server; ids are UUIDv7.
-- There are no foreign keys: records outlive what they speak of.

-- A binary whose newest migration is older than min_compatible_version refuses this schema.
CREATE TABLE schema_compatibility (
    id SMALLINT NOT NULL PRIMARY KEY CHECK (id = 1),
    min_compatible_version BIGINT NOT NULL
);
INSERT INTO schema_compatibility (id, min_compatible_version) VALUES (1, 1);

-- A credential keeps the epoch of its mint and is revoked as soon as the platform's is higher.
CREATE TABLE platform (
    id SMALLINT NOT NULL PRIMARY KEY CHECK (id = 1),
    service_epoch BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
INSERT INTO platform (id, service_epoch, created_at) VALUES (1, 1, clock_timestamp());

CREATE TABLE service_tokens (
    id UUID NOT NULL PRIMARY KEY,
    token_name TEXT NOT NULL,
    -- Lower case by Unicode's rules, so that searching is alike on both engines.
    name_folded TEXT NOT NULL,
    token_hash BYTEA NOT NULL CONSTRAINT service_tokens_token_hash_key UNIQUE CHECK (octet_length(token_hash) = 32),
    token_hint TEXT NOT NULL,
    permissions JSONB NOT NULL CHECK (jsonb_typeof(permissions) = 'array'),
    metadata JSONB NOT NULL CHECK (jsonb_typeof(metadata) = 'object'),
    is_active BOOLEAN NOT NULL,
    expires_at TIMESTAMPTZ,
    epoch BIGINT NOT NULL,
    rotated_from_id UUID,
    superseded_by_id UUID,
    superseded_at TIMESTAMPTZ,
    grace_expires_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    revoked_reason TEXT,
    created_by_type TEXT NOT NULL,
    created_by_id UUID,
    created_by_name TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    version BIGINT NOT NULL
);
-- Names are unique among live siblings and free again once revoked.
CREATE UNIQUE INDEX service_tokens_live_name_key ON service_tokens (token_name) WHERE revoked_at IS NULL;
CREATE INDEX service_tokens_active_expires ON service_tokens (is_active, expires_at);
CREATE INDEX service_tokens_created ON service_tokens (created_at, id);
CREATE INDEX service_tokens_metadata ON service_tokens USING GIN (metadata jsonb_path_ops);
CREATE INDEX service_tokens_grace ON service_tokens (grace_expires_at) WHERE grace_expires_at IS NOT NULL;
CREATE INDEX service_tokens_expires ON service_tokens (expires_at) WHERE revoked_at IS NULL;
CREATE INDEX service_tokens_revoked ON service_tokens (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX service_tokens_epoch ON service_tokens (epoch) WHERE revoked_at IS NULL;

-- Apart from the tokens, so that counting never locks a credential.
CREATE TABLE credential_usage (
    credential_id UUID NOT NULL PRIMARY KEY,
    usage_count BIGINT NOT NULL,
    last_used_at TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE security_events (
    id UUID NOT NULL PRIMARY KEY,
    seq BIGINT CONSTRAINT security_events_seq_key UNIQUE,
    key_id TEXT,
    mac BYTEA,
    occurred_at TIMESTAMPTZ NOT NULL,
    type TEXT NOT NULL,
    actor_type TEXT NOT NULL,
    actor_id UUID,
    actor_name TEXT NOT NULL,
    subject_type TEXT,
    subject_id UUID,
    subject_name TEXT,
    publisher_id UUID,
    ip_address INET,
    user_agent TEXT,
    request_id TEXT,
    reason TEXT,
    -- JSON, byte by byte as it was written: the MAC must not depend on how an engine prints JSON.
    before TEXT,
    after TEXT,
    details TEXT,
    node_id UUID
);
CREATE INDEX security_events_unsealed ON security_events (occurred_at, id) WHERE seq IS NULL;
CREATE INDEX security_events_occurred ON security_events (occurred_at, id);
CREATE INDEX security_events_actor ON security_events (actor_id, occurred_at, id);
CREATE INDEX security_events_subject ON security_events (subject_id, occurred_at, id);
CREATE INDEX security_events_type ON security_events (type, occurred_at, id);

-- The head of the chain: the number and the MAC of the row sealed last.
CREATE TABLE audit_chain (
    id SMALLINT NOT NULL PRIMARY KEY CHECK (id = 1),
    seq BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    key_id TEXT,
    sealed_at TIMESTAMPTZ
);
INSERT INTO audit_chain (id, seq, mac, key_id, sealed_at) VALUES (1, 0, ''::BYTEA, NULL, NULL);

-- One partition for each month, made ahead; what falls into none is kept all the same.
CREATE TABLE authentication_events (
    occurred_at TIMESTAMPTZ NOT NULL,
    id UUID NOT NULL,
    event_type TEXT NOT NULL,
    success BOOLEAN NOT NULL,
    code TEXT NOT NULL,
    -- More than 1 where a flood was only counted.
    occurrences BIGINT NOT NULL,
    credential_id UUID,
    token_name TEXT,
    principal_type TEXT,
    principal_id UUID,
    asked_by UUID,
    publisher_id UUID,
    user_email TEXT,
    ip_address INET,
    country TEXT,
    user_agent TEXT,
    method TEXT,
    endpoint TEXT,
    cloudflare_ray_id TEXT,
    request_id TEXT NOT NULL,
    latency_micros BIGINT NOT NULL,
    stale BOOLEAN NOT NULL,
    error_details JSONB,
    node_id UUID NOT NULL,
    PRIMARY KEY (occurred_at, id)
) PARTITION BY RANGE (occurred_at);
CREATE TABLE authentication_events_default PARTITION OF authentication_events DEFAULT;
CREATE INDEX authentication_events_credential ON authentication_events (credential_id, occurred_at);
CREATE INDEX authentication_events_failures ON authentication_events (occurred_at, id) WHERE NOT success;

-- Roll-ups of decisions, kept in the transaction that stores the events. credential_id is the nil UUID
-- for credentials that are not known, and the max UUID for all together. A latency column counts the
-- decisions up to the bound of the same number (keywright_core::usage::LATENCY_BOUNDS_MICROS).
CREATE TABLE usage_hourly (
    credential_id UUID NOT NULL,
    hour TIMESTAMPTZ NOT NULL,
    endpoint_group TEXT NOT NULL,
    code TEXT NOT NULL,
    country TEXT NOT NULL,
    decisions BIGINT NOT NULL,
    latency_0 BIGINT NOT NULL,
    latency_1 BIGINT NOT NULL,
    latency_2 BIGINT NOT NULL,
    latency_3 BIGINT NOT NULL,
    latency_4 BIGINT NOT NULL,
    latency_5 BIGINT NOT NULL,
    latency_6 BIGINT NOT NULL,
    latency_7 BIGINT NOT NULL,
    first_at TIMESTAMPTZ NOT NULL,
    last_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (credential_id, hour, endpoint_group, code, country)
) WITH (fillfactor = 70);
CREATE INDEX usage_hourly_hour ON usage_hourly (hour);
CREATE TABLE usage_daily (
    day TIMESTAMPTZ NOT NULL,
    credential_id UUID NOT NULL,
    code TEXT NOT NULL,
    decisions BIGINT NOT NULL,
    last_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (day, credential_id, code)
) WITH (fillfactor = 70);
-- Where decisions were asked for from: at most so many labels for each credential, day and kind, the
-- rest under 'other'.
CREATE TABLE usage_sources (
    credential_id UUID NOT NULL,
    day TIMESTAMPTZ NOT NULL,
    -- 'address' or 'user_agent'
    kind TEXT NOT NULL,
    label TEXT NOT NULL,
    decisions BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    first_at TIMESTAMPTZ NOT NULL,
    last_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (credential_id, day, kind, label)
) WITH (fillfactor = 70);
CREATE INDEX usage_sources_day ON usage_sources (day);
-- The endpoint groups of a credential; there are at most 200.
CREATE TABLE endpoint_groups (
    credential_id UUID NOT NULL,
    endpoint_group TEXT NOT NULL,
    first_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (credential_id, endpoint_group)
);

-- Each directory of journal segments that a node has opened, until all that it holds is stored.
CREATE TABLE journals (
    id UUID NOT NULL PRIMARY KEY,
    -- The boot that had it last, where it listened, and the directory there.
    node_id UUID NOT NULL,
    address TEXT NOT NULL,
    dir TEXT NOT NULL,
    opened_at TIMESTAMPTZ NOT NULL,
    last_beat_at TIMESTAMPTZ NOT NULL,
    -- When it was left with nothing in it.
    closed_at TIMESTAMPTZ,
    -- When its silence was told.
    gap_at TIMESTAMPTZ
) WITH (fillfactor = 70);

-- How far each segment of each node's journal has been stored.
CREATE TABLE journal_segments (
    id UUID NOT NULL PRIMARY KEY,
    node_id UUID NOT NULL,
    position BIGINT NOT NULL,
    last_event_at TIMESTAMPTZ
);

-- Records that could not be stored as events, as they stood in the journal.
CREATE TABLE journal_rejects (
    segment_id UUID NOT NULL,
    start_position BIGINT NOT NULL,
    node_id UUID NOT NULL,
    raw BYTEA NOT NULL,
    reason TEXT NOT NULL,
    rejected_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (segment_id, start_position)
);

CREATE TABLE nodes (
    id UUID NOT NULL PRIMARY KEY,
    address TEXT NOT NULL,
    version TEXT NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    last_beat_at TIMESTAMPTZ NOT NULL,
    stopped_at TIMESTAMPTZ
) WITH (fillfactor = 70);

CREATE TABLE leases (
    name TEXT NOT NULL PRIMARY KEY,
    holder UUID NOT NULL,
    fencing BIGINT NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE idempotency_records (
    key_hash BYTEA NOT NULL PRIMARY KEY,
    body_hash BYTEA NOT NULL,
    actor_id UUID,
    answer TEXT NOT NULL,
    sealed_secret BYTEA,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX idempotency_records_created ON idempotency_records (created_at);
CREATE INDEX idempotency_records_secret ON idempotency_records (created_at) WHERE sealed_secret IS NOT NULL;
