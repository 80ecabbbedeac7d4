-- Alerts, what somebody should look at; and what was told of credentials that end soon.

CREATE TABLE alerts (
    id UUID NOT NULL PRIMARY KEY,
    -- NULL: about the platform.
    publisher_id UUID,
    kind TEXT NOT NULL,
    -- 'low', 'medium', 'high' or 'critical'
    severity TEXT NOT NULL,
    subject_type TEXT NOT NULL,
    subject_id UUID,
    subject_name TEXT,
    summary TEXT NOT NULL,
    evidence JSONB NOT NULL CHECK (jsonb_typeof(evidence) = 'object'),
    -- Of all that notice one thing, at whatever time and on whatever node, one opens an alert.
    dedupe_key TEXT NOT NULL CONSTRAINT alerts_dedupe_key_key UNIQUE,
    opened_at TIMESTAMPTZ NOT NULL,
    acknowledged_at TIMESTAMPTZ,
    acknowledged_by_type TEXT,
    acknowledged_by_id UUID,
    acknowledged_by_name TEXT,
    resolved_at TIMESTAMPTZ,
    resolved_by_type TEXT,
    resolved_by_id UUID,
    resolved_by_name TEXT,
    resolved_reason TEXT,
    version BIGINT NOT NULL
);
CREATE INDEX alerts_opened ON alerts (opened_at, id);
CREATE INDEX alerts_publisher ON alerts (publisher_id, opened_at, id) WHERE publisher_id IS NOT NULL;
CREATE INDEX alerts_subject ON alerts (subject_id, opened_at, id) WHERE subject_id IS NOT NULL;
CREATE INDEX alerts_unresolved ON alerts (kind, opened_at, id) WHERE resolved_at IS NULL;
CREATE INDEX alerts_resolved ON alerts (resolved_at) WHERE resolved_at IS NOT NULL;

-- Which end was told, and at which threshold: the tightest so far. Whoever ends later than was told begins anew.
CREATE TABLE expiry_marks (
    credential_id UUID NOT NULL PRIMARY KEY,
    -- 'service' or 'personal'
    kind TEXT NOT NULL,
    threshold_days BIGINT NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    -- The alert that told it; many share one where they are dormant.
    alert_id UUID NOT NULL
);
CREATE INDEX expiry_marks_alert ON expiry_marks (alert_id);
