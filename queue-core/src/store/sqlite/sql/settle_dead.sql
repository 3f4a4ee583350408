-- settle_dead: keeps a job aside, if its lease still stands.
--
-- ?1 seq, ?2 worker id, ?3 now (Unix ms)
-- Returns queue id, step; no row when the lease was lost
UPDATE job SET state = 3, owner = NULL, suspect = 0, at = ?3 WHERE seq = ?1 AND state = 2 AND owner = ?2
RETURNING queue, step;
