-- When the owner of what an alert is about was written to; NULL until then. Those of before are not told late.
ALTER TABLE alerts ADD COLUMN owner_told_at INTEGER;
UPDATE alerts SET owner_told_at = opened_at;
CREATE INDEX alerts_untold ON alerts (opened_at, id) WHERE owner_told_at IS NULL;
