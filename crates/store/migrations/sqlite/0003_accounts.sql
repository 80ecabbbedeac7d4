-- Service accounts, personal tokens, and the bounds of both: limits, networks, policies.

-- A binary that knows no accounts would accept the tokens of one that is disabled.
UPDATE schema_compatibility SET min_compatible_version = 3;

ALTER TABLE platform ADD COLUMN personal_epoch INTEGER NOT NULL DEFAULT 1;
ALTER TABLE publishers ADD COLUMN service_epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE publishers ADD COLUMN personal_epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN personal_epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE memberships ADD COLUMN personal_epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE membership_floors ADD COLUMN personal_epoch INTEGER NOT NULL DEFAULT 0;

CREATE TABLE service_accounts (
    id BLOB NOT NULL PRIMARY KEY,
    -- NULL at platform level.
    publisher_id BLOB,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    description TEXT NOT NULL,
    service_type TEXT NOT NULL,
    owner_email TEXT,
    scopes TEXT NOT NULL CHECK (json_type(scopes) = 'array'),
    rate_per_minute INTEGER,
    rate_per_hour INTEGER,
    ip_allowlist TEXT NOT NULL CHECK (json_type(ip_allowlist) = 'array'),
    metadata TEXT NOT NULL CHECK (json_type(metadata) = 'object'),
    -- A token that was minted under a lower number is revoked.
    epoch INTEGER NOT NULL,
    disabled_at INTEGER,
    disabled_reason TEXT,
    deleted_at INTEGER,
    created_by_type TEXT NOT NULL,
    created_by_id BLOB,
    created_by_name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX service_accounts_platform_name_key ON service_accounts (name)
    WHERE publisher_id IS NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX service_accounts_live_name_key ON service_accounts (publisher_id, name) WHERE deleted_at IS NULL;
CREATE INDEX service_accounts_created ON service_accounts (created_at, id);
CREATE INDEX service_accounts_publisher ON service_accounts (publisher_id, created_at, id);

-- NULL of a token that stands alone; the publisher is the account's.
ALTER TABLE service_tokens ADD COLUMN service_account_id BLOB;
ALTER TABLE service_tokens ADD COLUMN publisher_id BLOB;
ALTER TABLE service_tokens ADD COLUMN rate_per_minute INTEGER;
ALTER TABLE service_tokens ADD COLUMN rate_per_hour INTEGER;
ALTER TABLE service_tokens ADD COLUMN ip_allowlist TEXT NOT NULL DEFAULT '[]' CHECK (json_type(ip_allowlist) = 'array');
-- The first of a line of rotations, whose budgets the others share; NULL: itself.
ALTER TABLE service_tokens ADD COLUMN lineage_id BLOB;
-- Siblings are the tokens of one account, and those that stand alone.
DROP INDEX service_tokens_live_name_key;
CREATE UNIQUE INDEX service_tokens_live_name_key ON service_tokens (token_name)
    WHERE revoked_at IS NULL AND service_account_id IS NULL;
CREATE UNIQUE INDEX service_tokens_account_name_key ON service_tokens (service_account_id, token_name)
    WHERE revoked_at IS NULL AND service_account_id IS NOT NULL;
CREATE INDEX service_tokens_account_epoch ON service_tokens (service_account_id, epoch)
    WHERE revoked_at IS NULL AND service_account_id IS NOT NULL;
CREATE INDEX service_tokens_account ON service_tokens (service_account_id, created_at, id)
    WHERE service_account_id IS NOT NULL;
CREATE INDEX service_tokens_publisher ON service_tokens (publisher_id, created_at, id) WHERE publisher_id IS NOT NULL;

CREATE TABLE personal_tokens (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    token_hash BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    token_hint TEXT NOT NULL,
    scopes TEXT NOT NULL CHECK (json_type(scopes) = 'array'),
    inherit_user_permissions INTEGER NOT NULL CHECK (inherit_user_permissions IN (0, 1)),
    -- NULL: all publishers of the user.
    publisher_ids TEXT CHECK (json_type(publisher_ids) = 'array'),
    -- Those whose administrators took the token out.
    excluded_publisher_ids TEXT NOT NULL CHECK (json_type(excluded_publisher_ids) = 'array'),
    -- The only one of them, where there is but one.
    home_publisher_id BLOB,
    rate_per_minute INTEGER,
    rate_per_hour INTEGER,
    ip_allowlist TEXT NOT NULL CHECK (json_type(ip_allowlist) = 'array'),
    is_active INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    expires_at INTEGER,
    epoch INTEGER NOT NULL,
    -- The first of a line of rotations: its budgets and its approvals are those of all.
    lineage_id BLOB NOT NULL,
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
CREATE UNIQUE INDEX personal_tokens_live_name_key ON personal_tokens (user_id, name) WHERE revoked_at IS NULL;
CREATE INDEX personal_tokens_user ON personal_tokens (user_id, created_at, id);
CREATE INDEX personal_tokens_expires ON personal_tokens (expires_at) WHERE revoked_at IS NULL;
CREATE INDEX personal_tokens_epoch ON personal_tokens (epoch) WHERE revoked_at IS NULL;

-- Where a publisher wants tokens approved before they are used within it.
CREATE TABLE personal_token_approvals (
    lineage_id BLOB NOT NULL,
    publisher_id BLOB NOT NULL,
    approved_by_type TEXT NOT NULL,
    approved_by_id BLOB,
    approved_by_name TEXT NOT NULL,
    approved_at INTEGER NOT NULL,
    PRIMARY KEY (lineage_id, publisher_id)
) STRICT;
