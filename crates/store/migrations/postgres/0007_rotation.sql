-- Automated rotation: policies, the windows in which rotations begin, and the rotations themselves.

-- Up to which moment all decisions of this journal's node are stored; NULL: it has never said.
ALTER TABLE journals ADD COLUMN moved_through TIMESTAMPTZ;

CREATE TABLE maintenance_windows (
    id UUID NOT NULL PRIMARY KEY,
    -- NULL at platform level.
    publisher_id UUID,
    name TEXT NOT NULL,
    cron TEXT NOT NULL,
    duration_minutes BIGINT NOT NULL,
    time_zone TEXT NOT NULL,
    deleted_at TIMESTAMPTZ,
    created_by_type TEXT NOT NULL,
    created_by_id UUID,
    created_by_name TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    version BIGINT NOT NULL
);
CREATE UNIQUE INDEX maintenance_windows_platform_name_key ON maintenance_windows (name)
    WHERE publisher_id IS NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX maintenance_windows_live_name_key ON maintenance_windows (publisher_id, name) WHERE deleted_at IS NULL;
CREATE INDEX maintenance_windows_created ON maintenance_windows (created_at, id);

CREATE TABLE rotation_policies (
    id UUID NOT NULL PRIMARY KEY,
    -- 'service_token', 'service_account', 'publisher' or 'platform'
    level TEXT NOT NULL,
    -- What it is on: the first of a line of rotations, an account, a publisher; nil for the platform.
    subject_id UUID NOT NULL,
    -- The publisher that the subject belongs to; NULL at platform level.
    publisher_id UUID,
    terms JSONB NOT NULL CHECK (jsonb_typeof(terms) = 'object'),
    -- As in the terms, so that a window in use is known.
    maintenance_window_id UUID,
    -- What whoever decided where secrets go to could do themselves: no token that can do more is delivered.
    reach JSONB NOT NULL CHECK (jsonb_typeof(reach) = 'array'),
    -- What the delivery needs to be let in by the receiver.
    sealed_secret BYTEA,
    deleted_at TIMESTAMPTZ,
    created_by_type TEXT NOT NULL,
    created_by_id UUID,
    created_by_name TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    version BIGINT NOT NULL
);
CREATE UNIQUE INDEX rotation_policies_subject_key ON rotation_policies (subject_id) WHERE deleted_at IS NULL;
CREATE INDEX rotation_policies_created ON rotation_policies (created_at, id);
CREATE INDEX rotation_policies_window ON rotation_policies (maintenance_window_id) WHERE maintenance_window_id IS NOT NULL;

CREATE TABLE rotations (
    id UUID NOT NULL PRIMARY KEY,
    credential_id UUID NOT NULL,
    token_name TEXT NOT NULL,
    lineage_id UUID NOT NULL,
    successor_id UUID,
    publisher_id UUID,
    service_account_id UUID,
    -- The policy that says where the secret goes to.
    policy_id UUID NOT NULL,
    rule TEXT NOT NULL,
    state TEXT NOT NULL,
    delivery JSONB NOT NULL CHECK (jsonb_typeof(delivery) = 'object'),
    grace_seconds BIGINT NOT NULL,
    quiet_hours BIGINT NOT NULL,
    confirm_within_hours BIGINT NOT NULL,
    -- The new secret, until its delivery is settled.
    sealed_secret BYTEA,
    attempts BIGINT NOT NULL,
    next_attempt_at TIMESTAMPTZ NOT NULL,
    may_have_sent BOOLEAN NOT NULL,
    told_of_use BOOLEAN NOT NULL,
    last_answer TEXT,
    confirm_by TIMESTAMPTZ,
    delivered_at TIMESTAMPTZ,
    confirmed_at TIMESTAMPTZ,
    grace_expires_at TIMESTAMPTZ,
    closed_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    version BIGINT NOT NULL
) WITH (fillfactor = 70);
-- One at a time for each token.
CREATE UNIQUE INDEX rotations_credential_key ON rotations (credential_id) WHERE closed_at IS NULL;
CREATE INDEX rotations_open ON rotations (next_attempt_at, id) WHERE closed_at IS NULL;
CREATE INDEX rotations_ended ON rotations (credential_id, closed_at);
CREATE INDEX rotations_successor ON rotations (successor_id) WHERE successor_id IS NOT NULL;
CREATE INDEX rotations_created ON rotations (created_at, id);
CREATE INDEX rotations_publisher ON rotations (publisher_id, created_at, id) WHERE publisher_id IS NOT NULL;

-- What became of a rotation, by the version of it that the step made.
CREATE TABLE rotation_steps (
    rotation_id UUID NOT NULL,
    version BIGINT NOT NULL,
    kind TEXT NOT NULL,
    details TEXT,
    occurred_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (rotation_id, version)
);
