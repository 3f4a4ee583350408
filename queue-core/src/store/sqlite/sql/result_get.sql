-- result_get: the bytes stored under an id.
--
-- ?1 hash of the id, ?2 id, ?3 now (Unix ms)
SELECT meta FROM result WHERE hash = ?1 AND id = ?2 AND (expires IS NULL OR expires > ?3);
