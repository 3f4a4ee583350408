-- give_back: a held job is ready again at its old place, without suspicion.
--
-- ?1 seq, ?2 worker id
-- Returns queue id, step; no row when the lease was lost
UPDATE job SET state = 0, owner = NULL, suspect = 0 WHERE seq = ?1 AND state = 2 AND owner = ?2 RETURNING queue, step;
