-- due: the jobs of a queue whose time has come, the earliest first.
--
-- ?1 queue id, ?2 now (Unix ms), ?3 how many at most
-- Returns seq, step
SELECT seq, step FROM job INDEXED BY job_due WHERE state = 1 AND queue = ?1 AND at <= ?2 ORDER BY at, pos LIMIT ?3;
