-- What is remembered of credentials, so that what is odd can be told: a few kilobytes of each.
CREATE TABLE credential_profiles (
    credential_id UUID NOT NULL PRIMARY KEY,
    -- The begin of the last hour that is in it: an hour is taken once.
    through_hour TIMESTAMPTZ NOT NULL,
    profile JSONB NOT NULL CHECK (jsonb_typeof(profile) = 'object')
);
CREATE INDEX credential_profiles_through ON credential_profiles (through_hour);

-- How far anomalies have been looked for.
CREATE TABLE anomaly_watch (
    id SMALLINT NOT NULL PRIMARY KEY CHECK (id = 1),
    through_hour TIMESTAMPTZ,
    -- The addresses that try unknown tokens.
    guessers JSONB NOT NULL CHECK (jsonb_typeof(guessers) = 'object')
);
INSERT INTO anomaly_watch (id, through_hour, guessers) VALUES (1, NULL, '{"usual": [], "through": null}');
