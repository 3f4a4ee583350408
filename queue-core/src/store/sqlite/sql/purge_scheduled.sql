-- purge_scheduled: a slice of the scheduled jobs of a queue that were there when the purge began.
--
-- ?1 queue id, ?2 the last seq then, ?3 how many at most
-- Returns seq
SELECT seq FROM job INDEXED BY job_due WHERE state = 1 AND queue = ?1 AND seq <= ?2 LIMIT ?3;
