-- What was taken over from other systems: how far, and which of their tokens became which of ours.

CREATE TABLE imports (
    -- Where it comes from, without a password.
    source TEXT NOT NULL PRIMARY KEY,
    -- Where the run that is under way began to read events, in the source's microseconds; NULL: the last one ended.
    run_from BIGINT,
    -- How far that run is.
    run_at BIGINT,
    -- From here on all events were taken, up to the last one that was.
    events_from BIGINT,
    events_at BIGINT,
    events_id UUID,
    started_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

-- It outlives the credential: what was revoked and removed here is not taken over again.
CREATE TABLE imported_tokens (
    source_id UUID NOT NULL PRIMARY KEY,
    credential_id UUID NOT NULL,
    -- As the source said last.
    is_active BOOLEAN NOT NULL,
    usage_count BIGINT NOT NULL
);
