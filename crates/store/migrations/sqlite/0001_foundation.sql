-- Times are whole microseconds since 1970 (UTC), written by Keywright; ids are UUIDv7 in 16 bytes.
-- There are no foreign keys: records outlive what they speak of.

-- A binary whose newest migration is older than min_compatible_version refuses this schema.
CREATE TABLE schema_compatibility (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    min_compatible_version INTEGER NOT NULL
) STRICT;
INSERT INTO schema_compatibility (id, min_compatible_version) VALUES (1, 1);

-- A credential keeps the epoch of its mint and is revoked as soon as the platform's is higher.
CREATE TABLE platform (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    service_epoch INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
INSERT INTO platform (id, service_epoch, created_at) VALUES (1, 1, CAST(unixepoch('subsec') * 1000000 AS INTEGER));

CREATE TABLE service_tokens (
    id BLOB NOT NULL PRIMARY KEY,
    token_name TEXT NOT NULL,
    -- Lower case by Unicode's rules, so that searching is alike on both engines.
    name_folded TEXT NOT NULL,
    token_hash BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    token_hint TEXT NOT NULL,
    permissions TEXT NOT NULL CHECK (json_type(permissions) = 'array'),
    metadata TEXT NOT NULL CHECK (json_type(metadata) = 'object'),
    is_active INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    expires_at INTEGER,
    epoch INTEGER NOT NULL,
    rotated_from_id BLOB,
    superseded_by_id BLOB,
    superseded_at INTEGER,
    grace_expires_at INTEGER,
    revoked_at INTEGER,
    revoked_reason TEXT,
    created_by_type TEXT NOT NULL,
    created_by_id BLOB,
    created_by_name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT;
-- Names are unique among live siblings and free again once revoked.
CREATE UNIQUE INDEX service_tokens_live_name_key ON service_tokens (token_name) WHERE revoked_at IS NULL;
CREATE INDEX service_tokens_active_expires ON service_tokens (is_active, expires_at);
CREATE INDEX service_tokens_created ON service_tokens (created_at, id);
CREATE INDEX service_tokens_grace ON service_tokens (grace_expires_at) WHERE grace_expires_at IS NOT NULL;
CREATE INDEX service_tokens_expires ON service_tokens (expires_at) WHERE revoked_at IS NULL;
CREATE INDEX service_tokens_revoked ON service_tokens (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX service_tokens_epoch ON service_tokens (epoch) WHERE revoked_at IS NULL;

-- Apart from the tokens, so that counting never locks a credential.
CREATE TABLE credential_usage (
    credential_id BLOB NOT NULL PRIMARY KEY,
    usage_count INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE security_events (
    id BLOB NOT NULL PRIMARY KEY,
    seq INTEGER UNIQUE,
    key_id TEXT,
    mac BLOB,
    occurred_at INTEGER NOT NULL,
    type TEXT NOT NULL,
    actor_type TEXT NOT NULL,
    actor_id BLOB,
    actor_name TEXT NOT NULL,
    subject_type TEXT,
    subject_id BLOB,
    subject_name TEXT,
    publisher_id BLOB,
    ip_address TEXT,
    user_agent TEXT,
    request_id TEXT,
    reason TEXT,
    -- JSON, byte by byte as it was written: the MAC must not depend on how an engine prints JSON.
    before TEXT,
    after TEXT,
    details TEXT,
    node_id BLOB
) STRICT;
CREATE INDEX security_events_unsealed ON security_events (occurred_at, id) WHERE seq IS NULL;
CREATE INDEX security_events_occurred ON security_events (occurred_at, id);
CREATE INDEX security_events_actor ON security_events (actor_id, occurred_at, id);
CREATE INDEX security_events_subject ON security_events (subject_id, occurred_at, id);
CREATE INDEX security_events_type ON security_events (type, occurred_at, id);

-- The head of the chain: the number and the MAC of the row sealed last.
CREATE TABLE audit_chain (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL,
    mac BLOB NOT NULL,
    key_id TEXT,
    sealed_at INTEGER
) STRICT;
INSERT INTO audit_chain (id, seq, mac, key_id, sealed_at) VALUES (1, 0, x'', NULL, NULL);

CREATE TABLE authentication_events (
    occurred_at INTEGER NOT NULL,
    id BLOB NOT NULL,
    event_type TEXT NOT NULL,
    success INTEGER NOT NULL CHECK (success IN (0, 1)),
    code TEXT NOT NULL,
    -- More than 1 where a flood was only counted.
    occurrences INTEGER NOT NULL,
    credential_id BLOB,
    token_name TEXT,
    principal_type TEXT,
    principal_id BLOB,
    asked_by BLOB,
    publisher_id BLOB,
    user_email TEXT,
    ip_address TEXT,
    country TEXT,
    user_agent TEXT,
    method TEXT,
    endpoint TEXT,
    cloudflare_ray_id TEXT,
    request_id TEXT NOT NULL,
    latency_micros INTEGER NOT NULL,
    stale INTEGER NOT NULL CHECK (stale IN (0, 1)),
    error_details TEXT,
    node_id BLOB NOT NULL,
    PRIMARY KEY (occurred_at, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX authentication_events_credential ON authentication_events (credential_id, occurred_at);
CREATE INDEX authentication_events_failures ON authentication_events (occurred_at, id) WHERE NOT success;

-- Roll-ups of decisions, kept in the transaction that stores the events. credential_id is the nil UUID
-- for credentials that are not known, and the max UUID for all together. A latency column counts the
-- decisions up to the bound of the same number (keywright_core::usage::LATENCY_BOUNDS_MICROS).
CREATE TABLE usage_hourly (
    credential_id BLOB NOT NULL,
    hour INTEGER NOT NULL,
    endpoint_group TEXT NOT NULL,
    code TEXT NOT NULL,
    country TEXT NOT NULL,
    decisions INTEGER NOT NULL,
    latency_0 INTEGER NOT NULL,
    latency_1 INTEGER NOT NULL,
    latency_2 INTEGER NOT NULL,
    latency_3 INTEGER NOT NULL,
    latency_4 INTEGER NOT NULL,
    latency_5 INTEGER NOT NULL,
    latency_6 INTEGER NOT NULL,
    latency_7 INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (credential_id, hour, endpoint_group, code, country)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_hourly_hour ON usage_hourly (hour);
CREATE TABLE usage_daily (
    day INTEGER NOT NULL,
    credential_id BLOB NOT NULL,
    code TEXT NOT NULL,
    decisions INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (day, credential_id, code)
) STRICT, WITHOUT ROWID;
-- Where decisions were asked for from: at most so many labels for each credential, day and kind, the
-- rest under 'other'.
CREATE TABLE usage_sources (
    credential_id BLOB NOT NULL,
    day INTEGER NOT NULL,
    -- 'address' or 'user_agent'
    kind TEXT NOT NULL,
    label TEXT NOT NULL,
    decisions INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (credential_id, day, kind, label)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_sources_day ON usage_sources (day);
-- The endpoint groups of a credential; there are at most 200.
CREATE TABLE endpoint_groups (
    credential_id BLOB NOT NULL,
    endpoint_group TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    PRIMARY KEY (credential_id, endpoint_group)
) STRICT, WITHOUT ROWID;

-- Each directory of journal segments that a node has opened, until all that it holds is stored.
CREATE TABLE journals (
    id BLOB NOT NULL PRIMARY KEY,
    -- The boot that had it last, where it listened, and the directory there.
    node_id BLOB NOT NULL,
    address TEXT NOT NULL,
    dir TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    last_beat_at INTEGER NOT NULL,
    -- When it was left with nothing in it.
    closed_at INTEGER,
    -- When its silence was told.
    gap_at INTEGER
) STRICT, WITHOUT ROWID;

-- How far each segment of each node's journal has been stored.
CREATE TABLE journal_segments (
    id BLOB NOT NULL PRIMARY KEY,
    node_id BLOB NOT NULL,
    position INTEGER NOT NULL,
    last_event_at INTEGER
) STRICT, WITHOUT ROWID;

-- Records that could not be stored as events, as they stood in the journal.
CREATE TABLE journal_rejects (
    segment_id BLOB NOT NULL,
    start_position INTEGER NOT NULL,
    node_id BLOB NOT NULL,
    raw BLOB NOT NULL,
    reason TEXT NOT NULL,
    rejected_at INTEGER NOT NULL,
    PRIMARY KEY (segment_id, start_position)
) STRICT, WITHOUT ROWID;

CREATE TABLE nodes (
    id BLOB NOT NULL PRIMARY KEY,
    address TEXT NOT NULL,
    version TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    last_beat_at INTEGER NOT NULL,
    stopped_at INTEGER
) STRICT;

CREATE TABLE leases (
    name TEXT NOT NULL PRIMARY KEY,
    holder BLOB NOT NULL,
    fencing INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency_records (
    key_hash BLOB NOT NULL PRIMARY KEY,
    body_hash BLOB NOT NULL,
    actor_id BLOB,
    answer TEXT NOT NULL,
    sealed_secret BLOB,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX idempotency_records_created ON idempotency_records (created_at);
CREATE INDEX idempotency_records_secret ON idempotency_records (created_at) WHERE sealed_secret IS NOT NULL;
