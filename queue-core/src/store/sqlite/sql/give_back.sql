-- give_back: a held job is ready again at its old place; a suspect stays one.
--
-- ?1 seq, ?2 worker id
-- Returns queue id, step, whether it is a suspect; no row when the lease was lost
UPDATE job SET state = 0, owner = NULL WHERE seq = ?1 AND state = 2 AND owner = ?2 RETURNING queue, step, suspect;
