-- What is remembered of credentials, so that what is odd can be told: a few kilobytes of each.
CREATE TABLE credential_profiles (
    credential_id BLOB NOT NULL PRIMARY KEY,
    -- The begin of the last hour that is in it: an hour is taken once.
    through_hour INTEGER NOT NULL,
    profile TEXT NOT NULL CHECK (json_type(profile) = 'object')
) STRICT;
CREATE INDEX credential_profiles_through ON credential_profiles (through_hour);

-- How far anomalies have been looked for.
CREATE TABLE anomaly_watch (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    through_hour INTEGER,
    -- The addresses that try unknown tokens.
    guessers TEXT NOT NULL CHECK (json_type(guessers) = 'object')
) STRICT;
INSERT INTO anomaly_watch (id, through_hour, guessers) VALUES (1, NULL, '{"usual": [], "through": null}');
