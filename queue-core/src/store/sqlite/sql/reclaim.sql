-- reclaim: what a dead worker held is ready again, as suspects, at its old place.
--
-- ?1 worker id, ?2 seq of the only suspect it held, which dies once more; or null
UPDATE job SET state = 0, owner = NULL, suspect = 1, redelivered = 1, deaths = deaths + (seq IS ?2)
WHERE state = 2 AND owner = ?1;
