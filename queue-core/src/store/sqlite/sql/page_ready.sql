-- page_ready: ready jobs of a queue, next to be delivered first, within suspects or the rest.
--
-- ?1 queue id, ?2 0 or 1: suspects, ?3 step, ?4 place: only what comes after these two, ?5 how many at most
-- Returns the columns of a job
SELECT job.seq, ?1, step, state, suspect, pos, at, NULL, payload, NULL
FROM job INDEXED BY job_ready JOIN body USING (seq)
WHERE state = 0 AND queue = ?1 AND suspect = ?2 AND (step, pos) > (?3, ?4) ORDER BY step, pos LIMIT ?5;
