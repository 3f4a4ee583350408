-- absolve: a held suspect is none any more.
--
-- ?1 seq, ?2 worker id
UPDATE job SET suspect = 0 WHERE seq = ?1 AND state = 2 AND owner = ?2;
