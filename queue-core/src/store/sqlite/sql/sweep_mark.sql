-- sweep_mark: workers whose lease ended are silent from now on.
--
-- ?1 now (Unix ms)
UPDATE worker SET silent_since = ?1 WHERE silent_since IS NULL AND lease_ends < ?1;
