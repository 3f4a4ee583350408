-- held_check: one row while a worker holds a job.
--
-- ?1 seq, ?2 worker id
SELECT 1 FROM job WHERE seq = ?1 AND state = 2 AND owner = ?2;
