-- oldest: the job that is next in one step of a queue.
--
-- ?1 queue id, ?2 0 or 1: suspects, ?3 step
-- Returns pos, seq
SELECT pos, seq FROM job INDEXED BY job_ready
WHERE state = 0 AND queue = ?1 AND suspect = ?2 AND step = ?3 ORDER BY pos LIMIT 1;
