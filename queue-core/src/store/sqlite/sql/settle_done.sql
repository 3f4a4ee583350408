-- settle_done: removes a job, if its lease still stands.
--
-- ?1 seq, ?2 worker id
-- Returns queue id, step; no row when the lease was lost
DELETE FROM job WHERE seq = ?1 AND state = 2 AND owner = ?2 RETURNING queue, step;
