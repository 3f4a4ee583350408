-- job_insert: the changing half of a new job.
--
-- ?1 seq (also its place), ?2 queue id, ?3 step, ?4 state, ?5 at (Unix ms or null), ?6 hash of the task's id
INSERT INTO job (seq, queue, step, state, pos, at, hash) VALUES (?1, ?2, ?3, ?4, ?1, ?5, ?6);
