-- purge_ready: a slice of the ready jobs of a queue that were there when the purge began.
--
-- ?1 queue id, ?2 the last seq then, ?3 how many at most
-- Returns seq
SELECT seq FROM job INDEXED BY job_ready WHERE state = 0 AND queue = ?1 AND seq <= ?2 LIMIT ?3;
