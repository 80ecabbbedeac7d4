-- Where credentials were found that should be nowhere. A place is kept once.
CREATE TABLE leaks (
    credential_id UUID NOT NULL,
    place_hash BYTEA NOT NULL CHECK (octet_length(place_hash) = 32),
    -- 'service' or 'personal'
    credential_kind TEXT NOT NULL,
    -- NULL: of the platform.
    publisher_id UUID,
    found_in TEXT NOT NULL,
    -- 'report' or 'github'
    source TEXT NOT NULL,
    -- Whether this report ended it.
    revoked BOOLEAN NOT NULL,
    reported_by_type TEXT NOT NULL,
    reported_by_id UUID,
    reported_by_name TEXT NOT NULL,
    reported_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (credential_id, place_hash)
);
