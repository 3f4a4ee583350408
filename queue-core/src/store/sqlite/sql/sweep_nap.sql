-- sweep_nap: so much of the time since the last sweep is no part of any grace.
--
-- ?1 how much (ms)
UPDATE worker SET silent_since = silent_since + ?1 WHERE silent_since IS NOT NULL;
