-- held_count: how many jobs a worker holds.
--
-- ?1 worker id
SELECT count(*) FROM job INDEXED BY job_held WHERE state = 2 AND owner = ?1;
