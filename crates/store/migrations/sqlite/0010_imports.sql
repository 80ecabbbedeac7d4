-- What was taken over from other systems: how far, and which of their tokens became which of ours.

CREATE TABLE imports (
    -- Where it comes from, without a password.
    source TEXT NOT NULL PRIMARY KEY,
    -- Where the run that is under way began to read events, in the source's microseconds; NULL: the last one ended.
    run_from INTEGER,
    -- How far that run is.
    run_at INTEGER,
    -- From here on all events were taken, up to the last one that was.
    events_from INTEGER,
    events_at INTEGER,
    events_id BLOB,
    started_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- It outlives the credential: what was revoked and removed here is not taken over again.
CREATE TABLE imported_tokens (
    source_id BLOB NOT NULL PRIMARY KEY,
    credential_id BLOB NOT NULL,
    -- As the source said last.
    is_active INTEGER NOT NULL,
    usage_count INTEGER NOT NULL
) STRICT;
