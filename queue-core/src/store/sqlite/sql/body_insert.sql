-- body_insert: the lasting half of a new job.
--
-- ?1 seq, ?2 task id, ?3 task name, ?4 payload
INSERT INTO body (seq, id, task, payload) VALUES (?1, ?2, ?3, ?4);
