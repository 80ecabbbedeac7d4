-- Publishers, users, roles, sessions, signing keys, mail, and identities of other issuers.

-- Epochs: one counter gives the numbers. Whatever is revoked at once, the platform, a publisher, a user or
-- a membership, keeps the number that it was given then; a credential keeps the counter of its mint, and is
-- revoked when any reach that it lies in has a higher number.
ALTER TABLE platform ADD COLUMN epoch_counter INTEGER NOT NULL DEFAULT 1;
UPDATE platform SET epoch_counter = service_epoch;
ALTER TABLE platform ADD COLUMN session_epoch INTEGER NOT NULL DEFAULT 1;
-- Raised by each change of the signing keys.
ALTER TABLE platform ADD COLUMN keys_version INTEGER NOT NULL DEFAULT 1;
-- Since when an emergency refuses the tokens of other issuers.
ALTER TABLE platform ADD COLUMN external_refused_at INTEGER;
-- A binary that knows no counter would give numbers of its own.
UPDATE schema_compatibility SET min_compatible_version = 2;

CREATE TABLE publishers (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    settings TEXT NOT NULL CHECK (json_type(settings) = 'object'),
    suspended_at INTEGER,
    suspended_reason TEXT,
    deleted_at INTEGER,
    session_epoch INTEGER NOT NULL,
    external_refused_at INTEGER,
    created_by_type TEXT NOT NULL,
    created_by_id BLOB,
    created_by_name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX publishers_live_name_key ON publishers (name) WHERE deleted_at IS NULL;
CREATE INDEX publishers_created ON publishers (created_at, id);

CREATE TABLE roles (
    id BLOB NOT NULL PRIMARY KEY,
    publisher_id BLOB NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    -- The built-in role that it is; what that grants by itself is not in this row.
    built_in TEXT,
    permissions TEXT NOT NULL CHECK (json_type(permissions) = 'array'),
    deleted_at INTEGER,
    created_by_type TEXT NOT NULL,
    created_by_id BLOB,
    created_by_name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX roles_live_name_key ON roles (publisher_id, name) WHERE deleted_at IS NULL;
CREATE INDEX roles_created ON roles (publisher_id, created_at, id);

CREATE TABLE users (
    id BLOB NOT NULL PRIMARY KEY,
    email TEXT NOT NULL,
    -- Without case and in one normal form: two spellings of an address are one account.
    email_folded TEXT NOT NULL,
    email_verified_at INTEGER,
    display_name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    -- A PHC string of Argon2id; NULL until an invitation was accepted.
    password_hash TEXT,
    password_changed_at INTEGER,
    preferences TEXT NOT NULL CHECK (json_type(preferences) = 'object'),
    default_publisher_id BLOB,
    -- A role of the platform itself: 'platform_admin'.
    platform_role TEXT,
    disabled_at INTEGER,
    disabled_reason TEXT,
    deleted_at INTEGER,
    session_epoch INTEGER NOT NULL,
    external_refused_at INTEGER,
    last_login_at INTEGER,
    created_by_type TEXT NOT NULL,
    created_by_id BLOB,
    created_by_name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX users_live_email_key ON users (email_folded) WHERE deleted_at IS NULL;
CREATE INDEX users_created ON users (created_at, id);
CREATE INDEX users_platform_role ON users (platform_role) WHERE platform_role IS NOT NULL;

CREATE TABLE memberships (
    user_id BLOB NOT NULL,
    publisher_id BLOB NOT NULL,
    role_id BLOB NOT NULL,
    -- Below it a session is revoked within this publisher alone.
    session_epoch INTEGER NOT NULL,
    created_by_type TEXT NOT NULL,
    created_by_id BLOB,
    created_by_name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (user_id, publisher_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX memberships_publisher ON memberships (publisher_id, created_at, user_id);
CREATE INDEX memberships_role ON memberships (role_id);

-- What was revoked within a membership that ended stays revoked when the user comes back.
CREATE TABLE membership_floors (
    user_id BLOB NOT NULL,
    publisher_id BLOB NOT NULL,
    session_epoch INTEGER NOT NULL,
    PRIMARY KEY (user_id, publisher_id)
) STRICT;

CREATE TABLE sessions (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL,
    -- The publisher that it acts for now; NULL at platform level.
    publisher_id BLOB,
    -- The counter at the login.
    epoch INTEGER NOT NULL,
    ip_address TEXT,
    country TEXT,
    user_agent TEXT,
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    -- The end of the refresh token that is good now.
    idle_expires_at INTEGER NOT NULL,
    revoked_at INTEGER,
    revoked_reason TEXT
) STRICT;
CREATE INDEX sessions_user ON sessions (user_id, created_at, id);
CREATE INDEX sessions_expires ON sessions (expires_at);
CREATE INDEX sessions_epoch ON sessions (epoch) WHERE revoked_at IS NULL;

-- Each refresh token that was ever given in a session, so that the use of an old one is noticed.
CREATE TABLE refresh_tokens (
    token_hash BLOB NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    session_id BLOB NOT NULL,
    -- The one whose use made this one; NULL of the first.
    parent_hash BLOB,
    created_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);

CREATE TABLE signing_keys (
    id BLOB NOT NULL PRIMARY KEY,
    algorithm TEXT NOT NULL,
    public_jwk TEXT NOT NULL CHECK (json_valid(public_jwk)),
    -- The private half under the master key; NULL once it is never to sign again.
    sealed_key BLOB,
    created_at INTEGER NOT NULL,
    -- Published from its making on, and signing from here on.
    active_from INTEGER NOT NULL,
    -- Signs no more from here on.
    retired_at INTEGER,
    -- Published and accepted until here.
    accepted_until INTEGER,
    revoked_at INTEGER,
    revoked_reason TEXT
) STRICT;
CREATE INDEX signing_keys_created ON signing_keys (created_at, id);

-- Tokens that were sent by mail: each is for one purpose and is used once.
CREATE TABLE mailed_tokens (
    token_hash BLOB NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    -- 'invitation', 'password_reset', 'email_verification' or 'email_change'
    purpose TEXT NOT NULL,
    user_id BLOB NOT NULL,
    -- The address that it proves.
    email TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX mailed_tokens_user ON mailed_tokens (user_id, purpose);
CREATE INDEX mailed_tokens_expires ON mailed_tokens (expires_at);

-- What is to be delivered, written in the transaction that makes it due.
CREATE TABLE outbox (
    id BLOB NOT NULL PRIMARY KEY,
    -- 'mail'
    channel TEXT NOT NULL,
    -- Which template.
    template TEXT NOT NULL,
    user_id BLOB,
    -- Recipient and values, sealed: they hold links that work. NULL once it was delivered or given up.
    sealed BLOB,
    created_at INTEGER NOT NULL,
    next_attempt_at INTEGER NOT NULL,
    -- Of no use to anybody from here on.
    expires_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    last_error TEXT,
    delivered_at INTEGER,
    dead_at INTEGER
) STRICT;
CREATE INDEX outbox_due ON outbox (next_attempt_at, id) WHERE delivered_at IS NULL AND dead_at IS NULL;
CREATE INDEX outbox_created ON outbox (created_at, id);

-- Failed logins, by account and by network, each under a keyed hash.
CREATE TABLE login_throttles (
    key_hash BLOB NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL,
    began_at INTEGER NOT NULL,
    blocked_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX login_throttles_blocked ON login_throttles (blocked_until);

-- Networks from which a user has logged in: strangers cannot lock the user out there.
CREATE TABLE login_networks (
    user_id BLOB NOT NULL,
    network TEXT NOT NULL,
    first_seen_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, network)
) STRICT, WITHOUT ROWID;

-- Who an identity of another issuer is here, from its first use on.
CREATE TABLE external_identities (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX external_identities_user ON external_identities (user_id);

CREATE INDEX security_events_publisher ON security_events (publisher_id, occurred_at, id) WHERE publisher_id IS NOT NULL;
CREATE INDEX authentication_events_publisher ON authentication_events (publisher_id, occurred_at, id)
    WHERE publisher_id IS NOT NULL;
