-- Automated rotation: policies, the windows in which rotations begin, and the rotations themselves.

-- Up to which moment all decisions of this journal's node are stored; NULL: it has never said.
ALTER TABLE journals ADD COLUMN moved_through INTEGER;

CREATE TABLE maintenance_windows (
    id BLOB NOT NULL PRIMARY KEY,
    -- NULL at platform level.
    publisher_id BLOB,
    name TEXT NOT NULL,
    cron TEXT NOT NULL,
    duration_minutes INTEGER NOT NULL,
    time_zone TEXT NOT NULL,
    deleted_at INTEGER,
    created_by_type TEXT NOT NULL,
    created_by_id BLOB,
    created_by_name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX maintenance_windows_platform_name_key ON maintenance_windows (name)
    WHERE publisher_id IS NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX maintenance_windows_live_name_key ON maintenance_windows (publisher_id, name) WHERE deleted_at IS NULL;
CREATE INDEX maintenance_windows_created ON maintenance_windows (created_at, id);

CREATE TABLE rotation_policies (
    id BLOB NOT NULL PRIMARY KEY,
    -- 'service_token', 'service_account', 'publisher' or 'platform'
    level TEXT NOT NULL,
    -- What it is on: the first of a line of rotations, an account, a publisher; nil for the platform.
    subject_id BLOB NOT NULL,
    -- The publisher that the subject belongs to; NULL at platform level.
    publisher_id BLOB,
    terms TEXT NOT NULL CHECK (json_type(terms) = 'object'),
    -- As in the terms, so that a window in use is known.
    maintenance_window_id BLOB,
    -- What whoever decided where secrets go to could do themselves: no token that can do more is delivered.
    reach TEXT NOT NULL CHECK (json_type(reach) = 'array'),
    -- What the delivery needs to be let in by the receiver.
    sealed_secret BLOB,
    deleted_at INTEGER,
    created_by_type TEXT NOT NULL,
    created_by_id BLOB,
    created_by_name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX rotation_policies_subject_key ON rotation_policies (subject_id) WHERE deleted_at IS NULL;
CREATE INDEX rotation_policies_created ON rotation_policies (created_at, id);
CREATE INDEX rotation_policies_window ON rotation_policies (maintenance_window_id) WHERE maintenance_window_id IS NOT NULL;

CREATE TABLE rotations (
    id BLOB NOT NULL PRIMARY KEY,
    credential_id BLOB NOT NULL,
    token_name TEXT NOT NULL,
    lineage_id BLOB NOT NULL,
    successor_id BLOB,
    publisher_id BLOB,
    service_account_id BLOB,
    -- The policy that says where the secret goes to.
    policy_id BLOB NOT NULL,
    rule TEXT NOT NULL,
    state TEXT NOT NULL,
    delivery TEXT NOT NULL CHECK (json_type(delivery) = 'object'),
    grace_seconds INTEGER NOT NULL,
    quiet_hours INTEGER NOT NULL,
    confirm_within_hours INTEGER NOT NULL,
    -- The new secret, until its delivery is settled.
    sealed_secret BLOB,
    attempts INTEGER NOT NULL,
    next_attempt_at INTEGER NOT NULL,
    may_have_sent INTEGER NOT NULL CHECK (may_have_sent IN (0, 1)),
    told_of_use INTEGER NOT NULL CHECK (told_of_use IN (0, 1)),
    last_answer TEXT,
    confirm_by INTEGER,
    delivered_at INTEGER,
    confirmed_at INTEGER,
    grace_expires_at INTEGER,
    closed_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT;
-- One at a time for each token.
CREATE UNIQUE INDEX rotations_credential_key ON rotations (credential_id) WHERE closed_at IS NULL;
CREATE INDEX rotations_open ON rotations (next_attempt_at, id) WHERE closed_at IS NULL;
CREATE INDEX rotations_ended ON rotations (credential_id, closed_at);
CREATE INDEX rotations_successor ON rotations (successor_id) WHERE successor_id IS NOT NULL;
CREATE INDEX rotations_created ON rotations (created_at, id);
CREATE INDEX rotations_publisher ON rotations (publisher_id, created_at, id) WHERE publisher_id IS NOT NULL;

-- What became of a rotation, by the version of it that the step made.
CREATE TABLE rotation_steps (
    rotation_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    kind TEXT NOT NULL,
    details TEXT,
    occurred_at INTEGER NOT NULL,
    PRIMARY KEY (rotation_id, version)
) STRICT;
