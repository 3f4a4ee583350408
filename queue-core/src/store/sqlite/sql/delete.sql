-- delete: removes a job that is still in the state it was seen in.
--
-- ?1 seq, ?2 state
-- Returns queue id, step, suspect
DELETE FROM job WHERE seq = ?1 AND state = ?2 RETURNING queue, step, suspect;
