-- find: every job of a task, in any state. Asks each block of `job_hash` once.
--
-- ?1 hash of the id, ?2 task id
-- Returns the columns of a job
WITH RECURSIVE block(b) AS (
  SELECT (SELECT seq >> 13 FROM job INDEXED BY job_hash ORDER BY seq >> 13 LIMIT 1)
  UNION ALL
  SELECT (SELECT seq >> 13 FROM job INDEXED BY job_hash WHERE seq >> 13 > b ORDER BY seq >> 13 LIMIT 1)
  FROM block WHERE b IS NOT NULL
)
SELECT job.seq, queue, step, state, suspect, pos, at,
  (SELECT incarnation FROM worker WHERE worker.id = owner), payload,
  (SELECT letter FROM dead WHERE dead.seq = job.seq)
FROM block CROSS JOIN job INDEXED BY job_hash ON job.seq >> 13 = b AND job.hash = ?1 JOIN body USING (seq)
WHERE body.id = ?2;
