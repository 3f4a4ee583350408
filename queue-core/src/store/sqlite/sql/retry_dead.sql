-- retry_dead: a dead letter goes to the back of its queue, its past forgotten.
--
-- ?1 seq, ?2 its place
-- Returns queue id, step; no row when it is dead no more
UPDATE job SET state = 0, at = NULL, pos = ?2, suspect = 0, deaths = 0, redelivered = 0 WHERE seq = ?1 AND state = 3
RETURNING queue, step;
