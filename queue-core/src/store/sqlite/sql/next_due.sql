-- next_due: when the next scheduled job of a queue is due.
--
-- ?1 queue id
-- Returns Unix ms, or no row
SELECT at FROM job INDEXED BY job_due WHERE state = 1 AND queue = ?1 ORDER BY at LIMIT 1;
