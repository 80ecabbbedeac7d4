-- The decisions that caches elsewhere have made and reported, so that each is taken once.
CREATE TABLE reported_decisions (
    event_id BLOB NOT NULL PRIMARY KEY,
    reported_at INTEGER NOT NULL
) STRICT;
CREATE INDEX reported_decisions_reported ON reported_decisions (reported_at);
