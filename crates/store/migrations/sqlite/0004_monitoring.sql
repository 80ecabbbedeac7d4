-- Alerts, what somebody should look at; and what was told of credentials that end soon.

CREATE TABLE alerts (
    id BLOB NOT NULL PRIMARY KEY,
    -- NULL: about the platform.
    publisher_id BLOB,
    kind TEXT NOT NULL,
    -- 'low', 'medium', 'high' or 'critical'
    severity TEXT NOT NULL,
    subject_type TEXT NOT NULL,
    subject_id BLOB,
    subject_name TEXT,
    summary TEXT NOT NULL,
    evidence TEXT NOT NULL CHECK (json_type(evidence) = 'object'),
    -- Of all that notice one thing, at whatever time and on whatever node, one opens an alert.
    dedupe_key TEXT NOT NULL UNIQUE,
    opened_at INTEGER NOT NULL,
    acknowledged_at INTEGER,
    acknowledged_by_type TEXT,
    acknowledged_by_id BLOB,
    acknowledged_by_name TEXT,
    resolved_at INTEGER,
    resolved_by_type TEXT,
    resolved_by_id BLOB,
    resolved_by_name TEXT,
    resolved_reason TEXT,
    version INTEGER NOT NULL
) STRICT;
CREATE INDEX alerts_opened ON alerts (opened_at, id);
CREATE INDEX alerts_publisher ON alerts (publisher_id, opened_at, id) WHERE publisher_id IS NOT NULL;
CREATE INDEX alerts_subject ON alerts (subject_id, opened_at, id) WHERE subject_id IS NOT NULL;
CREATE INDEX alerts_unresolved ON alerts (kind, opened_at, id) WHERE resolved_at IS NULL;
CREATE INDEX alerts_resolved ON alerts (resolved_at) WHERE resolved_at IS NOT NULL;

-- Which end was told, and at which threshold: the tightest so far. Whoever ends later than was told begins anew.
CREATE TABLE expiry_marks (
    credential_id BLOB NOT NULL PRIMARY KEY,
    -- 'service' or 'personal'
    kind TEXT NOT NULL,
    threshold_days INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    -- The alert that told it; many share one where they are dormant.
    alert_id BLOB NOT NULL
) STRICT;
CREATE INDEX expiry_marks_alert ON expiry_marks (alert_id);
