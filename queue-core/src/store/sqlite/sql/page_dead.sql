-- page_dead: dead letters of a queue, newest first.
--
-- ?1 queue id, ?2 when it died (Unix ms), ?3 seq: only what comes before these two, ?4 how many at most
-- Returns the columns of a job
SELECT job.seq, ?1, step, state, suspect, pos, at, NULL, payload, (SELECT letter FROM dead WHERE dead.seq = job.seq)
FROM job INDEXED BY job_dead JOIN body USING (seq)
WHERE state = 3 AND queue = ?1 AND (at, job.seq) < (?2, ?3) ORDER BY at DESC, job.seq DESC LIMIT ?4;
