-- job_insert_first: the changing half of a new ready job that goes ahead of all others of its queue and step.
--
-- ?1 seq, ?2 queue id, ?3 step, ?4 hash of the task's id
INSERT INTO job (seq, queue, step, state, pos, hash) VALUES (?1, ?2, ?3, 0, -?1, ?4);
