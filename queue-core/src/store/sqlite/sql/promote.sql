-- promote: a due job goes to the back of its queue.
--
-- ?1 seq, ?2 its place
UPDATE job SET state = 0, at = NULL, pos = ?2 WHERE seq = ?1 AND state = 1;
