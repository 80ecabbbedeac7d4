-- Where credentials were found that should be nowhere. A place is kept once.
CREATE TABLE leaks (
    credential_id BLOB NOT NULL,
    place_hash BLOB NOT NULL CHECK (length(place_hash) = 32),
    -- 'service' or 'personal'
    credential_kind TEXT NOT NULL,
    -- NULL: of the platform.
    publisher_id BLOB,
    found_in TEXT NOT NULL,
    -- 'report' or 'github'
    source TEXT NOT NULL,
    -- Whether this report ended it.
    revoked INTEGER NOT NULL CHECK (revoked IN (0, 1)),
    reported_by_type TEXT NOT NULL,
    reported_by_id BLOB,
    reported_by_name TEXT NOT NULL,
    reported_at INTEGER NOT NULL,
    PRIMARY KEY (credential_id, place_hash)
) STRICT, WITHOUT ROWID;
