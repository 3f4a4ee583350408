-- page_scheduled: scheduled jobs of a queue, next due first.
--
-- ?1 queue id, ?2 due (Unix ms), ?3 place: only what comes after these two, ?4 how many at most
-- Returns the columns of a job
SELECT job.seq, ?1, step, state, suspect, pos, at, NULL, payload, NULL
FROM job INDEXED BY job_due JOIN body USING (seq)
WHERE state = 1 AND queue = ?1 AND (at, pos) > (?2, ?3) ORDER BY at, pos LIMIT ?4;
