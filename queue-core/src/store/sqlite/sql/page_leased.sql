-- page_leased: leased jobs of a queue, by worker. Reads what all workers hold, which is little.
--
-- ?1 queue id, ?2 worker id, ?3 seq: only what comes after these two, ?4 how many at most
-- Returns the columns of a job, pos being the worker's id
SELECT job.seq, ?1, step, state, suspect, owner, at,
  (SELECT incarnation FROM worker WHERE id = owner), payload, NULL
FROM job INDEXED BY job_held JOIN body USING (seq)
WHERE state = 2 AND queue = ?1 AND (owner, job.seq) > (?2, ?3) ORDER BY owner, job.seq LIMIT ?4;
