-- sweep_restart: the store was away, or the clock was set back; every grace begins anew.
--
-- ?1 now (Unix ms)
UPDATE worker SET silent_since = ?1 WHERE silent_since IS NOT NULL;
