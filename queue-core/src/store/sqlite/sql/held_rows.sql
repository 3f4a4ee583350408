-- held_rows: what a worker holds.
--
-- ?1 worker id
-- Returns seq, queue id, step, suspect
SELECT seq, queue, step, suspect FROM job INDEXED BY job_held WHERE state = 2 AND owner = ?1;
