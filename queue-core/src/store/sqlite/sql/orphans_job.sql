-- orphans_job: jobs, and what is wrong with each.
--
-- ?1 the first seq, ?2 how many
-- Returns seq, kind (null for none), why
SELECT job.seq, CASE
    WHEN queue.id IS NULL THEN 'unlisted-queue'
    WHEN body.seq IS NULL THEN 'torn'
    WHEN job.state = 3 AND dead.seq IS NULL THEN 'torn'
    WHEN job.state = 2 AND worker.id IS NULL THEN 'held-by-nobody'
  END, CASE
    WHEN queue.id IS NULL THEN 'its queue is not among the queues'
    WHEN body.seq IS NULL THEN 'a job without its message'
    WHEN job.state = 3 AND dead.seq IS NULL THEN 'a dead letter without its reason'
    ELSE 'leased to a worker that is not signed on'
  END
FROM job
LEFT JOIN queue ON queue.id = job.queue
LEFT JOIN body ON body.seq = job.seq
LEFT JOIN dead ON dead.seq = job.seq
LEFT JOIN worker ON worker.id = job.owner
WHERE job.seq >= ?1 ORDER BY job.seq LIMIT ?2;
