-- Ways by which alerts leave, subscriptions of events, and the deliveries of both.

CREATE TABLE notification_channels (
    id UUID NOT NULL PRIMARY KEY,
    -- NULL at platform level.
    publisher_id UUID,
    name TEXT NOT NULL,
    -- 'log', 'email', 'webhook', 'slack', 'teams' or 'discord'
    kind TEXT NOT NULL,
    -- Where it leads, without what is secret.
    destination_hint TEXT NOT NULL,
    -- Address, recipients and secret, sealed. NULL of a log, and once it is deleted.
    sealed BYTEA,
    minimum_severity TEXT NOT NULL,
    -- NULL: of all kinds.
    alert_kinds JSONB CHECK (jsonb_typeof(alert_kinds) = 'array'),
    -- At platform level: alerts of all publishers too.
    all_publishers BOOLEAN NOT NULL,
    -- 'off', 'hourly' or 'daily'
    digest TEXT NOT NULL,
    is_enabled BOOLEAN NOT NULL,
    deleted_at TIMESTAMPTZ,
    created_by_type TEXT NOT NULL,
    created_by_id UUID,
    created_by_name TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    version BIGINT NOT NULL
);
CREATE UNIQUE INDEX notification_channels_platform_name_key ON notification_channels (name)
    WHERE publisher_id IS NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX notification_channels_live_name_key ON notification_channels (publisher_id, name)
    WHERE deleted_at IS NULL;
CREATE INDEX notification_channels_created ON notification_channels (created_at, id);
CREATE INDEX notification_channels_publisher ON notification_channels (publisher_id, created_at, id);

CREATE TABLE event_subscriptions (
    id UUID NOT NULL PRIMARY KEY,
    -- NULL at platform level: events of all publishers.
    publisher_id UUID,
    name TEXT NOT NULL,
    destination_hint TEXT NOT NULL,
    -- Address and secret, sealed. NULL once it is deleted.
    sealed BYTEA,
    event_types JSONB NOT NULL CHECK (jsonb_typeof(event_types) = 'array'),
    is_enabled BOOLEAN NOT NULL,
    -- The place in the audit trail after which it hears of events.
    after_seq BIGINT NOT NULL,
    deleted_at TIMESTAMPTZ,
    created_by_type TEXT NOT NULL,
    created_by_id UUID,
    created_by_name TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    version BIGINT NOT NULL
);
CREATE UNIQUE INDEX event_subscriptions_platform_name_key ON event_subscriptions (name)
    WHERE publisher_id IS NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX event_subscriptions_live_name_key ON event_subscriptions (publisher_id, name)
    WHERE deleted_at IS NULL;
CREATE INDEX event_subscriptions_created ON event_subscriptions (created_at, id);
CREATE INDEX event_subscriptions_publisher ON event_subscriptions (publisher_id, created_at, id);

CREATE TABLE deliveries (
    id UUID NOT NULL PRIMARY KEY,
    -- A channel or a subscription.
    target_id UUID NOT NULL,
    -- Of all that would tell one thing to one target, one does.
    dedupe_key TEXT NOT NULL,
    event_type TEXT NOT NULL,
    -- NULL where it is about no alert.
    severity TEXT,
    alert_kind TEXT,
    -- What is told, as JSON; kept byte by byte.
    payload TEXT NOT NULL,
    -- Counts among the messages that a channel sends by themselves within an hour.
    immediate BOOLEAN NOT NULL,
    -- 'waiting', 'collecting', 'collected', 'delivered' or 'dead'
    state TEXT NOT NULL,
    -- The delivery that tells it, once it is collected.
    digest_id UUID,
    created_at TIMESTAMPTZ NOT NULL,
    next_attempt_at TIMESTAMPTZ NOT NULL,
    -- No attempt that fails after this is repeated.
    expires_at TIMESTAMPTZ NOT NULL,
    attempts BIGINT NOT NULL,
    status_code BIGINT,
    last_error TEXT,
    -- How the last answer began.
    answer TEXT,
    settled_at TIMESTAMPTZ,
    UNIQUE (target_id, dedupe_key)
);
CREATE INDEX deliveries_due ON deliveries (target_id, next_attempt_at, id) WHERE state = 'waiting';
CREATE INDEX deliveries_waiting ON deliveries (created_at) WHERE state = 'waiting';
CREATE INDEX deliveries_collecting ON deliveries (target_id, next_attempt_at, id) WHERE state = 'collecting';
CREATE INDEX deliveries_immediate ON deliveries (target_id, created_at) WHERE immediate;
CREATE INDEX deliveries_target ON deliveries (target_id, created_at, id);
CREATE INDEX deliveries_digest ON deliveries (digest_id) WHERE digest_id IS NOT NULL;
CREATE INDEX deliveries_settled ON deliveries (settled_at) WHERE settled_at IS NOT NULL;

-- Up to which place in the audit trail events were looked at for those who are to hear of them.
CREATE TABLE delivery_cursor (
    id SMALLINT NOT NULL PRIMARY KEY CHECK (id = 1),
    seq BIGINT NOT NULL
);
INSERT INTO delivery_cursor (id, seq) SELECT 1, seq FROM audit_chain WHERE id = 1;
