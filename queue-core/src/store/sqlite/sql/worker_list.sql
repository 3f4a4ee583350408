-- worker_list: the workers that are signed on, and how many jobs each holds.
--
-- Returns incarnation, hostname, pid, concurrency, queues, started, lease_ends, held
SELECT incarnation, hostname, pid, concurrency, queues, started, lease_ends,
  (SELECT count(*) FROM job INDEXED BY job_held WHERE state = 2 AND owner = worker.id)
FROM worker ORDER BY hostname, id;
