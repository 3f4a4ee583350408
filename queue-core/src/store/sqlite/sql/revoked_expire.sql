-- revoked_expire: deletes a slice of the marks whose time is over.
--
-- ?1 now (Unix ms), ?2 how many at most
DELETE FROM revoked WHERE id IN (SELECT id FROM revoked WHERE until <= ?1 ORDER BY until LIMIT ?2);
